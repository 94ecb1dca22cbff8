"""Spans of characters as tags of words, and the words of a text."""

from collections.abc import Sequence
from typing import NamedTuple

from kerasformer.errors import UserError
from kerasformer.formatting import shorten
from kerasformer.text.words import split_words

Span = tuple[int, int]
_LABELS = ("label", "type", "tag", "entity", "entity_group", "class")


class Marked(NamedTuple):
    """A text in words, with the tags of its spans."""

    words: list[str]
    tags: list[str]
    spans: list[Span]
    rounded: int  # how many spans began or ended within a word


def mark(text: str, spans: object, where: str) -> Marked:
    """Divides a text into words, and tags them by the scheme BIO.

    A span that begins or ends within a word is taken to mark all of it.

    Args:
        text: The text.
        spans: A list of `{"start", "end", "label"}` or `[start, end, label]`, in characters, the
            end not included; None for none.
        where: The file and row, for errors.

    Raises:
        UserError: A span is no span of the text, has no word, or shares a word with another one.

    Example:

    >>> mark("Ada Lovelace codes.", [[0, 12, "person"]], "a.jsonl, line 1").tags
    ['B-person', 'I-person', 'O', 'O']
    """
    words = split_words(text)
    tags, rounded = ["O"] * len(words), 0
    if not words:
        raise UserError(f"{where}, has a text without a word: leave it out.")
    for start, end, label in sorted(_span(span, text, where) for span in _listed(spans, where)):
        inside = [i for i, (first, last) in enumerate(words) if first < end and last > start]
        shown = f"the span {start} to {end}, {shorten(text[start:end], 40)!r}"
        if not inside:
            raise UserError(f"{where}, has no word in {shown}: leave it out.")
        if any(tags[i] != "O" for i in inside):
            raise UserError(
                f"{where}, has another span in a word of {shown}: words have one tag, so keep one "
                "of the spans."
            )
        edges = words[inside[0]][0], words[inside[-1]][1]
        rounded += edges[0] < start or edges[1] > end
        for i in inside:
            tags[i] = f"I-{label}"
        tags[inside[0]] = f"B-{label}"
    return Marked([text[first:last] for first, last in words], tags, words, rounded)


def _listed(spans, where) -> Sequence:
    if spans is None:
        return ()
    if not isinstance(spans, list):
        raise UserError(
            f"{where}, has a {type(spans).__name__} as spans: give a list of objects with start, "
            "end and label."
        )
    return spans


def _span(span, text, where) -> tuple[int, int, str]:
    """The start, end and label of a span."""
    if isinstance(span, dict):
        label = next((span[name] for name in _LABELS if name in span), None)
        found = (span.get("start"), span.get("end"), label)
    else:
        found = tuple(span) if isinstance(span, list) and len(span) == 3 else (None, None, None)
    start, end, label = found
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise UserError(
            f"{where}, has a span that is not understood: give the numbers start and end and the "
            "string label."
        )
    if not 0 <= start < end <= len(text):
        raise UserError(
            f"{where}, has a span from {start} to {end} in a text of {len(text)} characters: give "
            "the characters that it covers, the end not included."
        )
    if not label.strip():
        raise UserError(f"{where}, has a span without a label: give it one, or leave it out.")
    return start, end, label.strip()
