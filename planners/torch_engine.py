"""Batched iLQR in torch: for a GPU, and for gradients through the plan.

The plan is a function of whatever dynamics and cost are made of: weights, goals, a network's parameters. Its derivative
does not need the iterations: at the solution the gradient of the cost with respect to each control that is not held by
a limit is zero, and stays so (the implicit function theorem; Amos et al., "Differentiable MPC for end-to-end planning
and control", NeurIPS 2018, through an LQ model; here with the exact Hessian of the rolled-out cost).

This module imports torch, and so is loaded only when a name of it is asked for: ``from e2c_control.planners import
TorchILQR``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import Any, Self, cast

import torch
from torch import Tensor

from e2c_control.errors import InputError, of_class, whole
from e2c_control.fields import CountOrZero, NotNegative, Several, ShareAboveZero, check
from e2c_control.planners.costs import QuadraticCost
from e2c_control.planners.optimality import optimality_residual
from e2c_control.planners.plan import Limits, Plan, PlanOf, StopReason
from e2c_control.planners.torch_dynamics import TorchStep, as_array, jacobians, next_states, rollout

# Trajectories (N, T + 1, n) and controls (N, T, m) of all problems to costs (N,), differentiable, a sum over time.
TorchCost = Callable[[Tensor, Tensor], Tensor]

Path = tuple[Tensor, Tensor, Tensor]  # states (N, T + 1, n), controls (N, T, m), and what they cost (N,)

MU_LEAST, MU_MOST = 1e-6, 1e3  # regularisation, in units of Q_uu; at the second, only rounding is left to gain


class TorchPlan(PlanOf[Tensor, Tensor]):
    """Planned trajectories of N problems over T steps, as tensors.

    Where the planner was asked for it, states, controls and cost carry gradients; the residual and the gains are those
    of the plan before the last step for gradients.
    """

    @property
    def converged(self) -> Tensor:
        """Problems whose optimality residual is within the tolerance, (N,) bool."""
        return self.stop_reason == StopReason.CONVERGED

    @property
    def failed(self) -> Tensor:
        """Problems without a finite trajectory, (N,) bool."""
        return ~torch.isfinite(self.cost)

    @classmethod
    def guess(cls, controls: Tensor, state_dim: int) -> Self:
        """Return a plan of controls (N, T, m) alone, to start a planner from."""
        unknown = controls.new_full((len(controls),), torch.inf)
        states = controls.new_full((len(controls), controls.shape[1] + 1, state_dim), torch.nan)
        nothing = torch.zeros_like(unknown, dtype=torch.int64)
        reason = nothing + StopReason.ITERATIONS
        return cls(states, controls, None, unknown, unknown[:, None], nothing, reason, unknown, 0 * controls[:, 0, 0])

    def numpy(self) -> Plan:
        """Return the same plan as NumPy arrays, without gradients."""
        parts: dict[str, Any] = {"gains": None}
        for name, part in self.parts():
            parts[name] = as_array(part) if part.is_floating_point() else part.cpu().numpy()
        return Plan(**parts)


@dataclass(frozen=True, eq=False)
class _Local:
    """Expansion along trajectories, in deviations."""

    A: Tensor  # (N, T, n, n)
    B: Tensor  # (N, T, n, m)
    q: Tensor  # (N, T + 1, n)
    r: Tensor  # (N, T, m)
    Q: Tensor  # (N, T + 1, n, n)
    R: Tensor  # (N, T, m, m)


@dataclass(frozen=True)
class TorchILQR:
    """Options of the planner, which is called as the others are, with tensors in the place of arrays.

    Gradients and stage Hessians of the cost come from autograd; its Hessian must be block diagonal in time, without
    cross terms of state and control, and convex. All problems are worked on until the last is done.
    """

    iterations: CountOrZero = 100
    tolerance: NotNegative = 1e-8  # of the optimality residual, the share of the cost that a full step promises to gain
    step_sizes: Several[ShareAboveZero] = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)

    def __post_init__(self) -> None:
        check(self)

    def __call__(
        self,
        dynamics: TorchStep,
        cost: TorchCost | QuadraticCost,
        initial_states: Tensor,
        horizon: int,
        limits: Limits,
        warm_start: TorchPlan | Plan | None = None,
        differentiable: bool = False,
    ) -> TorchPlan:
        """Plan N problems, from initial states (N, n), over ``horizon`` steps; all else has their device and type.

        Arguments: ``dynamics``, a module or function that takes states (b, n) and controls (b, m) to the next states,
        in the mode that it is in; ``cost``, a function of trajectories (N, T + 1, n) and controls (N, T, m) to costs
        (N,), or a ``QuadraticCost``; ``warm_start``, where the search begins, padded or cut to the horizon: without it,
        at the allowed control nearest to zero.

        With ``differentiable``, the result carries gradients to all that ``dynamics``, ``cost`` and ``initial_states``
        depend on, first order, exact where the plan has converged and no limit is about to be reached or left. A
        problem whose initial state is not finite ends as NON_FINITE and disturbs no other.
        """
        u, low, high = _begin(initial_states, horizon, limits, warm_start)
        cost = tensor_cost(cost, initial_states, horizon, len(low)) if isinstance(cost, QuadraticCost) else cost
        for name, given in (("dynamics", dynamics), ("cost", cost)):
            if not callable(given):
                raise InputError(f"{name} is {short(given)}, which does not know tensors: give a function of tensors.")
        with torch.no_grad():
            z = rollout(dynamics, initial_states.detach(), u)
            value, mu = cost(z, u), z.new_zeros(len(z))
            if value.shape != mu.shape:
                given = tuple(value.shape)
                raise InputError(f"cost must return one number for each of {len(z)} problems, but has shape {given}.")
            value = value.nan_to_num(torch.inf, torch.inf)
            history, iterations = [value], torch.zeros_like(mu, dtype=torch.int64)
            for _ in range(self.iterations):
                local = _expand(dynamics, cost, z, u)
                K, k, gain, definite = _backward(local, mu, low - u, high - u)
                near = _residual(local, gain, value, z, u) <= self.tolerance
                done = (near & (mu == 0)) | (mu >= MU_MOST)
                if bool(done.all()):
                    break
                (z, u, value), better = self._line_search(dynamics, cost, (z, u, value), K, k, low, high)
                better &= definite
                mu = torch.where(better, mu / 4, (4 * mu).clamp(min=MU_LEAST))
                mu = torch.where(mu < MU_LEAST, torch.zeros_like(mu), mu)
                history.append(value)
                iterations += ~done
            local = _expand(dynamics, cost, z, u)
            gains, _, gain, definite = _backward(local, torch.zeros_like(mu), low - u, high - u)
            sound = definite & torch.isfinite(value)
            left = _residual(local, gain, value, z, u).where(sound, torch.inf)
        reason = torch.full_like(iterations, StopReason.ITERATIONS)
        reason[mu >= MU_MOST] = StopReason.REGULARISATION
        reason[left <= self.tolerance] = StopReason.CONVERGED
        reason[~torch.isfinite(value)] = StopReason.NON_FINITE
        gains = gains.where(sound[:, None, None, None], 0.0)
        plan = TorchPlan(z, u, gains, value, torch.stack(history, 1), iterations, reason, left, mu)
        if not differentiable:
            return plan
        u = attach_gradients(dynamics, cost, initial_states, u, low, high)
        z = rollout(dynamics, initial_states, u)
        return replace(plan, states=z, controls=u, cost=cost(z, u))

    def _line_search(
        self, step: TorchStep, cost: TorchCost, before: Path, K: Tensor, k: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Path, Tensor]:
        """Return the cheapest of u = clip(ū + a k + K (z - z̄)) over all step sizes a, where that is an improvement."""
        (z, u, value), a = before, len(self.step_sizes)
        sizes = u.new_tensor(self.step_sizes).repeat_interleave(len(u))  # size major: rows a N + i
        states, controls = [z[:, 0].repeat(a, 1)], list[Tensor]()
        for t in range(u.shape[1]):
            away = (K[:, t].repeat(a, 1, 1) @ (states[t] - z[:, t].repeat(a, 1)).unsqueeze(-1)).squeeze(-1)
            controls.append((u[:, t].repeat(a, 1) + sizes[:, None] * k[:, t].repeat(a, 1) + away).clamp(low, high))
            states.append(next_states(step, states[t], controls[t]))
        paths, tried = torch.stack(states, 1), torch.stack(controls, 1)
        # One call a size: a cost may hold something for each problem, such as its goal.
        values = [cost(*rows) for rows in zip(paths.chunk(a), tried.chunk(a), strict=True)]
        found = torch.stack(values).nan_to_num(torch.inf, torch.inf)
        least, rows = found.amin(0), found.argmin(0) * len(u) + torch.arange(len(u), device=u.device)
        better = least < value
        take = better[:, None, None]
        chosen = torch.where(take, paths[rows], z), torch.where(take, tried[rows], u)
        return (*chosen, torch.where(better, least, value)), better


def attach_gradients(
    step: TorchStep, cost: TorchCost, initial_states: Tensor, controls: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """Return controls (N, T, m) with the derivative of the optimum: du = -H_ff⁻¹ d(dJ/du)_f on the free set f.

    At the optimum the free part of the gradient g(u, p) = dJ/du is zero for every parameter p of dynamics and cost.
    Derive that by p: H du/dp + dg/dp = 0, so du/dp = -H⁻¹ dg/dp, whatever iterations have led to u. In code, g stays a
    node of the graph, H and u are numbers, and -H⁻¹g is added to u: its value is nearly zero, its derivative is du/dp.

    This is one Newton step, which near the optimum also squares what error the iterations have left; where it would
    not help, only its derivative is taken. H is the Hessian of the whole rolled-out cost, T m square: meant for plans
    of some hundred numbers.
    """
    N, T, m = controls.shape
    with torch.enable_grad():
        u = controls.detach().requires_grad_()
        total = cost(rollout(step, initial_states, u), u)
        (gradient,) = torch.autograd.grad(total.sum(), u, create_graph=True)
        flat = gradient.reshape(N, T * m)
        rows = [torch.autograd.grad(flat[:, i].sum(), u, retain_graph=True)[0].reshape(N, -1) for i in range(T * m)]
        whole = torch.stack(rows, 1).detach()
        held = ((u <= low) & (gradient > 0)) | ((u >= high) & (gradient < 0))
        free = (~held).reshape(N, -1).detach()
        change = -_solve(_restricted(whole, free), (flat * free).unsqueeze(-1)).reshape(N, T, m)
        after = (controls.detach() + change).clamp(low, high)
        with torch.no_grad():
            worse = cost(rollout(step, initial_states, after), after) > total + 1e-12 * total.abs()
        stay = controls.detach() + change - change.detach()
        return torch.where(worse[:, None, None], stay, after)


def _expand(step: TorchStep, cost: TorchCost, z: Tensor, u: Tensor) -> _Local:
    """Return the derivatives of step and cost along the trajectories."""
    N, T, m = u.shape
    _, A, B = jacobians(step, z[:, :-1].reshape(N * T, -1), u.reshape(N * T, m))
    with torch.enable_grad():
        x, w = z.detach().requires_grad_(), u.detach().requires_grad_()
        q, r = torch.autograd.grad(cost(x, w).sum(), (x, w), create_graph=True)
        blocks = A.reshape(N, T, *A.shape[1:]), B.reshape(N, T, *B.shape[1:])
        return _Local(*blocks, q.detach(), r.detach(), _blocks(q, x), _blocks(r, w))


def _blocks(gradient: Tensor, x: Tensor) -> Tensor:
    """Return the diagonal blocks (N, T, k, k) of the Hessian from the gradient (N, T, k)."""
    if not gradient.requires_grad:
        return x.new_zeros(*x.shape, x.shape[-1])
    columns: list[Tensor] = []
    for i in range(x.shape[-1]):
        columns += torch.autograd.grad(
            gradient[..., i].sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    return torch.stack(columns, -2).detach()


def _residual(local: _Local, gain: Tensor, value: Tensor, z: Tensor, u: Tensor) -> Tensor:
    epsilon = torch.finfo(value.dtype).eps
    return optimality_residual(gain, value, (z, u), (local.q, local.r), (local.Q, local.R), epsilon)


def _backward(local: _Local, mu: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return K (N, T, m, n), k (N, T, m), the gain they promise (N,), and where all H were positive definite (N,).

    H = Q_uu + mu |diag Q_uu|, k = argmin ½ k'Hk + Q_u'k within (low, high) (N, T, m), K = -H_ff⁻¹ Q_uz.
    """
    ahead = local.Q[:, -1], local.q[:, -1].unsqueeze(-1)
    eye, definite = torch.eye(local.r.shape[2], dtype=mu.dtype, device=mu.device), torch.ones_like(mu, dtype=torch.bool)
    gains, steps, gain = list[Tensor](), list[Tensor](), torch.zeros_like(mu)
    for t in range(local.r.shape[1] - 1, -1, -1):
        A, B, (V, v) = local.A[:, t], local.B[:, t], ahead
        G, F = local.R[:, t] + B.mT @ V @ B, B.mT @ V @ A
        g = local.r[:, t].unsqueeze(-1) + B.mT @ v
        size = G.diagonal(0, 1, 2).abs()
        raised = G + torch.diag_embed(mu[:, None] * size.where(size > 0, 1.0))
        sound = _definite(raised)
        definite &= sound
        H = torch.where(sound[:, None, None], raised, eye)
        k, free = box_qp(H, g.squeeze(-1), low[:, t], high[:, t])
        K = -_solve(_restricted(H, free), F * free.unsqueeze(-1))
        k = k.unsqueeze(-1)
        gain = gain - (k * (g + 0.5 * G @ k)).sum((1, 2))
        before = local.q[:, t].unsqueeze(-1) + A.mT @ v + K.mT @ (G @ k + g) + F.mT @ k
        P = local.Q[:, t] + A.mT @ V @ A + K.mT @ G @ K + K.mT @ F + F.mT @ K
        ahead = 0.5 * (P + P.mT), before
        gains.append(K)
        steps.append(k.squeeze(-1))
    return torch.stack(gains[::-1], 1), torch.stack(steps[::-1], 1), gain, definite


