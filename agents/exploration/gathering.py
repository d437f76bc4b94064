"""Exploring in a run folder, in parts: each is a piece of the dataset, and then a checkpoint.

Environments cannot be saved. Every part resets them with a seed of the agent's seed and steps, so that an exploration
that was killed goes on from its last checkpoint to the bit, as it would have gone on by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback

from e2c_control.agents.exploration.recorder import Recorder
from e2c_control.agents.free_energy import FreeEnergyAgent
from e2c_control.data import Transitions
from e2c_control.data.card import NAME, DatasetCard, read_card
from e2c_control.data.shards import Shard, join_shards
from e2c_control.data.writer import TransitionsWriter, check_writable
from e2c_control.errors import InputError
from e2c_control.runs.atomic import remove, replace_text
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.session import Session


class _Empty(Exception):
    """Nothing was seen in a part: it is not kept."""


@dataclass(frozen=True)
class Gathering:
    """One exploration's parts of a dataset.

    Attributes:
        run: where it lives: parts/step-N holds what was seen from step N on, until all of it is joined in `out`.
        card: of the dataset.
        out: the dataset in the end.
    """

    run: RunFolder
    card: DatasetCard
    out: Path

    @property
    def folders(self) -> list[Path]:
        """Of the parts so far, in their order."""
        return sorted(path for path in (self.run.path / "parts").glob("step-*") if path.name[5:].isdecimal())

    def _part(self, step: int) -> Path:
        return self.run.path / "parts" / f"step-{step:08d}"

    def parts_before(self, steps: int) -> Iterator[Transitions]:
        """Return what was seen before a checkpoint; a part that began at it is not finished, and is made again."""
        return (Transitions.open(path) for path in self.folders if int(path.name[5:]) < steps)

    def explore(
        self,
        session: Session,
        agent: FreeEnergyAgent,
        recorder: Recorder,
        steps: int,
        every: int,
        callbacks: Sequence[BaseCallback],
    ) -> KeyboardInterrupt | InputError | None:
        """Let the agent learn until it has taken so many steps, with a checkpoint after `every` of them.

        Returns:
            What ended it early, if something did; what was seen until then is there.
        """
        while agent.num_timesteps < steps:
            begun, ended = agent.num_timesteps, None
            part = self._part(begun)
            to_come = 2 * (steps - begun)  # this and all other parts, and again when they are joined
            try:
                with TransitionsWriter.create(part, self.card, expected_frames=to_come, overwrite=True) as writer:
                    recorder.record(writer)
                    try:
                        agent.learn(min(every, steps - begun), list(callbacks), 1, reset_num_timesteps=False)
                    except (KeyboardInterrupt, InputError) as error:
                        ended = error
                    recorder.flush()
                    if not recorder.transitions:
                        raise _Empty
            except _Empty:
                return ended
            agent.logger.dump(agent.num_timesteps)
            if ended is not None:
                return ended
            session.save(agent.num_timesteps, agent.save)
        return None

    def join(self, overwrite: bool) -> Transitions:
        """Join all parts to one dataset."""
        shards = (Shard.read(path) for path in self.folders)
        joined = join_shards(self.out, shards, seed=self.card.seed, overwrite=overwrite or self.is_own())
        replace_text(self.run.path / NAME, replace(joined.card, checksum=joined.checksum()).to_json())
        return joined

    def tidy(self) -> None:
        """Remove the parts, once they are joined and none is to come."""
        # All at once: after a kill half-way, the rest would be taken for the whole and joined over it.
        remove(self.run.path / "parts")

    def is_own(self) -> bool:
        """Return whether the dataset that is there already is what this run has joined before."""
        if not (self.run.path / NAME).is_file() or not (self.out / NAME).is_file():
            return False
        return read_card(self.run.path).checksum == Transitions.open(self.out).checksum()

    def check(self, overwrite: bool, begun: int, steps: int) -> None:
        """Raise `InputError` if something is at `out` that may not be replaced, or if what was seen before is gone.

        Args:
            overwrite: whether any dataset at `out` may be replaced.
            begun: steps at the checkpoint to go on from.
            steps: in the end.
        """
        if 0 < begun < steps and not self._part(0).is_dir():
            raise InputError(
                f"{self.run.path} was finished, and the parts of its dataset are gone: {self.out} stays as it is, "
                "explore anew to see more."
            )
        check_writable(self.out, overwrite or self.is_own())
