"""Planner speed: Riccati passes beside Crocoddyl, mpc.pytorch and jax; the swing-up, a latent replan, many at once.

Both sides solve the same random LQ problems, in two processes that take turns; CPU time of each process, one thread,
lower quartile of the rounds. ``ours`` is the pass itself, ``ours_called`` the public ``lqr`` and ``rollout`` with all
their checks. Crocoddyl is timed over calcDiff, backward and forward pass of its DDP solver, on one thread; mpc.pytorch
over one call with lqr_iter=1, its smallest unit; jax over compiled scans of the same recursion, with its inputs in
place and without the time of compilation. The peers need an environment of their own:

    python -m venv build/peers
    build/peers/bin/pip install -c constraints.txt torch==2.13.0 jax crocoddyl==3.2.1 pin==4.1.0
    build/peers/bin/pip install --no-deps mpc==0.0.6
    python -m experiments.planners.speed                    # writes results/speed.json
    python -m experiments.planners.speed --quick            # two cells, one round, without peers, writes nothing
    python -m experiments.planners.speed --peers DIRECTORY  # where their environment stands elsewhere
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers"
CELLS = [(n, m, T) for n, m in ((2, 1), (3, 1), (8, 2), (8, 4)) for T in (10, 40, 100)] + [(32, 4, 40)]
SEED = 100


def problems(n: int, m: int, T: int, batch: int) -> dict[str, np.ndarray]:
    """``batch`` time-varying LQ problems: ½ z'z + q'z + ½ u'u + r'u, z' = A z + B u."""
    rng = np.random.default_rng(SEED)
    return {
        "A": rng.normal(size=(batch, T, n, n)) / np.sqrt(n),
        "B": rng.normal(size=(batch, T, n, m)),
        "q": rng.normal(size=(batch, T + 1, n)),
        "r": rng.normal(size=(batch, T, m)),
        "z0": rng.normal(size=(batch, n)),
    }


def timed(run: Callable[[], Any], least: float = 0.02) -> float:
    """CPU microseconds of a call, from enough of them in a row to take so many seconds."""
    calls, spent = 1, 0.0
    while spent < least:
        calls *= 2
        begun = time.process_time()
        for _ in range(calls):
            run()
        spent = time.process_time() - begun
    return 1e6 * spent / calls


def ours(cell: tuple[int, int, int], batch: int) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    """A call of the backward and forward passes, and the first controls (batch, m) that it found."""
    from e2c_control.planners import kernels

    (n, m, T), data = cell, problems(*cell, batch)
    Q, R = np.tile(np.eye(n), (batch, T + 1, 1, 1)), np.tile(np.eye(m), (batch, T, 1, 1))
    free, o = np.full((batch, T, m), np.inf), np.zeros((batch, T, n))
    local = kernels.Local(data["A"], data["B"], o, data["q"], data["r"], Q, R, np.zeros((batch, T, m, n)), -free, free)
    policy, rows = kernels.blank_policy(batch, T, n, m), np.arange(batch)
    mu, growth, done = np.zeros(batch), np.ones(batch), np.zeros(batch, np.bool_)
    states, controls = np.empty((batch, T + 1, n)), np.empty((batch, T, m))
    states[:, 0] = data["z0"]

    def run() -> None:
        kernels.backward(rows, local, mu, growth, policy, done)
        kernels.affine_rollout(local.A, local.B, o, policy.K, policy.k, states, controls)

    run()
    return run, lambda: controls[:, 0].copy()


def ours_called(cell: tuple[int, int, int], batch: int) -> Callable[[], Any]:
    """The same problems through the public functions."""
    from e2c_control.planners import Expansion, Linearization, lqr

    (n, m, T), data = cell, problems(*cell, batch)
    Q, R = np.tile(np.eye(n), (batch, T + 1, 1, 1)), np.tile(np.eye(m), (batch, T, 1, 1))
    model = Linearization(data["A"], data["B"], np.zeros((batch, T, n)))
    cost = Expansion(data["q"], data["r"], Q, R, np.zeros((batch, T, m, n)))
    return lambda: lqr(model, cost).rollout(model, data["z0"])


