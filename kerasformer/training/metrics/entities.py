"""Entity precision, recall and F1, as seqeval computes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasformer.training.metrics.tags import flat_spans, tag_spans


def entity_metrics(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None = None
) -> dict[str, Any]:
    """Precision, recall and F1 of whole entities: right are the same words with the same type.

    What is divided by zero is 0, as with seqeval's `zero_division=0`.

    Args:
        true: The true tags of each sentence's words, such as `"B-PER"` and `"O"`.
        predicted: The predicted tags of the same words.
        scheme: By default any tags are read, also those that break a scheme, as by seqeval's
            default and conlleval.pl. "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU" reads
            entities strictly, as seqeval's `mode="strict"`.

    Returns:
        A dict that JSON can hold: `precision`, `recall`, `f1` over all entities (micro average);
        `macro_precision`, ... over types; `weighted_precision`, ... by the number of true
        entities; `accuracy`, of words; `support`, the number of true entities; `per_type` (a list
        of dicts with `name`, `precision`, `recall`, `f1`, `support`).

    Raises:
        ValueError: There are no words, or the sentences or their lengths differ.
        UserError: The scheme is unknown, a tag is empty, or its letter is none of the scheme's.

    Example:

    >>> metrics = entity_metrics([["B-PER", "I-PER", "O"]], [["B-PER", "O", "B-LOC"]])
    >>> metrics["f1"], round(metrics["accuracy"], 3), [row["name"] for row in metrics["per_type"]]
    (0.0, 0.333, ['LOC', 'PER'])
    """
    _check(true, predicted)
    names, counts = _counts_by_type(true, predicted, scheme)
    each = _scores(counts)
    support = counts[:, 2]
    averages = {
        "": _scores(counts.sum(axis=0)),
        "macro_": each.mean(axis=0) if names else np.zeros(3),
        "weighted_": np.average(each, axis=0, weights=support) if support.any() else np.zeros(3),
    }
    same = (
        one == two
        for tags, guesses in zip(true, predicted, strict=True)
        for one, two in zip(tags, guesses, strict=True)
    )
    result: dict[str, Any] = {}
    for prefix, (precision, recall, f1) in averages.items():
        result |= {
            f"{prefix}precision": float(precision),
            f"{prefix}recall": float(recall),
            f"{prefix}f1": float(f1),
        }
    result["accuracy"] = sum(same) / sum(map(len, true))
    result["support"] = int(support.sum())
    result["per_type"] = [
        {"name": name, "precision": p, "recall": r, "f1": f, "support": s}
        for name, (p, r, f), s in zip(names, each.tolist(), support.tolist(), strict=True)
    ]
    return result


def entity_counts(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None = None
) -> np.ndarray:
    """Of each sentence how many entities are right, predicted and true: what F1 is made of.

    Args:
        true: As in `entity_metrics`.
        predicted: As in `entity_metrics`.
        scheme: As in `entity_metrics`.

    Returns:
        int `[sentences, 3]`.

    Raises:
        ValueError: There are no words, or the sentences or their lengths differ.
        UserError: The scheme is unknown, a tag is empty, or its letter is none of the scheme's.

    Example:

    >>> entity_counts([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]]).tolist()
    [[1, 1, 2]]
    """
    _check(true, predicted)
    pairs = zip(tag_spans(predicted, scheme), tag_spans(true, scheme), strict=True)
    return np.array([(len({*ours} & {*right}), len(ours), len(right)) for ours, right in pairs])


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 from the numbers of right, predicted and true entities, `[..., 3]`; 0 where undefined.

    >>> float(f1_of_counts(np.array([1, 1, 2])))
    0.6666666666666666
    """
    return _scores(counts)[..., 2]


def _check(true, predicted):
    if len(true) != len(predicted):
        raise ValueError(
            f"{len(true)} sentences of true tags and {len(predicted)} of predicted ones: give the "
            "same sentences."
        )
    for number, (tags, guesses) in enumerate(zip(true, predicted, strict=True)):
        if len(tags) != len(guesses):
            raise ValueError(
                f"Sentence {number} has {len(tags)} true tags and {len(guesses)} predicted ones: "
                "give one of each for every word."
            )
    if not any(map(len, true)):
        raise ValueError("No words to evaluate on: give at least one.")


def _counts_by_type(true, predicted, scheme):
    """The types of entities, and how many of each are right, predicted and true."""
    found = []
    for tags in (true, predicted):
        names, types, first, stop = flat_spans(tags, scheme)
        names = [names[i] for i in types.tolist()]
        found.append(set(zip(names, first.tolist(), stop.tolist(), strict=True)))
    right, ours = found
    names = sorted({name for name, _, _ in right | ours})
    number = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), 3), int)
    for column, entities in enumerate((right & ours, ours, right)):
        of_type = [number[name] for name, _, _ in entities]
        counts[:, column] = np.bincount(of_type, minlength=len(names)) if of_type else 0
    return names, counts


def _scores(counts):
    """Precision, recall and F1 from right, predicted and true entities, each `[..., 3]`."""
    right, ours, true = np.moveaxis(np.asarray(counts, "float64"), -1, 0)
    precision, recall = right / np.maximum(ours, 1), right / np.maximum(true, 1)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    return np.stack([precision, recall, f1], axis=-1)
