"""CoNLL files: a line for each word, in columns, and a blank line after each sentence."""

import re
from collections.abc import Iterator
from pathlib import Path

from kerasformer.data.forms import Form, read_rows
from kerasformer.data.tables import Table, empty, suffix_of
from kerasformer.data.text_file import BEGINNING, Dialect, Place, TextLines
from kerasformer.errors import UserError
from kerasformer.text.texts import LONGEST_TEXT, too_long

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_ROWS = (".jsonl", ".parquet")  # of lists
# What CoNLL files are called, also without any suffix.
_SUFFIXES = (
    *("", ".conll", ".conllu", ".txt", ".tsv", ".bio", ".iob", ".iob2", ".bioes", ".iobes"),
    *(".ner", ".pos", ".tags", ".annotated", ".data", ".train", ".dev", ".test"),
    *(".testa", ".testb"),
)
_OTHERS = (".csv", ".json", ".md", ".zip", ".xml")
# In CoNLL-U, words that are several tokens, and tokens that are not in the text.
_NO_WORD = re.compile(r"\d+[-.]\d+")


def open_conll(path: Path, dialect: Dialect) -> Table:
    """Opens a CoNLL file as a table of sentences, whose cells are lists: those of the words' lines.

    The columns are "0", "1", ...; those of a .conllu file have their names. They are divided by
    tabs, or by other white space where the file's first word has no tab. Lines that begin with "#"
    and have another number of columns are comments, and `-DOCSTART-` is no word.
    """
    if wrong := [name for name in dialect.given() if name != "encoding"]:
        raise UserError(f"{path} is not a CSV or TSV file: leave out {wrong[0]} (--{wrong[0]}).")
    is_conllu = path.name.lower().removesuffix(".gz").endswith(".conllu")
    first = next(_words(path, dialect.encoding, BEGINNING), None)
    if first is None:
        raise empty(path)
    width, tabs = len(first[1]), first[2]
    names = CONLLU if is_conllu and width == len(CONLLU) else tuple(map(str, range(width)))

    def walk(wanted, start=BEGINNING):
        picked = [names.index(name) for name in wanted]
        for place, lines in _sentences(path, dialect.encoding, start, width, tabs, is_conllu):
            yield place, tuple([cells[index] for cells in lines] for index in picked)

    return Table(path, names, "line", walk)


def _fields(line, tabs):
    """The columns of a line."""
    return [cell.strip() for cell in line.rstrip().split("\t")] if tabs else line.split()


def _words(path, encoding, start) -> Iterator[tuple[Place, list[str], bool]]:
    """The lines of words that begin with no "#"; their columns, and whether tabs divide them."""
    lines = TextLines(path, start, encoding)
    for line in lines:
        if line.strip() and not line.startswith(("#", "-DOCSTART-")):
            tabs = "\t" in line.strip()
            yield lines.here, _fields(line, tabs), tabs


def _sentences(path, encoding, start, width, tabs, is_conllu):
    """The place and the lines' columns of each sentence."""
    lines, begun, sentence, size = TextLines(path, start, encoding), start, [], 0
    for line in lines:
        cells = _fields(line, tabs)
        if not any(cells) or cells[0].startswith("-DOCSTART-"):
            if sentence:
                yield begun, sentence
            sentence, size = [], 0
            continue
        if line.startswith("#") and len(cells) != width:
            continue
        if len(cells) != width:
            raise UserError(
                f"{path}, line {lines.here.number}, must have {width} columns, as the first word "
                f"has, not {len(cells)}: give each word a line with all of them, and divide "
                "sentences by blank lines."
            )
        if is_conllu and _NO_WORD.fullmatch(cells[0]):
            continue
        begun = begun if sentence else lines.here
        sentence.append(cells)
        size += len(line)
        if size > LONGEST_TEXT:
            raise too_long(f"{path}, line {begun.number}")
    if sentence:
        yield begun, sentence


def _suffix(path: Path) -> str:
    rows = suffix_of(path)
    if rows in _ROWS:
        return rows
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return ".conll" if suffix in _SUFFIXES else ""


def _open(path: Path, dialect: Dialect) -> Table:
    if suffix_of(path) in _ROWS:
        return read_rows(path, dialect)
    if path.name.lower().removesuffix(".gz").endswith(_OTHERS):
        raise UserError(f"{path} cannot be read: expected {TAGGED.accepted}.")
    return open_conll(path, dialect)


# A file that is given by itself may have nearly any name.
TAGGED = Form("CoNLL, .jsonl or .parquet", _suffix, _open)
