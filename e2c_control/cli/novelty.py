"""`e2c novelty`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from e2c_control.cli.console import FolderName, filled, say, show_measured, suggest
from e2c_control.data.arguments import as_option
from e2c_control.errors import quoted
from e2c_control.fields import (
    Count,
    CountOrZero,
    ListSeed,
    NotNegative,
    NotNegativeOrInfinite,
    Positive,
    ShareAboveZero,
)

if TYPE_CHECKING:
    from e2c_control.autoencoders.novelty_run import NoveltyConfig
    from e2c_control.runs.folder import RunFolder

SHOWN = {
    "novelty/error": "error of what was found, over its own variance",
    "novelty/percentile": "share of the original data that are known better",
    "novelty/error_of_noise": "the same error of white noise",
    "novelty/amplitude": "amplitude, original data = 1",
    "novelty/structured": "new, and far from noise (1 = yes)",
    "data/found": "share of the data that was found",
}


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Search a data set for what is new to a model that learns it, and not just noise.

    A recurrent auto-encoder learns the data; codes ascend the distance between themselves and the encoding of their own
    decoding; what they decode to takes the place of a share of the data; and again. TensorBoard shows what was found,
    a map of all codes as it grows, and measures of novelty with structure. After Ctrl-C or a crash a run goes on from
    its last cycle.
      e2c novelty
      e2c novelty --data samples.npy --cycles 50 --share 0.05
      e2c novelty --ascent-steps 0 --name control     (without the gradient, to compare)
      e2c novelty --resume runs/novelty/20260131-120000

    Attributes:
        data: waves (sines and square waves of a narrow band), or a .npy file of samples (N, ...), of bytes or floats;
            with --resume, where that file is now, if it was moved or the run comes from elsewhere.
        resume: run folder to go on with, by its own config; beside it only --cycles, to go on for longer, and --data
            may be given.
        config: instead of these options, those of the config.json of another run; beside it only --data, --runs,
            --name and --set may be given.
        set: single settings as path=value, such as search.gain=5 training.weight_decay=1e-4.
        cycles: of training, searching and replacing. Default: 30; with --resume, the run's own.
        share: of the data that a cycle replaces.
        warm_epochs: of training before the first cycle.
        epochs: of training in a cycle.
        ascent_steps: normalised gradient steps; 0 is the control without the gradient.
        step_size: length of a step, as a share of the typical distance of a code from the mean of all.
        start: where codes begin: at random ones like those of the data (fitted), or at those themselves (data).
        floor: what is found quieter than this multiple of the data's median amplitude is amplified to it.
        ceiling: what is found louder than this multiple of the data's median amplitude is damped to it.
        passes: of the recurrent auto-encoder, each scored against the original data.
        noise: deviation of the noise on its codes.
        penalty: weight of the norm of its codes.
        code: numbers in a code. Default: 64, or as many as a sample has if that is less.
        hidden: widths of the hidden layers.
        count: waves to begin with; a file is taken whole. Default: 400.
        batch_size: samples in a training step.
        learning_rate: Adam's.
        seed: of weights, batches, noise and choices.
        runs: folder of all runs.
        name: of this run. Default: the time.
        picture_every: cycles between pictures.
    """

    BESIDE_RESUME = ("--cycles", "--data")
    BESIDE_CONFIG = ("--data", "--runs", "--name", "--set")

    data: str = "waves"
    resume: Path | None = None
    config: Path | None = None
    set: tuple[str, ...] = ()
    cycles: Count | None = None
    share: ShareAboveZero = 0.025
    warm_epochs: CountOrZero = 150
    epochs: Count = 50
    ascent_steps: CountOrZero = 30
    step_size: Positive = 0.1
    start: Literal["data", "fitted"] = "fitted"
    floor: NotNegative = 1.0
    ceiling: NotNegativeOrInfinite = 1.0
    passes: Count = 2
    noise: NotNegative = 0.1
    penalty: NotNegative = 0.03
    code: Count | None = None
    hidden: tuple[Count, ...] = (384, 384)
    count: Count | None = None
    batch_size: Count = 100
    learning_rate: Positive = 5e-4
    seed: ListSeed = 0
    runs: Path = Path("runs")
    name: FolderName | None = None
    picture_every: Count = 1

    def __call__(self) -> None:
        """Search, and say what was found and where it is."""
        from e2c_control.autoencoders.novelty_run import run_novelty
        from e2c_control.runs.threads import threads

        run, config = self._begin() if self.resume is None else self._resume(self.resume)
        say("Run", run.path)
        try:
            with threads(1):  # small networks: more threads gain little, and the last bits depend on them
                run_novelty(run, config, progress=True)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"go on with `e2c novelty --resume {as_option(run.path)}`") from stop
        show_measured(run, "novelty with structure", "cycle", SHOWN, "novelty/error")
        suggest(f"tensorboard --logdir {quoted(run.path)}")

    def _begin(self) -> tuple[RunFolder, NoveltyConfig]:
        from e2c_control.autoencoders.novelty_run import WAVES, NoveltyConfig, with_data
        from e2c_control.runs.config import read_given
        from e2c_control.runs.folder import RunFolder
        from e2c_control.runs.settings import change

        if self.config is not None:
            config = read_given(self.config, NoveltyConfig, "name the file with --data" * (self.data == WAVES))
            config = with_data(config, self.data)
        else:
            config = self._new()
        config = change(config, self.set)
        return RunFolder.create(self.runs, "novelty", config, self.name), config

    def _new(self) -> NoveltyConfig:
        from e2c_control.autoencoders.novelty import SearchOptions
        from e2c_control.autoencoders.novelty_run import new_config
        from e2c_control.autoencoders.training import TrainingOptions

        return new_config(
            self.data,
            filled(SearchOptions, self),
            TrainingOptions(self.batch_size, self.learning_rate, decay_after=None, seed=self.seed),
            count=self.count,
            code=self.code,
            hidden=self.hidden,
            options={"passes": self.passes, "noise": self.noise, "penalty": self.penalty},
            cycles=30 if self.cycles is None else self.cycles,
            picture_every=self.picture_every,
        )

    def _resume(self, path: Path) -> tuple[RunFolder, NoveltyConfig]:
        from e2c_control.autoencoders.novelty_run import resumed_config
        from e2c_control.runs.folder import RunFolder

        run = RunFolder.open(path)
        return run, resumed_config(run, self.data, self.cycles)
