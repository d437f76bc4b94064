"""Which values the fields of a config can have, whether it is read from a file or made in Python (`check_config`).

A mistake is told by the field that is wrong, before work starts, and not by what goes wrong later because of it.
"""

import sys
from collections.abc import Mapping
from reprlib import repr as short
from typing import Any, NamedTuple, cast

LARGEST_COUNT = 2**31 - 1
MOST_THREADS = 1024
"""More than any machine has cores for, and few enough to start: OpenMP ends the process that asks for too many."""
LARGEST_FLOAT = sys.float_info.max


class Impossible(ValueError):
    """A value of the right type that its field cannot have."""


class Limit(NamedTuple):
    """The numbers from `least` to `most`, without these two where they are open ends."""

    wanted: str
    least: float = -LARGEST_FLOAT
    most: float = LARGEST_FLOAT
    above: bool = False
    below: bool = False

    def allows(self, number: float) -> bool:
        """Whether the number is one of them; NaN and the infinities never are."""
        ends = (self.above and number == self.least) or (self.below and number == self.most)
        return self.least <= number <= self.most and not ends


FINITE = Limit("a finite number")
POSITIVE = Limit("a number above 0", least=0, above=True)
NOT_NEGATIVE = Limit("a number of 0 or more", least=0)
SHARE = Limit("a number from 0 to 1", least=0, most=1)
SHARE_BELOW_1 = Limit("a number from 0 to below 1", least=0, most=1, below=True)
COUNT = Limit(f"a whole number from 1 to {LARGEST_COUNT}", least=1, most=LARGEST_COUNT)
COUNT_OR_NONE = Limit(f"a whole number from 0 to {LARGEST_COUNT}", least=0, most=LARGEST_COUNT)
SEED = Limit("a whole number of 0 or more", least=0)
LENGTH = Limit("a whole number from 1 to 2,000", least=1, most=2_000)
"""Of a plan, whose steps and samples are all in memory at once."""
AT_ONCE = Limit("a whole number from 0 to 10,000", least=0, most=10_000)

LIMITS: Mapping[str, Mapping[str, Limit]] = {
    "DatasetCard": {
        **dict.fromkeys(("frame_shape", "action_dim", "state_dim", "frame_stack"), COUNT),
        **dict.fromkeys(("seed", "checksum"), SEED),
    },
    "EmbeddingConfig": {
        **dict.fromkeys(("latent_dim", "encoder_hidden", "decoder_hidden", "transition_hidden", "rank", "pool"), COUNT),
        "ensemble": COUNT_OR_NONE,
    },
    "WeightedTerm": {"weight": FINITE, "start": FINITE, "ramp": SHARE},
    "Retry": {"steps": COUNT, "attempts": COUNT_OR_NONE, "batch_size": COUNT},
    "Phase": {
        **dict.fromkeys(("steps", "batch_size"), COUNT),
        "horizon": COUNT_OR_NONE,
        "learning_rate": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
    },
    "TrainConfig": {
        **dict.fromkeys(("log_every", "measure_every", "checkpoint_every", "keep"), COUNT),
        "threads": Limit(f"a whole number from 1 to {MOST_THREADS}", least=1, most=MOST_THREADS),
        "seed": SEED,
        "held_out": SHARE_BELOW_1,
    },
    "LearningOptions": {"episode_length": AT_ONCE},
    "CuriosityOptions": {"horizon": LENGTH, **dict.fromkeys(("iterations", "samples"), AT_ONCE)},
    "PlanningOptions": {
        "horizon": LENGTH,
        **dict.fromkeys(("iterations", "samples", "starts"), AT_ONCE),
        "episode_steps": COUNT,
        **dict.fromkeys(("state_weight", "action_weight", "disagreement"), NOT_NEGATIVE),
    },
}
"""By dataclass and field; a tuple's limit is that of its items."""

NEVER_EMPTY = frozenset({"Recipe.phases", "Phase.terms", "Phase.train", "EmbeddingConfig.transition_hidden"})


def check_limits(owner: str, name: str, value: Any, place: str) -> None:
    """Raise `Impossible`, naming the place, if a field of the dataclass `owner` cannot have this value."""
    if value == () and f"{owner}.{name}" in NEVER_EMPTY:
        raise Impossible(f"{place} is empty, where at least one belongs")
    limit = LIMITS.get(owner, {}).get(name)
    if limit is None or value is None:
        return
    if not isinstance(value, tuple):
        check_number(limit, value, place)
        return
    for i, number in enumerate(cast(tuple[float, ...], value)):
        check_number(limit, number, f"{place}[{i}]")


def check_number(limit: Limit, number: float, place: str) -> None:
    """Raise `Impossible`, naming the place, if the number is outside the limit."""
    if not limit.allows(number):
        raise Impossible(f"{place} is {short(number)}, where {limit.wanted} belongs")