def crocoddyl_side(cell: tuple[int, int, int], batch: int) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    import crocoddyl

    (n, m, T), data, solvers = cell, problems(*cell, batch), []
    for b in range(batch):
        stages = []
        for t in range(T + 1):
            A, B = (data["A"][b, t], data["B"][b, t]) if t < T else (np.eye(n), np.zeros((n, m)))
            r = data["r"][b, t] if t < T else np.zeros(m)
            stages.append(
                crocoddyl.ActionModelLQR(A, B, np.eye(n), np.eye(m), np.zeros((n, m)), np.zeros(n), data["q"][b, t], r)
            )
        problem = crocoddyl.ShootingProblem(data["z0"][b], stages[:-1], stages[-1])
        problem.nthreads = 1  # its two threads take 8 ms of CPU a call, most of it waiting
        solver, us = crocoddyl.SolverDDP(problem), [np.zeros(m)] * T
        xs = list(problem.rollout(us))
        solver.setCandidate(xs, us, True)
        problem.calc(xs, us)
        solvers.append((solver, problem, xs, us))

    def run() -> None:
        for solver, problem, xs, us in solvers:
            problem.calcDiff(xs, us)
            solver.backwardPass()
            solver.forwardPass(1.0)

    run()
    return run, lambda: np.array([-solver.k[0] for solver, *_ in solvers])


def mpc_side(cell: tuple[int, int, int], batch: int) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    import torch
    from mpc import mpc

    torch.set_num_threads(1)
    (n, m, T), data = cell, {key: torch.from_numpy(value) for key, value in problems(*cell, batch).items()}
    # It has a control at the last state too: one that does nothing.
    F = torch.cat((data["A"], data["B"]), 3).transpose(0, 1)
    c = torch.cat((data["q"], torch.cat((data["r"], torch.zeros(batch, 1, m).double()), 1)), 2).transpose(0, 1)
    C = torch.eye(n + m).double().expand(T + 1, batch, n + m, n + m)
    cost, model = mpc.QuadCost(C.contiguous(), c.contiguous()), mpc.LinDx(F.contiguous())
    solver = mpc.MPC(n, m, T + 1, lqr_iter=1, exit_unconverged=False, backprop=False, verbose=-1, n_batch=batch)
    found: list[Any] = [None]

    def run() -> None:
        found[0] = solver(data["z0"], cost, model)

    run()
    return run, lambda: found[0][1][0].numpy()


def jax_side(cell: tuple[int, int, int], batch: int) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
    """Scans over the stages, a Cholesky factor each, compiled for all problems together."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    (n, m, _), data = cell, problems(*cell, batch)
    Q, R = jnp.eye(n), jnp.eye(m)

    def stage(after: Any, local: Any) -> Any:
        (V, v), (A, B, q, r) = after, local
        VA, VB = V @ A, V @ B
        factor = jax.scipy.linalg.cho_factor(R + B.T @ VB)
        Q_uz, Q_u = B.T @ VA, r + B.T @ v
        K, k = -jax.scipy.linalg.cho_solve(factor, Q_uz), -jax.scipy.linalg.cho_solve(factor, Q_u)
        V, v = Q + A.T @ VA + Q_uz.T @ K, q + A.T @ v + Q_uz.T @ k
        return ((V + V.T) / 2, v), (K, k)

    def step(z: Any, local: Any) -> Any:
        A, B, K, k = local
        u = K @ z + k
        return A @ z + B @ u, (z, u)

    def solve(A: Any, B: Any, q: Any, r: Any, z0: Any) -> Any:
        _, (K, k) = jax.lax.scan(stage, (Q, q[-1]), (A, B, q[:-1], r), reverse=True)
        return jax.lax.scan(step, z0, (A, B, K, k))

    compiled = jax.jit(jax.vmap(solve))
    arguments = [jnp.asarray(data[name]) for name in ("A", "B", "q", "r", "z0")]
    found: list[Any] = [None]

    def run() -> None:
        found[0] = jax.block_until_ready(compiled(*arguments))

    run()
    return run, lambda: np.asarray(found[0][1][1][:, 0])


def serve() -> None:
    """The peers' process: a line names side, cell and batch, the answer is microseconds and the first controls."""
    sides: dict[str, Callable[..., Any]] = {"crocoddyl": crocoddyl_side, "mpc": mpc_side, "jax": jax_side}
    answers, made = os.fdopen(os.dup(1), "w"), {}
    os.dup2(2, 1)  # what the libraries print goes to stderr
    for line in sys.stdin:
        name, cell, batch = json.loads(line)
        key = (name, tuple(cell), batch)
        if key not in made:
            made[key] = sides[name](tuple(cell), batch)
        run, first = made[key]
        print(json.dumps([timed(run), first().tolist()]), file=answers, flush=True)


