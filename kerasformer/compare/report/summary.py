"""The numbers of a record: each arm's mean and standard deviation over seeds."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kerasformer.compare.arms import Arm, arms_of
from kerasformer.compare.quality import Quality, quality_of, share
from kerasformer.compare.settings import Settings
from kerasformer.formatting import MISSING, count, decimals, number, percent
from kerasformer.training.intervals import wilson_interval
from kerasformer.training.resampling import bootstrap_interval

_CURVES = ("loss", "score", "val_loss", "val_score")  # of an epoch
_COSTS = ("train_seconds", "latency_ms", "train_examples_per_second", "predict_examples_per_second")


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and the sample standard deviation (ddof=1) where there are two or more."""

    mean: float
    std: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Estimate | None":
        """Estimates from those values that are not None, NaN or infinite; None without any.

        Sums are exact, so the order of the values does not matter.

        >>> Estimate.of([0.5, 0.75, None])
        Estimate(mean=0.625, std=0.1767766952966369)
        >>> Estimate.of([0.5])
        Estimate(mean=0.5, std=None)
        """
        defined = [float(value) for value in values if value is not None and math.isfinite(value)]
        if not defined:
            return None
        std = statistics.stdev(defined) if len(defined) > 1 else None
        return cls(statistics.fmean(defined), std)


@dataclass(frozen=True, eq=False)
class ArmSummary:
    """One arm over its seeds, measured on the test split."""

    row: Arm
    title: str
    quality: Quality
    seeds: tuple[int, ...]  # those that finished, in ascending order
    measures: dict[str, Estimate | None]
    mains: tuple[float, ...]  # the main metric of each seed
    scores: np.ndarray  # of each example with each seed: [examples, seeds], or [..., counts]
    confusion: Counter[tuple[int, int]]  # examples by true and predicted class, seeds summed
    per_class: list[dict[str, Estimate]]  # precision, recall and f1
    errors: list[dict]  # some of the first seed, as the record has them
    groups: np.ndarray | None = None  # of each example, where some are alike, int `[examples]`

    @property
    def key(self) -> str:
        """The arm's key in the record, such as `"fine_tuned"`."""
        return self.row.key

    @property
    def main(self) -> float:
        """The mean of the main metric, by which arms are ranked."""
        return statistics.fmean(self.mains)

    @property
    def main_std(self) -> float | None:
        """Its standard deviation over seeds; None if one seed leaves it unknown."""
        if len(self.mains) > 1:
            return statistics.stdev(self.mains)
        return 0.0 if self.row.deterministic else None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the main metric over examples: Wilson's of a share of them."""
        if self.quality.main == "accuracy" and self.quality.score is None:
            return wilson_interval(self.main, len(self.scores))
        if not len(self.scores):
            return 0.0, 1.0
        if (sums := self.group_sums) is not None:
            return bootstrap_interval(len(sums), lambda rows: float(share(sums[rows].sum(axis=0))))
        return bootstrap_interval(len(self.scores), lambda rows: self._score(self.scores[rows]))

    @cached_property
    def group_sums(self) -> np.ndarray | None:
        """The sum of the scores of each group, means over seeds, and its size: `[groups, 2]`."""
        if self.groups is None:
            return None
        means = self.scores.mean(axis=1)
        return np.stack([np.bincount(self.groups, means), np.bincount(self.groups)], axis=1)

    def _score(self, scores):
        if self.quality.score is None:
            return float(scores.mean())
        return float(self.quality.score(scores.sum(axis=0)).mean())

    def mean(self, measure: str) -> float | None:
        """A measure's mean over seeds, or None where no seed has it."""
        estimate = self.measures[measure]
        return None if estimate is None else estimate.mean


def summarize(record: dict, labels: str | None = None) -> list[ArmSummary]:
    """Summarises every arm with at least one finished run, in the order of the task's arms.

    Args:
        record: A record.
        labels: The number of training labels that the runs are with, a key of its `label_curve`,
            where other seeds choose other ones for all arms; None for all labels.
    """
    rows = arms_of(Settings.make(**record["settings"]).task)
    arms = record["arms"] if labels is None else record["label_curve"][labels]
    if labels is not None:
        rows = {key: replace(arm, deterministic=False) for key, arm in rows.items()}
    found = [(arm, arms.get(key)) for key, arm in rows.items()]
    return [_summarize_arm(arm, entry, record) for arm, entry in found if entry and entry["runs"]]


def quality_in(record: dict) -> Quality:
    """What is measured of the task of a record, on its data."""
    task, data = Settings.make(**record["settings"]).task, record["data"]
    quality = quality_of(task, data["tag_names"] if task == "tagging" else ())
    if task != "answering":
        return quality
    articles = data["splits"]["test"]["articles"]
    few = f"with few articles ({articles:,} here) the interval is"
    alike = "Questions about one article are alike, so"
    if record.get("test_groups") is None:
        return replace(quality, caution=f"{alike} {few} too narrow.")
    told = f"{alike} whole articles are drawn and swapped; {few} uncertain."
    return replace(quality, caution=told, groups="articles")


