"""Files that unpack to far more than their size: refused in a sentence, in bounded memory."""

import gzip
import json
import os
import subprocess
import sys

import pyarrow
import pytest
from pyarrow import parquet

from kerasformer.corpus.input import CorpusInput
from kerasformer.data import load_dataset, parquet_file, text_file
from kerasformer.data.parquet_pages import page_sizes, page_values, row_groups
from kerasformer.data.tables import read_lines, read_table
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.texts import LONGEST_TEXT

MEBIBYTE = 1 << 20

# Reads all rows of files; prints the errors, and by how many MiB the process has grown.
READ = """
import resource, sys
import pyarrow.parquet
from kerasformer.corpus.input import CorpusInput
from kerasformer.data import load_dataset
from kerasformer.errors import UserError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before = peak()
for path in sys.argv[1:]:
    for read in (load_dataset, lambda path: sum(1 for _ in CorpusInput.of([path]).rows())):
        try:
            print(read(path))
        except UserError as error:
            print(error)
print(peak() - before)
"""


def write_gzip(path, start, part, times):
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(start)
        for _ in range(times):
            stream.write(part * MEBIBYTE)


def write_parquet(path, texts, **options):
    labels = pyarrow.array([index % 2 for index in range(len(texts))], pyarrow.int8())
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), path, **options)


