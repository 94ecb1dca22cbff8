"""Which columns of a table hold the texts and the labels."""

import difflib
from collections.abc import Sequence

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.progress import say

Columns = str | int | Sequence[str | int]
# In the order of preference; the texts of several columns are joined by a space.
TEXT_COLUMNS = (
    *(("text",), ("sentence",), ("review",), ("title", "description"), ("title", "content")),
    *(("content",), ("document",), ("comment",), ("message",), ("tweet",), ("body",)),
)
# Of GLUE's sets, SNLI, PAWS, Quora's and MRPC's own files.
PAIR_COLUMNS = (
    *(("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2")),
    *(("#1 string", "#2 string"), ("text1", "text2"), ("text_a", "text_b"), ("query", "text")),
    *(("question", "sentence"), ("sentence_a", "sentence_b")),
)
LABEL_COLUMNS = ("label", "labels", "class", "category", "sentiment", "target", "topic", "intent")
PAIR_LABEL_COLUMNS = (
    *LABEL_COLUMNS,
    *("gold_label", "quality", "is_duplicate", "score", "similarity", "relatedness_score"),
)
KNOWN = frozenset(name for names in TEXT_COLUMNS for name in names) | frozenset(LABEL_COLUMNS)


def choose_columns(
    columns: Sequence[str],
    text_column: Columns | None,
    label_column: str | int | None,
    where: object,
) -> tuple[tuple[str, ...], str]:
    """The columns of the text and of the label: those asked for, or the usual names.

    >>> choose_columns(["Label", "Title", "Description", "Url"], None, None, "news.csv")
    (('Title', 'Description'), 'Label')
    >>> choose_columns(["a", "b", "c"], "a, b", "c", "news.csv")
    (('a', 'b'), 'c')
    >>> choose_columns(["a", "b", "c"], "2", "1", "news.csv")
    (('c',), 'b')
    """
    label = None if label_column is None else named(label_column, columns, where)[0]
    if text_column is None:
        text = usual_text([name for name in columns if name != label])
    else:
        text = named(text_column, columns, where)
    if label is None:
        label = usual_label(columns, text or ())
    if text is None:
        raise _unknown("text", columns, where)
    if label is None:
        raise _unknown("label", columns, where)
    if label in text:
        raise UserError(f"Column {label!r} of {where} cannot be both text and label: name two.")
    return text, label


def choose_pair(
    columns: Sequence[str],
    text_column: Columns | None,
    label_column: str | int | None,
    where: object,
) -> tuple[tuple[str, ...], str]:
    """The two columns of the texts of a pair, and that of the label, as `choose_columns`.

    >>> choose_pair(["Quality", "#1 ID", "#1 String", "#2 String"], None, None, "mrpc.txt")
    (('#1 String', '#2 String'), 'Quality')
    """
    label = None if label_column is None else named(label_column, columns, where)[0]
    if text_column is None:
        text = usual(columns, PAIR_COLUMNS)
    else:
        text = named(text_column, columns, where)
        if len(text) != 2:
            given = "1 text column is" if len(text) == 1 else f"{len(text)} text columns are"
            raise UserError(
                f"Pairs have two texts, but {given} given ({listed(text)}): give two, such as "
                "text_column='premise,hypothesis' (--text-column premise,hypothesis)."
            )
    if label is None:
        label = usual_label(columns, text or (), PAIR_LABEL_COLUMNS)
    if text is None:
        raise _unknown("text", columns, where, "the texts of a pair: choose two of")
    if label is None:
        raise _unknown("label", columns, where)
    if label in text:
        raise UserError(f"Column {label!r} of {where} cannot be both text and label: name two.")
    return text, label


def choose_text(
    columns: Sequence[str],
    text_column: Columns | None,
    id_column: str | None = None,
    *,
    where: object,
) -> tuple[str, ...]:
    """The columns of the text, where there is no label: those asked for, the usual, the only one
    beside that of the ids.

    >>> choose_text(["key", "verse"], None, "key", where="poems.jsonl")
    ('verse',)
    """
    if text_column is not None:
        return named(text_column, columns, where)
    others = [name for name in columns if name != id_column]
    text = tuple(others) if len(others) == 1 else usual_text(others)
    if text is None:
        raise _unknown("text", columns, where)
    return text


def _unknown(what, columns, where, choose=None):
    # A number is the name of a column without a header.
    is_table = str(where).lower().removesuffix(".gz").endswith((".csv", ".tsv"))
    hint = ", or give header=False (--no-header) if these are data"
    hint *= is_table and columns[0] != "0"
    return UserError(
        f"No column of {where} is known to hold {choose or f'the {what}: choose one of'} "
        f"{listed(map(repr, columns))} with {what}_column (--{what}-column){hint}."
    )


def usual_text(columns: Sequence[str]) -> tuple[str, ...] | None:
    """The columns that hold the text by their names, in any case of letters."""
    return usual(columns, TEXT_COLUMNS)


def usual(columns: Sequence[str], groups: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The first of the usual groups of names that are all among the columns, as spelt there."""
    spelling = {name.lower(): name for name in reversed(columns)}
    for names in groups:
        if all(name in spelling for name in names):
            return tuple(spelling[name] for name in names)
    return None


def usual_label(
    columns: Sequence[str], text: Sequence[str] = (), usual: Sequence[str] = LABEL_COLUMNS
) -> str | None:
    """The column beside those of the text that holds the label by its name, in any case."""
    spelling = {name.lower(): name for name in reversed(columns)}
    found = (spelling[name] for name in usual if name in spelling)
    return next((name for name in found if name not in text), None)


def named(asked: Columns, columns: Sequence[str], where: object) -> tuple[str, ...]:
    """The names of columns that are asked for: by name or number, several separated by commas."""
    names = []
    for name in divided(asked, columns):
        if name not in columns and str(name).isdecimal() and int(name) < len(columns):
            name = columns[int(name)]
        if name not in columns:
            near = difflib.get_close_matches(str(name), columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise UserError(
                f"{where} has no column {name!r}, only {listed(map(repr, columns))}{hint}"
            )
        names.append(str(name))
    return tuple(names)


def divided(asked: Columns, columns: Sequence[str]) -> Sequence[str | int]:
    """The columns asked for, one by one; a column may have a comma in its name."""
    if isinstance(asked, str) and asked not in columns:
        return [name.strip() for name in asked.split(",")]
    return [asked] if isinstance(asked, str | int) else asked


def say_joined(columns: Sequence[str]):
    """Says on stderr how a text is made of several columns; nothing where it is made of one."""
    if len(columns) > 1:
        names = ", ".join(map(repr, columns))
        say(f"A text is the columns {names} of a row, joined by a space.")
