"""What a record says, worked out once for all that shows it."""

from functools import cached_property

from kerasformer.compare.report.chance import Gap
from kerasformer.compare.report.label_curve import Point, answer, label_points
from kerasformer.compare.report.summary import ArmSummary, quality_in, summarize
from kerasformer.compare.report.verdict import Verdict, judge, rank


class Findings:
    """The arms of a record, which is best, by how much, and the verdict.

    Args:
        record: A record that `validate_record` accepts.
    """

    def __init__(self, record: dict):
        self.record = record
        self.quality = quality_in(record)
        self.arms = summarize(record)
        self.ranked = rank(self.arms)
        self._gaps: dict[tuple[int, int], Gap] = {}

    @property
    def best(self) -> ArmSummary | None:
        """The best arm, None where none has finished."""
        return self.ranked[0] if self.ranked else None

    def gap(self, leader: ArmSummary, other: ArmSummary) -> Gap:
        """The lead of one arm over another."""
        return self._gaps.setdefault((id(leader), id(other)), Gap(leader, other))

    @cached_property
    def label_curve(self) -> list[Point]:
        """The arms with each number of labels, all of them last; empty without `--label-curve`."""
        return label_points(self.record, self.arms)

    @cached_property
    def enough_labels(self) -> str:
        """How many labels it takes until training from scratch is enough; empty where unknown."""
        return answer(self.label_curve, self.gap)

    @cached_property
    def verdict(self) -> Verdict:
        """The answer to the question of the comparison."""
        return judge(self.ranked, self.gap)
