"""The rows of a source as sentences of tagged words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from kerasformer.data.assemble import with_splits
from kerasformer.data.cells import join_texts
from kerasformer.data.columns import Columns, choose_text, named, usual
from kerasformer.data.dataset import SPLITS
from kerasformer.data.source import Source
from kerasformer.data.tagging import (
    TaggedSplit,
    TaggingDataset,
    marked,
    strange_tags,
    tag_order,
)
from kerasformer.data.text_spans import Span, mark
from kerasformer.errors import UserError
from kerasformer.formatting import listed

_WORDS = (("tokens",), ("words",), ("token",), ("word",), ("form",))
_TAGS = (
    *(("ner_tags",), ("ner",), ("tags",), ("ner_labels",), ("labels",), ("label",), ("upos",)),
    *(("pos_tags",), ("pos",)),
)
_SPANS = (("spans",), ("entities",), ("labels",), ("label",), ("annotations",))


@dataclass
class _RawTags:
    """The sentences of a split as they were read; `first` is where each tag was read first."""

    words: list[list[str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spans: list[list[Span]] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, words, tags, where, text=None, spans=None):
        """Appends a sentence, with its text and the places of the words where it has one."""
        if (text is None) == bool(self.texts) and self.words:
            raise UserError(
                f"{where}, has {'words' if text is None else 'a text'} where rows before it have "
                f"{'texts' if text is None else 'words'}: write all rows alike."
            )
        self.words.append(words)
        self.tags.append(tags)
        if text is not None:
            self.texts.append(text)
            self.spans.append(spans)
        for tag in tags:
            self.first.setdefault(tag, where)

    def tagged(self) -> TaggedSplit:
        """What was read, as a split."""
        return TaggedSplit(self.words, self.tags, self.texts or None, self.spans or None)


def read_tags(
    source: Source,
    text_column: Columns | None,
    label_column: Columns | None,
    tag_names: Sequence[str] | None,
) -> TaggingDataset:
    """Reads sentences in words with their tags, or texts with spans of characters.

    Raises:
        UserError: The columns are not known; a row has no words, not as many tags as words, or a
            tag or a span that cannot be used; there is no training data, or a tag in another split
            that it lacks.
    """
    splits: dict[str, _RawTags] = {}
    columns, rounded, left_out = {}, 0, 0
    for part in source.parts:
        text, label = _choose(part.table, text_column, label_column)
        columns[part.name] = {"text": [text], "label": label}
        for where, _, name, (cell, tags) in part.rows([text, label]):
            if source.is_published and not cell:
                left_out += 1
                continue
            rows = splits.setdefault(name, _RawTags())
            if isinstance(cell, str):
                found = mark(join_texts([cell], where), tags, where)
                rows.add(found.words, found.tags, where, cell, found.spans)
                rounded += found.rounded
            else:
                words = _words(cell, text, where)
                rows.add(words, _tags(tags, label, len(words), tag_names, where), where)
    if not splits:
        raise UserError(f"{source.name} holds no sentences: give another source.")
    provenance = with_splits(source.name, splits, source.columns_read(columns))
    for name, count in (("spans_rounded_to_words", rounded), ("rows_left_out", left_out)):
        provenance |= {name: count} if count else {}
    order = tag_order({tag for rows in splits.values() for tag in rows.first})
    _check_tags(source.name, splits, order, tag_names)
    _warn_of_strange_tags(splits, order)
    tagged = {name: splits[name].tagged() for name in SPLITS if name in splits}
    return TaggingDataset(source.name, tuple(tag_names or order), tagged, provenance)


def _choose(table, text_column, label_column):
    """The columns of the words and their tags, or of the text and its spans."""
    words, tags = usual(table.columns, _WORDS), usual(table.columns, _TAGS)
    if table.columns[:1] == ("0",):  # of CoNLL
        words, tags = (table.columns[0],), table.columns[-1:]
        if len(table.columns) < 2 and label_column is None:
            raise UserError(
                f"{table.path} has one column: give a file with a word and its tag in each line."
            )
    if text_column is not None:
        words = named(text_column, table.columns, table.path)[:1]
    text = (words or choose_text(table.columns, None, where=table.path))[0]
    if label_column is not None:
        tags = named(label_column, table.columns, table.path)[:1]
    elif not words:
        tags = None
    found = tags or usual([name for name in table.columns if name != text], _SPANS)
    if found is None:
        raise UserError(
            f"No column of {table.path} is known to hold the tags of words or the spans of texts: "
            f"choose one of {listed(map(repr, table.columns))} with label_column (--label-column)."
        )
    if found[0] == text:
        raise UserError(f"Column {text!r} of {table.path} cannot be both words and tags: name two.")
    return text, found[0]


def _words(cell, column, where):
    """The words in a cell, which must be a list of some."""
    if not isinstance(cell, list):
        raise UserError(
            f"{where}, has a {type(cell).__name__} in column {column!r}: give a list of words, or "
            "a text with spans."
        )
    if not cell:
        raise UserError(f"{where}, has a sentence without words: leave it out.")
    for number, word in enumerate(cell, 1):
        if not isinstance(word, str) or not word.strip():
            shown = repr(word) if isinstance(word, str) else f"a {type(word).__name__}"
            raise UserError(
                f"{where}, has {shown} as word {number} of {len(cell)}: give words that are "
                "strings and not empty."
            )
    join_texts(cell, where)  # no longer than a text may be
    return cell


def _tags(cell, column, count, names, where):
    """The tags in a cell, as many as words; numbers are places in `names`."""
    if not isinstance(cell, list):
        raise UserError(
            f"{where}, has a {type(cell).__name__} in column {column!r}: give a list of tags."
        )
    if len(cell) != count:
        raise UserError(
            f"{where}, has {count} words and {len(cell)} tags: give a tag for each word."
        )
    return [_tag(tag, number, names, where) for number, tag in enumerate(cell, 1)]


def _tag(tag, number, names, where):
    if isinstance(tag, str) and tag.strip():
        return tag.strip()
    if type(tag) is not int:
        shown = repr(tag) if isinstance(tag, str) else f"a {type(tag).__name__}"
        raise UserError(
            f"{where}, has {shown} as tag of word {number}: give a name such as 'B-person' or 'O'."
        )
    if names is None:
        raise UserError(
            f"{where}, has the number {tag} as tag of word {number}: give the names of the tags, "
            "in the order of their numbers from 0, as class_names."
        )
    if not 0 <= tag < len(names):
        raise UserError(
            f"{where}, has the number {tag} as tag of word {number}, and there are {len(names)} "
            "class_names, for the numbers from 0: give all of them."
        )
    return names[tag]


def _check_tags(name, splits, order, tag_names):
    """Refuses tags without a name, a single tag, and tags that cannot have been learnt."""
    if len(order) < 2:
        raise UserError(f"{name} has only one tag, {order[0]!r}: give sentences with two or more.")
    if tag_names is not None and len(set(tag_names)) != len(tag_names):
        raise UserError(
            f"The class names {listed(tag_names)} are not all different: give each once."
        )
    learnt = {"O", *map(marked, splits["train"].first)}
    for split, rows in splits.items():
        for tag, where in rows.first.items():
            if tag_names is not None and tag not in tag_names:
                raise UserError(
                    f"{where}, has the tag {tag!r}, which is not among the class_names "
                    f"{listed(tag_names)}: add it, or correct the tag."
                )
            if marked(tag) not in learnt:
                raise UserError(
                    f"{where}, has the tag {tag!r}, which is in the {split} split of {name} and "
                    "nowhere in training: add such sentences to training, or remove them."
                )


def _warn_of_strange_tags(splits, order):
    """Warns, as seqeval does, of tags that mark no entity where the others do."""
    strange = strange_tags(order)
    if not strange:
        return
    found = [splits[name].first for name in SPLITS if name in splits]
    where = next(first[strange[0]] for first in found if strange[0] in first)
    usual_one = next(tag for tag in order if tag not in {"O", *strange})
    more = f" (the same holds for {listed(map(repr, strange[1:]))})" if strange[1:] else ""
    warnings.warn(
        f"{where}, has the tag {strange[0]!r}, which marks no entity, unlike {usual_one!r}{more}: "
        "correct it, or write O where there is no entity.",
        stacklevel=4,
    )
