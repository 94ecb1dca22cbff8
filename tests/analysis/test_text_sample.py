"""Samples of texts with their labels, out of files and of embedded corpora."""

import collections
import gzip
import json

import numpy as np
import pytest

from kerasformer.analysis.text_sample import is_corpus, plain_numbers, sample_corpus, sample_texts
from kerasformer.corpus.embedding import EmbeddingConfig
from kerasformer.corpus.input import CorpusInput
from kerasformer.corpus.manifest import Job, Manifest, ShardRecord
from kerasformer.corpus.shard_plan import ShardReader, plan_shards
from kerasformer.corpus.shards import Shard, write_files
from kerasformer.errors import UserError


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "texts", "labels"),
    [
        ("a.txt", "fine\n\n体育\n", ["fine", "", "体育"], None),
        ("a.csv", "text\nfine\ndull\n", ["fine", "dull"], None),
        ("a.csv", "review,Label\nfine,1\ndull,\n", ["fine", "dull"], ["1", None]),
        ("a.csv", "verse,label\nfine,1.0\nnan,b\n", ["fine", "nan"], ["1", "b"]),
        ("a.tsv", "topic\tsentence\nx\tfine\ny\tdull\n", ["fine", "dull"], ["x", "y"]),
        ("a.csv", "fine,1\ndull,0\na joy,1\na bore,0\n", None, ["1", "0", "1", "0"]),
        ("a.jsonl", '{"text": "a", "label": true}\n{"text": null}\n', ["a", ""], ["True", None]),
        ("a.csv", "title,description,label\nT,D,x\nU,,x\n", ["T D", "U "], ["x", "x"]),
    ],
    ids=["lines", "unlabelled", "usual", "only", "tsv", "headerless", "jsonl", "several"],
)
def test_texts_with_labels_where_there_are_any(tmp_path, name, content, texts, labels):
    found = sample_texts(write(tmp_path / name, content), limit=100)
    if texts is None:  # what load_dataset reads is in the order of its splits
        assert sorted(found.texts) == ["a bore", "a joy", "dull", "fine"]
        assert dict(zip(found.texts, found.labels, strict=True))["fine"] == "1"
    else:
        assert (found.texts, found.labels) == (texts, labels)
        assert found.name == name
    assert found.total == len(found.texts)
    assert found.vectors is None


def test_columns_that_are_named(tmp_path):
    path = write(tmp_path / "a.csv", "a,b,label\n1,2,3\n4,5,6\n")
    found = sample_texts(path, 9, text_column="a,b", label_column="label")
    assert (found.texts, found.labels) == (["1 2", "4 5"], ["3", "6"])
    found = sample_texts(path, 9, text_column="label", label_column="a")
    assert (found.texts, found.labels) == (["3", "6"], ["1", "4"])
    assert sample_texts(path, 9, text_column="label").labels is None
    found = sample_texts(path, 9, text_column="0", label_column="2", header=False)
    assert (found.texts[0], found.labels[0]) == ("a", "label")
    for wrong in ({"text_column": "c"}, {"label_column": "c"}):
        with pytest.raises(UserError, match="has no column 'c'"):
            sample_texts(path, 9, **wrong)
    with pytest.raises(UserError, match=r"No column of .* is known to hold the text"):
        sample_texts(path, 9)


def test_a_folder_of_files(tmp_path):
    write(tmp_path / "train.csv", "text,label\na,x\nb,y\n")
    with gzip.open(tmp_path / "test.jsonl.gz", "wt") as stream:
        stream.write(json.dumps({"text": "c", "label": 2}) + "\n")
    found = sample_texts(str(tmp_path), 9)
    assert (found.texts, found.labels) == (["c", "a", "b"], ["2", "x", "y"])


