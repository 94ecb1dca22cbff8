"""The numbers of a record: each arm's mean and standard deviation over seeds."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from kerasformer.report.record import ARMS

PRETRAINED = ("frozen", "fine_tuned")
# These give the same result with every seed, so one run of theirs tells their whole spread: zero.
DETERMINISTIC = ("majority", "tfidf")
_Z95 = statistics.NormalDist().inv_cdf(0.975)

# Where a run of the record holds each measure.
_MEASURES = {
    "accuracy": lambda run: run["metrics"]["accuracy"],
    "precision": lambda run: run["metrics"]["precision"],
    "recall": lambda run: run["metrics"]["recall"],
    "f1": lambda run: run["metrics"]["f1"],
    "train_seconds": lambda run: run["train_seconds"],
    "train_examples_per_second": lambda run: run["train_examples_per_second"],
    "predict_examples_per_second": lambda run: run["predict_examples_per_second"],
    "latency_ms": lambda run: run["latency_ms"],
    "trainable_parameters": lambda run: run["parameters"]["trainable"],
    "total_parameters": lambda run: run["parameters"]["total"],
}


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and the sample standard deviation (ddof=1) where there are two or more."""

    mean: float
    std: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Estimate | None":
        """Estimates from the values that are defined (not None, NaN or infinite).

        Sums are exact, so the order of the values does not matter.

        Args:
            values: One value a seed.

        Returns:
            The estimate, or None where no value is defined.

        Example:

        >>> Estimate.of([0.5, 0.75, None])
        Estimate(mean=0.625, std=0.1767766952966369)
        >>> Estimate.of([0.5])
        Estimate(mean=0.5, std=None)
        """
        values = [float(value) for value in values if value is not None and math.isfinite(value)]
        if not values:
            return None
        std = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), std)


@dataclass(frozen=True)
class ArmSummary:
    """One arm over its seeds.

    Attributes:
        key: The arm's key in the record, such as `"fine_tuned"`.
        title: Its name for people.
        seeds: The seeds that finished, in ascending order.
        measures: Each measure's `Estimate`, or None where no seed has it.
        interval: The 95 % Wilson interval of the accuracy for this many test examples.
        confusion: Rows are true classes; counts summed over seeds.
        per_class: For each class, the `Estimate` of its precision, recall and f1.
    """

    key: str
    title: str
    seeds: tuple[int, ...]
    measures: dict[str, Estimate | None]
    interval: tuple[float, float]
    confusion: list[list[int]]
    per_class: list[dict[str, Estimate | None]]

    @property
    def pretrained(self) -> bool:
        """Whether the arm uses pretrained weights."""
        return self.key in PRETRAINED

    @property
    def accuracy(self) -> float:
        """The mean accuracy over seeds, on the test split."""
        return self.measures["accuracy"].mean

    @property
    def seed_std(self) -> float | None:
        """The accuracy's standard deviation over seeds; None where one seed leaves it unknown."""
        std = self.measures["accuracy"].std
        return 0.0 if std is None and self.key in DETERMINISTIC else std

    def mean(self, measure: str) -> float | None:
        """A measure's mean over seeds, or None where no seed has it."""
        estimate = self.measures[measure]
        return None if estimate is None else estimate.mean


def summarize(record: dict) -> list[ArmSummary]:
    """Summarises every arm with at least one finished run, in the order of `ARMS`.

    Args:
        record: A valid record.

    Returns:
        One summary an arm; none where the run stopped before the first arm was done.
    """
    examples = count_test_examples(record)
    done = [(key, record["arms"][key]) for key in ARMS if record["arms"].get(key, {}).get("runs")]
    return [_summarize_arm(key, arm, examples) for key, arm in done]


def count_test_examples(record: dict) -> int:
    """The number of examples in the test split."""
    return record["data"]["splits"]["test"]["examples"]


def wilson_interval(share: float, examples: int) -> tuple[float, float]:
    """The 95 % interval of a share that was measured on a sample (Wilson, 1927).

    Args:
        share: The share measured, 0 to 1.
        examples: The size of the sample.

    Returns:
        The lower and the upper end; (0, 1) for no examples.

    Example:

    >>> low, high = wilson_interval(0.83, 1700)
    >>> f"{low:.3f} {high:.3f}"
    '0.811 0.847'
    """
    if examples == 0:
        return 0.0, 1.0
    squared = _Z95**2 / examples
    centre = (share + squared / 2) / (1 + squared)
    half = math.sqrt(share * (1 - share) * squared + squared**2 / 4) / (1 + squared)
    return max(0.0, centre - half), min(1.0, centre + half)


def sampling_margin(share: float, other: float, examples: int) -> float:
    """Half the 95 % interval of the difference of two shares, as if of independent samples.

    Two arms that are measured on one test split tend to err on the same examples, which makes
    the true interval narrower: this errs on the careful side.

    Args:
        share: One share, 0 to 1.
        other: The other share, 0 to 1.
        examples: The size of the sample.

    Returns:
        The margin; 1 for no examples.

    Example:

    >>> round(sampling_margin(0.83, 0.77, 1700), 4)
    0.0268
    """
    if examples == 0:
        return 1.0
    return _Z95 * math.sqrt((share * (1 - share) + other * (1 - other)) / examples)


def _summarize_arm(key, arm, examples):
    runs = sorted(arm["runs"], key=lambda run: run["seed"])
    measures = {name: Estimate.of(map(read, runs)) for name, read in _MEASURES.items()}
    measures["peak_memory_mib"] = Estimate.of([arm["peak_memory_mib"]])
    matrices = [run["metrics"]["confusion_matrix"] for run in runs]
    classes = zip(*(run["metrics"]["per_class"] for run in runs), strict=True)
    return ArmSummary(
        key=key,
        title=arm["title"],
        seeds=tuple(run["seed"] for run in runs),
        measures=measures,
        interval=wilson_interval(measures["accuracy"].mean, examples),
        confusion=[
            [sum(cells) for cells in zip(*rows, strict=True)]
            for rows in zip(*matrices, strict=True)
        ],
        per_class=[
            {
                name: Estimate.of(entry[name] for entry in entries)
                for name in ("precision", "recall", "f1")
            }
            for entries in classes
        ],
    )
