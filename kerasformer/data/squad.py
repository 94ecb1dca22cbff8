"""SQuAD's JSON files, versions 1.1 and 2.0, as a table of questions."""

from collections.abc import Iterator
from pathlib import Path

from kerasformer.data.forms import Form, read_rows
from kerasformer.data.tables import Table, suffix_of
from kerasformer.data.text_file import BEGINNING, Dialect, Place
from kerasformer.errors import UserError
from kerasformer.files import read_json

COLUMNS = ("id", "title", "context", "question", "answers", "is_impossible")


def open_squad(path: Path, dialect: Dialect) -> Table:
    """Opens a SQuAD file as a table with a row for each question, whose contexts are shared."""
    if given := dialect.given():
        raise UserError(f"{path} is a JSON file: leave out {given[0]} (--{given[0]}).")
    articles = _list(read_json(path), "data", f"{path}")

    def walk(wanted, start=BEGINNING):
        for number, row in enumerate(_questions(articles, path), 1):
            if number >= start.number:
                yield Place(number), tuple([row.get(name) for name in wanted])

    return Table(path, COLUMNS, "question", walk)


def _questions(articles, path) -> Iterator[dict]:
    for article, content in enumerate(articles, 1):
        in_article = f"{path}, article {article}"
        paragraphs = _list(content, "paragraphs", in_article)
        for paragraph, inside in enumerate(paragraphs, 1):
            in_paragraph = f"{in_article}, paragraph {paragraph}"
            for question in _list(inside, "qas", in_paragraph):
                if not isinstance(question, dict):
                    raise UserError(
                        f"{in_paragraph}, has a {type(question).__name__} as question: give "
                        "objects with question and answers."
                    )
                shared = {"title": content.get("title"), "context": inside.get("context")}
                yield question | shared


def _list(value, key, where) -> list:
    """The list under a key of an object."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise UserError(
            f"{where}, has no list {key!r}: give a file as SQuAD has it, of articles in data, with "
            "paragraphs, each with a context and qas."
        )
    return found


def _suffix(path: Path) -> str:
    found = ".json" if path.name.lower().endswith(".json") else suffix_of(path)
    return found if found in (".json", ".jsonl", ".parquet") else ""


def _open(path: Path, dialect: Dialect) -> Table:
    found = _suffix(path)
    if not found:
        raise UserError(f"{path} cannot be read: expected {ANSWERED.accepted}.")
    return open_squad(path, dialect) if found == ".json" else read_rows(path, dialect)


ANSWERED = Form("SQuAD .json, .jsonl or .parquet", _suffix, _open)
