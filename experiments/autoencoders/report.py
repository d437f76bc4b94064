"""What was measured of auto-encoders, for their own page, and the pictures of results, finished or not.

python -m experiments.autoencoders.report          # rewrites the block, draws the pictures again
python -m experiments.autoencoders.report --quick  # prints the block, writes nothing
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments import pages
from experiments.pages import ROOT, publish

RESULTS = Path(__file__).parent / "results"

ROWS = {  # row of the table: way of the parabola, way of the eight Gaussians
    "plain, codes from N(0, I)": ("plain: N(0, I)", None),
    "plain, codes like those of data": ("plain: fitted codes", "plain, fitted codes"),
    "plain, then resampled (30 and 10 cycles)": (
        "plain: 30 cycles from fitted codes",
        "plain, 10 cycles from fitted codes",
    ),
    "variational": ("variational: N(0, I)", "variational, variance 0.01, prior"),
    "Wasserstein (MMD)": ("wasserstein: N(0, I)", "wasserstein, prior"),
    "recurrent, 5 passes": ("recurrent: 30 cycles from N(0, I)", "recurrent, 100 cycles"),
    "the same, gradient cut between passes": ("cut: 30 cycles from N(0, I)", "recurrent, cut, 100 cycles"),
    "the same with one pass: noise on the code alone": (
        "one pass: 30 cycles from N(0, I)",
        "recurrent, one pass, 100 cycles",
    ),
    "5 passes without noise": ("no noise: 30 cycles from fitted codes", None),
}


def load(name: str) -> dict[str, Any]:
    return pages.load(f"autoencoders/{name}") or {}


def block() -> list[str]:
    """The table, and a sentence for each of the other measurements."""
    parabola, gaussians = load("parabola").get("summary", {}), load("modes").get("summary", {})
    lines = [
        "| model, and where its samples come from | residual (worst seed) | energy distance (worst) | on a mode "
        "| modes of 8 | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for label, (way, other) in ROWS.items():
        a, b = parabola.get(way), gaussians.get(other)
        if a is None:
            continue
        cells = [f"{a[k]['mean']:.3g} ({a[k]['most']:.3g})" for k in ("residual", "energy")]
        cells += [f"{b['on_a_mode']['mean']:.1%}", f"{b['modes']['mean']:.1f}"] if b else ["", ""]
        counts = f"{a['seeds']}" + (f", {b['seeds']}" if b else "")
        lines.append(f"| {label} | {' | '.join(cells)} | {counts} |")
    return [*lines, "", *sentences()]


def sentences() -> list[str]:
    found: list[str] = []
    if mmd := load("mmd"):
        flat, summed = mmd["forms"]["flattened"], mmd["forms"]["summed over channels"]
        perfect, copies = "drawn from the prior", "copies of one channel"
        null = f"{flat[perfect]['mean']:.4f} ± {flat[perfect]['deviation']:.4f}"
        found.append(
            f"- Codes with channels are flattened: 16 copies of one then cost {flat[copies]['mean']:.3f}, against "
            f"{null} for perfect codes; summed over channels, perfect codes cost {summed[perfect]['mean']:.2f} "
            "([figure](../../experiments/autoencoders/results/mmd.png), `autoencoders/mmd.py`)."
        )
    if cost := load("cost"):
        peers = cost.get("mmd", {})
        ratios = ", ".join(f"{row['times_as_fast']:.1f} times at n = {n}" for n, row in peers.items())
        through, cut = ({n: row for n, row in cost["epochs"].items() if ("cut" in n) == way} for way in (False, True))
        counts = ", ".join(name.partition(" ")[0] for name in through)
        ways = [", ".join(f"{row['ratio']:.2f}" for row in rows.values()) for rows in (through, cut)]
        limits = [row["ratio_per_pass"] / 0.9 for name, row in cost["epochs"].items() if not name.startswith("1 ")]
        found.append(
            f"- MMD beside pythae's: {ratios} as fast. An epoch of {counts} passes over a plain one's: {ways[0]}, with "
            f"the gradient cut {ways[1]}; of the limit for 3 or more, 0.9 a pass, {min(limits):.0%} to "
            f"{max(limits):.0%} (`autoencoders/cost.py`)."
        )
    if waves := load("waves").get("summary", {}):
        found.append(of_waves(waves))
    if images := load("images").get("summary", {}):
        found.append(of_images(images))
    return found


def of_images(images: dict[str, Any]) -> str:
    """What error says of unseen images, and what samples are worth."""
    sets = {name.partition(": ")[0]: None for name in images}
    own = {where: {n.partition(": ")[2]: e for n, e in images.items() if n.startswith(where)} for where in sets}
    areas = ", ".join(
        f"{where} {min(e['auc']['mean'] for e in found.values()):.2f} to "
        f"{max(e['auc']['mean'] for e in found.values()):.2f}"
        for where, found in own.items()
    )
    energies = "; ".join(
        f"{where}: " + ", ".join(f"{name} {e['energy']['mean']:.2f}" for name, e in found.items())
        for where, found in own.items()
    )
    return (
        f"- Unseen images by error, area under the curve over all models: {areas}. Energy distance of samples to true "
        f"images: {energies} ([samples](../../experiments/autoencoders/results/images.png), `autoencoders/images.py`). "
        "Planar samples are poor for every model: the code has eight numbers and the position two, so codes lie on a "
        "curved sheet, and what is drawn beside it decodes to a smear. With a code of two numbers reconstructions are "
        "smears too, and a layer more and three times the steps mend reconstructions more than samples (brightest "
        "moving pixel 0.70 and 0.39 of 1, before 0.56 and 0.32: the plain model, one seed). The recurrent model's "
        "chain finds back to the sheet: with a quarter of the noise its samples are nearly as bright as its "
        "reconstructions (0.55 and 0.64), but crowd."
    )


def of_waves(waves: dict[str, Any]) -> str:
    """What the search on waves found, and what its controls did."""
    search, control = waves["search"], waves["without the gradient"]
    above = [f"{sum(e['new_above_band']) / len(e['new_above_band']):.1%}" for e in (search, control)]
    kinds = [f"{min(e['kinds_above_band'])} to {max(e['kinds_above_band'])}" for e in (search, control)]
    falls = [f"{waves[way]['error_unseen_ratio']['mean']:.2f}" for way in waves]
    noise = [f"{waves[way]['error_noise_ratio']['mean']:.2f}" for way in waves]
    loud = [f"{waves[way]['data_amplitude']['mean']:.2f}" for way in ("search", "as found")]
    return (
        f"- Novelty search on waves, {search['seeds']} seeds of {search['cycles']} cycles: {above[0]} of what it finds "
        f"is above the band, {kinds[0]} new frequencies a seed; without the gradient {above[1]} and {kinds[1]}. "
        f"Amplitude of the data at the end: {loud[0]}, or {loud[1]} if finds are taken as they are. "
        f"Errors at the end over those of the first cycle ({', '.join(waves)}): {', '.join(falls)} on waves never "
        f"seen, {', '.join(noise)} on white noise: the search holds back what training alone forgets, and no more on "
        "waves than on noise (`autoencoders/waves.py`)."
    )


def pictures() -> None:
    """Draw what the result files have so far."""
    from e2c_control.figures import save_png
    from experiments.autoencoders import images, mmd, modes, parabola, waves

    if result := load("mmd"):
        save_png(mmd.picture(result), RESULTS / "mmd.png")
    if result := load("images"):
        save_png(images.picture(result["rows"]), RESULTS / "images.png")
    if result := load("waves"):
        save_png(waves.picture(result["rows"]), RESULTS / "waves.png")
    for name, module in (("parabola", parabola), ("modes", modes)):
        if result := load(name):
            save_png(module.picture(result["rows"], result["summary"]), RESULTS / f"{name}.png")


def main() -> None:
    if publish(__doc__, [(ROOT / "e2c_control" / "autoencoders" / "README.md", "autoencoders", block())]):
        pictures()


if __name__ == "__main__":
    main()
