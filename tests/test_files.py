"""Small files read as data: each way in which one is not sound is told in one sentence."""

import json
import os
import signal

import numpy as np
import pytest

from kerasformer import files
from kerasformer.errors import UserError
from kerasformer.files import (
    map_array,
    only_writer,
    read_json,
    read_optional_json,
    read_text,
    refuse_used,
    write_array,
)


def test_what_json_wrote_comes_back(tmp_path):
    path, value = tmp_path / "a.json", {"é": [1, None, {"\u2028": 2.5}]}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        for bom in (b"", b"\xef\xbb\xbf"):
            path.write_bytes(bom + text.encode())
            assert read_json(path) == value
    path.write_text("[1, 2]")
    assert read_json(path, list) == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b'{"a": 1', "is not valid JSON"),
        (b'{"a": 1} b', "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b'{"a": "\xff"}', r"is not UTF-8 text \(byte 7\)"),
        (b'{"a": "\\ud800"}', "is not valid JSON"),
        (b"[1]", "holds a JSON array: expected an object"),
        (b"null", "holds a JSON null: expected an object"),
        (b"true", "holds a JSON boolean"),
        (b'"a"', "holds a JSON string"),
        (b"1.5", "holds a JSON number"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_json_object_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.json {message}") as error:
        read_json(path)
    assert "\n" not in str(error.value)


def test_an_object_where_a_list_belongs(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UserError, match="holds a JSON object: expected an array"):
        read_json(tmp_path / "a.json", list)


def test_only_regular_files_of_a_sane_size_are_read(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"There is no file .*a\.json"):
        read_text(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer, for ever
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").symlink_to(tmp_path)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "zero", tmp_path / "folder"):
        with pytest.raises(UserError, match="is no regular file"):
            read_text(path)
    (tmp_path / "itself").symlink_to("itself")
    with pytest.raises(UserError, match=r"There is no file .*itself"):
        read_text(tmp_path / "itself")
    monkeypatch.setattr(files, "_MAX_TEXT", 3 << 20)
    (tmp_path / "a.json").write_bytes(b" " * (3 << 20))
    assert len(read_text(tmp_path / "a.json")) == 3 << 20
    (tmp_path / "a.json").write_bytes(b" " * (3 << 20) + b"1")
    with pytest.raises(UserError, match="is larger than 3 MiB"):
        read_text(tmp_path / "a.json")


def test_a_link_to_nowhere_is_not_an_absent_file(tmp_path):
    path = tmp_path / "config.json"
    assert read_optional_json(path) == {}
    path.symlink_to("nowhere.json")
    with pytest.raises(UserError, match=r"There is no file .*config\.json"):
        read_optional_json(path)
    path.with_name("nowhere.json").write_text('{"a": 1}')
    assert read_optional_json(path) == {"a": 1}


def test_line_ends_are_one(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n\x85")
    with pytest.raises(UserError, match="byte 7"):
        read_text(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes("a\r\nb\rc\n\x85".encode())
    assert read_text(tmp_path / "a.txt") == "a\nb\nc\n\x85"


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int64", "bool", "<f8"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 4), (1, 2, 3), ()])
def test_an_array_is_mapped_as_numpy_does(tmp_path, dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    mapped = map_array(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap)
    assert (mapped.dtype, mapped.shape) == (array.dtype, shape)
    np.testing.assert_array_equal(mapped, array)


def test_a_damaged_array_is_a_value_error(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3), "float32"))
    whole, rng = (tmp_path / "a.npy").read_bytes(), np.random.default_rng(0)
    for place in range(128):
        content = bytearray(whole)
        content[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a.npy").write_bytes(content)
        try:
            array = map_array(tmp_path / "a.npy")
        except ValueError:
            continue
        assert array.nbytes == 24
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ValueError, match="no regular file"):
        map_array(tmp_path / "pipe.npy")
    for content in (whole[:-1], whole + b"x", whole[:9], b""):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"its header|it has .* bytes"):
            map_array(tmp_path / "a.npy")


def test_what_a_killed_run_leaves_is_nobodys_output(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".table.md.0123456789abcdef.unfinished").touch()
    refuse_used(tmp_path)
    with only_writer(tmp_path, "run"):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="is not empty"):
        refuse_used(tmp_path)
    refuse_used(tmp_path, leftovers=["notes.txt"])


def test_a_lock_ends_with_its_process(tmp_path):
    child = os.fork()
    if child == 0:
        with only_writer(tmp_path, "run"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / ".lock").exists()
    with only_writer(tmp_path, "run"):
        held = only_writer(tmp_path, "run")
        with pytest.raises(UserError, match="Another run is writing"):
            held.__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files as POSIX does")
def test_an_array_that_does_not_fit_is_told_by_the_system_and_leaves_nothing(tmp_path):
    import resource

    array = np.arange(3000.0)
    write_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_array(tmp_path / "c.npy", array)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.strerror
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "b.npy"}
