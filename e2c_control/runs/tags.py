"""What each curve and picture means: the one list for TensorBoard, printed tables and the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from e2c_control.errors import printable


@dataclass(frozen=True)
class Tag:
    """What is logged under a tag.

    Attributes:
        what: one sentence; TensorBoard shows it beside the curve. Stars of the tag stand in it as {0}, {1}.
        good: what a good curve looks like; "above X" or "below X" where a number tells.
        bad: what a bad one looks like, and what it means.
    """

    what: str
    good: str = ""
    bad: str = ""

    @property
    def text(self) -> str:
        """All of it, as sentences."""
        return " ".join(
            [self.what] + [f"{name}: {said}." for name, said in (("Good", self.good), ("Bad", self.bad)) if said]
        )


TAGS: dict[str, Tag] = {
    # Training an embedding
    "loss/total/*": Tag(
        "What the phase '{0}' minimises: its terms by their weights.",
        "falls, then stays",
        "compare it within this phase only, since another phase adds up other terms",
    ),
    "loss/*": Tag(
        "The loss '{0}', before it is weighted, in its own unit.",
        "falls or stays small",
        "compare it within a phase only",
    ),
    "train/learning_rate": Tag(
        "Step size: in each phase of a map it rises for a tenth of the steps, then falls to 0; PPO and SAC set theirs."
    ),
    "train/gradient_norm": Tag(
        "Norm of the newest gradient.", "of one order of magnitude within a phase", "grows without end: lower the rate"
    ),
    "train/attempt": Tag(
        "Number of the attempt at this phase: one more is an early restart, of a map that looked misshapen.",
        "1 to 3",
        "the last that the recipe allows: the map may be folded; a drive tells",
    ),
    "train/restarts": Tag("Why the phase began anew at this step, with other weights."),
    "time/transitions_per_second": Tag("Transitions trained on a second, measuring and drawing left out."),
    # The map on held-out episodes
    "map/prediction_error_*": Tag(
        "Error of the latents predicted {0} steps ahead, relative to predicting no motion.",
        "below 0.5",
        "above 0.8: hardly better than no motion",
    ),
    "map/step_rank": Tag(
        "Rank correlation of latent distance with the number of steps between frames; needs no true state. Maps that "
        "drive well have 0.35 to 0.9, by what there is to see.",
        "above 0.6",
        "below 0.3: the map is folded or torn",
    ),
    "map/neighbour_overlap": Tag(
        "Share of the nearest latents that are nearest true states, too.", "above 0.6", "below 0.25: folded"
    ),
    "map/distance_rank": Tag(
        "Rank correlation of latent with true distance over all pairs of frames.",
        "above 0.8",
        "below 0.5: folded, or bent, which may plan well all the same",
    ),
    "map/far_distance_rank": Tag(
        "Rank correlation of latent with true distance over the pairs that are truly far apart.",
        "above 0.8",
        "below 0.5: folded, or bent, which may plan well all the same",
    ),
    "map/affine_r2": Tag(
        "Share of the true state's variance that an affine function of the latent explains.",
        "above 0.9: straight",
        "below 0.5: bent, which may plan well all the same",
    ),
    "map/jacobian_gap": Tag(
        "Difference between the transition's A and the Jacobian of its whole step, relative to the Jacobian.",
        "below 0.2",
        "above 0.5: A misleads plans",
    ),
    "map/state_loss": Tag(
        "Nats to reconstruct an image from its latent, from the phase on that trains the decoder.", "falls, then stays"
    ),
    "map/next_state_loss": Tag(
        "Nats to reconstruct the next image from the predicted latent, from the phase on that trains the decoder.",
        "falls, near map/state_loss",
        "far above map/state_loss: the transition predicts badly",
    ),
    "map/latent_std_*": Tag(
        "Standard deviation of latent {0}.",
        "not near 0, which a map that is bad may have, too",
        "near 0: this dimension is not used",
    ),
    "ways/step_rank": Tag(
        "Rank correlation of the steps by landmarks, recorded images between which the roadmap counts, with the number "
        "of steps between frames; needs no true state.",
        "above 0.8",
        "below 0.4: the landmarks do not know the ways",
    ),
    "ways/joined": Tag(
        "Share of pairs of frames that a way of recorded steps joins.", "above 0.95", "below 0.8: collect more"
    ),
    "ways/alike": Tag(
        "Landmarks whose image stands for several places; no way leads through them.",
        "none, or few",
        "many: frames do not tell places apart",
    ),
    "ways/stopped_told": Tag(
        "Of the moves that changed nothing, the share that was expected to.",
        "above 0.7",
        "below 0.4: plans run into walls",
    ),
    "ways/passed_told": Tag(
        "Of the other moves, the share that was expected to pass.", "above 0.9", "below 0.5: plans fear what is free"
    ),
    "images/ways": Tag(
        "The latents of held-out frames, coloured by the steps from each to one of them.",
        "colours run along the ways, around walls",
        "colours are mixed",
    ),
    "reward/r2_*": Tag(
        "Share of the variance of all rewards that the map tells in held-out episodes after {0} predicted steps.",
        "above 0.9 at once and above 0.7 after 15 steps",
        "low at once: the latents have lost what is paid for; low later: the model does not predict it",
    ),
    "images/latent_map": Tag(
        "The latents of held-out frames, coloured by the true state, or where none is known by where in the picture "
        "there is what differs from the mean picture.",
        "colours run smoothly",
        "colours overlap: a fold; they end at a gap: a tear",
    ),
    "images/predictions": Tag(
        "Held-out frames beside their reconstructions, and what came later beside what was predicted.",
        "what moves is drawn in the right place",
        "what moves is missing or smeared",
    ),
    "config": Tag("All settings of this run, as in its config.json."),
    # Drives
    "evaluate/time_in_goal": Tag(
        "Share of the steps in the goal region, mean over the problems of the list.",
        "near evaluate/oracle",
        "near 0: look at the map, and at a film of e2c plan",
    ),
    "evaluate/oracle": Tag("The same share for a hand-made controller that sees the true state: what can be reached."),
    "drives/*": Tag("What the replans of the drive {0} reported, means over its steps; milliseconds are the median."),
    "images/drive": Tag(
        "The drive: planned and driven path on the latent map, and what happened in the world.",
        "driven follows planned",
        "driven leaves planned: the model is wrong there",
    ),
    "plan/time_in_goal": Tag("Share of the steps in the goal region."),
    "plan/oracle": Tag("The same share for a hand-made controller that sees the true state."),
    "plan/goals_reached": Tag("Goals of a sequence that were reached, or come as near to as it went."),
    "plan/return": Tag("Sum of the environment's own rewards."),
    "plan/cost": Tag("Cost of the plan at this step of the drive.", "falls as the goal comes near", "stays high"),
    "plan/iterations": Tag("Iterations of the planner in this replan."),
    "plan/regularisation": Tag(
        "Regularisation that the planner ended with.", "small", "at its limit: no better plan was found"
    ),
    "plan/at_limit": Tag("Share of the planned controls that lie on a limit."),
    "plan/fallbacks": Tag(
        "Whether the plan failed and the one before was followed.", "0", "often 1: the model leads to no numbers"
    ),
    "plan/converged": Tag("Whether the planner converged."),
    "plan/cpu_milliseconds": Tag("Processor time of the replan; the first one compiles."),
    "plan/model_gap": Tag("How far the planned states are from where the model leads by the planned controls."),
    # Exploration and reinforcement learning; where a curve comes from stable-baselines3, as it explains it
    "explore/coverage": Tag(
        "Share of the cells of the first two state variables that were visited so far.",
        "rises to the end",
        "flat: it sees the same again",
    ),
    "explore/visited": Tag("Where the states lie that were visited so far."),
    "explore/most_novel": Tag("The frames that were most novel since the last picture, beside their reconstructions."),
    "novelty/score": Tag(
        "Mean novelty of what was seen, as the model scores it.",
        "falls while the model learns, and rises where new things are found",
        "never falls: noise is taken for novelty; see `--remedy` of `e2c explore`",
    ),
    "novelty/bonus": Tag("Mean novelty as it was paid, in deviations of its discounted sum."),
    "novelty/deviation": Tag("What scores are divided by before they are paid."),
    "novelty/updates": Tag("Optimiser steps of the novelty model so far."),
    "novelty/loss": Tag("Loss of the novelty model's last training.", "falls", "rises: lower its learning rate"),
    "novelty/loss_*": Tag("The part '{0}' of the novelty model's loss."),
    "novelty_*/*": Tag("As novelty/{1}, of the novelty reward number {0}, counted from outside."),
    "rollout/ep_rew_mean": Tag("Mean return of the last 100 episodes, by what the environment paid.", "rises"),
    "rollout/ep_len_mean": Tag("Mean length of the last 100 episodes, in steps."),
    "rollout/success_rate": Tag("Share of the last 100 episodes that were a success.", "rises"),
    "time/fps": Tag("Environment steps a second."),
    "train/loss": Tag("The loss of the policy's last update."),
    "train/policy_loss": Tag("Loss of the policy; it need not fall."),
    "train/policy_gradient_loss": Tag("Loss of the policy; it need not fall."),
    "train/value_loss": Tag("Squared error of the critic's values.", "rises while returns rise, then falls"),
    "train/entropy_loss": Tag(
        "Minus the entropy of the policy.", "rises slowly", "rises at once: the policy no longer explores"
    ),
    "train/approx_kl": Tag("Change of the policy in one update.", "about 0.01", "above 0.05: lower the learning rate"),
    "train/clip_fraction": Tag("Share of the samples whose update PPO clipped.", "0.05 to 0.3"),
    "train/clip_range": Tag("PPO's bound on the change of probabilities."),
    "train/clip_range_vf": Tag("PPO's bound on the change of values."),
    "train/explained_variance": Tag(
        "Share of the returns' variance that the critic explains.", "rises towards 1", "below 0: worse than a constant"
    ),
    "train/std": Tag("Mean standard deviation of the policy's actions.", "falls slowly"),
    "train/actor_loss": Tag("Loss of SAC's policy; it need not fall."),
    "train/critic_loss": Tag("Squared error of SAC's critics."),
    "train/ent_coef": Tag("SAC's factor of the entropy.", "falls, then stays"),
    "train/ent_coef_loss": Tag("Loss by which SAC's factor of the entropy is set."),
    "train/gradient_variance": Tag("Variance of the policy's gradient between episodes.", "small, and falling"),
    "train/surrogate_loss": Tag("Loss of the surrogate, which is trained to make the gradient vary less.", "falls"),
    "eval/mean_reward": Tag("Mean return of the evaluation's episodes.", "rises"),
    "eval/mean_ep_length": Tag("Mean length of the evaluation's episodes, in steps."),
    "eval/success_rate": Tag("Share of the evaluation's episodes that were a success.", "rises"),
    # Novelty search with an auto-encoder, and gradient estimators
    "data/found": Tag("Share of the data that was found by the search."),
    "novelty/gap_before": Tag("Mean novelty of the samples before they were moved."),
    "novelty/gap_after": Tag("Mean novelty of the samples that were found.", "above novelty/gap_before"),
    "novelty/error": Tag("Reconstruction error of what was found, relative to its variance."),
    "novelty/percentile": Tag("Where that error lies among the errors of the original data."),
    "novelty/error_of_noise": Tag("The same error of white noise.", "above novelty/error: what was found is no noise"),
    "novelty/amplitude": Tag("Amplitude of what was found."),
    "novelty/distance": Tag("Distance of what was found to the nearest original sample."),
    "novelty/structured": Tag("Whether what was found is told from noise.", "1"),
    "novelty/highest_frequency": Tag("Highest dominant frequency of the waves that were found."),
    "novelty/samples": Tag("Samples that were found."),
    "novelty/codes": Tag("Codes of the data, by the cycle in which each was found."),
    "gradient/variance": Tag("Variance of the estimated gradient.", "falls while the surrogate learns"),
    "surrogate/loss": Tag("Loss of the surrogate or the baseline.", "falls"),
}
"""By tag; a star stands for any text. Where several fit, the first one counts."""


PLUGINS = {"simple_value": ("scalars", 1), "image": ("images", 3)}
"""TensorBoard's plugins and data classes for the kinds of values that torch writes without saying whose they are."""


