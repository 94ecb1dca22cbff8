"""The lead of one arm over another, and whether chance explains it.

Two kinds of chance move a lead, and an arm has won where its lead is beyond both.

Other test examples. All arms answer the same ones, so they are compared example by example (Dror et
al., https://aclanthology.org/P18-1128): the 95 % interval of the lead is of examples drawn anew
(Efron & Tibshirani, 1993), and its p value of swapping two arms' scores of examples at random
(Noreen, 1989), or McNemar's exact one (1947) wherever the scores, averaged over seeds, are all 0 or
1. Questions about one article are alike: all of an article are drawn and swapped together (Field &
Welsh, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x). All seeds' scores of an example are
drawn and swapped together, and the main metric of what is
drawn is, as in the tables, the mean of those of the seeds. The lead is beyond this chance where p
is below 0.05 and the whole interval above 0.

Other seeds, which make other models. The lead must be more than `SPREADS_TO_WIN` pooled standard
deviations of single runs. That is no test but the size of the effect, Cohen's d (1988): at 2, of
two new runs, one of each arm, the leader's is better in 92 of 100 cases if runs are normally
distributed (McGraw & Wong, 1992; Bouthillier et al., https://arxiv.org/abs/2103.03098, ask for 75).
One or two seeds allow no more. Where both arms have the same three or more, Student's paired test
of the differences seed by seed must give a p value below 0.05 as well. It is paired because the
runs of one seed see the examples in the same order, which moves results as much as the first
weights do (Dodge et al., https://arxiv.org/abs/2002.06305): they may not be independent. A
deterministic arm scores the same with every seed.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerasformer.compare.quality import share
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.training.resampling import PairedDifference, paired_bootstrap

SPREADS_TO_WIN = 2.0
LEAST_SEEDS = 3  # for a test over seeds
SIGNIFICANT = 0.05
_EQUAL = 1e-12  # a spread of no more than this is from rounding


@dataclass(frozen=True, eq=False)
class Gap:
    """How far one arm is ahead of another on the same test examples."""

    leader: ArmSummary
    other: ArmSummary

    @property
    def lead(self) -> float:
        """The difference of their means of the main metric."""
        return self.leader.main - self.other.main

    @property
    def second(self) -> float | None:
        """That of the second metric, None where one is undefined."""
        key = self.leader.quality.metrics[1].key
        leader, other = self.leader.mean(key), self.other.mean(key)
        return None if leader is None or other is None else leader - other

    @cached_property
    def spread(self) -> float | None:
        """The pooled standard deviation over seeds, None where an arm has one seed."""
        stds = [std for std in (self.leader.main_std, self.other.main_std) if std is not None]
        return math.hypot(*stds) / math.sqrt(2) if len(stds) == 2 else None

    @cached_property
    def over_examples(self) -> PairedDifference:
        """The lead paired by test example."""
        return _over_examples(self.leader, self.other)

    @cached_property
    def over_seeds(self) -> PairedDifference | None:
        """The lead paired by seed; None where the arms do not have the same three or more."""
        pairs = _by_seed(self.leader, self.other)
        return None if len(pairs) < LEAST_SEEDS else _paired_t_test(pairs)

    @property
    def within_spread(self) -> bool:
        """Whether other seeds could well turn the lead round; False where that is unknown."""
        if self.spread is None:
            return False
        found = self.over_seeds
        return self.lead <= SPREADS_TO_WIN * self.spread or not (found is None or is_beyond(found))

    @property
    def within_sampling(self) -> bool:
        """Whether other test examples could well turn the lead round."""
        return not is_beyond(self.over_examples)

    @property
    def is_chance(self) -> bool:
        """Whether either kind of chance may explain the lead, so that no arm has won."""
        return self.within_spread or self.within_sampling


def is_beyond(found: PairedDifference) -> bool:
    """Whether a lead is beyond chance.

    >>> is_beyond(PairedDifference(0.02, low=0.01, high=0.03, p_value=0.004))
    True
    """
    return found.p_value < SIGNIFICANT and found.low > 0


def _over_examples(leader, other):
    scores, measure = [leader.scores, other.scores], leader.quality.score
    if not len(scores[0]):
        return PairedDifference(0.0, low=-1.0, high=1.0, p_value=1.0)
    if leader.group_sums is not None and other.group_sums is not None:
        return paired_bootstrap(leader.group_sums, other.group_sums, score=share)
    if measure is None:
        return paired_bootstrap(*(each.mean(axis=1) for each in scores))
    # As many runs of both, so that an example's counts of the two can be swapped.
    runs = math.lcm(scores[0].shape[1], scores[1].shape[1])
    scores = [np.tile(each, (1, runs // each.shape[1], 1)) for each in scores]

    def score(sums):
        return measure(sums.reshape(*sums.shape[:-1], runs, -1)).mean(axis=-1)

    return paired_bootstrap(*(each.reshape(len(each), -1) for each in scores), score=score)


def _by_seed(leader, other):
    """The main metrics of the two for each seed, float `[seeds, 2]`; none of different seeds."""
    random = {arm.seeds for arm in (leader, other) if not arm.row.deterministic}
    if len(random) != 1:
        return np.zeros((0, 2))
    count = len(*random)
    columns = [
        [arm.main] * count if arm.row.deterministic else arm.mains for arm in (leader, other)
    ]
    return np.array(columns).T


def _paired_t_test(pairs):
    from scipy import stats

    differences = pairs[:, 0] - pairs[:, 1]
    mean = float(differences.mean())
    if differences.std() <= _EQUAL:
        return PairedDifference(mean, low=mean, high=mean, p_value=float(abs(mean) <= _EQUAL))
    found = stats.ttest_1samp(differences, 0)
    low, high = found.confidence_interval(0.95)
    return PairedDifference(mean, float(low), float(high), float(found.pvalue))
