"""TF Hub's SavedModels by tfhub.dev and Kaggle, against a server that speaks as they do."""

import base64
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time

import pytest

from kerasformer.errors import UserError
from kerasformer.sources import PRESETS, resolve
from kerasformer.sources.folders import hub_folder, preset_folder
from kerasformer.sources.places import File, Kaggle, TFHub
from kerasformer.sources.presets import Preset

MODEL = {
    "assets/vocab.txt": b"[PAD]\n[UNK]\n",
    "saved_model.pb": b"graph" * 99,
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 8,
    "variables/variables.index": b"index",
}
HANDLE = "https://tfhub.dev/acme/bert_tiny/2"
BERT = TFHub("acme/bert_tiny", "2")
API = "/api/v1/models/acme/bert/tensorFlow2/tiny"
TINY = Kaggle("acme/bert/tensorFlow2/tiny")


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


@pytest.fixture
def hub(web):
    """tfhub.dev leads to Kaggle, and Kaggle to its storage, as they do."""
    storage = "/storage/models/1/archive.tar.gz"
    web.content[storage] = packed(MODEL)
    md5 = base64.b64encode(hashlib.md5(web.content[storage]).digest()).decode()
    web.headers[storage] = {"x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}
    web.content[f"{API}/get"] = b'{"id": 7, "versionNumber": 3, "framework": "tensorFlow2"}'
    for version in (1, 2, 3):
        web.faults[f"{API}/{version}/download"] = web.redirect(f"{storage}?X-Goog-Signature=x")
    web.faults["/acme/bert_tiny/2"] = web.redirect(f"{API}/2/download?tf-hub-format=compressed")
    web.storage = storage
    return web


def content(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def left(cache):
    return [path for path in cache.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_handle_of_tfhub_dev_gives_the_saved_model_and_then_needs_no_network(hub, cache):
    folder = hub_folder(BERT, cache, offline=False)
    assert content(folder) == MODEL
    assert hub.asked == [
        "/acme/bert_tiny/2?tf-hub-format=compressed",
        f"{API}/2/download?tf-hub-format=compressed",
        f"{hub.storage}?X-Goog-Signature=x",
    ]
    manifest = json.loads(folder.with_name(f"{folder.name}.json").read_text())
    assert (manifest["source"], manifest["commit"]) == (HANDLE, "2")
    assert {entry["name"]: entry["size"] for entry in manifest["files"]} == {
        name: len(data) for name, data in MODEL.items()
    }
    for name, data in MODEL.items():
        assert (folder / name).samefile(cache.blob(hashlib.sha256(data).hexdigest()))
    assert not list((cache.root / "incoming").iterdir())
    assert hub_folder(BERT, cache, offline=False) == folder
    assert hub_folder(BERT, cache, offline=True) == folder
    assert len(hub.asked) == 3


def test_resolve_takes_the_handles(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))
    one, two = resolve(HANDLE), resolve("kaggle://acme/bert/tensorFlow2/tiny/1")
    assert one != two
    assert content(one) == content(two) == MODEL
    assert (one / "saved_model.pb").samefile(two / "saved_model.pb")
    asked = len(hub.asked)
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    assert resolve(HANDLE) == one
    with pytest.raises(UserError, match="tiny/3 is not whole in the cache"):
        resolve("kaggle://acme/bert/tensorFlow2/tiny/3")
    assert len(hub.asked) == asked


def test_kaggle_without_a_version_stays_at_the_first_that_was_current(hub, cache):
    folder = hub_folder(TINY, cache, offline=False)
    assert content(folder) == MODEL
    assert hub.asked[:2] == [f"{API}/get", f"{API}/3/download"]
    hub.content[f"{API}/get"] = b'{"versionNumber": 4}'
    hub.asked.clear()
    assert hub_folder(TINY, cache, offline=False) == folder
    assert hub.asked == []
    spoil(folder / "saved_model.pb")
    hub_folder(TINY, cache, offline=False)
    assert hub.asked[0] == f"{API}/3/download"
    assert content(folder) == MODEL


def spoil(path):
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_a_version_whose_content_has_changed_is_not_taken_for_the_first(hub, cache):
    folder = hub_folder(BERT, cache, offline=False)
    spoil(folder / "saved_model.pb")
    hub.content[hub.storage] = packed(MODEL | {"saved_model.pb": b"other"})
    hub.headers.clear()
    with pytest.raises(UserError, match=r"saved_model.pb is not what it was when it was first"):
        hub_folder(BERT, cache, offline=False)
    hub.content[hub.storage] = packed({"assets/vocab.txt": MODEL["assets/vocab.txt"]})
    with pytest.raises(UserError, match=r"it does not hold saved_model\.pb"):
        hub_folder(BERT, cache, offline=False)


def test_an_archive_that_was_cut_off_goes_on_in_the_next_run(hub, cache):
    whole = len(hub.content[hub.storage])
    hub.faults[hub.storage] = [hub.cut(200), *[hub.status(503)] * 3]
    with pytest.raises(UserError, match="the answer for its archive was HTTP 503"):
        hub_folder(BERT, cache, offline=False)
    assert not (cache.root / "models").exists()
    assert content(hub_folder(BERT, cache, offline=False)) == MODEL
    assert hub.seen[-1]["Range"] == "bytes=200-"
    assert hub.sent[-1] == whole - 200


def test_an_archive_that_was_damaged_on_the_way(hub, cache):
    hub.content[hub.storage] = hub.content[hub.storage][:-1] + b"!"
    with pytest.raises(UserError, match="its archive has another MD5 than the server says"):
        hub_folder(BERT, cache, offline=False)
    hub.headers.clear()
    with pytest.raises(UserError, match=rf"the archive of {HANDLE} is no sound \.tar\.gz"):
        hub_folder(BERT, cache, offline=False)
    assert not left(cache)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../evil": b"x", **MODEL}, r"the member './../evil' of the archive of https://tfhub"),
        ({**MODEL, "SAVED_MODEL.pb": b"x"}, r"'./SAVED_MODEL.pb' .* is there twice"),
        ({"tiny/saved_model.pb": b"x"}, "holds no SavedModel: there is no saved_model.pb"),
        ({}, "holds no SavedModel"),
    ],
)
def test_a_hostile_archive_leaves_nothing(hub, cache, files, reason):
    hub.content[hub.storage] = packed(files)
    hub.headers.clear()
    with pytest.raises(UserError, match=reason) as caught:
        hub_folder(BERT, cache, offline=False)
    assert "\n" not in str(caught.value)
    assert not left(cache)
    assert not list((cache.root / "incoming").iterdir())


