"""Novelty search on waves: does it find new frequencies, and not by drifting into noise or into silence?

400 waves of 64 numbers, half sines and half square, 1 to 3 cycles; a recurrent auto-encoder of two passes, with layers
of 64, 384, 384 and 64 (the code) and back, noise 0.1, penalty 0.03, Adam 5e-4. It is trained for 150 epochs; then,
cycle by cycle, for 50 more, and 2.5 % of the data are replaced by what the ascent of |z - E(D(z))|² finds from random
codes, brought to the data's amplitude. One control does all but the ascent, another ("as found") leaves the amplitudes
alone, and the last replaces nothing, so that what training alone does can be told apart.

After every cycle: the new samples' frequencies, their error beside that of the original data and of white noise, their
amplitude; and how well the model knows what it never saw: waves of 6 to 12 cycles, and white noise.

    python -m experiments.autoencoders.waves          # writes results/waves.{json,png}
    python -m experiments.autoencoders.waves --quick  # seconds, writes nothing
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from e2c_control import AutoEncoder
from e2c_control.autoencoders import (
    AutoEncoderConfig,
    AutoEncoderTrainer,
    SearchOptions,
    TrainingOptions,
    make_autoencoder,
    novelty_search,
    waves,
)
from e2c_control.autoencoders.novelty import Found, NoveltySearch, amplitude
from e2c_control.autoencoders.structure import (
    dominant_frequency,
    high_share,
    measure_structure,
    noise_like,
    relative_error,
)
from e2c_control.figures.canvas import BLUE, GREEN, INK, ORANGE, dress, new_figure, to_image
from e2c_control.tables import table
from experiments.runner import Experiment

RESULTS = Path(__file__).parent / "results"
CYCLES, BAND = 30, 3.0
WAYS: dict[str, dict[str, Any]] = {
    "search": {},
    "without the gradient": {"ascent_steps": 0},
    "as found": {"floor": 0.0, "ceiling": float("inf")},
    "nothing replaced": {},
}
COLOURS = {"search": BLUE, "without the gradient": ORANGE, "as found": GREEN, "nothing replaced": INK}


def model_of(seed: int, hidden: int) -> AutoEncoder:
    options = {"passes": 2, "noise": 0.1, "penalty": 0.03}
    config = AutoEncoderConfig("recurrent", (64,), 64, hidden=(hidden, hidden), options=options)
    return make_autoencoder(config, torch.Generator().manual_seed(3000 + seed))


def measure(seed: int, way: str, cycles: int = CYCLES, hidden: int = 384, **changed: Any) -> dict[str, Any]:
    """One search, a row for each cycle; where nothing is replaced, as much training."""
    generator = torch.Generator().manual_seed(1000 + seed)
    data = waves(400, generator, high=BAND)
    unseen = waves(300, generator, low=6.0, high=12.0)
    noise = noise_like(data, generator)
    rows: list[dict[str, Any]] = []
    pictures: dict[str, list[list[float]]] = {}

    def errors(model: AutoEncoder) -> dict[str, float]:
        sets = {"unseen": unseen, "noise": noise, "original": data}
        return {f"error_{name}": float(relative_error(model, x).median()) for name, x in sets.items()}

    def look(search: NoveltySearch, found: Found) -> None:
        structure = measure_structure(search.model, found.samples, search.original, torch.Generator().manual_seed(7))
        fresh = search.data[search.born > 0]
        rows.append(
            {
                "cycle": found.cycle,
                **errors(search.model),
                "reconstruction": found.losses["reconstruction"],
                "gap_before": found.gap_before,
                "gap_after": found.gap_after,
                **{tag.removeprefix("novelty/"): value for tag, value in structure.scalars().items()},
                "new_frequencies": dominant_frequency(found.samples).tolist(),
                "high_share": float(high_share(found.samples, 4.0).mean()),
                "data_amplitude": float(amplitude(search.data).median() / amplitude(data).median()),
                "data_replaced": float((search.born > 0).float().mean()),
                "data_above_band": float((dominant_frequency(search.data) > BAND).float().mean()),
                "fresh_above_band": float((dominant_frequency(fresh) > BAND).float().mean()),
            }
        )
        if seed == 0 and found.cycle in (1, 5, 10, 20, 30):
            chosen: Tensor = found.samples[:4]
            pictures[str(found.cycle)] = [[round(float(v), 3) for v in sample] for sample in chosen]

    begun = time.process_time()
    training = TrainingOptions(batch_size=100, learning_rate=5e-4, decay_after=None, seed=seed)
    options = SearchOptions(**(WAYS[way] | changed))
    model = model_of(seed, hidden)
    if way == "nothing replaced":
        trainer = AutoEncoderTrainer(model, training)
        trainer.train(data, options.warm_epochs)
        for cycle in range(1, cycles + 1):
            trainer.train(data, options.epochs)
            rows.append({"cycle": cycle, **errors(model)})
    else:
        novelty_search(model, data, cycles, options, training, look)
    return {"way": way, "seed": seed, "cpu_seconds": time.process_time() - begun, "cycles": rows, "pictures": pictures}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds at the last cycle, and when a new frequency first came."""
    found: dict[str, Any] = {}
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        if not own:
            continue
        last = [row["cycles"][-1] for row in own]
        entry: dict[str, Any] = {"seeds": len(own), "cycles": last[0]["cycle"]}
        for kind in ("unseen", "noise"):
            ratios = [row["cycles"][-1][f"error_{kind}"] / row["cycles"][0][f"error_{kind}"] for row in own]
            entry[f"error_{kind}_ratio"] = {"mean": float(np.mean(ratios)), "least": min(ratios), "most": max(ratios)}
        found[way] = entry
        if way == "nothing replaced":
            continue
        for key in ("data_above_band", "fresh_above_band", "data_amplitude", "amplitude", "percentile", "distance"):
            values = [cycle[key] for cycle in last]
            entry[key] = {"mean": float(np.mean(values)), "least": min(values), "most": max(values)}
        all_new = [[f for cycle in row["cycles"] for f in cycle["new_frequencies"]] for row in own]
        entry["new_above_band"] = [float(np.mean([f > BAND for f in new])) for new in all_new]
        entry["kinds_above_band"] = [len({f for f in new if f > BAND}) for new in all_new]
        entry["first_above_band"] = [
            next((c["cycle"] for c in row["cycles"] if max(c["new_frequencies"]) > BAND), None) for row in own
        ]
        entry["highest"] = [max(new) for new in all_new]
        entry["structured_cycles"] = [float(np.mean([c["structured"] for c in row["cycles"]])) for row in own]
    return found


