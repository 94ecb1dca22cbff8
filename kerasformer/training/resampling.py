"""What chance alone does to a score, from samples of the examples that it was measured on."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

_FEW = 10  # examples for each distinct pair of scores, from which on these are drawn together


def bootstrap_interval(
    count: int,
    measure: Callable[[np.ndarray], float | None],
    samples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of any score of a sample (Efron, 1979), from samples drawn of it anew.

    Args:
        count: The examples of the sample.
        measure: The score of the examples at some indices, int `[count]`, which have repeats; None
            where it has none.
        samples: How many to draw.
        seed: Of what is drawn.

    Raises:
        ValueError: There is no example, or no score of any sample.

    Example:

    >>> right = np.array([1, 1, 1, 0] * 25)
    >>> low, high = bootstrap_interval(len(right), lambda indices: right[indices].mean())
    >>> f"{low:.2f} {high:.2f}"
    '0.66 0.83'
    """
    if not count:
        raise ValueError("No examples to draw from: give at least one.")
    rng = np.random.default_rng(seed)
    scores = [measure(rng.integers(count, size=count)) for _ in range(samples)]
    found = [score for score in scores if score is not None]
    if not found:
        raise ValueError("The score is None of every sample.")
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """By how much the first of two models is better on the same examples, beyond chance.

    Args:
        difference: The score of the first model less that of the second.
        low: The lower end of the 95 % interval of the difference.
        high: Its upper end.
        p_value: How often chance alone gives a difference as large, either way.

    Example:

    >>> PairedDifference(0.02, low=0.01, high=0.03, p_value=0.004).p_value
    0.004
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    seed: int = 0,
    score: Callable[[np.ndarray], np.ndarray] | None = None,
    samples: int = 2_000,
) -> PairedDifference:
    """Compares two models on the examples of one test set.

    The interval is of the differences in samples of the examples, drawn with replacement (Efron &
    Tibshirani, 1993). The p value is of approximate randomisation (Noreen, 1989): how often the
    difference is as large when each example's scores are swapped or not at random. Where the
    scores are 0 and 1, as of right and wrong classes, that is computed exactly, which is McNemar's
    exact test (1947).

    Args:
        scores_a: What the first model scores on each example, float `[n]`, compared by the mean;
            or `[n, counts]`, compared by `score` of their sums.
        scores_b: The second model's, on the same examples.
        seed: Of the random samples.
        score: A score of summed counts, `[..., counts]` to `[...]`, such as an F1.
        samples: How many samples are drawn.

    Returns:
        The difference, its interval and its p value.

    Raises:
        ValueError: There is no example, or the shapes differ.

    Example:

    >>> found = paired_bootstrap([1, 1, 1, 0, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0, 0])
    >>> found.difference, found.p_value
    (0.75, 0.03125)
    """
    a, b = np.asarray(scores_a, "float64"), np.asarray(scores_b, "float64")
    if a.shape != b.shape or a.ndim not in (1, 2) or (a.ndim == 2) != (score is not None):
        raise ValueError(
            f"The scores have the shapes {a.shape} and {b.shape}: both must be [n], or, with "
            "`score`, [n, counts]."
        )
    if not len(a):
        raise ValueError("No examples to compare on: give at least one.")
    count = len(a)
    measure = score or (lambda sums: sums[..., 0] / count)
    rng = np.random.default_rng(seed)
    draws = _Draws(np.stack([a.reshape(count, -1), b.reshape(count, -1)], axis=1), rng)

    def differences(sums):
        return measure(sums[..., 0, :]) - measure(sums[..., 1, :])

    difference = float(differences(draws.sums))
    resampled = differences(np.array([draws.resampled() for _ in range(samples)]))
    low, high = np.quantile(resampled, [0.025, 0.975])
    if score is None and np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all():
        p_value = _mcnemar(a, b)
    else:
        slack = 1e-12 * max(1.0, abs(difference))  # what rounding makes of equal sums
        swapped = differences(np.array([draws.swapped() for _ in range(samples)]))
        p_value = (1 + int((np.abs(swapped) >= abs(difference) - slack).sum())) / (1 + samples)
    return PairedDifference(difference, float(low), float(high), p_value)


class _Draws:
    """Random samples of pairs of scores, float `[n, 2, counts]`, each as its sums `[2, counts]`."""

    def __init__(self, pairs, rng):
        self.rng, self.count = rng, len(pairs)
        self.sums = pairs.sum(axis=0)
        unique, repeats = np.unique(pairs, axis=0, return_counts=True)
        # Quicker where there are few: only how often each is drawn is random.
        self.repeats = repeats if _FEW * len(unique) < self.count else None
        self.pairs = pairs if self.repeats is None else unique
        self.changes = self.pairs[:, ::-1] - self.pairs  # of the sums, where a pair is swapped

    def resampled(self):
        """As many pairs, drawn with replacement."""
        if self.repeats is not None:
            drawn = self.rng.multinomial(self.count, self.repeats / self.count)
        else:
            drawn = self.rng.integers(self.count, size=self.count, dtype="int32")
            drawn = np.bincount(drawn, minlength=self.count)
        return np.tensordot(drawn.astype("float64"), self.pairs, 1)

    def swapped(self):
        """All pairs, each swapped or not."""
        if self.repeats is not None:
            swapped = self.rng.binomial(self.repeats, 0.5)
        else:  # a random bit each, 20 times as quick as a binomial
            bits = np.frombuffer(self.rng.bytes(-(-self.count // 8)), "uint8")
            swapped = np.unpackbits(bits, count=self.count)
        return self.sums + np.tensordot(swapped.astype("float64"), self.changes, 1)


def _mcnemar(a, b):
    """The p value of McNemar's exact test of 0s and 1s."""
    from scipy.stats import binomtest

    better, worse = int((a > b).sum()), int((a < b).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