def describe(tag: str) -> str | None:
    """Return what is known of a tag, in sentences; None if nothing is."""
    known, parts = _find(tag)
    return None if known is None else known.text.format(*parts)


MAP_TABLE = {
    "map/prediction_error_1": "prediction error after 1 step",
    "map/prediction_error_5": "prediction error after 5 steps",
    "map/prediction_error_10": "prediction error after 10 steps",
    "map/step_rank": "rank correlation of distances with steps between",
    "map/neighbour_overlap": "nearest neighbours shared with the true states",
    "map/far_distance_rank": "rank correlation of far distances with the true ones",
    "map/jacobian_gap": "gap between A and the model's own Jacobian",
    "ways/step_rank": "rank correlation of steps by landmarks with steps between",
    "ways/joined": "pairs of frames that recorded steps join",
    "ways/passed_told": "moves that pass, of which the model knows",
    "ways/stopped_told": "moves that a wall stops, of which the model knows",
}
"""What the table after a training shows, in words. Nats are not in it: those of good and of useless maps are alike."""

DECISIVE = ("map/prediction_error_5", "map/prediction_error_1", "ways/passed_told")
"""A map that fails in the first of the errors that was measured, or in the last, hardly drives: in all results of
`experiments/control`, no map drove at .8 of the oracle whose error after five steps was above 0.8, and most did of
those below 0.5; where those fail it is a fold, which no error tells."""
TELLING = ("map/step_rank", "ways/step_rank", "ways/joined")
"""Where a map that fails in these may drive all the same."""