def box_qp(H: Tensor, g: Tensor, low: Tensor, high: Tensor, iterations: int = 20) -> tuple[Tensor, Tensor]:
    """Minimise ½ x'Hx + g'x within low <= x <= high (N, m); return x (N, m) and which numbers are free there (N, m).

    Projected Newton steps (Tassa, Mansard, Todorov 2014), each the best of several lengths for each problem.
    """
    x = (-_solve(H, g.unsqueeze(-1)).squeeze(-1)).clamp(low, high)
    lengths = 0.5 ** torch.arange(12, dtype=H.dtype, device=H.device)[:, None, None]
    for _ in range(iterations if H.shape[1] > 1 else 1):  # one number: clipping is the solution
        w = g + (H @ x.unsqueeze(-1)).squeeze(-1)
        free = ~(((x <= low) & (w > 0)) | ((x >= high) & (w < 0)))
        p = -_solve(_restricted(H, free), (w * free).unsqueeze(-1)).squeeze(-1)
        tried = (x + lengths * p).clamp(low, high)
        value = (tried * (0.5 * (H @ tried.unsqueeze(-1)).squeeze(-1) + g)).sum(-1)
        best = tried[value.argmin(0), torch.arange(len(x), device=x.device)]
        if torch.equal(best, x):
            break
        x = best
    w = g + (H @ x.unsqueeze(-1)).squeeze(-1)
    return x, ~(((x <= low) & (w > 0)) | ((x >= high) & (w < 0)))


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    return cast(Tensor, torch.linalg.solve(matrix, right))


