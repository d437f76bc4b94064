"""Cost of an estimate: its CPU time as a multiple of a plain score-function step through torch.distributions.

200 Bernoulli bits, batch 24, f = mean of (b - t)^2, surrogate 200-200-1 with tanh, one thread, float32 (and float64):
the size of a layer of the discrete VAEs in the literature, without the networks around it. A step makes the
distribution from a leaf, draws, evaluates f, and deposits the gradient in the leaf; "+ variance" also computes the
gradient of the second moment for the surrogate's parameters, and "+ Adam" takes a step with it. Both sides take turns
in one run, ours in this process and the peers in another; each is divided by a score-function step timed beside it in
its own process, by the same code. CPU time, medians.

The peers need an environment of their own:

    python -m venv build/gradient-peers
    build/gradient-peers/bin/pip install -c constraints.txt torch storchastic==0.3.7 pydrobert-pytorch==0.3.0

    python -m experiments.gradients.cost          # writes results/cost.json
    python -m experiments.gradients.cost --quick  # one round without peers, writes nothing

`--peers PYTHON` names another interpreter that has them; without one, ours alone are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import torch
from torch.distributions import Bernoulli, Independent

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "gradient-peers" / "bin" / "python"
BITS, BATCH, TARGET = 200, 24, 0.45
BARS = {"REBAR": 3.0, "RELAX": 3.0, "RELAX + variance": 5.0}
Steps = dict[str, Callable[[], Any]]


def f(b: Any) -> Any:
    return (b - TARGET).square().mean(-1)


def timed(step: Callable[[], Any], least: float) -> float:
    """CPU microseconds of a call, repeated for at least so many seconds."""
    calls, begun = 0, time.process_time()
    while calls == 0 or time.process_time() - begun < least:
        step()
        calls += 1
    return 1e6 * (time.process_time() - begun) / calls


def plain_step(dtype: torch.dtype) -> Callable[[], Any]:
    """The unit: the score function as the documentation of torch.distributions has it."""
    logits = torch.zeros(BATCH, BITS, dtype=dtype, requires_grad=True)

    def step() -> None:
        logits.grad = None
        distribution = Independent(Bernoulli(logits=logits), 1)
        b = distribution.sample()
        (distribution.log_prob(b) * f(b)).mean().backward()

    return step


def ours(dtype: torch.dtype) -> Steps:
    from e2c_control import gradients as g

    logits = torch.zeros(BATCH, BITS, dtype=dtype, requires_grad=True)
    generator = torch.Generator().manual_seed(0)

    def relax() -> g.RELAX:
        network = g.SurrogateNetwork(BITS, (200,), generator=generator, dtype=dtype)
        torch.nn.init.normal_(network.last.weight, std=0.05, generator=generator)
        return g.RELAX(network)

    def step_of(estimator: g.Estimator, update: bool = False, adam: bool = False) -> Callable[[], None]:
        optimizer = torch.optim.Adam(estimator.parameters(), 1e-3, fused=True) if adam else None

        def step() -> None:
            logits.grad = None
            estimator(f, Independent(Bernoulli(logits=logits), 1)).surrogate.backward()
            if update:
                estimator.update(optimizer)

        return step

    return {
        "ScoreFunction": step_of(g.ScoreFunction()),
        "RLOO, 2 samples": step_of(g.RLOO()),
        "MuProp": step_of(g.MuProp()),
        "ARM, 2 samples": step_of(g.ARM()),
        "DisARM, 2 samples": step_of(g.DisARM()),
        "Concrete": step_of(g.Concrete()),
        "StraightThrough": step_of(g.StraightThrough()),
        "REBAR": step_of(g.REBAR()),
        "REBAR + variance": step_of(g.REBAR(), update=True),
        "RELAX": step_of(relax()),
        "RELAX + variance": step_of(relax(), update=True),
        "RELAX + variance + Adam": step_of(relax(), update=True, adam=True),
    }


def surrogate(dtype: torch.dtype) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(BITS, 200, dtype=dtype), torch.nn.Tanh(), torch.nn.Linear(200, 1, dtype=dtype)
    )


def pydrobert_side(dtype: torch.dtype) -> Steps:
    from pydrobert.torch import estimators as e  # pyright: ignore

    logits = torch.zeros(BATCH, BITS, dtype=dtype, requires_grad=True)
    network = surrogate(dtype)
    rebar = e.REBARControlVariate(lambda z: f(z).unsqueeze(-1), "bern").to(dtype)

    def reinforce() -> None:
        logits.grad = None
        b = e.to_b(e.to_z(logits, "bern"), "bern")
        logits.backward(e.reinforce(f(b).unsqueeze(-1), b, logits, "bern") / BATCH)

    def relax(control: Any, update: bool) -> Callable[[], None]:
        def step() -> None:
            logits.grad = None
            z = e.to_z(logits, "bern")
            b = e.to_b(z, "bern")
            g = e.relax(f(b).unsqueeze(-1), b, logits, z, control, "bern")
            logits.backward(g.detach() / BATCH)
            if update:
                for parameter in control.parameters():
                    parameter.grad = None
                g.square().sum(-1).mean().backward()

        return step

    return {
        "pydrobert reinforce": reinforce,
        "pydrobert REBAR": relax(rebar, False),
        "pydrobert REBAR + variance": relax(rebar, True),
        "pydrobert RELAX": relax(network, False),
        "pydrobert RELAX + variance": relax(network, True),
    }


def storchastic_side(dtype: torch.dtype) -> Steps:
    """Its RELAX always computes the gradient of the variance; its REBAR adds a surrogate, here a constant."""
    import storch  # pyright: ignore
    from storch.method import REBAR, RELAX, ScoreFunction  # pyright: ignore

    network = surrogate(dtype)

    def step_of(method: Any) -> Callable[[], None]:
        def step() -> None:
            storch.reset()
            logits = torch.zeros(BATCH, BITS, dtype=dtype, requires_grad=True)
            rows = storch.denote_independent(logits, 0, "batch")
            b = method(Bernoulli(logits=rows))
            storch.add_cost(((b - TARGET) ** 2).mean(-1), "cost")
            storch.backward()

        return step

    score, relax, rebar = ScoreFunction("z"), RELAX("z", c_phi=lambda z: network(z).squeeze(-1)), REBAR("z")
    return {
        "storchastic ScoreFunction": step_of(score),
        "storchastic REBAR + variance": step_of(rebar),
        "storchastic RELAX + variance": step_of(relax),
    }


def serve() -> None:
    """In the peers' environment: for each line [dtype, seconds] on stdin, one round of all steps as JSON."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sides: dict[str, Steps] = {}
    failed: dict[str, str] = {}
    for line in sys.stdin:
        name, least = json.loads(line)
        dtype = getattr(torch, name)
        if name not in sides:
            sides[name] = {"plain": plain_step(dtype)}
            for side in (pydrobert_side, storchastic_side):
                try:
                    found = side(dtype)
                except Exception as error:
                    failed[side.__name__] = f"{type(error).__name__}: {error}"
                    continue
                for key, step in found.items():
                    try:
                        step()
                        sides[name][key] = step
                    except Exception as error:  # a peer that fails is part of the result
                        failed[key] = f"{type(error).__name__}: {str(error)[:200]}"
        times = {key: timed(step, least) for key, step in sides[name].items()}
        print(json.dumps({"times": times, "failed": failed}), file=sys.__stdout__, flush=True)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


