"""Vectors of words: GloVe's and word2vec's files, and a NumPy array beside a list of words."""

import os
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from kerasformer.errors import UserError
from kerasformer.files import is_irregular, map_array, open_whole, read_text, writing

_LONGEST_LINE = 2**20  # bytes: of a word and 50,000 numbers
_LONGEST_WORD = 2**14  # bytes, in a binary file, whose words have no line to end in
_WIDEST = 2**16
_HEADER = re.compile(rb"(\d{1,12}) (\d{1,6}) *\r?\n")
_ENDS_IN_NUMBER = re.compile(rb" [-+]?\.*\d[\d.]*([eE][-+]?\d+)?$")
_SPACE = re.compile(r"[ \t\r\n]")


class WordVectors(NamedTuple):
    """Words and their vectors.

    Attributes:
        words: All different.
        vectors: float32 `[words, width]`.
    """

    words: list[str]
    vectors: np.ndarray


def read_word_vectors(
    path: str | os.PathLike,
    words: str | os.PathLike | Iterable[str] | None = None,
    keep: Callable[[str], bool] | None = None,
) -> WordVectors:
    """Reads vectors of words, line by line, with no more in memory than is kept.

    Which format it is its content says: GloVe's text, a word and its numbers in a line
    (Pennington et al., 2014, https://nlp.stanford.edu/projects/glove); word2vec's text, or
    fastText's `.vec`, the same below a line with the number of words and of dimensions; word2vec's
    binary format (Mikolov et al., 2013, https://code.google.com/archive/p/word2vec), float32 after
    each word; or an array of `numpy.save`. Of a word that is there twice, as in some published
    files, the first vector counts, as in gensim.

    Args:
        path: The file.
        words: The words of an array, or the path of a file with one a line; of no other format.
        keep: Which words to keep; by default all.

    Raises:
        UserError: The file is missing, empty, compressed or damaged: it ends too soon or holds
            more than its first line says, a line has more or fewer numbers than the others, a
            number is not finite, a word is not UTF-8, or a line does not end.

    Example:

    >>> path = getfixture("tmp_path") / "glove.txt"
    >>> _ = path.write_text("the 0.5 1\\nfilm 2 -1.5\\n")
    >>> read_word_vectors(path)
    WordVectors(words=['the', 'film'], vectors=array([[ 0.5,  1. ],
           [ 2. , -1.5]], dtype=float32))
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UserError(f"There is no file {path} of word vectors: check the path.")
        if is_irregular(path):
            raise UserError(f"{path} is no regular file: give a file of word vectors.")
        if path.suffix.lower() == ".npy":
            return _read_array(path, words, keep)
        if words is not None:
            raise UserError(f"{path} has words of its own: leave words, which are for .npy, out.")
        with open(path, "rb") as stream:
            return _collect(path, *_rows(stream, path), keep)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


class _Header(NamedTuple):
    rows: int | None  # where the file says it
    width: int


def _rows(stream: IO[bytes], path: Path) -> tuple[_Header, Iterator[tuple[bytes, array]]]:
    """The size of a file's vectors, and each word with its vector."""
    start = stream.read(_LONGEST_LINE)
    if not start:
        raise UserError(f"{path} is empty: expected a word and its numbers in each line.")
    if start[:2] == b"\x1f\x8b" or start[:4] == b"PK\x03\x04":
        raise UserError(f"{path} is compressed: unpack it, and give the file in it.")
    found = _HEADER.match(start)
    stream.seek(found.end() if found else 0)
    if not found:
        first = start.partition(b"\n")[0].rstrip(b" \r")
        header = _Header(None, first.count(b" "))
    else:
        header = _Header(int(found[1]), int(found[2]))
    if not 0 < header.width <= _WIDEST:
        raise UserError(
            f"{path} has no word vectors: expected a word and its numbers in its first line, or "
            "the number of words and that of the numbers of each."
        )
    if found and not _is_text(start[found.end() :], header.width):
        return header, _binary_rows(stream, header, path)
    return header, _text_rows(stream, header.width, path, 2 if found else 1)


def _is_text(content: bytes, width: int) -> bool:
    """Whether what follows word2vec's first line is a line of its text format."""
    line, end, _ = content.partition(b"\n")
    fields = line.rstrip(b" \r").split(b" ")
    if not end and len(content) >= _LONGEST_LINE // 2:
        return False
    numbers = re.compile(rb"[-+.\deE]+|[-+]?(nan|inf)", re.IGNORECASE)
    return len(fields) > 1 and all(map(numbers.fullmatch, fields[-min(width, len(fields) - 1) :]))