def _definite(matrix: Tensor) -> Tensor:
    """Return where (N,) the matrices (N, m, m) are positive definite."""
    return cast(Tensor, torch.linalg.cholesky_ex(matrix)[1]) == 0


def _restricted(H: Tensor, free: Tensor) -> Tensor:
    """Return H on the free rows and columns, the identity on the others."""
    f = free.to(H.dtype)
    return H * f.unsqueeze(-1) * f.unsqueeze(-2) + torch.diag_embed(1 - f)


def _begin(
    initial_states: Tensor, horizon: int, limits: Limits, warm_start: TorchPlan | Plan | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the controls (N, T, m) to start from and the limits low and high (m,), once all fits together."""
    states, limits = of_class("initial_states", initial_states, Tensor), of_class("limits", limits, Limits)
    if states.ndim != 2 or not states.numel() or not states.is_floating_point():
        raise InputError(
            f"initial_states must be real with shape (N, n), but are {states.dtype} {tuple(states.shape)}."
        )
    low, high = (torch.tensor(side, dtype=states.dtype, device=states.device) for side in (limits.low, limits.high))
    shape = len(states), whole("horizon", horizon), len(low)
    if warm_start is None:
        return low.new_zeros(shape).clamp(low, high), low, high
    if not isinstance(warm_start, Plan | TorchPlan):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"warm_start is {short(warm_start)}: give the plan of an earlier call.")
    controls = torch.as_tensor(warm_start.shift(horizon, steps=0).controls, dtype=low.dtype, device=low.device)
    if controls.shape != shape:
        raise InputError(f"The warm start's controls must have shape {shape}, but have {tuple(controls.shape)}.")
    return controls.detach().clamp(low, high), low, high


def tensor_cost(cost: QuadraticCost, states: Tensor, horizon: int, control_dim: int) -> TorchCost:
    """Return the same cost as a function of tensors, for initial states (N, n) and T steps."""
    cost.check(len(states), states.shape[1], control_dim)
    goal, Q, R, P = map(states.new_tensor, cost.at(horizon))

    def times(x: Tensor, W: Tensor) -> Tensor:
        return x @ W if W.ndim == 2 else torch.einsum("bti,tij->btj", x, W[: x.shape[1]])

    def value(z: Tensor, u: Tensor) -> Tensor:
        error = z - goal
        stages = (times(error[:, :-1], Q) * error[:, :-1]).sum((1, 2)) + (times(u, R) * u).sum((1, 2))
        return stages + (error[:, -1] @ P * error[:, -1]).sum(1)

    return value
