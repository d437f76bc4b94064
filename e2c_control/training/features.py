"""The encoder's features of a whole dataset, computed once, for phases that see no more of the images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e2c_control.data.store import FrameStore
from e2c_control.data.transitions import Transitions
from e2c_control.models.embedding import Embedding
from e2c_control.objectives.unrolled import Noise, Unrolled

MOST_BYTES = 256 << 20
"""Of a dataset's features; with more, each batch is encoded anew."""
CHUNK = 512


class Features(FrameStore):
    """Features (f,) in place of the frames of a dataset, each of the observation that its row is the newest frame of.

    They are those that the encoder has at the first batch, which is after a trainer has loaded its weights.

    Args:
        embedding: whose encoder stays as it is.
        transitions: the dataset.
        frames: its frames.
    """

    def __init__(self, embedding: Embedding, transitions: Transitions, frames: FrameStore) -> None:
        self._embedding, self._transitions, self._frames = embedding, transitions, frames
        self._all: Tensor | None = None

    def fit(self) -> bool:
        """Return whether they may be kept in memory."""
        one = self._embed(self._transitions.windows(0)[:1])
        return len(self._transitions.frames) * one.nbytes <= MOST_BYTES

    def gather(self, rows: Tensor) -> Tensor:
        """Return features (N, L, f) of rows (N, L)."""
        if self._all is None:
            starts = self._transitions.windows(0)
            self._all = torch.cat([self._embed(starts[i : i + CHUNK]) for i in range(0, len(starts), CHUNK)])
        return self._all[rows.to(self._all.device)]

    @torch.no_grad()
    def _embed(self, starts: NDArray[np.int64]) -> Tensor:
        stack = self._embedding.observation_shape[2] // self._transitions.card.frame_shape[2]
        frames = self._frames.gather(torch.from_numpy(self._transitions.window_rows(starts, 0, stack)))
        still = torch.zeros(len(starts), 0, self._embedding.action_dim)
        return Unrolled(self._embedding, frames, still, Noise(torch.Generator())).features[0]
