"""What a step pays, and whether it ends the episode: read off latents that were encoded, and off those rolled forward.

A map that only tells images apart may drop what the reward depends on, if it is small in the image: the pole of a
cart-pole. These terms keep it, and their gradients go through the rollout, as in value-equivalent models (Hafner et al.
2019, "Dream to Control"; Hansen et al. 2022, "Temporal difference learning for model predictive control").
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from e2c_control.errors import InputError
from e2c_control.models.heads import Head
from e2c_control.objectives.term import Term
from e2c_control.objectives.unrolled import Unrolled


class Reward(Term):
    """Squared error of the rewards of K steps, in their variances, from encoded and from rolled latents alike."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        head, rewards = _needed("reward", unrolled.embedding.reward, unrolled.rewards)
        guessed = head.raw(unrolled.before, unrolled.actions.expand(2, *unrolled.actions.shape))
        return (guessed - head.standard(rewards)).square().mean()


class Termination(Term):
    """Cross-entropy of the K steps' ending their episode, nats, from encoded and from rolled latents alike."""

    def forward(self, unrolled: Unrolled) -> Tensor:
        head, ends = _needed("termination", unrolled.embedding.termination, unrolled.terminations)
        log_odds = head(unrolled.before, unrolled.actions.expand(2, *unrolled.actions.shape))
        return binary_cross_entropy_with_logits(log_odds, ends.to(log_odds.dtype).expand_as(log_odds))


def _needed(name: str, head: Head | None, told: Tensor | None) -> tuple[Head, Tensor]:
    """Return the head of a term and what its dataset tells; InputError where one of them is missing."""
    if head is None:
        raise InputError(f"The term '{name}' needs its head: name it in the embedding's `heads`.")
    if told is None:
        raise InputError(f"The term '{name}' needs {name}s, and the dataset has none: collect it anew.")
    return head, told