def test_bombs_are_refused_in_bounded_memory(tmp_path):
    write_gzip(tmp_path / "zeros.csv.gz", b"", b"\0", 20)
    write_gzip(tmp_path / "line.csv.gz", b"", b"a", 20)
    write_gzip(tmp_path / "cell.csv.gz", b'label,text\n1,"', b"a" * 63 + b"\n", 1)
    write_gzip(tmp_path / "object.jsonl.gz", b'{"label": 1, "text": "', b"a", 20)
    # As pyarrow writes them, a page holds 1024 of the texts, here 80 MiB.
    options = {"compression": "zstd", "use_dictionary": False}
    write_parquet(tmp_path / "texts.parquet", ["a" * MEBIBYTE] * 80, **options)
    texts = pyarrow.DictionaryArray.from_arrays([0] * 10_000, ["a" * MEBIBYTE])
    write_parquet(tmp_path / "dictionary.parquet", texts, compression="zstd")
    write_parquet(tmp_path / "long.parquet", ["a" * 2 * MEBIBYTE + "a"], compression="zstd")
    paths = sorted(tmp_path.iterdir())
    assert max(path.stat().st_size for path in paths) < 2 * MEBIBYTE
    command = [sys.executable, "-c", READ, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *sentences, mebibytes = done.stdout.splitlines()
    expected = {
        "cell.csv.gz": "line 2, is longer than 16 MiB: write a text of at most 2 MiB a row.",
        "dictionary.parquet": "unpacks to more than 100 times its size",
        "line.csv.gz": "line 1, is longer than 16 MiB",
        "long.parquet": "row 1 is a text of more than 2 MiB: divide it into shorter texts.",
        "object.jsonl.gz": "line 1, is longer than 16 MiB",
        "texts.parquet": "unpacks to more than 100 times its size",
        "zeros.csv.gz": "line 1, holds a NUL byte",
    }
    for sentence, name in zip(sentences, [n for n in expected for _ in range(2)], strict=True):
        assert name in sentence
        assert expected[name] in sentence
    assert int(mebibytes) < 900


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(text_file, "_UNPACKED_BYTES", 1 << 16)
    monkeypatch.setattr(text_file, "LONGEST_ROW", 1 << 16)
    monkeypatch.setattr(parquet_file, "_LARGEST_PAGE", 1 << 17)


def refused(path):
    """The sentence in which a file is refused, the same for a corpus and for a data set."""
    with pytest.raises(UserError) as labelled:
        load_dataset(path)
    with pytest.raises(UserError) as corpus:
        list(CorpusInput.of([path]).rows())
    assert str(labelled.value) == str(corpus.value)
    assert str(path) in str(corpus.value)
    return str(corpus.value)


@pytest.mark.usefixtures("small_limits")
def test_short_rows_without_end(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wb") as stream:
        stream.write(b"label,text\n" + b"1,a\n" * 100_000)
    assert "a.csv.gz unpacks to more than 100 times its size" in refused(tmp_path / "a.csv.gz")
    texts = pyarrow.DictionaryArray.from_arrays([0] * 100_000, ["a"])
    write_parquet(tmp_path / "a.parquet", texts)
    assert "a.parquet unpacks to more than 100 times its size" in refused(tmp_path / "a.parquet")


@pytest.mark.usefixtures("small_limits")
def test_a_page_without_end(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", ["a" * (1 << 18)], compression="zstd")
    assert "has a page of 0 MiB in the column 'text'" in refused(tmp_path / "a.parquet")


def test_columns_without_end(tmp_path):
    (tmp_path / "a.csv").write_text("," * 20_000 + "\n")
    assert "line 1, has 20,001 cells, and at most 10,000 are" in refused(tmp_path / "a.csv")


def test_lists_without_end(tmp_path):
    table = pyarrow.table({"text": pyarrow.array([[None] * 1000]), "label": [1]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert "has the type list<" in refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_pages_are_found_in_what_arrow_writes(tmp_path, version, codec, dictionary):
    """A chunk's own size is that of its pages and of their headers."""
    path = tmp_path / "a.parquet"
    texts = [f"a fine film, number {number}" * (number % 40) for number in range(5000)]
    write_parquet(
        path,
        texts,
        compression=codec,
        use_dictionary=dictionary,
        data_page_version=version,
        data_page_size=10_000,
        write_page_checksum=True,
    )
    chunk = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    with open(path, "rb") as stream:
        ((count, (found, _)),) = row_groups(stream)
        sizes = list(page_sizes(stream, found))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    assert (count, *found) == (5000, "text", start, chunk.total_compressed_size)
    assert len(sizes) > 3
    headers = chunk.total_uncompressed_size - sum(sizes)
    assert 0 < headers < 2000 * len(sizes)
    rows = [row for _, row in read_table(path).read(["label", "text"])]
    assert rows == [(index % 2, text) for index, text in enumerate(texts)]


def test_a_text_given_to_a_tokenizer(tmp_path):
    tokenizer = WordPieceTokenizer.from_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])
    assert tokenizer.tokenize(["a " * (LONGEST_TEXT // 2)], max_length=9).lengths == [9]
    with pytest.raises(UserError, match=r"^texts\[1\] is a text of more than 2 MiB: divide"):
        tokenizer.tokenize(["a", "体" * (LONGEST_TEXT // 3 + 1)])


def test_texts_up_to_the_limit_are_read(tmp_path):
    """Whatever JSON makes of their letters."""
    text = "é" * (LONGEST_TEXT // 2)
    (tmp_path / "a.txt").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text}) + "\n")
    assert [cells for _, cells in read_lines(tmp_path / "a.txt").read(["text"])] == [(text,)]
    assert [row.text for row in CorpusInput.of([tmp_path / "a.jsonl"]).rows()] == [text]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="is not a regular file: save its output to one"):
        load_dataset(tmp_path / name)
    (tmp_path / "b.csv").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"b\.csv is not a regular file"):
        load_dataset(tmp_path / "b.csv")


READ_TAGGED = """
import resource, sys
import pyarrow.compute, pyarrow.parquet
from kerasformer.data import load_dataset
from kerasformer.errors import UserError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before = peak()
try:
    print(load_dataset(sys.argv[1], "tagging"))
except UserError as error:
    print(error)
print(peak() - before)
"""


def write_words(path, words, per_row, **options):
    """Sentences of as many of the words each, all with the tag B."""
    offsets = pyarrow.array(range(0, len(words) + 1, per_row), pyarrow.int32())
    tags = pyarrow.DictionaryArray.from_arrays([0] * len(words), ["B"])
    columns = {
        "tokens": pyarrow.ListArray.from_arrays(offsets, words),
        "tags": pyarrow.ListArray.from_arrays(offsets, tags),
    }
    parquet.write_table(pyarrow.table(columns), path, compression="zstd", **options)


def test_a_long_word_many_times_in_a_list(tmp_path):
    path = tmp_path / "a.parquet"
    write_words(path, pyarrow.DictionaryArray.from_arrays([0] * 10_000, ["a" * MEBIBYTE]), 5_000)
    assert path.stat().st_size < MEBIBYTE // 100
    command = [sys.executable, "-c", READ_TAGGED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sentence, mebibytes = done.stdout.splitlines()
    assert "a.parquet has a row with lists of more than 64 MiB" in sentence
    assert int(mebibytes) < 200


@pytest.mark.parametrize("count", [900, 1100])
def test_many_words_in_no_bytes(tmp_path, monkeypatch, count):
    monkeypatch.setattr(parquet_file, "_MOST_VALUES", 1000)
    words = pyarrow.DictionaryArray.from_arrays([0] * count, ["a"])
    write_words(tmp_path / "a.parquet", words, 50, use_dictionary=["tokens.list.element"])
    with pytest.raises(UserError) as error:
        load_dataset(tmp_path / "a.parquet", "tagging")
    refused = "more than 1,000 values of the column 'tokens.list.element'" in str(error.value)
    assert refused == (count > 1000)


def test_large_lists_are_read_in_parts(tmp_path, monkeypatch):
    """As many rows at a time as fit; each of them does."""
    monkeypatch.setattr(parquet_file, "_DECODED", 5_000)
    rows = [[f"word {i}", *["x"] * (i % 30)] for i in range(200)]
    tags = [["B", *"O" * (i % 30)] for i in range(200)]
    parquet.write_table(pyarrow.table({"tokens": rows, "tags": tags}), tmp_path / "a.parquet")
    dataset = load_dataset(tmp_path / "a.parquet", "tagging")
    assert sorted(dataset.train.words + dataset.test.words) == sorted(rows)


def test_the_values_of_every_page_are_counted(tmp_path):
    """Of both versions of pages, with and without a dictionary."""
    for version, coded in (("1.0", True), ("2.0", True), ("1.0", False), ("2.0", False)):
        path = tmp_path / "a.parquet"
        table = pyarrow.table({"tokens": [[f"w{i % 7}"] * 3 for i in range(500)]})
        options = {"data_page_version": version, "use_dictionary": coded, "data_page_size": 200}
        parquet.write_table(table, path, **options)
        with open(path, "rb") as stream:
            (group,) = row_groups(stream)
            values = list(page_values(stream, group.chunks[0]))
        assert sum(values) == 1500 + 7 * coded
        assert len(values) > 1
