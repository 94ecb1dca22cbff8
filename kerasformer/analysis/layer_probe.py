"""How well each layer and pooling separate the classes of labelled texts, and which to go by.

A probe (Alain & Bengio, https://arxiv.org/abs/1610.01644; Tenney et al.,
https://arxiv.org/abs/1905.05950) is a linear classifier on frozen vectors: it shows what
can be read from them.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerasformer.errors import UserError
from kerasformer.hardware import cores

FOLDS = 5
_INNER_FOLDS = 3
# C, the inverse of the L2 penalty's weight.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
_MEMORY = 4 * 2**30  # bytes that the threads may take together
# A lead that chance produces more often than this counts as none.
SIGNIFICANCE = 0.05
_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Probe:
    """How well one layer and pooling separate the classes, in cross-validation."""

    layers: int | str  # as `TextEmbedder` takes it: an index or a named choice
    pooling: str
    width: int  # of the vectors
    correct: np.ndarray  # bool [n]: whether the probe that had not seen a text was right
    fold_scores: tuple[float, ...]  # accuracies

    @property
    def accuracy(self) -> float:
        """The share of all texts that were classified rightly."""
        return float(self.correct.mean())

    @property
    def std(self) -> float:
        """The sample standard deviation of the accuracy over the folds."""
        return float(np.std(self.fold_scores, ddof=1))


def usable_classes(labels: np.ndarray, keys) -> np.ndarray:
    """The classes, sorted, with a different text for each fold; equal keys are of duplicates.

    A text with several labels counts for its first.

    >>> usable_classes(np.array([0] * 5 + [1] * 5 + [2] * 5), [*"abcdefghijkkkkk"]).tolist()
    [0, 1]
    """
    _, first = np.unique(np.asarray(keys), return_index=True)
    classes, counts = np.unique(labels[first], return_counts=True)
    usable = classes[counts >= FOLDS]
    if len(usable) < 2:
        raise UserError(
            f"Of {len(np.unique(labels))} classes {len(usable)} have {FOLDS} different texts to "
            f"learn from, and a probe needs two that do: give more texts of each."
        )
    return usable


def make_folds(labels: np.ndarray, keys, seed: int = 0) -> np.ndarray:
    """The fold, from 0, of each text, int `[n]`: the classes balanced, duplicates in one fold."""
    from sklearn.model_selection import StratifiedKFold

    _, first, group = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    fold_of_group = np.empty(len(first), "int64")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, out) in enumerate(folds.split(first, labels[first])):
        fold_of_group[out] = number
    return fold_of_group[group.ravel()]


def fit_probe(vectors: np.ndarray, labels: np.ndarray, seed: int):
    """Logistic regression on standardised vectors `[n, width]`.

    The penalty is chosen by the log loss in a cross-validation inside the texts that it learns.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    search = GridSearchCV(
        LogisticRegression(tol=1e-3, max_iter=1000),  # near enough to choose by
        {"C": STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(_INNER_FOLDS, shuffle=True, random_state=seed),
        refit=False,
    ).fit(StandardScaler().fit_transform(vectors), labels)
    final = LogisticRegression(**search.best_params_, max_iter=1000)
    return make_pipeline(StandardScaler(), final).fit(vectors, labels)


def probe_layers(features, labels, keys, seed=0, on_done=lambda work: None) -> list[Probe]:
    """Probes every choice of layers with every pooling, all in the same folds.

    `on_done` is called after each fold with its work: 1 on average, more for wider vectors.
    """
    folds = make_folds(labels, keys, seed)

    def score(cell, fold):
        """Which texts of a fold the others' probe classifies rightly."""
        vectors, out = features.of(*cell), folds == fold
        fitted = fit_probe(vectors[~out], labels[~out], seed)
        return fitted.predict(vectors[out]) == labels[out]

    cells = features.cells()
    widths = [features.of(*cell).shape[1] for cell in cells]
    tasks = [(cell, fold) for cell in cells for fold in range(FOLDS)]
    scores = _in_threads(score, tasks, len(labels) * max(widths) * 4)
    probes = []
    for cell, width in zip(cells, widths, strict=True):
        correct = np.empty(len(labels), bool)
        for fold in range(FOLDS):
            correct[folds == fold] = next(scores)
            on_done(width / np.mean(widths))
        fold_scores = tuple(float(correct[folds == fold].mean()) for fold in range(FOLDS))
        probes.append(Probe(cell[0], cell[1], width, correct, fold_scores))
    return probes


def _in_threads(function, tasks, task_bytes):
    """The results, in order, of at most a thread a core: the products are too small for several."""
    from threadpoolctl import threadpool_limits

    most = max(1, _MEMORY // (4 * task_bytes))  # the vectors, both sides of a split, standardised
    with threadpool_limits(1), ThreadPoolExecutor(min(cores(), most)) as threads:
        yield from threads.map(function, *zip(*tasks, strict=True))  # an error cancels the rest


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