def _groups(record):
    """The group of each test example, counted from 0; None where each is one of its own."""
    if record.get("test_groups") is None:
        return None
    groups = np.asarray(record["test_groups"])
    if groups.shape != (count_test_examples(record),) or groups.dtype.kind != "i":
        raise ValueError(f"groups of the shape {groups.shape} and the type {groups.dtype}")
    return np.unique(groups, return_inverse=True)[1]


def count_test_examples(record: dict) -> int:
    """The number of examples in the test split."""
    return record["data"]["splits"]["test"]["examples"]


def _summarize_arm(arm, entry, record):
    quality = quality_in(record)
    runs = sorted(entry["runs"], key=lambda run: run["seed"])
    for run in runs:
        _check_what_is_shown(run)
    names = [metric.key for metric in quality.metrics]
    measures = {name: Estimate.of(run["metrics"][name] for run in runs) for name in names}
    measures |= {name: Estimate.of(run[name] for run in runs) for name in _COSTS}
    for kind in ("trainable", "total"):
        measures[f"{kind}_parameters"] = Estimate.of(run["parameters"][kind] for run in runs)
    measures["peak_memory_mib"] = Estimate.of([entry["peak_memory_mib"]])
    matrices = [_confusion(run) for run in runs] if quality.has_classes else []
    classes = len(record["data"]["class_names"]) if quality.has_classes else 0
    of_classes = zip(*(_class_scores(matrix, classes) for matrix in matrices), strict=True)
    return ArmSummary(
        row=arm,
        title=entry["title"],
        quality=quality,
        seeds=tuple(run["seed"] for run in runs),
        measures=measures,
        mains=tuple(float(_finite(run["metrics"][quality.main])) for run in runs),
        scores=_scores(runs, quality, count_test_examples(record)),
        confusion=sum(matrices, Counter()),
        per_class=[
            {name: Estimate.of(seed[name] for seed in seeds) for name in seeds[0]}
            for seeds in of_classes
        ],
        errors=runs[0]["errors"],
        groups=_groups(record),
    )


def _check_what_is_shown(run):
    """Fails where what is shown as it is, curves and errors, is not what it should be."""
    for epoch in run["history"]:
        np.array([epoch[name] for name in ("epoch", *_CURVES)], "float64")  # of None, NaN
    for error in run["errors"]:
        "".join(error[name] for name in ("text", "true", "predicted"))
        _finite(error["probability"] or 0)


def _scores(runs, quality, examples):
    """The scores of all runs, float `[examples, seeds]`, or `[examples, seeds, counts]`."""
    scores = [np.asarray(run["scores"], "float64") for run in runs]
    for each in scores:
        if len(each) != examples or each.ndim != (1 if quality.score is None else 2):
            raise ValueError(f"scores of the shape {each.shape}, of {examples} test examples")
    return _finite(np.stack(scores, axis=1))


def _finite(numbers):
    if not np.isfinite(numbers).all():
        raise ValueError("a score is no finite number")
    return numbers


def _confusion(run):
    cells = run["metrics"]["confusion_matrix"]
    return Counter({(true, predicted): n for true, predicted, n in cells})


def _class_scores(matrix, classes):
    """Each class's precision, recall and f1; where nothing is counted, 0, as in scikit-learn."""
    true, predicted = Counter(), Counter()
    for (row, column), n in matrix.items():
        true[row] += n
        predicted[column] += n
    return [
        {
            "precision": matrix[c, c] / (predicted[c] or 1),
            "recall": matrix[c, c] / (true[c] or 1),
            "f1": 2 * matrix[c, c] / (true[c] + predicted[c] or 1),
        }
        for c in range(classes)
    ]


def percent_estimate(estimate: Estimate | None) -> str:
    """A share with its standard deviation, in percent.

    >>> percent_estimate(Estimate(0.834, 0.0042)), percent_estimate(Estimate(0.5))
    ('83.4 ± 0.4', '50.0')
    """
    if estimate is None:
        return MISSING
    std = "" if estimate.std is None else f" ± {percent(estimate.std)}"
    return percent(estimate.mean) + std


def number_estimate(estimate: Estimate | None) -> str:
    """A number with its standard deviation, to the same decimals.

    >>> number_estimate(Estimate(181.6, 3.21)), number_estimate(Estimate(2.04, 0.1))
    ('182 ± 3', '2.04 ± 0.10')
    """
    if estimate is None:
        return MISSING
    bare = estimate.std is None or 0 < estimate.mean < 0.01
    std = "" if bare else f" ± {estimate.std:,.{decimals(estimate.mean)}f}"
    return number(estimate.mean) + std


def count_estimate(estimate: Estimate | None) -> str:
    """A number of parameters, without its spread over seeds.

    >>> count_estimate(Estimate(22713216.0, 0.0))
    '22.7 M'
    """
    return MISSING if estimate is None else count(estimate.mean)


def rate_estimate(estimate: Estimate | None) -> str:
    """Examples a second; a rate of hundreds of thousands is no longer worth its spread.

    >>> rate_estimate(Estimate(36.4, 0.31)), rate_estimate(Estimate(16654783.0, 100147.0))
    ('36.4 ± 0.3', '16.7 M')
    """
    huge = estimate is not None and estimate.mean >= 1e5
    return count_estimate(estimate) if huge else number_estimate(estimate)