def riccati(
    cells: list[tuple[int, int, int]], batches: list[int], rounds: int, peers: Path | None
) -> list[dict[str, Any]]:
    process = None
    if peers is not None:
        command = [str(peers), "-m", "experiments.planners.speed", "--serve"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    table: list[dict[str, Any]] = []
    for cell, batch in [(cell, batch) for batch in batches for cell in cells]:
        (run, first), called = ours(cell, batch), ours_called(cell, batch)
        row: dict[str, list[float]] = {"ours": [], "ours_called": []}
        for _ in range(rounds):
            row["ours"].append(timed(run))
            row["ours_called"].append(timed(called))
            for name in ("crocoddyl", "mpc", "jax")[:: 1 if cell[0] <= 8 else 2] if process else ():
                assert process is not None
                assert process.stdin is not None
                assert process.stdout is not None
                print(json.dumps([name, cell, batch]), file=process.stdin, flush=True)
                spent, controls = json.loads(process.stdout.readline())
                np.testing.assert_allclose(controls, first(), rtol=1e-5, atol=1e-6)
                row.setdefault(name, []).append(spent)
        cell_result: dict[str, Any] = {"n": cell[0], "m": cell[1], "T": cell[2], "batch": batch}
        cell_result |= {name: round(sorted(times)[len(times) // 4], 2) for name, times in row.items()}
        table.append(cell_result)
        print(cell_result, flush=True)
    if process is not None and process.stdin is not None:
        process.stdin.close()
        process.wait()
    return table


def ratios(table: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times longer a peer takes, geometric mean and worst cell, for each batch and n up to 8, and n = 32."""
    answer: dict[str, dict[str, float]] = {}
    for name in ("crocoddyl", "mpc", "jax"):
        for large, batch in sorted({(row["n"] > 8, row["batch"]) for row in table if name in row}):
            rows = [row for row in table if (row["n"] > 8, row["batch"]) == (large, batch) and name in row]
            ratio = np.array([row[name] / row["ours"] for row in rows])
            key = f"{name}, {'n = 32' if large else 'n <= 8'}, batch {batch}"
            answer[key] = {"geometric_mean": float(np.exp(np.log(ratio).mean())), "least": float(ratio.min())}
    return answer


def pendulum_step(states: np.ndarray, controls: np.ndarray) -> np.ndarray:
    speed = states[:, 1] + 0.05 * (15 * np.sin(states[:, 0]) + 3 * controls[:, 0])
    return np.stack((states[:, 0] + 0.05 * speed, speed), axis=1)


def pendulum_kernel(parameters: Any, sizes: Any, states: Any, controls: Any, after: Any) -> None:
    for b in range(len(states)):
        after[b, 1] = states[b, 1] + 0.05 * (15 * np.sin(states[b, 0]) + 3 * controls[b, 0])
        after[b, 0] = states[b, 0] + 0.05 * after[b, 1]


def pendulum_derivatives(parameters: Any, sizes: Any, state: Any, control: Any, A: Any, B: Any) -> None:
    slope = 0.75 * np.cos(state[0])
    A[0, 0], A[0, 1], A[1, 0], A[1, 1] = 1 + 0.05 * slope, 0.05, slope, 1.0
    B[0, 0], B[1, 0] = 0.0075, 0.15


def pendulum_problem() -> tuple[Any, Any]:
    """The pendulum for both engines' sake in NumPy and in machine code, and the cost of its swing-up."""
    from e2c_control import FunctionDynamics, QuadraticCost
    from e2c_control.planners import Lowered

    lowered = Lowered(pendulum_kernel, np.zeros(0), np.zeros(0, np.int64), pendulum_derivatives)
    cost = QuadraticCost(np.zeros(2), np.diag([0.05, 0.005]), [[0.005]], np.diag([50.0, 5.0]))
    return FunctionDynamics(pendulum_step, 2, 1, lowered=lowered), cost


def pendulum(rounds: int) -> dict[str, float]:
    from e2c_control import ILQR, Limits, Plan
    from e2c_control.planners import Starts

    dynamics, cost = pendulum_problem()
    guess = Plan.guess(np.random.default_rng(0).uniform(-1, 1, (64, 100, 1)), 2)
    planner, states = ILQR(iterations=300, starts=Starts(0, 0, 0)), np.tile([np.pi, 0.0], (64, 1))

    def solve(count: int) -> Plan:
        return planner(dynamics, cost, states[:count], 100, Limits.symmetric(2.0, 1), guess.select(range(count)))

    plan = solve(64)
    solve(1)
    together, alone = ([timed(lambda count=count: solve(count)) for _ in range(rounds)] for count in (64, 1))
    return {
        "cost_of_first_start": float(plan.cost[0]),
        "solved": float((plan.cost < 23).mean()),
        "iterations": float(plan.iterations.mean()),
        "milliseconds_each_of_64": sorted(together)[rounds // 4] / 64e3,
        "milliseconds_alone": sorted(alone)[rounds // 4] / 1e3,
    }


def replan(rounds: int) -> dict[str, float]:
    """The latent protocol with a network of the planar model's size: a warm start and five others, four iterations."""
    import torch

    from e2c_control import ILQR, Limits, Plan, QuadraticCost
    from e2c_control.models.latent_dynamics import LatentDynamics
    from e2c_control.models.matrix_network import LocallyLinearTransition

    torch.manual_seed(SEED)
    transition = LocallyLinearTransition(2, 2)
    with torch.no_grad():
        transition.head.weight.mul_(10)  # as far from linear as a trained one
    dynamics, cost = LatentDynamics(transition), QuadraticCost([[1.5, -1.0]], 10 * np.eye(2), np.eye(2))
    planner, limits = ILQR(iterations=4, step_sizes=(1.0, 0.3, 0.1)), Limits.symmetric(1.0, 2)
    warm = Plan.guess(np.random.default_rng(SEED).uniform(-1, 1, (1, 10, 2)), 2)
    times = [timed(lambda: planner(dynamics, cost, [[0.0, 0.0]], 10, limits, warm)) for _ in range(rounds + 1)]
    return {"milliseconds": sorted(times[1:])[rounds // 4] / 1e3}


def many(problems: int, rounds: int) -> dict[str, Any]:
    """Swing-ups from as many states at once, ten iterations: the compiled engine and the torch engine, wall-clock."""
    import torch

    from e2c_control import ILQR, Limits
    from e2c_control.planners import Starts, TorchILQR

    torch.set_num_threads(1)
    (dynamics, cost), horizon, iterations = pendulum_problem(), 50, 10
    states = np.random.default_rng(SEED).uniform([-np.pi, -1.0], [np.pi, 1.0], (problems, 2))
    compiled = ILQR(iterations=iterations, starts=Starts(1, 0, 0), tolerance=0.0)
    in_torch = TorchILQR(iterations=iterations, tolerance=0.0)

    def step(states: Any, controls: Any) -> Any:
        speed = states[:, 1] + 0.05 * (15 * torch.sin(states[:, 0]) + 3 * controls[:, 0])
        return torch.stack((states[:, 0] + 0.05 * speed, speed), 1)

    def in_engine(device: str) -> Callable[[], Any]:
        z0, limits = torch.tensor(states, device=device), Limits.symmetric(2.0, 1)
        state, last = (torch.tensor(weight, device=device).double() for weight in ([0.05, 0.005], [50.0, 5.0]))

        def price(z: Any, u: Any) -> Any:
            return (z[:, :-1] ** 2 @ state).sum(1) + z[:, -1] ** 2 @ last + 0.005 * (u**2).sum((1, 2))

        def run() -> Any:
            cost = in_torch(step, price, z0, horizon, limits).cost.cpu()  # and so waits for the device
            return cost.numpy()

        return run

    def seconds(run: Callable[[], Any]) -> float:
        run()
        times: list[float] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
        return sorted(times)[rounds // 4]

    def plan() -> Any:
        return compiled(dynamics, cost, states, horizon, Limits.symmetric(2.0, 1)).cost

    answer: dict[str, Any] = {"problems": problems, "horizon": horizon, "iterations": iterations}
    answer |= {"compiled_engine_milliseconds": 1e3 * seconds(plan), "median_cost": float(np.median(plan()))}
    for name, device in (("torch_cpu", "cpu"), ("torch_cuda", "cuda")):
        if device == "cuda" and not torch.cuda.is_available():
            answer[f"{name}_milliseconds"] = "not run: no CUDA device"
            continue
        run = in_engine(device)
        answer |= {f"{name}_milliseconds": 1e3 * seconds(run), f"{name}_median_cost": float(np.median(run()))}
    if torch.cuda.is_available():
        answer["device"] = torch.cuda.get_device_name()
    return answer


@dataclass(frozen=True)
class Options:
    peers: Path = PEERS
    """the peers' virtual environment"""


def measure(quick: bool, peers: Path) -> dict[str, Any]:
    """Measure all of it; quick, without the peers."""
    from experiments.runner import peers_versions

    python = None if quick else peers / "bin" / "python"
    if python is not None and not python.exists():
        sys.exit("The peers' environment is missing: the head of this script says how to make it.")
    rounds = 1 if quick else 9
    cells, batches = ([(2, 1, 10), (3, 1, 40)], [1]) if quick else (CELLS, [1, 64])
    table = riccati(cells, batches, rounds, python)
    result: dict[str, Any] = {"ratios": ratios(table), "pendulum": pendulum(rounds), "latent_replan": replan(rounds)}
    result["many_at_once"] = many(8 if quick else 1024, 1 if quick else 3)
    print(json.dumps(result, indent=2))
    if python is None:
        return result
    named = peers_versions(python, ("crocoddyl", "pin", "mpc", "torch", "jax", "numpy"))
    return result | {"riccati_microseconds": table, "seed": SEED, "peers": named}


if __name__ == "__main__":
    if "--serve" in sys.argv:  # in the peers' environment, which lacks what the runner needs
        serve()
    else:
        from experiments.runner import measure_whole

        measure_whole(__file__, measure, options=Options)
