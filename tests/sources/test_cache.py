"""The cache when things go wrong: spoiled files, full disks, killed and simultaneous runs."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kerasformer.errors import UserError
from kerasformer.sources import cache as cache_module
from kerasformer.sources.cache import default_root
from kerasformer.sources.places import FetchError, File

DATA = b"one\ntwo\n"
FILE = File("words.txt", hashlib.sha256(DATA).hexdigest(), len(DATA))


def linked(cache):
    """The folder with its one file, fetched."""
    folder = cache.folder("models", "words-1")
    with folder.fetching() as scratch:
        cache.add(FILE, [DATA[:3], DATA[3:]], scratch)
        folder.link([FILE], {"source": "words"})
    return folder


def rewrite(path, data, keep_time=False):
    """Overwrites in place, read-only or not, as anything but the cache itself would."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_folder_shows_the_blobs_without_a_second_copy(cache):
    folder = linked(cache)
    assert folder.is_complete([FILE])
    assert (folder.path / "words.txt").samefile(cache.blob(FILE.sha256))
    assert not os.access(folder.path / "words.txt", os.W_OK) or os.geteuid() == 0
    assert (folder.path / "words.txt").stat().st_mode & 0o222 == 0
    assert folder.manifest()["source"] == "words"
    assert not list((cache.root / "incoming").iterdir())


def state(path):
    """What reading a file leaves as it is: not the time of the last access."""
    found = path.stat()
    return found.st_ino, found.st_nlink, found.st_mode, found.st_size, found.st_mtime_ns


def test_linking_again_and_adding_again_change_nothing(cache):
    folder = linked(cache)
    before = state(folder.path / "words.txt")
    linked(cache)
    assert state(folder.path / "words.txt") == before
    assert [path.name for path in folder.path.iterdir()] == ["words.txt"]


def test_a_file_system_without_hard_links_gets_copies(cache, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    folder = linked(cache)
    assert not (folder.path / "words.txt").samefile(cache.blob(FILE.sha256))
    assert folder.is_complete([FILE])


@pytest.mark.parametrize(
    ("data", "keep_time"), [(b"one\n", True), (DATA + b"!", True), (b"ONE\ntwo\n", False)]
)
def test_a_spoiled_file_is_seen_and_its_blob_dropped(cache, data, keep_time):
    folder = linked(cache)
    rewrite(folder.path / "words.txt", data, keep_time)
    assert not folder.is_complete([FILE])
    assert not cache.holds(FILE)
    assert not cache.blob(FILE.sha256).exists()


def test_a_new_time_stamp_alone_is_no_fault(cache):
    folder = linked(cache)
    rewrite(folder.path / "words.txt", DATA)
    assert folder.is_complete([FILE])


def test_an_unchanged_file_is_not_hashed_again(cache, monkeypatch):
    folder = linked(cache)
    monkeypatch.setattr(cache_module, "sha256_of", None)
    assert folder.is_complete([FILE])


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"files": [1]}', '{"files": [{"name": 1}]}'])
def test_a_damaged_manifest_means_linking_again(cache, manifest):
    folder = linked(cache)
    (cache.root / "models" / "words-1.json").write_text(manifest)
    assert folder.files() == []
    assert not folder.is_complete([FILE])
    folder.link([FILE], {})
    assert folder.is_complete([FILE])


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"size": 7}, r"words.txt is longer than its 7 bytes"),
        ({"size": 9}, r"words.txt ended after 8 of 9 bytes"),
        ({"sha256": "0" * 64}, r"words.txt has the sha256 "),
    ],
)
def test_content_that_was_not_expected_leaves_no_file(cache, tmp_path, expected, reason):
    with pytest.raises(FetchError, match=reason):
        cache.add(replace(FILE, **expected), [DATA], tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_leaves_no_file(cache, tmp_path, monkeypatch, number):
    def full(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        cache.add(FILE, [DATA], tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    said = cache.explain(caught.value)
    assert isinstance(said, UserError)
    assert str(said) == (
        f"the disk of the cache {cache.root} is full: free some space, or name another folder "
        "with KERASFORMER_CACHE."
    )


def test_an_interruption_passes_through_and_leaves_no_file(cache):
    def interrupted():
        yield DATA
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), cache.folder("models", "x").fetching() as scratch:
        cache.add(FILE, interrupted(), scratch)
    assert not [p for p in cache.root.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_what_a_killed_run_left_is_removed_by_the_next(cache):
    left = cache.root / "incoming" / "words-1" / "deep" / "half"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    linked(cache)
    assert not list((cache.root / "incoming").iterdir())


SLOW_RUN = textwrap.dedent(
    """
    import json, os, pathlib, sys, time
    from kerasformer.sources import folders
    from kerasformer.sources.cache import Cache
    from kerasformer.sources.places import File, HuggingFace
    from kerasformer.sources.presets import Preset

    root, log, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), b"one\\ntwo\\n"

    def slow(place, files, cache, scratch, progress):
        with open(log, "a") as stream:
            stream.write("fetched\\n")
        def content(file):
            yield data[:3]
            time.sleep(float(sys.argv[4]))
            yield data[3:]
        for file in files:
            cache.add(file, content(file), scratch)
            yield file

    folders._files = slow
    files = (File("words.txt", sys.argv[3], len(data)),)
    preset = Preset("words", "data", "none", "", files, (HuggingFace("acme/words"),))
    print(folders.preset_folder(preset, Cache(root), offline=False))
    """
)


def start(cache, tmp_path, seconds):
    """Another process that fetches the file, slowly."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, cache.root, tmp_path / "log", FILE.sha256, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def unfinished(cache):
    return [path for path in (cache.root / "incoming").rglob("*") if path.is_file()]


def test_two_processes_fetch_it_once(cache, tmp_path):
    runs = [start(cache, tmp_path, 0.5) for _ in range(2)]
    told = [run.communicate(timeout=30) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    assert len({output for output, _ in told}) == 1
    assert (tmp_path / "log").read_text() == "fetched\n"
    assert sum("Waiting for another process" in errors for _, errors in told) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_leaves_nothing_and_a_kill_leaves_what_the_next_run_removes(cache, tmp_path):
    run = start(cache, tmp_path, 30)
    wait_for(lambda: unfinished(cache))
    run.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in run.communicate(timeout=10)[1]
    assert not unfinished(cache)

    run = start(cache, tmp_path, 30)
    wait_for(lambda: unfinished(cache))
    run.kill()
    run.communicate()
    assert unfinished(cache)

    run = start(cache, tmp_path, 0)
    output, _ = run.communicate(timeout=20)
    assert run.returncode == 0
    assert not unfinished(cache)
    folder = Path(output.strip())
    assert (folder / "words.txt").read_bytes() == DATA
    assert json.loads(folder.with_name(f"{folder.name}.json").read_text())["source"] == "words"


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "mine"))
    assert default_root() == tmp_path / "mine"
    monkeypatch.delenv("KERASFORMER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "kerasformer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_root() == tmp_path / ".cache" / "kerasformer"
