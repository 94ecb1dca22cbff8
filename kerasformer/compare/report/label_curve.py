"""How quality grows with labels, and how many of them make a pretrained model unnecessary."""

from collections.abc import Callable
from dataclasses import dataclass

from kerasformer.compare.report.chance import Gap
from kerasformer.compare.report.summary import ArmSummary, summarize
from kerasformer.compare.report.verdict import rank
from kerasformer.formatting import points

QUESTION = "How many labels are enough from scratch?"
ABOUT = (
    "Each arm trained with fewer labels and tested on the same test split. The labels are drawn "
    "anew for each seed, the same for all arms: every class has its share, and those of a smaller "
    "number are among those of a larger one. With few labels networks are trained for more epochs, "
    "as one epoch has hardly a step."
)
_ONE_SEED = " With one seed it is unknown how much other labels would change."
_SCRATCH = "scratch"


@dataclass(frozen=True)
class Point:
    """The arms with one number of training labels."""

    labels: int
    arms: list[ArmSummary]

    def get(self, key: str) -> ArmSummary | None:
        """An arm by its key; None where it has not run."""
        return next((arm for arm in self.arms if arm.key == key), None)


def label_points(record: dict, whole: list[ArmSummary]) -> list[Point]:
    """The points of the curve, with rising numbers of labels; none where a record has no curve.

    Args:
        record: A record.
        whole: Its arms with all labels.
    """
    counts = sorted(record.get("label_curve", {}), key=int)
    found = [Point(int(count), summarize(record, count)) for count in counts]
    if not found:
        return []
    return [*found, Point(record["data"]["splits"]["train"]["examples"], whole)]


def has_spread(curve: list[Point]) -> bool:
    """Whether any arm has run with several seeds."""
    return any(len(arm.seeds) > 1 for point in curve for arm in point.arms)


def about(curve: list[Point]) -> str:
    """How the numbers of a curve were made, and what they leave open."""
    return ABOUT if has_spread(curve) else ABOUT + _ONE_SEED


def answer(curve: list[Point], between: Callable[[ArmSummary, ArmSummary], Gap]) -> str:
    """From how many labels on the transformer from scratch is as good as any pretrained arm.

    It is where it leads the best pretrained arm or is behind it by no more than chance, judged as
    in the verdict, with that number of labels and all larger ones; and where the pretrained arm
    beats the one that learns nothing, as with too few labels all are alike.

    Args:
        curve: What `label_points` gave.
        between: Gives the lead of one arm over another.

    Returns:
        A sentence; an empty string where too few arms have run.
    """
    gaps = [(point.labels, gap) for point in curve if (gap := _behind(point, between))]
    if not gaps:
        return ""
    enough: tuple[int, _Behind] | None = None
    for labels, gap in reversed(gaps):
        if not gap.is_enough:
            break
        enough = labels, gap
    if enough is None:
        labels, gap = gaps[-1]
        return (
            f"Not with all {labels:,} labels: {gap.scratch.title} is {points(gap.lead)} of "
            f"{gap.main} behind {gap.best.title}, the best pretrained arm."
        )
    labels, gap = enough
    fewer = [count for count, _ in gaps if count < labels]
    told = "ahead of" if gap.lead < 0 else "within chance of"
    told = f"{told} {gap.best.title}, the best pretrained arm there."
    if labels == curve[-1].labels:  # much may lie between them and the number before
        start = f"Only with more than {fewer[-1]:,} labels" if fewer else "At least with all labels"
        return f"{start}: with all {labels:,} {gap.scratch.title} is {told}"
    start = f"From about {labels:,} labels on" if fewer else f"Already with {labels:,} labels"
    return f"{start}: {gap.scratch.title} is then {told}"


@dataclass(frozen=True)
class _Behind:
    """The arm from scratch beside the best pretrained one, with the same labels."""

    scratch: ArmSummary
    best: ArmSummary
    is_enough: bool

    @property
    def lead(self) -> float:
        """How far the pretrained arm is ahead."""
        return self.best.main - self.scratch.main

    @property
    def main(self) -> str:
        """The main metric's name."""
        return self.best.quality.metrics[0].within_text


def _behind(point, between):
    scratch, ranked = point.get(_SCRATCH), rank(point.arms)
    best = next((arm for arm in ranked if arm.row.pretrained), None)
    if scratch is None or best is None:
        return None
    is_enough = ranked.index(scratch) < ranked.index(best) or between(best, scratch).is_chance
    floor = next((arm for arm in ranked if not arm.row.learns), None)
    if floor is not None:  # otherwise nothing has been learnt yet
        is_enough = is_enough and not (floor.main >= best.main or between(best, floor).is_chance)
    return _Behind(scratch, best, is_enough)
