"""Which of many probes to go by: an honest choice."""

from dataclasses import dataclass

import numpy as np

from kerasformer.analysis.layer_probe import Probe

# A lead that chance produces more often than this counts as none.
SIGNIFICANCE = 0.05
_RESAMPLES = 2000


@dataclass(frozen=True)
class Choice:
    """Which probe to go by."""

    usual: Probe  # of the last layer with the model's own pooling
    best: Probe  # the one with the highest accuracy
    chosen: Probe  # the simplest one that no other beats by more than chance
    chance: float  # the probability of such a lead over the usual one, were none better than it
    informative: bool  # whether a probe beats the most frequent class by more than chance


def choose(probes: list[Probe], labels: np.ndarray, pooling: str, seed: int = 0) -> Choice:
    """The simplest probe that nothing beats beyond chance.

    The best of many probes is ahead by chance alone. So each, from the simplest on, is compared
    with all others at once: texts are resampled, and the largest lead, in standard errors, that
    results is what chance produces (a studentised form of White's reality check, "A Reality Check
    for Data Snooping", Econometrica 68, 2000). The first that is not beaten at the level
    `SIGNIFICANCE` is chosen; as the order is fixed beforehand, that level holds for the whole.

    Single layers are simpler than sums of layers, these than concatenations; later layers than
    earlier ones; the model's own `pooling` than others.
    """
    order = sorted(range(len(probes)), key=lambda i: _complexity(probes[i], pooling))
    most_frequent = labels == np.bincount(labels).argmax()
    correct = np.stack([*(probe.correct for probe in probes), most_frequent], axis=1)
    means, resampled = correct.mean(axis=0), _resampled_means(correct, seed)

    def chance(i):
        """How often chance alone produces such a lead of a probe over the i-th column."""
        leads = (resampled - resampled[:, [i]])[:, : len(probes)]
        errors = leads.std(axis=0)
        errors[errors == 0] = np.inf  # the column itself, and those equal to it
        largest = ((leads - leads.mean(axis=0)) / errors).max(axis=1)
        seen = ((means[: len(probes)] - means[i]) / errors).max()
        return float((1 + (largest >= seen).sum()) / (1 + _RESAMPLES))

    return Choice(
        usual=probes[order[0]],
        best=probes[max(order, key=lambda i: means[i])],  # the simplest of equals
        chosen=probes[next(i for i in order if chance(i) >= SIGNIFICANCE)],  # the best one is
        chance=chance(order[0]),
        informative=chance(len(probes)) < SIGNIFICANCE,
    )


def _complexity(probe, pooling):
    combined = isinstance(probe.layers, str)
    earlier = 0 if combined else -probe.layers
    return combined, probe.width, earlier, probe.pooling != pooling


def _resampled_means(correct, seed):
    """Means over texts drawn with replacement, `[_RESAMPLES, columns]`."""
    rng, count = np.random.default_rng(seed), len(correct)
    even = np.full(count, 1 / count)
    parts = [rng.multinomial(count, even, 100) @ correct for _ in range(_RESAMPLES // 100)]
    return np.concatenate(parts) / count
