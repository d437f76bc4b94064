"""`e2c train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from e2c_control import InputError
from e2c_control.cli.collect import describe
from e2c_control.cli.console import FolderName, filled, say, show_measured, suggest, tell_map
from e2c_control.data.arguments import as_option
from e2c_control.data.collection import open_or_collect
from e2c_control.errors import quoted
from e2c_control.fields import Count, ListSeed, Threads
from e2c_control.runs.tags import MAP_TABLE
from e2c_control.training.presets import StepsScale

if TYPE_CHECKING:
    from e2c_control import Recipe, TrainConfig
    from e2c_control.data.card import DatasetCard
    from e2c_control.runs.folder import RunFolder
    from e2c_control.training.distributed import Job


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train an embedding on a dataset, with curves and pictures in a run folder.

    Stopped by Ctrl-C, a crash or a kill, a run goes on from its last checkpoint, along the same curves.
      e2c train --dataset datasets/planar
      e2c train --dataset datasets/planar --recipe e2c-warm --seed 1 --name warm-1
      e2c train --env E2C/PendulumSwingUp-v0         (collects a dataset first)
      e2c train --dataset datasets/planar --set phases.unfold.steps=400 embedding.encoder_hidden=100,100
      e2c train --config runs/Planar-v0/warm-1/config.json --name again
      e2c train --resume runs/Planar-v0/20260131-120000
      torchrun --nproc-per-node 4 -m e2c_control train ...      (by four processes that share each batch)

    Attributes:
        dataset: folder that `e2c collect` made; with --resume, where it is now, if it was moved.
        env: instead of a dataset: collect one of this environment first, with `e2c collect`'s defaults and the same
            seed. Each seed has a dataset of its own.
        resume: run folder to go on with, by its own config; beside it only --device and --dataset may be given.
        config: instead of these options, those of the config.json of another run; beside it only --dataset, --device,
            --runs, --name and --set may be given.
        recipe: what is trained and how; `e2c recipes` lists all, `e2c recipes NAME` explains one. One of your own:
            my_package:mine. Default: unfold-roadmap in a world whose walls block the straight way, unfold in others.
        set: single settings as path=value, such as phases.unfold.steps=400 embedding.latent_dim=4 held_out=0.1;
            `e2c recipes NAME` lists those of a recipe, the others are those of `TrainConfig`.
        latent_dim: dimensions of the latent space. Default: what suits the task; 3 for other environments.
        network: kind of encoder and decoder: mlp or conv. Default: mlp.
        matrix_form: form of A: I + v r' (rank1), I + V R' (low_rank), every entry free (full), the same everywhere
            (global), or the Jacobian of any function of latent and action (nonlinear). Default: the recipe's.
        process_noise: learn a diagonal process noise H of the transition as well.
        latent_noise: how the next latent is sampled: the affine image of this one (shared), or drawn anew from the same
            Gaussian (independent), the mistake that is kept for comparison.
        steps_scale: multiplies the recipe's numbers of steps: 0.1 for a quick look, without a second try where the
            first goes wrong; 3 to be thorough.
        seed: of weights, batches and noise; with --env, of the dataset too.
        device: where to train; auto takes CUDA where it is. Default: auto; with --resume, the run's own.
        compile: compile the networks with torch.compile: slower to start, then faster, on CUDA above all.
        precision: of the networks' matrix products: auto is bfloat16 on CUDA and float32 on a CPU. A CPU that
            multiplies bfloat16 itself (avx512_bf16 or amx_bf16 in /proc/cpuinfo) trains faster with it, others slower.
        threads: CPU threads. The networks are small: more of them gain little time for much more work, and the last
            bits of the results depend on their number.
        runs: folder of all runs.
        name: of this run. Default: the time.
        log_every: steps between points of the curves.
        measure_every: steps between measurements of the map, with pictures.
        checkpoint_every: steps between checkpoints.
    """

    BESIDE_RESUME = ("--dataset", "--device")
    BESIDE_CONFIG = ("--dataset", "--device", "--runs", "--name", "--set")

    dataset: Path | None = None
    env: str | None = None
    resume: Path | None = None
    config: Path | None = None
    recipe: str | None = None
    set: tuple[str, ...] = ()
    latent_dim: Count | None = None
    network: str | None = None
    matrix_form: str | None = None
    process_noise: bool = False
    latent_noise: Literal["shared", "independent"] = "shared"
    steps_scale: StepsScale = 1.0
    seed: ListSeed = 0
    device: Literal["auto", "cpu", "cuda"] | None = None
    compile: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Threads = 1
    runs: Path = Path("runs")
    name: FolderName | None = None
    log_every: Count = 25
    measure_every: Count = 300
    checkpoint_every: Count = 300

    def __call__(self) -> None:
        """Train, and say how good the map is and what to do with it."""
        from e2c_control.data.card import read_card
        from e2c_control.data.specs import names_none
        from e2c_control.evaluation.trained import own_task
        from e2c_control.training.distributed import join_job

        self._check()
        with join_job() as job:
            run = self.train(job)
        if job.rank == 0:
            card = read_card(run.path)
            evaluate = [f"e2c evaluate --run {as_option(run.path)}"] if own_task(card) else []
            which = " --env ID" if names_none(card.environment) else ""
            plan = f"e2c plan --run {as_option(run.path, card.environment)}{which}"
            suggest(plan, *evaluate, f"tensorboard --logdir {quoted(run.path)}")

    def train(self, job: Job) -> RunFolder:
        """Train the run to its end, by this process and the others of its job."""
        from e2c_control import TrainConfig
        from e2c_control.runs.checkpoint import latest
        from e2c_control.runs.folder import RunFolder
        from e2c_control.training.run import train

        run = RunFolder.open(job.from_first(lambda: str(self._begin(job).path)))
        config = run.config(TrainConfig)
        if self.dataset is not None:
            config = replace(config, dataset=self.dataset.resolve())
        elif self.resume is not None:
            run.require_own(config.dataset, "name the dataset with --dataset")
        if self.resume is not None and latest(run.checkpoints) is None:
            run.require_own(config.dataset, "it has no checkpoint to go on from either, so train anew")
        if self.device is not None:
            config = replace(config, device=self.device)
        first = job.rank == 0
        if first:
            _note_unjudged(config.recipe)
        try:
            train(run, config, watch=_watcher(run, config) if first else None, progress=first, job=job)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"go on with `e2c train --resume {as_option(run.path)}`") from stop
        if first:
            show_measured(run, "map on held-out episodes", "step", MAP_TABLE, "map/step_rank")
            tell_map(run.path, good=True)
        return run

    def _check(self) -> None:
        if self.resume is None and self.config is None and (self.dataset is None) == (self.env is None):
            both = "Give --dataset or --env, not both: the one is there, the other is collected first."
            raise InputError(both if self.dataset else "Give --dataset, --env or --resume; see e2c train --help.")

    def _begin(self, job: Job) -> RunFolder:
        """Begin a run, or open the one to go on with."""
        from e2c_control.runs.checkpoint import latest
        from e2c_control.runs.folder import RunFolder
        from e2c_control.training.run import steps_done

        run = self._new(job) if self.resume is None else RunFolder.open(self.resume)
        say("Run", run.path)
        if self.resume is not None and latest(run.checkpoints) is not None:
            done, total = steps_done(run)
            goes = f"from step {done:,} of {total:,}" if done < total else f"nowhere: its {total:,} steps are done"
            say("Going on", goes)
        return run

    def _new(self, job: Job) -> RunFolder:
        from e2c_control import TrainConfig, Transitions, start_run
        from e2c_control.runs.settings import change
        from e2c_control.training.run import resolve_device

        resolve_device(self.device or "auto")
        if self.config is not None:
            config = self._given(self.config)
        else:
            dataset = Transitions.open(self.dataset or self._collected())
            card = dataset.card
            config = filled(
                TrainConfig,
                self,
                dataset=dataset.path.resolve(),
                environment=card.environment,
                recipe=self._recipe(card),
                device=self.device or "auto",
            )
            self._tell(config.recipe, card)
        return start_run(self.runs, change(config, self._settings()), self.name, job=job)

    def _tell(self, recipe: Recipe, card: DatasetCard) -> None:
        """Say what is trained, and how large the latent space is, also that neither a user nor a task chose it."""
        from e2c_control.evaluation.trained import own_task

        count = recipe.embedding.latent_dim
        chosen = self.latent_dim is not None or any("latent_dim" in text for text in self.set) or own_task(card)
        free = "" if chosen else " (by default; one fewer than the state needs folds the map: --latent-dim)"
        say("Recipe", f"{recipe.name}, {recipe.steps:,} steps, {count} latents{free}")

    def _given(self, path: Path) -> TrainConfig:
        """Return the config of a file, with the dataset and the device that are given beside it."""
        from e2c_control import TrainConfig
        from e2c_control.data.card import read_card
        from e2c_control.runs.config import read_given

        config = read_given(path, TrainConfig, "" if self.dataset else "name the dataset with --dataset")
        dataset = self.dataset.resolve() if self.dataset else config.dataset
        device = self.device or config.device
        return replace(config, dataset=dataset, environment=read_card(dataset).environment, device=device)

    def _settings(self, part: str = "") -> list[str]:
        """Return the settings of a part of the config, or all; those of the recipe need not say that they are."""
        of_recipe = ("embedding", "phases", "latent_noise")
        full = [
            f"recipe.{text}" if text.partition(".")[0].partition("=")[0] in of_recipe else text for text in self.set
        ]
        return [text.removeprefix(part) for text in full if text.startswith(part)]

    def _recipe(self, card: DatasetCard) -> Recipe:
        from e2c_control import make_recipe
        from e2c_control.evaluation.trained import own_task
        from e2c_control.runs.settings import change
        from e2c_control.training.presets import default_embedding, default_recipe

        task = own_task(card)
        embedding = default_embedding(card.frame_shape, self.latent_dim, task)
        # Set before the recipe is made as well: how long its phases are depends on the number of latents.
        embedding = change(embedding, self._settings("recipe.embedding."))
        embedding = replace(embedding, network=self.network or embedding.network)
        recipe = make_recipe(self.recipe or default_recipe(task), embedding)
        sizes = replace(recipe.embedding, process_noise=self.process_noise or recipe.embedding.process_noise)
        if self.matrix_form is not None:
            sizes = replace(sizes, matrix_form=self.matrix_form)
        return replace(recipe, embedding=sizes, latent_noise=self.latent_noise).scaled(self.steps_scale)

    def _collected(self) -> Path:
        """Return the dataset of --env: made now, unless it is there already."""
        env = self.env or ""
        folder = Path("datasets") / env.rpartition(":")[2].rpartition("/")[2]
        remedy = "give another one with --dataset, or move it away"
        dataset = open_or_collect(env, folder, remedy, self.seed)
        describe(dataset)
        return dataset.path


def _note_unjudged(recipe: Recipe) -> None:
    """Say which phases are not looked at early, since the bounds of a good map are known for others."""
    for phase in recipe.phases:
        if phase.retry is not None and phase.judged_by is None:
            size, steps = phase.retry.batch_size or phase.batch_size, phase.retry.steps
            say(
                "Note",
                f"'{phase.name}' has {phase.steps} steps of {phase.batch_size}, and whether a map gets misshapen shows "
                f"after {steps} of {size}: it is not looked at early, nor begun anew (a larger --steps-scale is)",
            )


def _watcher(run: RunFolder, config: TrainConfig):
    from e2c_control.data.card import read_card
    from e2c_control.evaluation.trained import own_task
    from e2c_control.training.watch import MapWatcher

    task = own_task(read_card(config.dataset))
    if task is None:
        return MapWatcher(run, config)
    return MapWatcher(run, config, task.system.features, task.system.state_names)
