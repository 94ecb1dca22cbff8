"""Labelled texts as they were read, made into a data set: what kind of labels, which classes."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasformer.data.cells import class_order
from kerasformer.data.dataset import SPLITS, Dataset
from kerasformer.data.label_rows import RawDataset
from kerasformer.data.labeled import MULTI_LABEL, REGRESSION, SINGLE_LABEL, LabeledDataset, Split
from kerasformer.errors import UserError
from kerasformer.formatting import listed


def assemble(
    found: RawDataset, class_names: Sequence[str] | None, problem_type: str | None
) -> LabeledDataset:
    """Numbers the classes and states the splits.

    Raises:
        UserError: There is no training data, the class names do not fit, there is only one class,
            or one in another split that training lacks.
    """
    provenance = with_splits(found.name, found.splits, found.provenance)
    kind = problem_type or _problem_type(found, class_names)
    flags = kind == MULTI_LABEL and len(found.label_columns) > 1
    if flags:
        _check_flags(found)
    columns = found.label_columns if kind == REGRESSION or flags else None
    if columns is not None:
        order = list(columns)
    else:
        found_names = _names(found)
        known = [name for name in found.classes or () if name in found_names]
        order = known or class_order(found_names)
    names = list(order if class_names is None else class_names)
    if set(names) == set(order):
        order = names
    if len(names) != len(order) or len(set(names)) != len(names):
        raise UserError(
            f"{len(names)} class names ({listed(names)}) do not fit the {len(order)} classes of "
            f"{found.name} ({listed(order)}): give one name, each different, for each class."
        )
    splits = {
        name: Split(found.splits[name].texts, _numbered(found.splits[name].labels, order, columns))
        for name in SPLITS
        if name in found.splits
    }
    dataset = LabeledDataset(found.name, tuple(names), splits, provenance, kind)
    if kind != REGRESSION:
        _check_classes(dataset, found, order)
    return dataset


def with_splits(name: str, splits: dict, provenance: dict) -> dict[str, Any]:
    """The provenance with a rule about the splits of the source, one of which must be train."""
    if "train" not in splits:
        raise UserError(f"{name} has no training data, only {' and '.join(splits)}: give some.")
    ordered = [split for split in SPLITS if split in splits]
    given = f"{', '.join(ordered)} as the source gives them" if len(ordered) > 1 else "none given"
    return {**provenance, "rules": [f"Splits: {given}."]}


def counts(dataset: Dataset) -> dict[str, Any]:
    """How many rows there are, and how many of them may blur the result."""
    keys = {name: split.keys for name, split in dataset.splits.items()}
    rows, learnt = sum(map(len, keys.values())), set(keys["train"])
    several = {}
    if isinstance(dataset, LabeledDataset):
        labels_of = defaultdict(set)
        for split in dataset.splits.values():
            for key, label in zip(split.keys, split.labels, strict=True):
                labels_of[key].add(label.tobytes())
        several["texts_with_several_labels"] = sum(len(found) > 1 for found in labels_of.values())
    return {
        "rows": rows,
        f"repeated_{dataset.noun}": rows - len(set().union(*keys.values())),
        **several,
        f"{dataset.noun}_also_in_train": {
            name: sum(key in learnt for key in found)
            for name, found in keys.items()
            if name != "train"
        },
    }


def _labels(found):
    return (label for rows in found.splits.values() for label in rows.labels)


def _names(found):
    return {
        name for label in _labels(found) for name in ((label,) if isinstance(label, str) else label)
    }


def _problem_type(found, class_names):
    """What the labels say that they are."""
    names = _names(found)
    kinds = {isinstance(label, str) for label in _labels(found)}
    if len(kinds) > 1:
        raise UserError(
            f"{found.name} has one label in some rows and a list of labels in others: write lists "
            "in all of them."
        )
    if len(found.label_columns) > 1:
        is_number = any(not float(number).is_integer() for number in names)
        return REGRESSION if is_number else MULTI_LABEL
    if kinds == {False}:
        return MULTI_LABEL
    if found.classes or class_names is not None:
        return SINGLE_LABEL
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return SINGLE_LABEL
    whole = [number.is_integer() for number in numbers if np.isfinite(number)]
    return REGRESSION if len(whole) == len(numbers) and not all(whole) else SINGLE_LABEL


def _check_flags(found):
    """Refuses other values than 0 and 1 in the columns of several classes."""
    for rows in found.splits.values():
        for name, where in rows.first.items():
            if float(name) not in (0, 1):
                raise UserError(
                    f"{where}, has {float(name):g} in a label column where 0 or 1 was expected: "
                    "correct it, or give problem_type='regression' if these are numbers."
                )


def _numbered(labels, order, columns):
    """The labels as an array, see `Split`; those of `columns` are numbers already."""
    if columns is not None:
        rows = [(float(label),) if isinstance(label, str) else label for label in labels]
        numbers = np.array(rows, "float32").reshape(len(rows), len(columns))
        return numbers[:, [columns.index(name) for name in order]]
    index = {label: position for position, label in enumerate(order)}
    if labels and isinstance(labels[0], str):
        return np.array([index[label] for label in labels], "int32")
    numbered = np.zeros((len(labels), len(order)), "float32")
    for row, label in zip(numbered, labels, strict=True):
        row[[index[name] for name in label]] = 1
    return numbered


def _check_classes(dataset, found, order):
    """Refuses a single class, and classes that cannot have been learnt."""
    present = {name: _present(dataset, split) for name, split in dataset.splits.items()}
    for name, classes in present.items():
        unknown = np.flatnonzero((classes > 0) & (present["train"] == 0))
        if len(unknown):
            first = found.splits[name].first.get(order[unknown[0]])
            raise UserError(
                f"The {name} split of {dataset.name} has the label "
                f"{dataset.class_names[unknown[0]]!r} in {classes[unknown[0]]} rows, and the "
                f"training split in none{f', first in {first}' if first else ''}: add such "
                "examples to training, or remove them."
            )
    learnt = np.flatnonzero(present["train"])
    least = 2 if dataset.problem_type == SINGLE_LABEL else 1
    if len(learnt) < least:
        only = f"only one class, {dataset.class_names[learnt[0]]!r}" if len(learnt) else "no class"
        raise UserError(f"{dataset.name} has {only}: a classifier needs examples of two or more.")


def _present(dataset, split):
    """How many rows have each class, int `[classes]`."""
    if dataset.problem_type == SINGLE_LABEL:
        return np.bincount(split.labels, minlength=len(dataset.class_names))
    return split.labels.astype(int).sum(axis=0)