@dataclass(frozen=True)
class Verdict:
    """What the measures of a map say of all of it.

    Attributes:
        word: good, doubtful or bad.
        why: the measures that speak against it.
    """

    word: Literal["good", "doubtful", "bad"]
    why: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """It in a sentence, with what to do."""
        if self.word == "good":
            return "looks good by these numbers; a fold may hide from them: drive, and look at the pictures"
        remedy = "drive on it, and compare with another seed or more data"
        if self.word == "bad":
            remedy = (
                "a drive on it is left to chance: see 'Predictions are no better than no motion' in troubleshooting"
            )
        return f"looks {self.word}: {' and '.join(self.why)}; {remedy}"


def judged(tag: str, value: float) -> str:
    """Return "good", "bad" or "between" for a value of a tag that is judged by numbers; "" for any other."""
    known, _ = _find(tag)
    sides = [] if known is None else [re.match(r"(above|below) (-?[\d.]+)", said) for said in (known.good, known.bad)]
    for word, side in zip(("good", "bad"), sides, strict=False):
        if side is None:
            return ""
        if value > float(side[2]) if side[1] == "above" else value < float(side[2]):
            return word
    return "between" if sides else ""


def map_verdict(values: Mapping[str, float]) -> Verdict | None:
    """Return what the last measures of a map, by tag, say of all of it; None where it was not measured."""
    error = next((tag for tag in DECISIVE[:2] if tag in values), None)
    if error is None:
        return None
    found = {tag: judged(tag, values[tag]) for tag in (error, DECISIVE[2], *TELLING) if tag in values}
    # Where ways are known, plans do not rest on predictions of the map alone, which jump at walls.
    strict = error if DECISIVE[2] not in found else None
    against = [tag for tag, word in found.items() if word == "bad" or (tag == strict and word != "good")]
    bad = any(found[tag] == "bad" for tag in against if tag in DECISIVE)
    why = tuple(f"{MAP_TABLE[tag]} {values[tag]:.2f} ({verdict(tag).partition(';')[0]})" for tag in against)
    return Verdict("bad" if bad else "doubtful" if against else "good", why)


