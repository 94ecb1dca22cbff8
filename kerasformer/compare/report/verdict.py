"""Is it worth using a pretrained model here? The answer, in plain sentences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kerasformer.compare.report.chance import SIGNIFICANT, SPREADS_TO_WIN, Gap, is_beyond
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.formatting import count, joined, multiple, number, percent, points, seconds
from kerasformer.training.resampling import PairedDifference

# What may cost a multiple: the measure, its name, and how to write it.
_COSTS = (
    ("train_seconds", "training time", seconds),
    ("latency_ms", "latency of one {example}", lambda value: f"{number(value)} ms"),
    ("peak_memory_mib", "peak memory", lambda value: f"{value:,.0f} MiB"),
    ("total_parameters", "parameters", count),
)


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
    """Sorts arms by the main metric, best first; ties go to the second, then to the former arm."""
    return sorted(arms, key=lambda a: (-a.main, -(a.mean(a.quality.metrics[1].key) or 0)))


def judge(ranked: list[ArmSummary], between: Callable[[ArmSummary, ArmSummary], Gap]) -> Verdict:
    """Compares the best pretrained arm with the best other arm.

    Args:
        ranked: All arms, best first.
        between: Gives the lead of one over another.
    """
    pretrained = [arm for arm in ranked if arm.row.pretrained]
    others = [arm for arm in ranked if not arm.row.pretrained]
    if not pretrained or not any(arm.row.learns for arm in others):
        return _unknown(ranked, pretrained)
    best, baseline = pretrained[0], others[0]
    leader, other = (arm for arm in ranked if arm in (best, baseline))
    gap = between(leader, other)
    details = [_scores(gap), *_chance(gap), _cost(best, baseline)]
    details += [_alternative(between(best, arm)) for arm in pretrained[1:]]
    details += _floor(ranked, between)
    answer = "unclear" if gap.is_chance else "yes" if leader is best else "no"
    return Verdict(answer, _reason(answer, gap), tuple(details), gap)


def _unknown(ranked, pretrained):
    if not ranked:
        return Verdict("unknown", "no arm has finished.", (), None)
    lacking = "without pretraining" if pretrained else "with pretraining"
    best = ranked[0]
    main = best.quality.metrics[0].within_text
    return Verdict(
        "unknown",
        f"no arm that learns {lacking} has run, so this record cannot tell whether a pretrained "
        "model is worth it.",
        (f"The best arm is {best.title}, with an {main} of {percent(best.main)} %.",),
        None,
    )


def _reason(answer, gap):
    main = gap.leader.quality.metrics[0].within_text
    lead = f"{points(gap.lead)} of {main}"
    leader, other = gap.leader.title, gap.other.title
    without = "a published model" if gap.other.row.own_texts else "pretraining"
    if answer == "yes":
        return f"{leader} beats {other}, the best arm without {without}, by {lead}."
    if answer == "no":
        return f"{leader} beats {other}, the best pretrained arm, by {lead}."
    if gap.lead == 0:
        return f"{leader} and {other} have the same {main}."
    noises = ["what other seeds may change"] * gap.within_spread
    noises += ["the sampling error of the test split"] * gap.within_sampling
    return f"{leader} is ahead of {other} by {lead}, but within {joined(noises)}."


def _scores(gap):
    main, second = gap.leader.quality.metrics[:2]
    text = f"{main.title} is {percent(gap.leader.main)} % against {percent(gap.other.main)} %"
    if gap.second is None:
        return f"{text}; {second.within_text} is undefined."
    if gap.second < 0 < gap.lead:
        against = points(-gap.second)
        return f"{text}, but {second.within_text} says the opposite: it is {against} lower."
    more = f"{points(gap.second)} higher" if gap.second else "the same"
    return f"{text}, and {second.within_text} is {more}."


def _chance(gap):
    """A sentence on each kind of chance."""
    yield _seeds(gap)
    side = "within" if gap.within_sampling else "beyond"
    quality, found = gap.leader.quality, gap.over_examples
    yield (
        f"It is {side} the sampling error of {len(gap.leader.scores):,} test {quality.examples}: "
        f"paired {quality.pairing}, {interval_and_p(found)}."
    )
    if quality.caution:
        yield quality.caution


def _seeds(gap):
    if gap.spread is None:
        once = [arm.title for arm in (gap.leader, gap.other) if arm.main_std is None]
        return (
            f"{joined(once)} ran with one seed, so that the spread from seed to seed is unknown: "
            "others may change the gap."
        )
    if gap.spread == 0:
        return "The gap is the same for every seed."
    text = (
        f"The gap is {multiple(gap.lead / gap.spread)} the seed-to-seed spread (pooled standard "
        f"deviation {points(gap.spread, digits=2)}; a win takes {SPREADS_TO_WIN:g} times)"
    )
    if gap.over_seeds is None:
        return f"{text}."
    taken = "" if is_beyond(gap.over_seeds) else f", where a win takes p < {SIGNIFICANT}"
    return f"{text}; paired seed by seed, {interval_and_p(gap.over_seeds)}{taken}."


def interval_and_p(found: PairedDifference) -> str:
    """The interval of a lead and its p value, in words.

    >>> interval_and_p(PairedDifference(0.02, low=-0.0112, high=0.0312, p_value=0.0004))
    'its 95 % interval is −1.1 to 3.1 points, p < 0.001'
    """
    low, high = (percent(end).replace("-", "−") for end in (found.low, found.high))
    p = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.2g}"
    return f"its 95 % interval is {low} to {high} points, {p}"


def costs(best: ArmSummary, baseline: ArmSummary) -> Iterator[tuple[str, float, str]]:
    """What one arm costs beside another: a name, the multiple, and the two values in words.

    Where the other learns nothing, its training time says nothing.
    """
    for measure, name, write in _COSTS:
        value, base = best.mean(measure), baseline.mean(measure)
        if value and base and (baseline.row.learns or measure != "train_seconds"):
            name = name.format(example=best.quality.example)
            yield name, value / base, f"{write(value)} against {write(base)}"


def _cost(best, baseline):
    """What the pretrained arm costs, as multiples of the arm without pretraining."""
    found = [
        f"{multiple(ratio)} the {name} ({told})" for name, ratio, told in costs(best, baseline)
    ]
    if not found:
        return f"What {best.title} costs beside {baseline.title} is not known."
    return f"{best.title} takes {joined(found)}, beside {baseline.title}."


def _alternative(gap):
    """Another pretrained arm: what it gives up, and what it costs."""
    arm = gap.other
    less = f"{points(gap.lead)} less" if gap.lead else "the same"
    chance = ", a difference that may be chance" if gap.lead and gap.is_chance else ""
    trained = arm.mean("train_seconds")
    cost = "" if trained is None else f" and trains in {seconds(trained)}"
    return f"{arm.title} reaches {percent(arm.main)} % ({less}{chance}){cost}."


def _floor(ranked, between):
    """A warning where nothing that was learnt is clearly better than an arm that learns nothing."""
    floor = next((arm for arm in ranked if not arm.row.learns), None)
    if floor is None or not between(ranked[0], floor).is_chance:
        return []
    return [
        f"No arm is clearly better than the one that learns nothing, {floor.title} "
        f"({percent(floor.main)} %), so there may be nothing to learn here, or "
        "too few examples to learn it from."
    ]
