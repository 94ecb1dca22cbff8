"""The files of a shard: what is written is read again, and is the same bytes each time."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.corpus.shards import FORMATS, Shard, is_whole, read_files, write_files
from kerasformer.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=25)
@given(
    texts=st.lists(TEXT, min_size=1, max_size=9),
    named=st.booleans(),
    kept=st.booleans(),
    dtype=st.sampled_from(["float32", "float16", "int8", "uint8"]),
    width=st.integers(1, 5),
)
def test_round_trip(tmp_path_factory, format, texts, named, kept, dtype, width):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("shard")
    vectors = np.arange(len(texts) * width).reshape(-1, width).astype(dtype)
    ids = [f"é{n}" for n in range(len(texts))] if named else list(range(5, 5 + len(texts)))
    shard = Shard(ids, texts if kept else None, vectors)
    files = write_files(folder, 3, shard, format)
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in files)
    for file in files:
        content = (folder / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == file[1:]
    read = read_files(folder, files, len(texts), width, dtype)
    assert (read.ids, read.texts) == (shard.ids, shard.texts)
    np.testing.assert_array_equal(read.vectors, vectors)
    assert read.vectors.dtype == dtype
    assert write_files(folder, 3, shard, format) == files


def test_vectors_of_npy_are_mapped(tmp_path):
    files = write_files(tmp_path, 0, Shard([0], ["x"], np.ones((1, 4), "float32")), "npy")
    assert isinstance(read_files(tmp_path, files, 1, 4, "float32").vectors, np.memmap)


def test_pandas_reads_parquet(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    shard = Shard(["a", "b"], ["one", "two"], np.arange(6, dtype="float32").reshape(2, 3))
    (file,) = write_files(tmp_path, 0, shard, "parquet")
    frame = pandas.read_parquet(tmp_path / file.name)
    assert list(frame.columns) == ["id", "text", "vector"]
    np.testing.assert_array_equal(np.stack(frame.vector), shard.vectors)


@pytest.mark.parametrize("format", FORMATS)
def test_a_broken_file(tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    files = write_files(tmp_path, 0, Shard([0, 1], ["x", "y"], np.ones((2, 4))), format)
    assert is_whole(tmp_path, files)
    path = tmp_path / files[0].name
    whole = path.read_bytes()
    for content in (b"", whole[:20], whole[: len(whole) // 2], b"x" * len(whole)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"part-00000.* is damaged"):
            read_files(tmp_path, files, 2, 4, "float64")
    path.write_bytes(whole[:-1])
    assert not is_whole(tmp_path, files)
    path.unlink()
    assert not is_whole(tmp_path, files)
    with pytest.raises(UserError, match=r"part-00000.* is damaged"):
        read_files(tmp_path, files, 2, 4, "float64")


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*--resume"):
        write_files(tmp_path, 0, Shard([0], None, np.ones((1, 4))), "npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("number", range(2))
def test_damaged_bytes_are_read_or_refused(tmp_path, format, number):
    """Each file of a shard with a few wrong bytes, most of them in its first ones or last ones."""
    vectors = np.ones((3, 4), "float16")
    files = write_files(tmp_path, 0, Shard(["a", "b", "c"], ["x", "y", "z"], vectors), format)
    path = tmp_path / files[number % len(files)].name
    whole, rng = path.read_bytes(), np.random.default_rng(number)
    refusals = []
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            place = min(int(rng.exponential(40)), len(content) - 1)
            content[place if rng.random() < 0.5 else -1 - place] = rng.integers(256)
        path.write_bytes(content)
        try:
            shard = read_files(tmp_path, files, 3, 4, "float16")
        except UserError as error:
            refusals.append(str(error))
        else:
            assert (len(shard.ids), len(shard.texts), shard.vectors.shape) == (3, 3, (3, 4))
    assert len(refusals) > 100
    assert all("is damaged" in each and "\n" not in each for each in refusals)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f2', 'fortran_order': False, 'shape': (__import__('os').getpid(), 4), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }",
        b"{'descr': '<f2', 'fortran_order': True, 'shape': (3, 4), }",
        b"{'descr': '<f2', 'fortran_order': False, 'shape': (3, 40000000000), }",
        b"{'descr': '<f2', 'fortran_order': False, 'shape': (3L, 4L), }",
        b"(" * 40_000,
    ],
)
def test_a_header_of_npy_is_read_as_data(tmp_path, header):
    vectors = np.ones((3, 4), "float16")
    files = write_files(tmp_path, 0, Shard([0, 1, 2], None, vectors), "npy")
    path = tmp_path / files[0].name
    header += b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(24))
    with pytest.raises(UserError, match=r"part-00000.npy is damaged \(it(s header| has)"):
        read_files(tmp_path, files, 3, 4, "float16")
