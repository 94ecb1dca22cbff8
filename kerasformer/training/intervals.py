"""How far a score that was measured on a sample may be from the true one."""

import math
import statistics

_Z95 = statistics.NormalDist().inv_cdf(0.975)


def sampling_margin(share: float, other: float, examples: int) -> float:
    """Half the 95 % interval of the difference of two shares, as if of independent samples.

    Two arms that are measured on one test split tend to err on the same examples, which makes
    the true interval narrower: this errs on the careful side. For no examples it is 1.

    >>> round(sampling_margin(0.83, 0.77, examples=1700), 4)
    0.0268
    """
    if examples == 0:
        return 1.0
    return _Z95 * math.sqrt((share * (1 - share) + other * (1 - other)) / examples)


def wilson_interval(share: float, examples: int) -> tuple[float, float]:
    """The 95 % interval of a share that was measured on a sample (Wilson, 1927); (0, 1) for none.

    >>> low, high = wilson_interval(0.83, examples=1700)
    >>> f"{low:.3f} {high:.3f}"
    '0.811 0.847'
    """
    if examples == 0:
        return 0.0, 1.0
    squared = _Z95**2 / examples
    centre = (share + squared / 2) / (1 + squared)
    half = math.sqrt(share * (1 - share) * squared + squared**2 / 4) / (1 + squared)
    return max(0.0, centre - half), min(1.0, centre + half)
