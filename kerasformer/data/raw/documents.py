"""Documents of raw text, each a list of sentences, read as they are asked for."""

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasformer.data.cells import is_missing, join_texts
from kerasformer.data.columns import Columns, choose_text, divided, named
from kerasformer.data.input_files import list_files, open_table, refuse_json
from kerasformer.data.load import REVIEWS, load_dataset
from kerasformer.data.raw.sentences import (
    LONGEST_SENTENCE,
    bounded,
    ends_sentence,
    split_paragraphs,
    split_sentences,
)
from kerasformer.data.tables import Table, suffix_of
from kerasformer.data.text_file import Dialect, TextLines, reading
from kerasformer.data.tfds import open_tfds
from kerasformer.errors import UserError
from kerasformer.files import writing

STDIN = "-"
STDIN_FORMATS = ("txt", "csv", "tsv", "jsonl")
_LONGEST = 1 << 16  # characters of a document, about, and of a line that is read at once
_SAMPLE = 1000  # lines that show whether each is a sentence


class Documents:
    """The documents of text files, tables and data sets, as often as they are asked for.

    In a text file a blank line ends a document. Its lines are sentences, as in BERT's own format,
    where of the first 1,000 lines four in five end as a sentence does, and no more than one in five
    has another end of a sentence within; else they are a running text, which `split_sentences`
    divides. In a table each row is a document. What has more than about 65,000 characters is
    several documents: so there are some to hold out of a single book, and memory is bounded, also
    where a file is one endless line. A file that has changed when it is read again is refused, so
    that a vocabulary and the token ids come from the same text.

    Args:
        sources: Files and folders; `"-"`, standard input, which is copied to a temporary file;
            `"tfds:NAME"`, a set of TensorFlow Datasets, of whose splits those for evaluation are
            left out; or `"imdb"`, `"rotten-tomatoes"`: the reviews to train on.
        text_column: The column of the texts in tables, as in `kerasformer.load_dataset`.
        header, delimiter, encoding: How files are written, as there.
        stdin_format: How standard input is read: `"txt"`, `"jsonl"`, `"csv"` or `"tsv"`.
        data_dir: The folder of TensorFlow Datasets.

    Raises:
        UserError: There is no such file or column; while documents are read also where a file is
            binary, in another encoding or empty, or changed meanwhile.

    Example:

    >>> path = getfixture("tmp_path") / "text.txt"
    >>> _ = path.write_text("It rains. The street\\nis wet.\\n\\nRome is old.\\n")
    >>> list(Documents([path]))
    [['It rains.', 'The street is wet.'], ['Rome is old.']]
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike],
        text_column: Columns | None = None,
        *,
        header: bool | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        stdin_format: str = "txt",
        data_dir: str | os.PathLike | None = None,
    ):
        if isinstance(sources, str | os.PathLike):
            sources = [sources]
        if not sources:
            raise UserError("There is no text to read: give a file, a folder, or - for stdin.")
        self.sources = tuple(os.fspath(source) for source in sources)
        self._dialect, self._data_dir = Dialect(header, delimiter, encoding), data_dir
        self._asked, self._stdin = text_column, stdin_format
        self._files: dict[str, list[Path]] = {}
        self._first: dict[Path, os.stat_result] = {}  # of files when they were first read
        if self.sources.count(STDIN) > 1:
            raise UserError("Standard input can be read once alone: name it (-) once.")
        for source in self.sources:
            if source == STDIN:
                self._files[source] = [self._copied()]
            elif not _is_named(source):
                self._files[source] = list_files([source])

    def __repr__(self):
        return f"Documents({list(self.sources)})"

    def __getstate__(self):
        """For a process in another folder."""
        files = {source: [p.absolute() for p in paths] for source, paths in self._files.items()}
        return {**self.__dict__, "_files": files}

    def __iter__(self) -> Iterator[list[str]]:
        for source in self.sources:
            if source in self._files:
                for path in self._files[source]:
                    yield from self._of_file(path)
            elif source in REVIEWS:
                texts = load_dataset(source).train.texts
                for text in texts:
                    yield from _parts(split_paragraphs(str(text)))
            else:
                found = open_tfds(source.removeprefix("tfds:"), self._data_dir)
                columns, _ = found.label_columns(self._asked, None, False)
                for table in found.tables_to_learn_from():
                    yield from _rows(table, columns)

    @property
    def files(self) -> list[Path]:
        """The files that are read, which data sets of a name have none of."""
        return [path for paths in self._files.values() for path in paths]

    def _of_file(self, path):
        with self._unchanged(path):
            if suffix_of(path):
                found = _rows(open_table(path, self._dialect), self._asked)
            else:
                refuse_json(path)
                found = _paragraphs(path, self._dialect.encoding)
            count = 0
            for document in found:
                count += 1
                yield document
            if not count:
                raise UserError(f"{path} holds no text: leave it out, or give another file.")

    @contextlib.contextmanager
    def _unchanged(self, path: Path) -> Iterator[None]:
        """Refuses a file that is not the same at the end as at the beginning, and each time."""
        with reading(path):
            before = os.stat(path)
        first = self._first.setdefault(path.absolute(), before)
        if _version(first) != _version(before):
            raise UserError(
                f"{path} has changed since it was first read: start again when nothing writes to "
                "it."
            )
        yield
        try:
            after = os.stat(path)
        except OSError:
            raise UserError(
                f"{path} was removed or replaced while it was read: put it back, and start again."
            ) from None
        if _version(before) != _version(after):
            raise UserError(
                f"{path} changed while it was read (it had {before.st_size:,} bytes and has "
                f"{after.st_size:,} now): start again when nothing writes to it."
            )

    def _copied(self) -> Path:
        """Standard input as a file, which can be read again; it is removed with the object."""
        if self._stdin not in STDIN_FORMATS:
            formats = ", ".join(STDIN_FORMATS)
            raise UserError(f"stdin_format is {self._stdin!r}: give one of {formats}.")
        if sys.stdin is None:
            raise UserError("Standard input is closed: give files.")
        folder = Path(tempfile.mkdtemp(prefix="kerasformer-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = folder / f"standard-input.{self._stdin}"
        with writing(path, "set TMPDIR to a folder on a disk with room"), path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return path


def _is_named(source: str) -> bool:
    return source.startswith("tfds:") or (source in REVIEWS and not os.path.exists(source))


def _rows(table: Table, asked: Columns | None) -> Iterator[list[str]]:
    """A document for each row with a text."""
    columns = table.columns
    asked = asked if asked is None else divided(asked, columns)
    wanted = choose_text(columns, asked, where=table.path)
    for place, cells in table.walk(named(list(wanted), columns, table.path)):
        where = f"{table.path}, {table.unit} {place.number}"
        texts = (c for c in cells if c != "" and (isinstance(c, str) or not is_missing(c)))
        yield from _parts(split_paragraphs(join_texts(texts, where)))


def _parts(sentences: list[str]) -> Iterator[list[str]]:
    """The documents that sentences are: one, or more if they are many."""
    part: list[str] = []
    size = 0
    for sentence in sentences:
        part.append(sentence)
        size += len(sentence)
        if size >= _LONGEST:
            yield part
            part, size = [], 0
    if part:
        yield part


def _paragraphs(path: Path, encoding: str | None) -> Iterator[list[str]]:
    """The documents of a text file."""
    divide = _lines_alone if _has_sentences(path, encoding) else _running
    lines: list[str] = []
    size = 0
    for line in _lines(path, encoding):
        if line.strip():
            lines.append(line)
            size += len(line)
            if size < _LONGEST:
                continue
        # A sentence that goes on behind the bound is left for the next document.
        sentences, lines = divide(lines, is_whole=not line.strip())
        size = sum(map(len, lines))
        if sentences:
            yield sentences
    if sentences := divide(lines, is_whole=True)[0]:
        yield sentences


def _lines_alone(lines: list[str], is_whole: bool) -> tuple[list[str], list[str]]:
    return [part for line in lines for part in bounded(" ".join(line.split()))], []


def _running(lines: list[str], is_whole: bool) -> tuple[list[str], list[str]]:
    sentences = split_sentences(" ".join(lines))
    if is_whole or len(sentences) < 2:
        return sentences, []
    return sentences[:-1], sentences[-1:]


def _lines(path: Path, encoding: str | None) -> Iterator[str]:
    """The lines of a file, those that are too long in parts, cut at blanks if there are any."""
    rest = ""
    for line in TextLines(path, encoding=encoding, most=_LONGEST):
        whole, rest = rest + line, ""
        if len(line) == _LONGEST:
            cut = whole.rfind(" ", len(whole) - LONGEST_SENTENCE)
            if cut > 0:
                whole, rest = whole[:cut], whole[cut:]
        yield whole
    if rest:
        yield rest


def _has_sentences(path: Path, encoding: str | None) -> bool:
    """Whether each line of a text file is a sentence."""
    lines = ends = several = 0
    for line in TextLines(path, encoding=encoding, most=_LONGEST):
        if line.strip():
            lines += 1
            ends += ends_sentence(line[-LONGEST_SENTENCE:])
            several += len(split_sentences(line[:LONGEST_SENTENCE])) > 1
        if lines == _SAMPLE:
            break
    return lines > 1 and 5 * ends >= 4 * lines and 5 * several <= lines


def _version(stat: os.stat_result) -> tuple[int, int]:
    """What differs between a file and the same one written to."""
    return stat.st_size, stat.st_mtime_ns
