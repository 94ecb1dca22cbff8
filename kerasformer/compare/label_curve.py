"""Training on some of the labels: which examples, and in which order the runs are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kerasformer.compare.arms import Arm
from kerasformer.compare.settings import Settings
from kerasformer.data.dataset import Dataset
from kerasformer.errors import UserError


class Job(NamedTuple):
    """One run of an arm.

    Attributes:
        seed: The seed.
        labels: The number of training labels; None for all.
    """

    seed: int
    labels: int | None = None

    def __str__(self):
        few = "" if self.labels is None else f"{self.labels:,} labels, "
        return f"{few}seed {self.seed}"


def label_counts(settings: Settings, dataset: Dataset) -> list[int]:
    """The numbers of labels to train with, beside all of them.

    Raises:
        UserError: One is too small to have a label of each class, or for an arm that holds some
            sentences out of those with labels.
    """
    least = len(getattr(dataset, "class_names", ()))
    counts = [n for n in settings.label_curve or () if n < len(dataset.train)]
    if counts and counts[0] < 2 and settings.task == "tagging" and "frozen" in settings.arms:
        raise UserError(
            "--label-curve has 1, but the arm frozen learns from one sentence at least and chooses "
            "its layers on another: give 2 or more, or leave the arm out."
        )
    if counts and counts[0] < least:
        raise UserError(
            f"--label-curve has {counts[0]:,}, too few labels for one of each of the {least:,} "
            f"classes of {dataset.name}: give {least:,} or more."
        )
    return counts


def jobs_of(arm: Arm, seeds: Sequence[int], counts: Sequence[int]) -> list[Job]:
    """The runs of an arm, those of one seed after another.

    An arm that is the same with every seed is trained once on all labels, but on those that each
    seed chooses of them.

    >>> from kerasformer.compare.arms import arms_of
    >>> [str(job) for job in jobs_of(arms_of("classification")["tfidf"], [0, 1], [100])]
    ['seed 0', '100 labels, seed 0', '100 labels, seed 1']
    """
    whole = seeds[:1] if arm.deterministic else seeds
    return [
        Job(seed, labels)
        for seed in seeds
        for labels in (None, *counts)
        if labels is not None or seed in whole
    ]


def done_jobs(record: dict) -> set[tuple[str, Job]]:
    """The runs that a record has, each with its arm."""
    parts: list[tuple[int | None, dict]] = [(None, record["arms"])]
    parts += [(int(labels), arms) for labels, arms in record.get("label_curve", {}).items()]
    return {
        (arm, Job(run["seed"], labels))
        for labels, arms in parts
        for arm, entry in arms.items()
        for run in entry["runs"]
    }


def chosen_rows(split, count: int, seed: int) -> np.ndarray:
    """Which examples of a split are trained on, int `[count]`.

    With one seed those of a smaller number are among those of a larger one. Each class has its
    share, and one example at least.

    Args:
        split: Examples; those with a class each have integer `labels`.
        count: How many.
        seed: Of the choice.

    Example:

    >>> from kerasformer.data import Split
    >>> split = Split([f"text {i}" for i in range(9)], np.array([0, 1, 1] * 3))
    >>> [np.bincount(split.labels[chosen_rows(split, n, seed=0)]).tolist() for n in (3, 6)]
    [[1, 2], [2, 4]]
    """
    random = np.random.default_rng(seed)
    labels = getattr(split, "labels", None)
    if labels is None or labels.ndim > 1:
        labels = np.zeros(len(split), "int64")
    place = np.zeros(len(split))
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        place[rows] = (np.arange(len(rows)) + random.random(len(rows))) / len(rows)
        place[rows[0]] = -1  # before all others
    return np.sort(np.argsort(place, kind="stable")[:count])
