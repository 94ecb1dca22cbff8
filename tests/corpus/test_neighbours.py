"""The nearest texts of a corpus: those that scikit-learn finds, and what an index finds of them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from kerasformer.corpus import EmbeddedCorpus, index, neighbours
from kerasformer.corpus.embedding import EmbeddingConfig
from kerasformer.corpus.index import INDEX, NOTE, CorpusIndex
from kerasformer.corpus.input import CorpusInput
from kerasformer.corpus.manifest import Job, Manifest, ShardRecord
from kerasformer.corpus.neighbours import nearest
from kerasformer.corpus.shard_plan import PlannedShard
from kerasformer.corpus.shards import Shard, write_files
from kerasformer.data.text_file import Place
from kerasformer.errors import UserError

DTYPES = ("float32", "float16", "int8", "binary")


def stored(vectors, dtype):
    """As `TextEmbedder.encode` stores them."""
    if dtype == "binary":
        return np.packbits(vectors > 0, axis=1)
    if dtype == "int8":
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        return np.rint(vectors * 127 / np.where(largest > 0, largest, 1)).astype("int8")
    return vectors.astype(dtype)


def write_corpus(folder, vectors, shard_size=10, format="npy", texts=True, leave_out=(), ids=None):
    """Writes a corpus of vectors as they are stored, the ids from 100 on."""
    folder.mkdir(exist_ok=True)
    dtype = {"uint8": "binary"}.get(vectors.dtype.name, vectors.dtype.name)
    job = Job(EmbeddingConfig(dtype=dtype), CorpusInput((), ("text",)), format, texts, shard_size)
    ids = list(range(100, 100 + len(vectors))) if ids is None else ids
    planned, done = [], {}
    for number, first in enumerate(range(0, len(vectors), shard_size)):
        part = slice(first, first + shard_size)
        planned.append(PlannedShard(number, first, len(ids[part]), 0, Place(first + 1)))
        if number not in leave_out:
            kept = [f"text {id}" for id in ids[part]] if texts else None
            files = write_files(folder, number, Shard(ids[part], kept, vectors[part]), format)
            done[number] = ShardRecord(files, 0, 0)
    Manifest(job, vectors.shape[1], tuple(planned), done).save(folder)
    return EmbeddedCorpus(folder)


def ids_and_similarities(found):
    ids = [[neighbour.id for neighbour in each] for each in found]
    return ids, [[neighbour.similarity for neighbour in each] for each in found]


def as_numbers(vectors):
    return 2.0 * np.unpackbits(vectors, axis=1) - 1 if vectors.dtype == "uint8" else vectors


def groups(rng, rows, size=24):
    """Vectors in groups, as those of texts are."""
    centres = rng.normal(size=(40, size))
    return centres[rng.integers(0, 40, rows)] + 0.5 * rng.normal(size=(rows, size))


@pytest.mark.parametrize("format", ["npy", "parquet"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbours_are_scikit_learns(tmp_path, rng, monkeypatch, dtype, format):
    monkeypatch.setattr(neighbours, "_BLOCK_BYTES", 4 * 24 * 7)  # 7 rows, of 10 in a shard
    monkeypatch.setattr(neighbours, "_QUERIES", 3)
    vectors, queries = stored(rng.normal(size=(95, 24)), dtype), rng.normal(size=(8, 24))
    queries = stored(queries, dtype)
    corpus = write_corpus(tmp_path, vectors, format=format)
    ids, similarities = ids_and_similarities(nearest(corpus, queries, top=12))
    search = NearestNeighbors(n_neighbors=12, metric="cosine", algorithm="brute")
    search.fit(as_numbers(vectors).astype("float64"))
    distances, rows = search.kneighbors(as_numbers(queries).astype("float64"))
    np.testing.assert_allclose(similarities, 1 - distances, atol=2e-6)
    if dtype == "float32":  # of the others, many are equally near
        assert ids == (rows + 100).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_text_of_the_corpus_is_nearest_to_itself(tmp_path, rng, dtype):
    vectors = stored(rng.normal(size=(30, 64)), dtype)
    corpus = write_corpus(tmp_path, vectors)
    for number, found in enumerate(nearest(corpus, vectors, top=1)):
        assert found == [(100 + number, f"text {100 + number}", 1.0)]


def test_similarity_of_bits_is_their_hamming_distance(tmp_path, rng):
    vectors = stored(rng.normal(size=(20, 64)), "binary")
    query = stored(rng.normal(size=(1, 64)), "binary")
    (found,) = nearest(write_corpus(tmp_path, vectors), query, top=20)
    for neighbour in found:
        differing = np.unpackbits(vectors[neighbour.id - 100] ^ query[0]).sum()
        assert neighbour.similarity == pytest.approx(1 - 2 * differing / 64, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 50),
    st.integers(1, 5),
)
def test_ties_are_in_the_order_of_the_corpus(tmp_path_factory, which, shard_size, top, block):
    """However it is divided into shards and blocks."""
    vectors = np.array([[3, 1, 2], [1, 2, 3], [-1, 0, 1]], "float32")[which]
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), vectors, shard_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_BLOCK_BYTES", 4 * 3 * block)
        (found,) = nearest(corpus, np.array([[3, 1, 2]], "float32"), top)
    order = sorted(range(len(which)), key=lambda row: (which[row], row))
    assert [neighbour.id - 100 for neighbour in found] == order[:top]


def test_the_length_of_vectors_does_not_matter(tmp_path, rng):
    vectors = rng.normal(size=(20, 8)).astype("float32")
    queries = rng.normal(size=(3, 8)).astype("float32")
    scaled = vectors * np.logspace(-30, 30, 20, dtype="float32")[:, None]
    expected = nearest(write_corpus(tmp_path / "a", vectors), queries)
    assert nearest(write_corpus(tmp_path / "b", scaled), 1e30 * queries) == expected


def test_vectors_of_zeros_are_like_nothing(tmp_path):
    vectors = np.array([[0, 0], [1, 0], [-1, 0]], "float32")
    corpus = write_corpus(tmp_path, vectors)
    found = nearest(corpus, np.array([[2, 0], [0, 0]], "float32"))
    assert ids_and_similarities(found) == (
        [[101, 100, 102], [100, 101, 102]],
        [[1, 0, -1], [0] * 3],
    )


def test_an_unfinished_corpus_is_searched_as_far_as_it_is(tmp_path, rng):
    vectors = rng.normal(size=(40, 6)).astype("float32")
    corpus = write_corpus(tmp_path, vectors, leave_out=(0, 2))
    (found,) = nearest(corpus, vectors[:1], top=100)
    assert sorted(n.id for n in found) == [*range(110, 120), *range(130, 140)]
    (by_index,) = CorpusIndex(corpus).nearest(vectors[:1], top=100)
    assert by_index == found


def test_an_empty_corpus_has_no_neighbours(tmp_path):
    corpus = write_corpus(tmp_path, np.ones((5, 4), "float32"), leave_out=(0,))
    assert nearest(corpus, np.ones((2, 4), "float32")) == [[], []]
    with pytest.raises(UserError, match="holds no vectors yet"):
        CorpusIndex(corpus)


def test_no_queries(tmp_path):
    corpus = write_corpus(tmp_path, np.eye(4, dtype="float32"))
    none = np.zeros((0, 4), "float32")
    assert nearest(corpus, none) == CorpusIndex(corpus).nearest(none) == []


def test_ids_of_a_column_and_texts_that_were_not_kept(tmp_path):
    vectors = np.eye(3, dtype="float32")
    corpus = write_corpus(tmp_path, vectors, texts=False, ids=["a", "é", "c"])
    assert nearest(corpus, vectors[1:2], top=1) == [[("é", None, 1.0)]]
    assert CorpusIndex(corpus).nearest(vectors[1:2], top=1) == [[("é", None, 1.0)]]


@pytest.mark.parametrize(
    ("queries", "top", "message"),
    [
        (np.ones((1, 4), "float32"), 0, "top is 0: give how many"),
        (np.ones((1, 5), "float32"), 1, r"shape \[1, 5\], but must be \[n, 4\]"),
        (np.ones(4, "float32"), 1, r"shape \[4\]"),
        (np.full((1, 4), np.nan), 1, "not finite"),
        (np.full((1, 4), np.inf), 1, "not finite"),
    ],
    ids=["top", "width", "flat", "nan", "inf"],
)
def test_queries_that_do_not_fit(tmp_path, queries, top, message):
    corpus = write_corpus(tmp_path, np.eye(4, dtype="float32"))
    with pytest.raises(UserError, match=message):
        nearest(corpus, queries, top)
    with pytest.raises(UserError, match=message):
        CorpusIndex(corpus).nearest(queries, top)


def test_numbers_are_no_bits(tmp_path):
    corpus = write_corpus(tmp_path, np.ones((4, 3), "uint8"))
    with pytest.raises(UserError, match="are float32, but must be uint8"):
        nearest(corpus, np.ones((1, 3), "float32"))


def test_a_stored_vector_that_is_not_finite(tmp_path):
    corpus = write_corpus(tmp_path, np.full((4, 3), np.nan, "float32"))
    with pytest.raises(UserError, match="A vector holds a number that is not finite"):
        nearest(corpus, np.ones((1, 3), "float32"))


def test_what_is_kept_in_memory_does_not_grow_with_the_corpus(rng):
    vectors = rng.normal(size=(400, 6)).astype("float32")
    best = neighbours._Best(queries=2, top=3)
    for first in range(0, 400, 5):
        best.compare(vectors[:2], vectors[first : first + 5], first)
        best.note(first, range(first, first + 5), None)
        assert len(best._noted) <= 4 * 6
    for query, found in enumerate(best.neighbours()):
        order = np.argsort(-(vectors @ vectors[query]), kind="stable")
        assert [neighbour.id for neighbour in found] == list(order[:3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_finds_almost_all_neighbours(tmp_path, rng, monkeypatch, dtype):
    monkeypatch.setattr(index, "_PROBED", 16)
    vectors = stored(groups(rng, 4000), dtype)
    queries = stored(groups(np.random.default_rng(7), 50), dtype)
    corpus = write_corpus(tmp_path, vectors, shard_size=500)
    found = CorpusIndex(corpus).nearest(queries, top=10)
    exact = nearest(corpus, queries, top=10)
    # By similarity: bits have many ties, which an index breaks in another order.
    least = [each[-1].similarity for each in exact]
    hits = [
        sum(neighbour.similarity >= bound for neighbour in each)
        for each, bound in zip(found, least, strict=True)
    ]
    assert np.mean(hits) >= 9.5
    if dtype == "float32":
        similarity = {n.id: n.similarity for each in exact for n in each[:1]}
        assert {n.id: n.similarity for each in found for n in each[:1]} == similarity


@pytest.fixture
def made(monkeypatch):
    """How often an index was made."""
    made = []
    make = CorpusIndex._make
    monkeypatch.setattr(CorpusIndex, "_make", lambda self: made.append(1) or make(self))
    return made


def test_an_index_is_kept_until_the_corpus_changes(tmp_path, rng, made):
    vectors = rng.normal(size=(60, 8)).astype("float32")
    corpus = write_corpus(tmp_path, vectors, leave_out=(1,))
    expected = CorpusIndex(corpus).nearest(vectors[:3])
    assert CorpusIndex(EmbeddedCorpus(tmp_path)).nearest(vectors[:3]) == expected
    assert len(made) == 1
    whole = write_corpus(tmp_path, vectors)
    assert CorpusIndex(whole).nearest(vectors[10:11], top=1)[0][0].id == 110
    assert len(made) == 2
    write_corpus(tmp_path, vectors[::-1].copy())
    assert CorpusIndex(EmbeddedCorpus(tmp_path)).nearest(vectors[:1], top=1)[0][0].id == 159
    assert len(made) == 3


@pytest.mark.parametrize("dtype", ["float32", "binary"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / NOTE).unlink(),
        lambda folder: (folder / NOTE).write_text("[" * 100_000),
        lambda folder: (folder / NOTE).write_bytes(b"\xff"),
        lambda folder: (folder / INDEX).unlink(),
        lambda folder: (folder / INDEX).write_bytes(b""),
        lambda folder: (folder / INDEX).write_bytes((folder / INDEX).read_bytes()[:-1]),
        lambda folder: (folder / INDEX).write_bytes((folder / INDEX).read_bytes() + b"x"),
    ],
    ids=["no-note", "deep-note", "binary-note", "no-index", "empty", "cut", "longer"],
)
def test_an_index_that_is_not_as_noted_is_not_read(tmp_path, rng, made, monkeypatch, spoil, dtype):
    vectors = stored(rng.normal(size=(60, 8)), dtype)
    corpus = write_corpus(tmp_path, vectors)
    expected = CorpusIndex(corpus).nearest(vectors[:3])
    spoil(tmp_path)
    assert CorpusIndex(corpus).nearest(vectors[:3]) == expected
    assert len(made) == 2


@pytest.mark.parametrize("cut", [4, 60, 200, -1])
def test_an_index_with_a_forged_note_is_an_error_of_faiss_at_most(tmp_path, rng, made, cut):
    vectors = rng.normal(size=(60, 8)).astype("float32")
    corpus = write_corpus(tmp_path, vectors)
    expected = CorpusIndex(corpus).nearest(vectors[:3])
    broken = (tmp_path / INDEX).read_bytes()[:cut]
    (tmp_path / INDEX).write_bytes(broken)
    note = json.loads((tmp_path / NOTE).read_text())
    note["sha256"] = index.sha256_of(tmp_path / INDEX)
    (tmp_path / NOTE).write_text(json.dumps(note))
    assert CorpusIndex(corpus).nearest(vectors[:3]) == expected
    assert len(made) == 2


def test_an_index_that_cannot_be_written(tmp_path, monkeypatch):
    corpus = write_corpus(tmp_path, np.eye(4, dtype="float32"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerasformer.files.os.fsync", full)
    with pytest.raises(UserError, match=r"neighbours.faiss cannot be written .*No space left"):
        CorpusIndex(corpus)
    assert not [path for path in tmp_path.iterdir() if "neighbours" in path.name]
