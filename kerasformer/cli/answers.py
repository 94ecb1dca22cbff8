"""What a model of any task answers to the rows of a file, ready for JSON."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kerasformer.errors import UserError
from kerasformer.models.problems import MULTI_LABEL, REGRESSION


class Answering(NamedTuple):
    """The columns that a task takes, and what it answers to rows of them.

    Attributes:
        columns: What the texts of a row are, such as ("question", "context").
        answer: Turns rows of texts into a dict for each.
    """

    columns: tuple[str, ...]
    answer: Callable[[list[tuple[str, ...]]], list[dict[str, Any]]]


def answering(
    model: Any, has_pairs: bool, top: int = 1, batch_size: int | None = None
) -> Answering:
    """How a model answers.

    Args:
        model: A task.
        has_pairs: Whether a classifier gets two texts a row.
        top: How many answers to give where a task has several.
        batch_size: Rows in a batch.

    Raises:
        UserError: The task has no answer to a text.
    """
    size = {} if batch_size is None else {"batch_size": batch_size}
    kind = type(model).__name__
    if kind in ("TextClassifier", "TransformerClassifier"):
        columns = ("text", "pair") if has_pairs else ("text",)
        return Answering(columns, lambda rows: _classes(model, rows, size))
    if kind == "TokenClassifier":
        return Answering(("text",), lambda rows: _entities(model, rows, size))
    if kind == "QuestionAnswerer":
        return Answering(("question", "context"), lambda rows: _answers(model, rows, top, size))
    if kind in ("MaskedLanguageModel", "PretrainingModel") and hasattr(model, "fill_mask"):
        return Answering(("text",), lambda rows: _masks(model, rows, top))
    if kind == "NextSentencePredictor":
        return Answering(("text", "pair"), lambda rows: _follows(model, rows))
    raise UserError(f"A {kind} answers no texts of a file: use it in Python.")


def _texts(rows: list[tuple[str, ...]]) -> list:
    return [row[0] if len(row) == 1 else row for row in rows]


def _classes(model, rows, size) -> list[dict]:
    texts, names = _texts(rows), model.class_names
    if model.problem_type == REGRESSION:
        values = model.predict(texts, verbose=0, **size).tolist()
        if len(names) == 1:
            return [{"value": value[0]} for value in values]
        return [{"values": dict(zip(names, value, strict=True))} for value in values]
    rows = model.predict_proba(texts, verbose=0, **size).tolist()
    if model.problem_type == MULTI_LABEL:
        labels = model.classify(texts, verbose=0, **size)
        found = zip(labels, rows, strict=True)
        return [{"labels": one, "scores": dict(zip(names, p, strict=True))} for one, p in found]
    best = [max(range(len(names)), key=p.__getitem__) for p in rows]
    return [{"label": names[i], "score": p[i]} for i, p in zip(best, rows, strict=True)]


def _entities(model, rows, size) -> list[dict]:
    found = model.entities(_texts(rows), **size)
    return [{"entities": _dicts(entities)} for entities in found]


def _answers(model, rows, top, size) -> list[dict]:
    found = model.answer(*map(list, zip(*rows, strict=True)), top_k=top, **size)
    if top == 1:
        return _dicts(found)
    return [{"answers": _dicts(answers)} for answers in found]


def _masks(model, rows, top) -> list[dict]:
    found = model.fill_mask(_texts(rows), top_k=top)
    return [{"masks": [_dicts(one) for one in masks]} for masks in found]


def _follows(model, rows) -> list[dict]:
    scores = model.follows(*map(list, zip(*rows, strict=True)))
    return [{"follows": float(score)} for score in scores]


def _dicts(values: Sequence[Any]) -> list[dict]:
    return [dataclasses.asdict(value) for value in values]