def _text_rows(
    stream: IO[bytes], width: int, path: Path, number: int
) -> Iterator[tuple[bytes, array]]:
    while line := stream.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise UserError(
                f"{path}, line {number}, is longer than {_LONGEST_LINE >> 20} MiB: expected a word "
                f"and {width:,} numbers."
            )
        # From the right: a few words of published files have spaces within them, but no numbers.
        word, *fields = line.rstrip(b" \r\n").rsplit(b" ", width)
        try:
            if len(fields) != width or b"_" in b"".join(fields) or _ENDS_IN_NUMBER.search(word):
                raise ValueError
            vector = array("f", map(float, fields))
        except (ValueError, OverflowError):
            raise UserError(
                f"{path}, line {number}, is not a word and {width:,} numbers, as in the first "
                "line: fetch or save the file again."
            ) from None
        yield word, vector
        number += 1


def _binary_rows(stream: IO[bytes], header: _Header, path: Path) -> Iterator[tuple[bytes, array]]:
    cut = (
        f"{path} is cut off: it says that it has {header.rows:,} words of {header.width:,} numbers"
    )
    for number in range(header.rows or 0):
        word = bytearray()
        while (byte := stream.read(1)) != b" ":
            if not byte:
                raise UserError(f"{cut}, and ends after {number:,}; fetch it again.")
            if len(word) == _LONGEST_WORD:
                raise UserError(f"{path} is damaged: its word {number + 1:,} does not end.")
            word += byte
        vector = array("f")
        content = stream.read(4 * header.width)
        if len(content) < 4 * header.width:
            raise UserError(f"{cut}, and ends after {number:,}; fetch it again.")
        vector.frombytes(np.frombuffer(content, "<f4").astype("f4").tobytes())
        yield bytes(word).lstrip(b"\n"), vector  # some programs end each vector with a new line
    if stream.read(2).strip():
        raise UserError(
            f"{path} is damaged: it goes on after the {header.rows:,} words that it says it has."
        )


def _collect(
    path: Path,
    header: _Header,
    rows: Iterable[tuple[bytes, array]],
    keep: Callable[[str], bool] | None,
) -> WordVectors:
    words: dict[str, None] = {}
    numbers, found = array("f"), 0
    for found, (content, vector) in enumerate(rows, start=1):
        try:
            word = content.decode()
        except UnicodeDecodeError:
            raise UserError(
                f"{path} is damaged: its word {found:,} is not UTF-8 text; fetch it again."
            ) from None
        if word in words or not (keep is None or keep(word)):
            continue
        if not np.isfinite(vector).all():
            raise UserError(f"{path} has a vector with a number that is not finite, of {word!r}.")
        words[word] = None
        numbers.extend(vector)
    if header.rows is not None and found != header.rows:
        raise UserError(
            f"{path} says that it has {header.rows:,} words, and has {found:,}: fetch it again."
        )
    return WordVectors(list(words), np.array(numbers, "float32").reshape(-1, header.width))


def _read_array(
    path: Path,
    words: str | os.PathLike | Iterable[str] | None,
    keep: Callable[[str], bool] | None,
) -> WordVectors:
    if words is None:
        raise UserError(f"{path} holds no words: give words, a list or a file with one a line.")
    if isinstance(words, str | os.PathLike):
        words = read_text(Path(words)).removesuffix("\n").split("\n")
    words = list(words)
    try:
        vectors = map_array(path)
    except ValueError as error:
        raise UserError(
            f"{path} is not an array that numpy.save wrote row by row ({error}): save it again."
        ) from None
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.shape[1]:
        raise UserError(
            f"{path} holds {vectors.dtype} of the shape {vectors.shape}: expected float numbers "
            "[words, width]."
        )
    if len(words) != len(vectors):
        raise UserError(
            f"{path} has {len(vectors):,} vectors, and there are {len(words):,} words: give the "
            "word of each."
        )
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        if keep is None or keep(word):
            places.setdefault(word, place)
    kept = np.array(vectors[list(places.values())], "float32")
    if not np.isfinite(kept).all():
        raise UserError(f"{path} has a number that is not finite: save it again without.")
    return WordVectors(list(places), kept)


def write_word_vectors(
    path: str | os.PathLike, words: Collection[str], vectors: np.ndarray
) -> None:
    """Writes vectors as word2vec's text format, which gensim and spaCy read, to the last bit.

    Args:
        path: The file.
        words: The words.
        vectors: float32 `[words, width]`.

    Raises:
        UserError: A word has a space or is empty, which would end it too soon, or the file cannot
            be written.

    Example:

    >>> path = getfixture("tmp_path") / "vectors.txt"
    >>> write_word_vectors(path, ["film"], np.array([[0.5, -2]], "float32"))
    >>> path.read_text()
    '1 2\\nfilm 0.5 -2\\n'
    """
    if odd := [word for word in words if not word or _SPACE.search(word)]:
        raise UserError(f"The word {odd[0]!r} cannot be written, as spaces end words in {path}.")
    with writing(path, "give another path"), open_whole(path) as stream:
        stream.write(b"%d %d\n" % vectors.shape)
        for word, vector in zip(words, vectors, strict=True):
            numbers = " ".join(map("%.9g".__mod__, vector.tolist()))
            stream.write(f"{word} {numbers}\n".encode())
