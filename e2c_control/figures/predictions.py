"""What an embedding sees and foresees, as a grid of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from e2c_control.data.sampler import Batch
from e2c_control.figures.canvas import INK, LARGE, Image, new_figure, show_pixels, to_image
from e2c_control.models.embedding import Embedding

GAP = 3
WIDTH, PLOT_WIDTH = 1000, 780


def predictions(embedding: Embedding, batch: Batch, *, count: int = 8, title: str = "") -> Image:
    """Draw inputs, reconstructions, and what comes after 1 and K steps beside what was predicted; 1000 pixels wide.

    Of a stack of frames the newest is shown. Predictions roll the mean latent forward.

    Args:
        embedding: with a trained decoder.
        batch: windows of K >= 1 steps.
        count: how many of them, one column each.
        title: over all.
    """
    return image_grid(image_rows(embedding, batch, count), title)


def image_grid(rows: Sequence[tuple[str, Image]], title: str = "") -> Image:
    """Draw named rows of images, each (count, H, W, C) uint8, 1000 pixels wide."""
    grid = np.concatenate([_below(_strip(images)) for _, images in rows])[:-GAP]
    height = round(PLOT_WIDTH * grid.shape[0] / grid.shape[1])
    margin = 56 if title else 10
    figure = new_figure(WIDTH, height + margin + 10, arrange=False, dpi=LARGE)
    figure.suptitle(title, fontsize=13, y=1.0 - 8 / (height + margin + 10), va="top")
    left, total = WIDTH - PLOT_WIDTH - 10, height + margin + 10
    axes = figure.add_axes((left / WIDTH, 10 / total, PLOT_WIDTH / WIDTH, height / total))
    show_pixels(axes, grid)
    spacing = (grid.shape[0] + GAP) / len(rows)
    axes.set_yticks([(i + 0.5) * spacing - GAP / 2 for i in range(len(rows))], [name for name, _ in rows])
    axes.set_xticks([])
    axes.tick_params(length=0, pad=8, labelsize=11, labelcolor=INK)
    axes.spines[:].set_visible(False)
    return to_image(figure)


@torch.inference_mode()
def image_rows(embedding: Embedding, batch: Batch, count: int) -> list[tuple[str, Image]]:
    """Named rows of images, each (count, H, W, C)."""
    frames, actions = batch.frames[:count], batch.actions[:count]
    steps = actions.shape[1]
    stack = frames.shape[1] - steps
    channels = frames.shape[-1]
    observation = torch.cat([frames[:, i] for i in range(stack)], dim=-1)
    latents = [embedding.encode(observation).mean]
    for t in range(steps):
        latents.append(embedding.transition.predict(latents[-1], actions[:, t]))

    def decoded(t: int) -> Image:
        image = torch.sigmoid(embedding.decode(latents[t]).float())[..., -channels:]
        return (255.0 * image).round().to(torch.uint8).cpu().numpy()

    def seen(t: int) -> Image:
        return frames[:, stack - 1 + t].cpu().numpy()

    rows = [("input", seen(0)), ("reconstructed", decoded(0)), ("1 step later", seen(1)), ("predicted", decoded(1))]
    if steps > 1:
        rows += [(f"{steps} steps later", seen(steps)), ("predicted", decoded(steps))]
    return rows


def _strip(images: Image) -> Image:
    """Return images (N, H, W, C) side by side with white gaps."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
    return np.concatenate(list(padded), axis=1)[:, :-GAP]


def _below(strip: Image) -> Image:
    return np.pad(strip, ((0, GAP), (0, 0), (0, 0)), constant_values=255)
