"""The rows of a source as questions about contexts."""

from dataclasses import dataclass, field

from kerasformer.data.answering import AnsweringDataset, AnswerSplit
from kerasformer.data.assemble import with_splits
from kerasformer.data.cells import is_missing, join_texts
from kerasformer.data.dataset import SPLITS
from kerasformer.data.source import Source
from kerasformer.errors import UserError
from kerasformer.formatting import listed, shorten

_NEEDED = ("question", "context", "answers")
_OPTIONAL = ("id", "title", "is_impossible")


@dataclass
class _RawAnswers:
    """The questions of a split as they were read."""

    questions: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    answers: list[list[tuple[str, int]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)


def read_answers(source: Source) -> AnsweringDataset:
    """Reads questions, contexts and answers: columns with the names that SQuAD gives them.

    Raises:
        UserError: A column is not there, there is no training data; or a row has no question or
            context, or an answer that is not in its context, or not where it says.
    """
    splits: dict[str, _RawAnswers] = {}
    columns: dict[str, dict] = {}
    shared: dict[str, str] = {}  # each context once, however many rows repeat it
    for part in source.parts:
        names = _choose(part.table)
        columns[part.name] = names
        for where, number, name, cells in part.rows(list(names.values())):
            row = dict(zip(names, cells, strict=True))
            rows = splits.setdefault(name, _RawAnswers())
            context = _text(row["context"], "context", where)
            context = shared.setdefault(context, context)
            rows.questions.append(_text(row["question"], "question", where))
            rows.contexts.append(context)
            rows.answers.append(_answers(row, context, where))
            rows.ids.append(_optional(row.get("id"), "id", where) or f"{part.name}:{number}")
            title = _optional(row.get("title"), "title", where)
            rows.titles.append(shared.setdefault(title, title))
    if not splits:
        raise UserError(f"{source.name} holds no questions: give another source.")
    provenance = with_splits(source.name, splits, source.columns_read(columns))
    found = {name: AnswerSplit(**vars(splits[name])) for name in SPLITS if name in splits}
    return AnsweringDataset(source.name, found, provenance)


def _choose(table) -> dict[str, str]:
    """The columns of a table under SQuAD's names for them."""
    spelling = {name.lower(): name for name in reversed(table.columns)}
    for name in _NEEDED:
        if name not in spelling:
            raise UserError(
                f"{table.path} has no column {name!r}, only {listed(map(repr, table.columns))}: "
                f"name its columns {', '.join(_NEEDED)}, and perhaps {', '.join(_OPTIONAL)}."
            )
    return {name: spelling[name] for name in (*_NEEDED, *_OPTIONAL) if name in spelling}


def _text(cell, what, where):
    if is_missing(cell):
        raise UserError(f"{where}, has no {what}: fill it, or leave the question out.")
    return join_texts([cell], f"{where}, in the {what}")


def _optional(cell, what, where):
    if is_missing(cell):
        return ""
    if not isinstance(cell, str | int) or isinstance(cell, bool):
        raise UserError(f"{where}, has a {type(cell).__name__} as {what}: give a string.")
    return str(cell)


def _answers(row, context, where):
    """The answers of a row, each where it says that it is in the context."""
    found = list(_pairs(row["answers"], where))
    impossible = row.get("is_impossible")
    if not isinstance(impossible, bool | None):
        raise UserError(
            f"{where}, has a {type(impossible).__name__} as is_impossible: write true or false."
        )
    if impossible and found:
        raise UserError(
            f"{where}, has is_impossible and answers too: leave out one of them, or write the "
            "answers as plausible_answers."
        )
    for text, start in found:
        _check(text, start, context, where)
    return found


def _pairs(answers, where):
    """The text and start of each answer: of a list of objects, or of an object of two lists."""
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list):
            raise _not_understood(where)
        if len(texts) != len(starts):
            raise UserError(
                f"{where}, has {len(texts)} texts and {len(starts)} starts of answers: give as "
                "many."
            )
        yield from zip(texts, starts, strict=True)
    elif isinstance(answers, list):
        for answer in answers:
            if not isinstance(answer, dict):
                raise _not_understood(where)
            yield answer.get("text"), answer.get("answer_start")
    elif answers is not None:
        raise _not_understood(where)


def _check(text, start, context, where):
    if not isinstance(text, str) or type(start) is not int:
        raise _not_understood(where)
    shown = repr(shorten(text, 60))
    if not text.strip():
        raise UserError(f"{where}, has an empty answer: leave it out.")
    if start >= 0 and context.startswith(text, start):
        return
    place = context.find(text)
    if place < 0:
        raise UserError(
            f"{where}, has the answer {shown}, which is not in its context: correct it, or leave "
            "it out."
        )
    there = shorten(context[start : start + len(text)], 60) if start >= 0 else ""
    raise UserError(
        f"{where}, has the answer {shown} at {start}, where its context has {there!r}: write where "
        f"it begins, in characters, such as {place}."
    )


def _not_understood(where):
    return UserError(
        f"{where}, has answers that are not understood: give a list of objects with text and "
        "answer_start, or an object with a list of each."
    )
