"""Is it worth using a pretrained model here? The answer, in plain sentences.

An arm wins where its lead is beyond two kinds of chance. Other seeds would move each arm: the
lead must exceed `SPREADS_TO_WIN` pooled standard deviations over seeds. Another test split of the
same size would move them as well: the lead must exceed the 95 % margin of that.
"""

import math
from dataclasses import dataclass

from kerasformer.compare.arms import ARMS
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.formatting import count, joined, multiple, number, percent, points, seconds
from kerasformer.training.intervals import sampling_margin

SPREADS_TO_WIN = 2.0
# What may cost a multiple: the measure, its name, and how to write it.
COSTS = (
    ("train_seconds", "training time", seconds),
    ("latency_ms", "latency of one text", lambda value: f"{number(value)} ms"),
    ("peak_memory_mib", "peak memory", lambda value: f"{value:,.0f} MiB"),
    ("total_parameters", "parameters", count),
)


@dataclass(frozen=True)
class Gap:
    """How far one arm is ahead of another, and whether chance explains it."""

    leader: ArmSummary
    other: ArmSummary
    accuracy: float  # the lead, 0 to 1
    f1: float | None  # the lead in macro F1, None where it is undefined
    spread: float | None  # pooled standard deviation over seeds, None where an arm has one seed
    margin: float  # the 95 % sampling margin of the lead in accuracy

    @classmethod
    def between(cls, leader: ArmSummary, other: ArmSummary, examples: int) -> "Gap":
        """The lead of one arm over another on so many test examples."""
        stds = [std for std in (leader.seed_std, other.seed_std) if std is not None]
        scores = [score for score in (leader.mean("f1"), other.mean("f1")) if score is not None]
        return cls(
            leader=leader,
            other=other,
            accuracy=leader.accuracy - other.accuracy,
            f1=scores[0] - scores[1] if len(scores) == 2 else None,
            spread=math.hypot(*stds) / math.sqrt(2) if len(stds) == 2 else None,
            margin=sampling_margin(leader.accuracy, other.accuracy, examples),
        )

    @property
    def within_spread(self) -> bool:
        """Whether other seeds could well turn the lead round; False where that is unknown."""
        return self.spread is not None and self.accuracy <= SPREADS_TO_WIN * self.spread

    @property
    def within_sampling(self) -> bool:
        """Whether another test split could well turn the lead round."""
        return self.accuracy <= self.margin

    @property
    def is_chance(self) -> bool:
        """Whether either kind of chance may explain the lead, so that no arm has won."""
        return self.within_spread or self.within_sampling


@dataclass(frozen=True)
class Verdict:
    """The answer to the question of the comparison."""

    answer: str  # "yes", "no", "unclear", or "unknown" where the arms that ran cannot tell
    reason: str
    details: tuple[str, ...]
    gap: Gap | None  # the lead that decides, None where the answer is "unknown"

    @property
    def headline(self) -> str:
        """The answer and its reason, as one sentence."""
        title = {"unclear": "Not clear", "unknown": "No answer"}.get(self.answer)
        # With one seed, other seeds may turn it round.
        sure = self.gap is not None and self.gap.spread is not None
        title = title or (self.answer.capitalize() if sure else f"Probably {self.answer}")
        return f"{title}: {self.reason}"


def rank(arms: list[ArmSummary]) -> list[ArmSummary]:
    """Sorts arms by accuracy, best first; ties go to macro F1, then to the simpler arm."""
    keys = list(ARMS)
    return sorted(arms, key=lambda a: (-a.accuracy, -(a.mean("f1") or 0), keys.index(a.key)))


def judge(arms: list[ArmSummary], examples: int) -> Verdict:
    """Compares the best pretrained arm with the best other arm, on so many test examples."""
    ranked = rank(arms)
    pretrained = [arm for arm in ranked if arm.row.pretrained]
    others = [arm for arm in ranked if not arm.row.pretrained]
    if not pretrained or not any(arm.row.learns for arm in others):
        return _unknown(ranked, pretrained)
    best, baseline = pretrained[0], others[0]
    leader, other = rank([best, baseline])
    gap = Gap.between(leader, other, examples)
    details = [_scores(gap), _chance(gap, examples), _cost(best, baseline)]
    details += [_alternative(best, arm, examples) for arm in pretrained[1:]]
    details += _floor(ranked, examples)
    answer = "unclear" if gap.is_chance else "yes" if leader is best else "no"
    return Verdict(answer, _reason(answer, gap), tuple(details), gap)


