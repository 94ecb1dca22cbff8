"""GloVe's and word2vec's files, written by hand as their own programs write them."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasformer.checkpoints.io.word_vectors import read_word_vectors, write_word_vectors
from kerasformer.errors import UserError

WORDS = ["the", "film", "New_York", "été", "🎬"]
VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


def lines(vectors=VECTORS, words=WORDS, end=" \n"):
    """As word2vec.c and GloVe write: `%lf ` for each number; here with all digits."""
    return "".join(
        f"{word} {' '.join(map(repr, row.tolist()))}{end}"
        for word, row in zip(words, vectors, strict=True)
    ).encode()


def binary(between=b"\n", words=WORDS):
    """word2vec.c ends each vector with a new line, gensim with nothing."""
    rows = zip(words, VECTORS, strict=True)
    return b"5 3\n" + b"".join(
        w.encode() + b" " + v.astype("<f4").tobytes() + between for w, v in rows
    )


FORMATS = {
    "glove": lines(end="\n"),
    "word2vec text": b"5 3\n" + lines(),
    "fasttext on Windows": b"5 3\r\n" + lines(end="\r\n"),
    "word2vec binary": binary(),
    "gensim binary": binary(between=b""),
    "glove without a last line end": lines(end="\n").rstrip(b"\n"),
}


@pytest.mark.parametrize("content", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path, content):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    found = read_word_vectors(path)
    assert found.words == WORDS
    assert found.vectors.dtype == "float32"
    np.testing.assert_array_equal(found.vectors, VECTORS)
    kept = read_word_vectors(path, keep={"film", "🎬"}.__contains__)
    assert kept.words == ["film", "🎬"]
    np.testing.assert_array_equal(kept.vectors, VECTORS[[1, 4]])


def test_a_word_with_a_space_and_one_twice_are_as_in_the_published_files(tmp_path):
    """glove.840B has both."""
    path = tmp_path / "glove.txt"
    path.write_bytes(b"the 1 2\nat name@domain.com 3 4\nthe 5 6\n\xc2\xa0 7 8\n")
    found = read_word_vectors(path)
    assert found.words == ["the", "at name@domain.com", "\xa0"]
    assert found.vectors.tolist() == [[1, 2], [3, 4], [7, 8]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("in_file", [True, False])
def test_an_array_beside_its_words(tmp_path, dtype, in_file):
    array, words = VECTORS.astype(dtype), WORDS
    np.save(tmp_path / "vectors.npy", array)
    if in_file:
        words = tmp_path / "words.txt"
        words.write_text("\n".join(WORDS) + "\n")
    found = read_word_vectors(tmp_path / "vectors.npy", words)
    assert found.words == WORDS
    np.testing.assert_array_equal(found.vectors, array.astype("float32"))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=9))
def test_what_is_written_comes_back_to_the_last_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    vectors = np.array([numbers, numbers[::-1]], "float32")
    write_word_vectors(path, ["a", "b"], vectors)
    found = read_word_vectors(path)
    np.testing.assert_array_equal(found.vectors, vectors)
    assert path.read_text().splitlines()[0] == f"2 {len(numbers)}"


@pytest.mark.skipif(importlib.util.find_spec("gensim") is None, reason="gensim is not installed")
def test_gensim_reads_what_is_written(tmp_path):
    from gensim.models import KeyedVectors

    write_word_vectors(tmp_path / "vectors.txt", WORDS, VECTORS)
    theirs = KeyedVectors.load_word2vec_format(tmp_path / "vectors.txt")
    np.testing.assert_array_equal(theirs[WORDS], VECTORS)


DAMAGED = {
    "empty": (b"", "is empty"),
    "compressed": (b"\x1f\x8b\x08" + bytes(99), "is compressed: unpack it"),
    "cut off text": (b"6 3\n" + lines(), "says that it has 6 words, and has 5"),
    "more text": (b"4 3\n" + lines(), "says that it has 4 words, and has 5"),
    "cut off binary": (binary()[:-7], "is cut off: it says that it has 5 words of 3 numbers, and"),
    "cut off in a word": (binary()[:-19], "ends after 4"),
    "more binary": (binary() + b"and more", "goes on after the 5 words"),
    "a claim of 10^12": (b"999999999999 300\n" + binary()[4:], "is cut off: it says"),
    "short line": (b"the 1 2 3\nfilm 1 2\n", "line 2, is not a word and 3 numbers"),
    "a number too many": (b"the 1 2\nfilm 1 2 3\n", "line 2, is not a word and 2 numbers"),
    "a claim of -5": (b"-5 3\nthe 1 2 3\n", "line 2, is not a word and 1 numbers"),
    "long line": (b"the 1 2\n1 2 x 4\n", "line 2, is not a word and 2 numbers"),
    "no number": (b"2 2\nthe 1 2\nfilm 1 1_0\n", "line 3, is not a word and 2 numbers"),
    "no vectors": (b"word\nother\n", "has no word vectors"),
    "not finite": (b"the 1 nan\n", "a number that is not finite, of 'the'"),
    "too large": (b"the 1 1e99\n", "not finite"),
    "not UTF-8": (b"the 1 2\n\xff 3 4\n", "its word 2 is not UTF-8"),
    "one endless line": (b"the 1 2\n" + b"x" * (2**20 + 9), "line 2, is longer than 1 MiB"),
    "one endless first line": (b"1 " * 2**20, "has no word vectors"),
    "one endless word": (b"2 3\n" + b"\xfe" * 2**17, "its word 1 does not end"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_word_vectors(path)
    assert "\n" not in str(error.value)


def test_a_long_word_takes_no_longer(tmp_path):
    path, word = tmp_path / "vectors.txt", "a " + "1" * 2**19 + "x"
    path.write_text(f"the 1 2\n{word} 3 4\n")
    assert read_word_vectors(path).words == ["the", word]  # not after hours


@pytest.mark.parametrize(
    ("array", "words", "message"),
    [
        (np.array([{}], object), ["a"], "is not an array that numpy.save wrote row by row"),
        (VECTORS, None, "holds no words: give words"),
        (VECTORS, ["a"], "has 5 vectors, and there are 1 words"),
        (VECTORS[0], ["a"] * 3, "expected float numbers"),
        (np.ones((5, 2), "int32"), WORDS, "expected float numbers"),
        (np.full((5, 2), np.nan), WORDS, "not finite"),
    ],
)
def test_an_unusable_array_is_one_sentence(tmp_path, array, words, message):
    np.save(tmp_path / "vectors.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=message):
        read_word_vectors(tmp_path / "vectors.npy", words)


def test_unusable_paths_and_words_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        read_word_vectors(tmp_path / "none")
    with pytest.raises(UserError, match="no regular file"):
        read_word_vectors(tmp_path)
    (tmp_path / "glove.txt").write_bytes(FORMATS["glove"])
    with pytest.raises(UserError, match="has words of its own"):
        read_word_vectors(tmp_path / "glove.txt", WORDS)
    with pytest.raises(UserError, match="'New York' cannot be written, as spaces end words"):
        write_word_vectors(tmp_path / "out", ["New York"], VECTORS[:1])
    assert not (tmp_path / "out").exists()