def report(rows: list[dict[str, Any]]) -> None:
    found = summary(rows)
    lines = [("", *found)]

    def line(text: str, value: Any, always: bool = False) -> None:
        lines.append((text, *(value(e) if always or "highest" in e else "" for e in found.values())))

    def spread(key: str, form: str = ".2f") -> Any:
        return lambda e: f"{e[key]['mean']:{form}} [{e[key]['least']:{form}}, {e[key]['most']:{form}}]"

    line("seeds, cycles", lambda e: f"{e['seeds']}, {e['cycles']}", always=True)
    line("new samples above the band, share by seed", lambda e: " ".join(f"{v:.2f}" for v in e["new_above_band"]))
    line("different frequencies above the band", lambda e: " ".join(map(str, e["kinds_above_band"])))
    line("highest of them", lambda e: " ".join(map(str, e["highest"])))
    line("first cycle with one", lambda e: " ".join(str(v or "-") for v in e["first_above_band"]))
    line("data above the band at the end", spread("data_above_band"))
    line("error on unseen waves, last / first cycle", spread("error_unseen_ratio"), always=True)
    line("error on white noise, last / first cycle", spread("error_noise_ratio"), always=True)
    line("amplitude of the data at the end", spread("data_amplitude"))
    line("amplitude of the last samples", spread("amplitude"))
    line("percentile of their error among the data's", spread("percentile"))
    line("cycles judged new with structure", lambda e: " ".join(f"{v:.2f}" for v in e["structured_cycles"]))
    print(table(lines), flush=True)


def picture(rows: list[dict[str, Any]]) -> Any:
    """Samples by cycle above, curves below."""
    figure = new_figure(1280, 940)
    panels = figure.subplots(4, 5)
    for i, way in enumerate(("search", "without the gradient")):
        shown = next(row["pictures"] for row in rows if row["way"] == way and row["seed"] == 0)
        for axes, (cycle, samples) in zip(panels[i], shown.items(), strict=False):
            for j, sample in enumerate(samples):
                axes.plot(np.array(sample) - 2.6 * j, color=COLOURS[way], linewidth=1.1)
            axes.set_xticks([])
            axes.set_yticks([])
            dress(axes, f"{way}, cycle {cycle}" if i == 0 or cycle == "1" else f"cycle {cycle}")
            axes.title.set_fontsize(9)
    curves = (
        ("data_above_band", "data above the band"),
        ("error_unseen", "error on unseen waves"),
        ("error_noise", "error on white noise"),
        ("data_amplitude", "amplitude of the data"),
        ("percentile", "percentile of new errors"),
    )
    for axes, row_of_panels in zip(panels[2], panels[3], strict=True):
        axes.remove()
        row_of_panels.remove()
    grid = panels[0, 0].get_gridspec()
    for i, (key, title) in enumerate(curves):
        axes = figure.add_subplot(grid[2:, i])
        for way, colour in COLOURS.items():
            own = [[c[key] for c in row["cycles"] if key in c] for row in rows if row["way"] == way]
            if not any(own):
                continue
            for curve in own:
                axes.plot(range(1, len(curve) + 1), curve, color=colour, linewidth=0.6, alpha=0.4)
            length = min(map(len, own))
            mean = np.mean([curve[:length] for curve in own], axis=0)
            axes.plot(range(1, length + 1), mean, color=colour, linewidth=2, label=way)
        axes.set_ylim(bottom=0)
        dress(axes, title, "cycle")
        axes.title.set_fontsize(10)
        if key == "error_unseen":
            axes.legend(fontsize=8, frameon=False, loc="lower left")
    return to_image(figure)


EXPERIMENT = Experiment(
    __file__,
    {"seed": range(5), "way": WAYS},
    measure,
    "{way}, seed {seed}: {cpu_seconds:.0f} CPU-s",
    lambda: report([measure(100, way, 1, hidden=16, warm_epochs=1, epochs=1) for way in WAYS]),
    summary,
    report,
    picture,
    about=lambda rows: {"cycles": CYCLES},
)


if __name__ == "__main__":
    EXPERIMENT.main()