@dataclass(frozen=True)
class Options:
    rounds: int = 21
    peers: Path = PEERS
    """their interpreter"""


def measure(quick: bool, rounds: int, peers: Path) -> dict[str, Any]:
    """Time all steps, round by round: ours here, the peers' in their interpreter."""
    from experiments.runner import peers_versions

    rounds, least = (1, 0.002) if quick else (rounds, 0.05)
    process = None
    if not quick and peers.exists():
        command = [peers, "-m", "experiments.gradients.cost", "--serve"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = {"bits": BITS, "batch": BATCH, "rounds": rounds}
    failed: dict[str, str] = {}
    for name in ("float32", "float64"):
        steps = {"plain": plain_step(getattr(torch, name)), **ours(getattr(torch, name))}
        for step in steps.values():
            step()
        ratios: dict[str, list[float]] = {}
        micros: dict[str, list[float]] = {}
        for _ in range(rounds):
            sides = [{key: timed(step, least) for key, step in steps.items()}]
            if process is not None:
                assert process.stdin is not None
                assert process.stdout is not None
                print(json.dumps([name, least]), file=process.stdin, flush=True)
                answer = json.loads(process.stdout.readline())
                sides.append(answer["times"])
                failed |= answer["failed"]
            for number, times in enumerate(sides):
                for key, spent in times.items():
                    label = "plain, beside the peers" if key == "plain" and number else key
                    micros.setdefault(label, []).append(spent)
                    if key != "plain":
                        ratios.setdefault(label, []).append(spent / times["plain"])
        rows: dict[str, Any] = {}
        for key, found in ratios.items():
            ordered = sorted(found)
            low, high = ordered[len(found) // 4], ordered[-1 - len(found) // 4]
            rows[key] = {"ratio": median(found), "quartiles": [low, high], "microseconds": median(micros[key])}
        rows["plain"] = {"ratio": 1.0, "microseconds": median(micros["plain"])}
        result[name] = rows
    result["failed"] = failed
    if process is not None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        result["peers"] = peers_versions(peers, ("storchastic", "pydrobert-pytorch", "torch"))
    return result


def report(result: dict[str, Any]) -> None:
    for name in ("float32", "float64"):
        rows = result[name]
        spent = rows["plain"]["microseconds"]
        print(f"\n{name}: a score-function step through torch.distributions takes {spent:.0f} us")
        for key in (key for key in rows if key != "plain"):
            (low, high), bar = rows[key]["quartiles"], BARS.get(key) if name == "float32" else None
            at_most = "" if bar is None else f"   at most {bar:g}"
            print(f"  {key:32} {rows[key]['ratio']:6.2f}   [{low:.2f}, {high:.2f}]{at_most}")
    if result["failed"]:
        print("\nfailed:", *(f"{key}: {error}" for key, error in result["failed"].items()), sep="\n  ")


if __name__ == "__main__":
    if "--serve" in sys.argv:  # in the peers' environment, which lacks what the runner needs
        serve()
    else:
        from experiments.runner import measure_whole

        measure_whole(__file__, measure, report, options=Options)