def _unknown(ranked, pretrained):
    if not ranked:
        return Verdict("unknown", "no arm has finished.", (), None)
    lacking = "without pretraining" if pretrained else "with pretraining"
    best = ranked[0]
    return Verdict(
        "unknown",
        f"no arm that learns {lacking} has run, so this record cannot tell whether a pretrained "
        "model is worth it.",
        (f"The best arm is {best.title}, with an accuracy of {percent(best.accuracy)} %.",),
        None,
    )


def _reason(answer, gap):
    lead = f"{points(gap.accuracy)} of accuracy"
    leader, other = gap.leader.title, gap.other.title
    if answer == "yes":
        return f"{leader} beats {other}, the best arm without pretraining, by {lead}."
    if answer == "no":
        return f"{leader} beats {other}, the best pretrained arm, by {lead}."
    if gap.accuracy == 0:
        return f"{leader} and {other} have the same accuracy."
    noises = ["the seed-to-seed spread"] * gap.within_spread
    noises += ["the sampling error of the test split"] * gap.within_sampling
    return f"{leader} is ahead of {other} by {lead}, but within {joined(noises)}."


def _scores(gap):
    text = f"Accuracy is {percent(gap.leader.accuracy)} % against {percent(gap.other.accuracy)} %"
    if gap.f1 is None:
        return f"{text}; macro F1 is undefined."
    if gap.f1 < 0 < gap.accuracy:
        return f"{text}, but macro F1 says the opposite: it is {points(-gap.f1)} lower."
    return f"{text}, and macro F1 is {points(gap.f1)} higher."


def _chance(gap, examples):
    if gap.spread is None:
        seeds = "With one seed the spread from seed to seed is unknown: others may change the gap"
    elif gap.spread == 0:
        seeds = "The gap is the same for every seed"
    else:
        seeds = (
            f"The gap is {multiple(gap.accuracy / gap.spread)} the seed-to-seed spread "
            f"(pooled standard deviation {points(gap.spread, digits=2)}; a win takes "
            f"{SPREADS_TO_WIN:g} times)"
        )
    side = "within" if gap.within_sampling else "beyond"
    return (
        f"{seeds}. It is {side} the sampling error of {examples:,} test examples "
        f"(± {points(gap.margin)} at 95 %)."
    )


def _cost(best, baseline):
    """What the pretrained arm costs, as multiples of the arm without pretraining."""
    costs = []
    for measure, name, write in COSTS:
        value, base = best.mean(measure), baseline.mean(measure)
        if value and base:
            values = f"{write(value)} against {write(base)}"
            costs.append(f"{multiple(value / base)} the {name} ({values})")
    if not costs:
        return f"What {best.title} costs beside {baseline.title} is not known."
    return f"{best.title} takes {joined(costs)}, beside {baseline.title}."


def _alternative(best, arm, examples):
    """Another pretrained arm: what it gives up, and what it costs."""
    gap = Gap.between(best, arm, examples)
    less = f"{points(gap.accuracy)} less" if gap.accuracy else "the same"
    chance = ", a difference that may be chance" if gap.accuracy and gap.is_chance else ""
    trained = arm.mean("train_seconds")
    cost = "" if trained is None else f" and trains in {seconds(trained)}"
    return f"{arm.title} reaches {percent(arm.accuracy)} % ({less}{chance}){cost}."


def _floor(ranked, examples):
    """A warning where nothing that was learnt is clearly better than the most frequent class."""
    majority = next((arm for arm in ranked if not arm.row.learns), None)
    if majority is None or not Gap.between(ranked[0], majority, examples).is_chance:
        return []
    return [
        "No arm is clearly better than always answering the most frequent class "
        f"({percent(majority.accuracy)} %), so there may be nothing to learn here."
    ]
