"""Run a novelty search in a folder: checkpoints, curves, images, and resumption after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from e2c_control.autoencoders.novelty import Found, NoveltySearch, SearchOptions
from e2c_control.autoencoders.registry import AutoEncoderConfig, make_autoencoder
from e2c_control.autoencoders.structure import dominant_frequency, measure_structure
from e2c_control.autoencoders.toys import waves
from e2c_control.autoencoders.training import TrainingOptions
from e2c_control.data.npy import map_npy
from e2c_control.errors import InputError
from e2c_control.fields import Count, check
from e2c_control.models.pixels import unit_pixels
from e2c_control.runs.checkpoint import latest
from e2c_control.runs.folder import RunFolder
from e2c_control.runs.logger import RunLogger
from e2c_control.runs.session import Session

WAVES, WAVES_AT_FIRST = "waves", 400


@dataclass(frozen=True)
class NoveltyConfig:
    """All that a run depends on; its `config.json`.

    Attributes:
        data: "waves", or the path of a .npy file of samples (N, ...).
        count: waves to begin with; a file is taken whole.
        model: the auto-encoder.
        search: how novelty is searched for.
        training: batch size, learning rate, seed.
        cycles: of the search.
        picture_every: cycles between pictures.
    """

    data: str
    count: Count
    model: AutoEncoderConfig
    search: SearchOptions
    training: TrainingOptions
    cycles: Count
    picture_every: Count = 1

    def __post_init__(self) -> None:
        check(self)


def new_config(
    data: str,
    search: SearchOptions,
    training: TrainingOptions,
    *,
    count: int | None = None,
    code: int | None = None,
    hidden: tuple[int, ...] = (384, 384),
    options: Mapping[str, float | int | bool | str],
    cycles: int,
    picture_every: int = 1,
) -> NoveltyConfig:
    """Return the config of a search with a recurrent auto-encoder that fits the data.

    Args:
        data: "waves", or the path of a .npy file.
        search: how novelty is searched for.
        training: batch size, learning rate, seed.
        count: waves to begin with; None for 400, and for a file, which is taken whole.
        code: numbers in a code; None for 64, or as many as a sample has if that is less.
        hidden: widths of the hidden layers.
        options: of the auto-encoder.
        cycles: of the search.
        picture_every: cycles between pictures.

    Raises:
        InputError: there is no such data, or the auto-encoder cannot learn it.
    """
    if count is not None and data != WAVES:
        raise InputError("--count is a number of waves, and a file is taken whole: leave it out.")
    count = WAVES_AT_FIRST if count is None else count
    samples = load_data(data, count, training.seed)
    shape = tuple(samples.shape[1:])
    if len(shape) not in (1, 3):
        raise InputError(f"Samples have the shape {shape}: give vectors (N, L) or images (N, H, W, C).")
    code = min(64, samples[0].numel()) if code is None else code
    kind, output = ("vector", "linear") if len(shape) == 1 else ("image", "sigmoid")
    model = AutoEncoderConfig("recurrent", shape, code, kind, hidden, output=output, options=options)
    make_autoencoder(model, torch.Generator()).check_data(samples)
    path = data if data == WAVES else str(Path(data).resolve())
    return NoveltyConfig(path, count, model, search, training, cycles, picture_every)


def with_data(config: NoveltyConfig, data: str) -> NoveltyConfig:
    """Return the config with another data file, if one is given."""
    return config if data == WAVES else replace(config, data=str(Path(data).resolve()))


def resumed_config(run: RunFolder, data: str, cycles: int | None) -> NoveltyConfig:
    """Return a run's config, with a file of data that was moved, and another number of cycles if one is given."""
    config = with_data(run.config(NoveltyConfig), data)
    if data == WAVES and config.data != WAVES:
        run.require_own(config.data, "name the file with --data")
    if latest(run.checkpoints) is None:
        run.require_own(config.data, "it has no checkpoint to go on from either, so search anew")
    return config if cycles is None else replace(config, cycles=cycles)


def load_data(data: str, count: int, seed: int) -> Tensor:
    """Return samples (N, ...) float32: waves, or those of a .npy file; uint8 images are scaled to [0, 1].

    Raises:
        InputError: there is no such file, or it holds no numbers, or one sample alone.
    """
    if data == WAVES:
        return waves(count, torch.Generator().manual_seed(seed))
    path = Path(data)
    if not path.is_file():
        raise InputError(f"There is no file {path}: give a .npy file of samples, or '{WAVES}'.")
    array = map_npy(path, "save an array with numpy.save")
    if array.dtype.kind not in "fiu" or array.ndim < 2:
        raise InputError(f"{path} holds no samples: save one array of numbers, (N, ...), with numpy.save.")
    array = np.array(array)
    if array.dtype == np.uint8:
        return unit_pixels(torch.from_numpy(array))
    return torch.from_numpy(array.astype(np.float32))


def run_novelty(run: RunFolder, config: NoveltyConfig, *, progress: bool = False) -> NoveltySearch:
    """Run the search to its last cycle, resuming from the run's newest checkpoint if there is one.

    Raises:
        InputError: data or checkpoint do not fit, or another process works in the folder.
    """
    with Session.open(run) as session:
        search = session.resumed(lambda: _search(config), {"trainer": Mapping[str, object], "cycle": int})
        session.begin(search.cycle, config.cycles, "cycle", progress=progress)
        while search.cycle < config.cycles:
            found = search.advance()
            _log(session.logger, run, search, found, config)
            session.save(search.cycle, search)
            session.bar.update()
    return search


def _search(config: NoveltyConfig) -> NoveltySearch:
    data = load_data(config.data, config.count, config.training.seed)
    model = make_autoencoder(config.model, torch.Generator().manual_seed(config.training.seed))
    return NoveltySearch(model, data, config.search, config.training)


def _log(logger: RunLogger, run: RunFolder, search: NoveltySearch, found: Found, config: NoveltyConfig) -> None:
    structure = measure_structure(search.model, found.samples, search.original, torch.Generator().manual_seed(0))
    values = structure.scalars() | {f"loss/{name}": value for name, value in found.losses.items()}
    values |= {"novelty/gap_before": found.gap_before, "novelty/gap_after": found.gap_after}
    values["data/found"] = float((search.born > 0).float().mean())
    if search.data.ndim == 2:
        values["novelty/highest_frequency"] = float(dominant_frequency(found.samples).max())
    logger.scalars(found.cycle, values)
    if found.cycle % config.picture_every and found.cycle != config.cycles:
        return
    from e2c_control.autoencoders.pictures import code_map, sample_sheet
    from e2c_control.figures import save_png

    with torch.no_grad():
        codes = search.model.encode(search.data)
    title = f"cycle {found.cycle}"
    sheet = sample_sheet(found.samples, f"found in {title}")
    places = code_map(codes, search.born, found.cycle, f"codes after {title}")
    logger.image(found.cycle, "novelty/samples", sheet)
    logger.image(found.cycle, "novelty/codes", places)
    save_png(sheet, run.plots / "samples.png")
    save_png(places, run.plots / "codes.png")