def test_a_label_that_is_none(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": [1]}\n')
    with pytest.raises(UserError, match="line 1, has a list as label in column 'label'"):
        sample_texts(path, 9)


def test_a_sample_is_in_order_the_same_each_time_and_from_everywhere(tmp_path):
    path = write(tmp_path / "a.txt", "".join(f"{number}\n" for number in range(4000)))
    found = sample_texts(path, 400)
    assert (len(found.texts), found.total) == (400, 4000)
    assert sample_texts(path, 400).texts == found.texts
    numbers = list(map(int, found.texts))
    assert numbers == sorted(set(numbers))
    tenths = collections.Counter(number // 400 for number in numbers)
    assert min(tenths.values()) > 20  # 40 each, with a standard deviation of 6


@pytest.fixture
def make_corpus(tmp_path):
    """A function: a corpus of a file, its vectors the numbers of the rows; gives its folder."""

    def make(path, dtype="float32", leave_out=(), texts=True, **columns):
        source = CorpusInput.of([path], **columns)
        planned = plan_shards(source, shard_size=4)
        job = Job(EmbeddingConfig(dtype=dtype), source, "npy", texts)
        folder, reader, done = tmp_path / "vectors", ShardReader(source), {}
        folder.mkdir()
        for shard in planned:
            rows = reader.read(shard)
            numbers = shard.first_row + np.arange(shard.rows)
            vectors = np.stack([numbers, numbers + 1], 1).astype(dtype.replace("binary", "uint8"))
            content = Shard(rows.ids, rows.texts if texts else None, vectors)
            if shard.index not in leave_out:
                files = write_files(folder, shard.index, content, "npy")
                done[shard.index] = ShardRecord(files, 0, 0)
        Manifest(job, 2, planned, done).save(folder)
        return folder

    return make


@pytest.fixture
def films(tmp_path):
    """The path of a labelled file of 30 rows, one of them without a label."""
    rows = "".join(f"film {n},{'' if n == 7 else n % 3}\n" for n in range(30))
    return write(tmp_path / "films.csv", f"text,label\n{rows}")


@pytest.mark.parametrize("limit", [100, 30, 11])
def test_a_sample_of_a_corpus(make_corpus, films, limit):
    folder = make_corpus(films, leave_out=(0, 3))
    assert is_corpus(str(folder))
    assert not is_corpus(films)
    found = sample_corpus(str(folder), limit)
    assert found.total == 22
    assert len(found.texts) == min(22, limit)
    numbers = [int(text.split()[1]) for text in found.texts]
    assert numbers == sorted(set(numbers) - {0, 1, 2, 3, 12, 13, 14, 15})
    assert found.vectors.tolist() == [[number, number + 1] for number in numbers]
    assert found.labels == [None if number == 7 else str(number % 3) for number in numbers]


def test_a_corpus_without_texts_and_with_ids_of_its_own(make_corpus, tmp_path):
    path = write(tmp_path / "a.csv", "key,text,label\nk1,a,x\nk2,b,y\n")
    found = sample_corpus(str(make_corpus(path, id_column="key", texts=False)), 9)
    assert (found.texts, found.labels) == (["k1", "k2"], ["x", "y"])


def test_a_corpus_whose_input_has_changed_has_no_labels(make_corpus, films):
    folder = str(make_corpus(films))
    with pytest.raises(UserError, match=r"films.csv has no column 'genre'"):
        sample_corpus(folder, 9, label_column="genre")
    with open(films, "a", encoding="utf-8") as stream:
        stream.write("another,1\n")
    assert sample_corpus(folder, 9).labels is None
    with pytest.raises(UserError, match="has changed"):
        sample_corpus(folder, 9, label_column="label")


def test_vectors_whose_lengths_mean_nothing_are_scaled():
    np.testing.assert_allclose(plain_numbers(np.array([[3, 4]], "int8"), "int8"), [[0.6, 0.8]])
    bits = plain_numbers(np.array([[255], [0]], "uint8"), "binary")
    np.testing.assert_allclose(bits, [[8**-0.5] * 8, [-(8**-0.5)] * 8], rtol=1e-6)
    half = plain_numbers(np.array([[3, 4]], "float16"), "float16")
    assert (half.dtype, half.tolist()) == (np.float32, [[3, 4]])


def test_an_empty_corpus(make_corpus, films):
    found = sample_corpus(str(make_corpus(films, leave_out=range(8))), 9)
    assert (found.texts, found.total, found.vectors.shape) == ([], 0, (0, 2))
