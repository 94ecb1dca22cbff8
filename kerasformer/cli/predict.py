"""Answer with a trained model, one line of JSON for each text.

Reads texts of files of any size, or of standard input, and writes what a model of any task answers
as JSONL, in the order of the texts: classes, entities, answers to questions, masked words.
"""

import contextlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasformer.cli.options import add_reading, output_file, take_reading
from kerasformer.cli.text import show
from kerasformer.data.columns import choose_text, named
from kerasformer.data.input_files import list_files, open_table
from kerasformer.data.tables import Table
from kerasformer.data.text_file import Dialect, Place
from kerasformer.errors import UserError
from kerasformer.files import open_whole, parse_json, writing
from kerasformer.progress import WorkProgress, step

# Rows that are answered at a time, sorted by length within; those of a pipe may come slowly.
_CHUNK, _PIPED_CHUNK = 1024, 32


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument("model", metavar="MODEL", help="folder of a model, or hf://owner/name")
    command.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="a .txt file (one text a line), .csv, .tsv, .jsonl (each also with .gz) or .parquet, "
        "a folder of such files, or - for lines of standard input",
    )
    command.add_argument("--output", metavar="FILE", help="a .jsonl file (default: print)")
    command.add_argument("--batch-size", metavar="N", type=int, help="texts in a batch")
    command.add_argument(
        "--top", metavar="K", type=int, default=1, help="answers to each question (default: 1)"
    )
    command.add_argument(
        "--stdin-format",
        choices=("txt", "jsonl"),
        default="txt",
        help="whether a line of standard input is a text (the default) or a JSON object",
    )
    add_reading(
        command,
        pair="column of the second text, for a model of pairs",
        question="column of the question (default: question)",
        context="column of the text that has the answer (default: context)",
        id="column that is copied to the output",
    )


def run(arguments):
    """Runs the command."""
    from kerasformer.cli.answers import answering
    from kerasformer.tasks import load

    if arguments.top < 1:
        raise UserError(f"--top is {arguments.top}: give how many answers to find, 1 or more.")
    has_pairs = arguments.pair_column is not None
    output = arguments.output and output_file(arguments.output, ".jsonl")
    with step("Loading the model"):
        model = load(arguments.model)
    task = answering(model, has_pairs, arguments.top, arguments.batch_size)
    rows = _rows(arguments, task.columns)
    with contextlib.ExitStack() as stack:
        # On a terminal the answers themselves show that it goes on.
        bar = WorkProgress("Answering", None) if output or not sys.stdout.isatty() else None
        write = _writer(output, stack)
        if bar:
            stack.enter_context(bar)
        for chunk in batched(rows, _PIPED_CHUNK if "-" in arguments.inputs else _CHUNK):
            answers = task.answer([texts for _, texts in chunk])
            for (about, _), answer in zip(chunk, answers, strict=True):
                write(json_line(about | answer))
            sys.stdout.flush()
            if bar:
                bar.advance(len(chunk))
        if bar:
            bar.finish()


def json_line(value: dict) -> str:
    r"""JSON in letters of any script; what is invisible, and could steer a terminal, is escaped.

    >>> print(json_line({"text": "año\x9b\u202e"}))
    {"text": "año\u009b\u202e"}
    """
    line = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def batched(rows: Iterator, size: int) -> Iterator[list]:
    """Rows in lists of a size, the last one shorter.

    >>> list(batched(iter("abc"), 2))
    [['a', 'b'], ['c']]
    """
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _writer(output: Path | None, stack: contextlib.ExitStack):
    """Writes a line to the file, which is there as a whole at the end, or prints it."""
    if output is None:
        return show
    stack.enter_context(writing(output))
    file = stack.enter_context(open_whole(output))
    return lambda line: file.write(line.encode() + b"\n")


def _rows(arguments, roles: tuple[str, ...]) -> Iterator[tuple[dict, tuple[str, ...]]]:
    """What of each row is copied to the output, and its texts."""
    dialect = take_reading(vars(arguments), "pair_column", "question_column", "context_column")
    columns = {role: dialect.pop(f"{role}_column", None) for role in ("text", "pair")}
    columns |= {role: dialect.pop(f"{role}_column", role) for role in ("question", "context")}
    ids = arguments.id_column
    for table in _tables(arguments, Dialect(**dialect)):
        asked = [_column(role, columns[role], table, ids) for role in roles]
        names = [*asked, *([] if ids is None else named([ids], table.columns, table.path))]
        for number, cells in table.read(names):
            texts = cells[: len(roles)]
            where = f"{table.path}, {table.unit} {number},"
            for role, text in zip(roles, texts, strict=True):
                if not isinstance(text, str):
                    raise UserError(f"{where} has {text!r} for the {role}: expected a text.")
            yield {"id": cells[-1]} if ids else dict(zip(roles, texts, strict=True)), texts


def _column(role: str, asked, table: Table, ids) -> str:
    """The column of a table that holds the text, its pair, the question or the context."""
    if role == "text":
        (name,) = one = choose_text(table.columns, asked, ids, where=table.path)
        if len(one) > 1:
            raise UserError(f"--text-column names {len(one)} columns: give one.")
        return name
    return named(asked, table.columns, table.path)[0]


def _tables(arguments, dialect: Dialect) -> Iterator[Table]:
    """The files, or the lines of standard input, as tables."""
    for path in arguments.inputs:
        if path == "-":
            yield _stdin(arguments.stdin_format)
        else:
            yield from (open_table(file, dialect) for file in list_files([path]))


def _stdin(form: str) -> Table:
    """Standard input as a table, read a line at a time."""
    if sys.stdin is None:
        raise UserError("Standard input is closed: give files.")
    lines = enumerate(iter(sys.stdin.buffer.readline, b""), 1)
    if form == "txt":
        texts = ((n, {"text": line.decode(errors="replace").rstrip("\r\n")}) for n, line in lines)
        return _as_table(texts, ("text",))
    rows = (
        (number, parse_json(line, f"Standard input, line {number},", remedy="write JSON objects"))
        for number, line in lines
        if line.strip()
    )
    first = next(rows, None)
    if first is None:
        raise UserError("Standard input is empty: give at least one row.")
    return _as_table(itertools.chain([first], rows), tuple(first[1]))


def _as_table(rows: Iterable[tuple[int, dict]], columns: tuple[str, ...]) -> Table:
    def walk(wanted, *_):
        for number, row in rows:
            yield Place(number), tuple([row.get(name) for name in wanted])

    return Table("Standard input", columns, "line", walk)