def verdict(tag: str) -> str:
    """Return what is good and bad, in words for a table of last values; nothing where only a whole curve tells."""
    known, _ = _find(tag)
    if known is None or not any(sign.isdigit() for sign in known.good):
        return ""
    return "; ".join(f"{name} if {said}" for name, said in (("good", known.good), ("bad", known.bad)) if said)


@cache
def _find(tag: str) -> tuple[Tag | None, list[str]]:
    """Return what is known of a tag, and what stands in it for each star."""
    exact = TAGS.get(tag)
    if exact is not None:
        return exact, []
    for pattern, known in TAGS.items():
        if "*" not in pattern:
            continue
        begin, *parts = pattern.split("*")
        if not tag.startswith(begin):
            continue
        rest, found = tag.removeprefix(begin), list[str]()
        for part in parts:
            text, mark, rest = rest.partition(part) if part else (rest, "*", "")
            found += [text] if text and mark else []
        if len(found) == len(parts) and not rest:
            return known, found
    return None, []


class _Described:
    """A writer of events that describes each tag."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add_summary(self, summary: Any, *args: object, **named: object) -> None:
        for value in summary.value:
            said = describe(value.tag.removesuffix("/text_summary"))
            if said is not None:
                value.metadata.summary_description = said
                if not value.metadata.plugin_data.plugin_name:  # without them TensorBoard passes descriptions over
                    name, value.metadata.data_class = PLUGINS[value.WhichOneof("value")]
                    value.metadata.plugin_data.plugin_name = name
        self._writer.add_summary(summary, *args, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def describing(events: Any) -> Any:
    """Return a SummaryWriter that writes what each tag means into its events."""
    if not isinstance(events.file_writer, _Described):
        events.file_writer = _Described(events.file_writer)
        events.all_writers = {events.file_writer.get_logdir(): events.file_writer}
    return events


def hyperparameters(values: Mapping[str, str | float], measures: Sequence[tuple[str, str]]) -> Iterator[Any]:
    """Yield the summaries by which TensorBoard's HPARAMS tab knows a run.

    torch's own `add_hparams` cannot name measures of a part, and makes a run of its own for the hyperparameters.

    Args:
        values: the hyperparameters.
        measures: pairs of a part of the run, "" for the run itself, and a tag.
    """
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
    from tensorboard.plugins.hparams import metadata as hparams_metadata

    modules = (api_pb2, plugin_data_pb2, summary_pb2, hparams_metadata)  # untyped
    api, plugin, summaries, metadata = cast(tuple[Any, ...], modules)
    experiment, start = api.Experiment(), plugin.SessionStartInfo()
    for name, value in values.items():
        text = isinstance(value, str)
        experiment.hparam_infos.add(name=name, type=api.DATA_TYPE_STRING if text else api.DATA_TYPE_FLOAT64)
        setattr(start.hparams[name], "string_value" if text else "number_value", printable(value) if text else value)
    for part, tag in measures:
        shown = experiment.metric_infos.add(description=describe(tag) or "")
        shown.display_name = f"{tag} ({part.rpartition('/')[2]})" if part else tag
        shown.name.group, shown.name.tag = part, tag
    for tag, content in (
        (metadata.EXPERIMENT_TAG, {"experiment": experiment}),
        (metadata.SESSION_START_INFO_TAG, {"session_start_info": start}),
    ):
        data = plugin.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
        made = metadata.create_summary_metadata(data)
        value = summaries.Summary.Value(tag=tag, metadata=made, tensor=metadata.NULL_TENSOR)
        yield summaries.Summary(value=[value])
