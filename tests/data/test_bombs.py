"""Files that unpack to far more than their size: refused in a sentence, in bounded memory."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from kerasformer.data import load_dataset, text_file
from kerasformer.data.parquet_pages import page_sizes
from kerasformer.data.tables import read_lines, read_table
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.texts import LONGEST_TEXT

# Reads all rows; prints the error, and by how many MiB the process has grown.
READ = """
import resource, sys
from pathlib import Path
import pyarrow.parquet
from kerasformer.corpus.input import CorpusInput
from kerasformer.data import load_dataset
from kerasformer.errors import UserError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

before = peak()
try:
    if sys.argv[1] == "corpus":
        for row in CorpusInput.of([sys.argv[2]]).rows():
            pass
    else:
        load_dataset(sys.argv[2])
except UserError as error:
    print(error)
print(peak() - before)
"""


def read(how, path):
    """The sentence in which a process refuses a file, and the MiB that it took."""
    done = subprocess.run(
        [sys.executable, "-c", READ, how, str(path)], capture_output=True, text=True, check=True
    )
    sentence, _, mebibytes = done.stdout.strip().rpartition("\n")
    return sentence, int(mebibytes)


def write_gzip(path, part, times):
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(times):
            stream.write(part)


def zeros(path):
    write_gzip(path, bytes(1 << 20), 200)


def one_line(path):
    write_gzip(path, b"a" * (1 << 20), 200)


def one_cell(path):
    write_gzip(path, b"label,text\n" + b'1,"' + b"a\n" * (1 << 20), 100)


def many_lines(path):
    write_gzip(path, b"1,a\n" * (1 << 18), 200)


def one_object(path):
    write_gzip(path, b'{"label": 1, "text": "' + b"a" * (1 << 20), 200)


def write_parquet(path, texts, **options):
    import pyarrow
    from pyarrow import parquet

    labels = pyarrow.array([index % 2 for index in range(len(texts))], pyarrow.int8())
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), path, **options)


def one_page(path):
    write_parquet(path, ["a" * (300 << 20)], compression="zstd", use_dictionary=False)


def long_texts(path):
    write_parquet(path, ["a" * (1 << 20)] * 500, compression="zstd", use_dictionary=False)


def dictionary(path):
    import pyarrow

    texts = pyarrow.DictionaryArray.from_arrays([0] * 10_000, ["a" * (1 << 19)])
    write_parquet(path, texts, compression="zstd")


def many_rows(path):
    import pyarrow

    write_parquet(path, pyarrow.DictionaryArray.from_arrays([0] * 70_000_000, ["a"]))


def empty_lists(path):
    import pyarrow
    from pyarrow import parquet

    texts = pyarrow.array([[None] * 10_000_000])
    parquet.write_table(pyarrow.table({"text": texts, "label": [1]}), path)


@pytest.mark.parametrize("how", ["corpus", "labelled"])
@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.csv.gz", zeros, "line 1, holds a NUL byte"),
        ("a.csv.gz", one_line, "line 1, is longer than 8 MiB: write a text of at most 2 MiB"),
        ("a.csv.gz", one_cell, "line 2, is longer than 8 MiB"),
        ("a.csv.gz", many_lines, "unpacks to more than 100 times its size"),
        ("a.jsonl.gz", one_object, "line 1, is longer than 8 MiB"),
        ("a.parquet", one_page, "has a page of 300 MiB in the column 'text', and at most 256"),
        ("a.parquet", long_texts, "unpacks to more than 100 times its size"),
        ("a.parquet", dictionary, "unpacks to more than 100 times its size"),
        ("a.parquet", many_rows, "unpacks to more than 100 times its size"),
        ("a.parquet", empty_lists, "has the type list<item: null> in the column 'text'"),
    ],
)
def test_a_bomb_is_refused_in_bounded_memory(tmp_path, name, write, message, how):
    path = tmp_path / name
    write(path)
    assert path.stat().st_size < 3 << 20
    sentence, mebibytes = read(how, path)
    assert message in sentence
    assert "\n" not in sentence
    assert mebibytes < 700