def test_what_is_not_there(hub, cache):
    with pytest.raises(UserError, match=r"none/1 could not be fetched \(its archive is not there"):
        hub_folder(TFHub("acme/none", "1"), cache, offline=False)
    with pytest.raises(UserError, match=r"other could not be fetched \(its description is not"):
        hub_folder(Kaggle("acme/bert/tensorFlow2/other"), cache, offline=False)


@pytest.mark.parametrize("told", ["[]", "{}", '{"versionNumber": "3"}', '{"versionNumber": 0}'])
def test_kaggle_tells_no_version(hub, cache, told):
    hub.content[f"{API}/get"] = told.encode()
    with pytest.raises(UserError, match="its description on Kaggle tells no version"):
        hub_folder(TINY, cache, offline=False)


def test_an_archive_may_be_one_of_the_places_of_a_preset(hub, cache):
    files = [File(n, hashlib.sha256(data).hexdigest(), len(data)) for n, data in MODEL.items()]
    preset = Preset("tiny", "model", "none", "a test", tuple(files[1:]), (BERT,))
    folder = preset_folder(preset, cache, offline=False)
    assert content(folder) == {name: MODEL[name] for name in list(MODEL)[1:]}
    assert preset.name not in PRESETS


def test_credentials_are_for_kaggle_alone(hub, cache, monkeypatch, tmp_path):
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    monkeypatch.setenv("KAGGLE_USERNAME", "me")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    hub_folder(TINY, cache, offline=False)
    assert hub.seen[0]["Authorization"] == hub.seen[1]["Authorization"] == basic
    hub.seen.clear()
    hub_folder(BERT, cache, offline=False)
    assert not any("Authorization" in seen for seen in hub.seen)

    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
    hub.seen.clear()
    hub_folder(Kaggle(TINY.model, "1"), cache, offline=False)
    assert hub.seen[0]["Authorization"] == basic


@pytest.mark.parametrize("written", ["", "[]", '{"username": "me"}', "\ufeff{}"])
def test_a_broken_file_of_credentials_is_named(hub, cache, monkeypatch, tmp_path, written):
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text(written)
    with pytest.raises(UserError, match=r"kaggle.json is no API token of Kaggle: expected JSON"):
        hub_folder(TINY, cache, offline=False)


@pytest.mark.parametrize("variable", ["TFHUB_ENDPOINT", "KAGGLE_API_ENDPOINT"])
def test_the_endpoints_must_be_https(hub, cache, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://example.org")
    with pytest.raises(UserError, match=f"{variable} is 'http://example.org'; it must begin with"):
        hub_folder(BERT if variable == "TFHUB_ENDPOINT" else TINY, cache, offline=False)


RESOLVE = textwrap.dedent(
    """
    import sys
    from kerasformer.sources import resolve

    print(resolve(sys.argv[1]))
    """
)


def test_two_processes_fetch_it_once(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFORMER_CACHE", str(tmp_path / "cache"))

    def slow(web, request, content):
        web.silence(0.15)(web, request, content)
        web.send(request, content)

    hub.faults[hub.storage] = slow
    command = [sys.executable, "-c", RESOLVE, HANDLE]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {run.communicate(timeout=30)[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(told) == 1
    assert len([path for path in hub.asked if path.startswith(hub.storage)]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_leaves_what_the_next_run_goes_on_with(hub, cache, monkeypatch):
    monkeypatch.setenv("KERASFORMER_CACHE", str(cache.root))
    data = os.urandom(1 << 20)
    hub.content[hub.storage] = packed(MODEL | {"variables/variables.data-00000-of-00001": data})
    hub.headers.clear()
    stopped = threading.Event()

    def stall(web, request, content):
        web.send(request, content, upto=600_000)
        request.wfile.flush()
        stopped.wait(4)

    hub.faults[hub.storage] = [stall]
    run = subprocess.Popen([sys.executable, "-c", RESOLVE, HANDLE], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not any(path.stat().st_size > 1 << 18 for path in cache.root.rglob("*.partial")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in run.communicate(timeout=10)[1]
    stopped.set()
    assert [path.suffix for path in sorted(left(cache))] == [".partial", ".json"]
    partial = next(cache.root.rglob("*.partial")).stat().st_size
    folder = hub_folder(BERT, cache, offline=False)
    assert content(folder)["variables/variables.data-00000-of-00001"] == data
    assert hub.seen[-1]["Range"] == f"bytes={partial}-"
    assert not list((cache.root / "incoming").iterdir())
