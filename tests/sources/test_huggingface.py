"""The Hugging Face hub as a place, against a small server of the same manners on 127.0.0.1."""

import contextlib
import hashlib
import json
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save

from kerasformer.checkpoints.io.safetensors_file import open_tensors
from kerasformer.errors import UserError
from kerasformer.sources import child
from kerasformer.sources.folders import hub_folder, preset_folder
from kerasformer.sources.huggingface import select
from kerasformer.sources.places import FetchError, File, HuggingFace
from kerasformer.sources.presets import Preset

COMMIT = "c0ffee" * 6 + "c0ff"
API = "/api/models/acme/tiny/revision"
FILES = f"/acme/tiny/resolve/{COMMIT}"
CONTENT = {"config.json": b'{"hidden_size": 4}', "model.safetensors": save({"w": np.eye(4)})}
TINY = HuggingFace("acme/tiny")
in_process = pytest.mark.usefixtures("in_process")


class Repository(dict):
    """The files of acme/tiny by name; changing them changes what the server has."""

    def __init__(self, web):
        super().__init__()
        self.web = web

    def __setitem__(self, name, content):
        super().__setitem__(name, content)
        self.web.content[f"{FILES}/{name}"] = content
        etag = hashlib.sha256(content).hexdigest()
        self.web.headers[f"{FILES}/{name}"] = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}
        self.publish()

    def __delitem__(self, name):
        super().__delitem__(name)
        del self.web.content[f"{FILES}/{name}"]
        self.publish()

    def publish(self, **changes):
        files = [self.described(name, content) for name, content in self.items()]
        told = json.dumps({"id": "acme/tiny", "sha": COMMIT, "siblings": files, **changes})
        for revision in ("main", "v1", COMMIT):
            self.web.content[f"{API}/{revision}"] = told.encode()

    def described(self, name, content):
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        described = {"rfilename": name, "size": len(content), "blobId": git}
        if name.endswith(".safetensors"):
            sha256 = hashlib.sha256(content).hexdigest()
            described["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 1}
        return described

    def misbehave(self, name, fault):
        self.web.faults[f"{FILES}/{name}"] = fault

    def asked(self):
        """The names of the files that were asked for since this was last called."""
        paths = [path for path in self.web.asked if path.startswith("/acme/")]
        self.web.asked.clear()
        return [path.removeprefix(f"{FILES}/") for path in paths]


@pytest.fixture
def hub(web):
    hub = Repository(web)
    for name, content in CONTENT.items():
        hub[name] = content
    return hub


def preset(*places, content=CONTENT):
    files = tuple(
        File(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in content.items()
    )
    return Preset("tiny", "model", "none", "two files of a test", files, places or (TINY,))


def left(cache):
    """The files of folders, blobs and downloads; nothing where the cache is as before."""
    files = (
        path for part in ("models", "blobs", "incoming") for path in (cache.root / part).rglob("*")
    )
    return [path for path in files if path.is_file()]


def in_hub_cache():
    """The blobs of the person's own Hugging Face cache, and what is unfinished there."""
    return list(Path(constants.HF_HUB_CACHE).glob("models--acme--tiny/blobs/*"))


def content(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_model_comes_into_the_person_s_own_cache_and_then_needs_no_network(hub, cache, capsys):
    hub["vocab.txt"] = b"[PAD]\n"
    hub["pytorch_model.bin"] = b"a pickle"
    folder = hub_folder(TINY, cache, offline=False)
    assert content(folder) == {**CONTENT, "vocab.txt": b"[PAD]\n"}
    assert open_tensors(folder)["w"].shape == (4, 4)
    snapshot = f"models--acme--tiny/snapshots/{COMMIT}"
    assert folder.as_posix().endswith(f"hf/hub/{snapshot}")
    assert hub.web.asked[0] == f"{API}/main?blobs=true"
    assert not any("pytorch" in path for path in hub.web.asked)
    assert sorted(hub.asked()) == ["config.json", "model.safetensors", "vocab.txt"]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Fetching hf://acme/tiny (0.0 MB) ..."
    assert said[1].startswith("Fetched hf://acme/tiny (0.0 MB) in ")
    assert len(said) == 2

    hub["config.json"] = b"{}"
    assert hub_folder(TINY, cache, offline=True) == folder
    assert hub_folder(TINY, cache, offline=False) == folder
    assert hub.web.asked == []
    manifest = json.loads((cache.root / "models/acme--tiny@main.json").read_text())
    assert (manifest["source"], manifest["commit"]) == ("hf://acme/tiny", COMMIT)
    assert sorted(entry["name"] for entry in manifest["files"]) == sorted(content(folder))


@in_process
def test_a_preset_is_fetched_once_and_then_needs_no_network(hub, cache):
    folder = preset_folder(preset(), cache, offline=False)
    assert content(folder) == CONTENT
    assert sorted(hub.asked()) == sorted(CONTENT)
    assert preset_folder(preset(), cache, offline=False) == folder
    assert preset_folder(preset(), cache, offline=True) == folder
    assert hub.web.asked == []
    assert not list((cache.root / "incoming").iterdir())


@in_process
@pytest.mark.parametrize("secure_name", ["X-Linked-ETag", "ETag"])
def test_large_files_come_by_a_redirect(hub, cache, secure_name):
    name = "model.safetensors"
    hub.web.content["/cdn/x"] = CONTENT[name]
    told = {**hub.web.headers[f"{FILES}/{name}"], "X-Linked-Size": str(len(CONTENT[name]))}
    told[secure_name] = told.pop("ETag")
    hub.misbehave(name, hub.web.redirect("/cdn/x?signed", **told))
    hub.web.faults[f"HEAD {FILES}/{name}"] = hub.web.redirect(f"{hub.web.url}/cdn/x?signed", **told)
    hub.web.headers["/cdn/x"] = told
    folder = preset_folder(preset(), cache, offline=False)
    assert (folder / name).read_bytes() == CONTENT[name]


@in_process
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (("cut", 9), r"could not be fetched|no connection"),
        (("status", 503), "the answer for model.safetensors was HTTP 503"),
        (("status", 403), r"model.safetensors is not there, or not open to your credentials"),
        (("silence", 0.5), "no answer in time"),
        (("redirect", "http://example.org/model"), "leads to 'http://example.org/model', and only"),
        (("redirect", "file:///etc/passwd"), "leads to 'file://.*/etc/passwd', and only https"),
    ],
)
def test_a_fault_is_one_sentence_and_finishes_nothing(hub, cache, fault, reason, monkeypatch):
    if fault[0] == "silence":
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.misbehave("model.safetensors", getattr(hub.web, fault[0])(*fault[1:]))
    with pytest.raises(UserError, match=reason) as caught:
        preset_folder(preset(), cache, offline=False)
    assert "hf://acme/tiny: " in str(caught.value)
    assert "KERASFORMER_OFFLINE=1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not left(cache)
    assert not in_hub_cache()


@in_process
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on_in_the_same_run(hub, cache, ranges):
    hub["model.safetensors"] = weights = save({"w": np.arange(10_000)})
    hub.misbehave("model.safetensors", [hub.web.cut(50_000), hub.web.changed(ranges=ranges)])
    folder = hub_folder(TINY, cache, offline=False)
    assert (folder / "model.safetensors").read_bytes() == weights
    assert "bytes=49152-" in [seen.get("Range") for seen in hub.web.seen]
    rest = len(weights) - 49152 if ranges else len(weights)
    assert hub.web.sent[hub.web.asked.index(f"{FILES}/model.safetensors") + 1] == rest


@in_process
def test_two_versions_of_a_file_are_not_joined(hub, cache):
    hub["model.safetensors"] = weights = save({"w": np.arange(10_000)})

    def other_version(web, request, content):
        web.send(request, content[::-1], 50_000)

    hub.misbehave("model.safetensors", [other_version])
    folder = hub_folder(TINY, cache, offline=False)
    assert (folder / "model.safetensors").read_bytes() == weights


@in_process
def test_a_file_with_another_sha256_than_the_preset_is_refused(hub, cache):
    hub["config.json"] = CONTENT["config.json"].replace(b"4", b"5")
    with pytest.raises(UserError, match=r"config.json has the sha256 \w{12}\.\.\., not \w{12}"):
        preset_folder(preset(), cache, offline=False)
    assert not left(cache)


@in_process
def test_a_missing_file_is_passed_over_for_the_next_place(hub, cache, capsys):
    del hub["model.safetensors"]
    two = preset(TINY, HuggingFace("acme/tiny", "v1"))
    with pytest.raises(UserError, match=r"acme/tiny: it has no model.*; hf://acme/tiny@v1: it has"):
        preset_folder(two, cache, offline=False)
    assert "Passing over hf://acme/tiny" in capsys.readouterr().err


@in_process
def test_a_hub_that_does_not_answer_is_asked_once(cache, monkeypatch, web):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    two = preset(TINY, HuggingFace("acme/copy"))
    with pytest.raises(UserError, match=r"no connection \(.*Connection refused\)") as caught:
        preset_folder(two, cache, offline=False)
    assert "acme/copy" not in str(caught.value)


@in_process
def test_a_model_without_a_revision_stays_at_the_commit_that_was_fetched_first(hub, cache):
    folder = hub_folder(TINY, cache, offline=False)
    shutil.rmtree(constants.HF_HUB_CACHE)
    hub.web.asked.clear()
    del hub.web.content[f"{API}/main"]  # it has moved on
    assert hub_folder(TINY, cache, offline=False) == folder
    assert content(folder) == CONTENT
    assert hub.web.asked[0] == f"{API}/{COMMIT}?blobs=true"
    manifest = json.loads((cache.root / "models/acme--tiny@main.json").read_text())
    assert (manifest["source"], manifest["commit"]) == ("hf://acme/tiny", COMMIT)


def spoil(path):
    """Changes a file without changing its size, as a failing disk or a careless editor may."""
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@in_process
def test_a_spoiled_file_is_fetched_again_at_its_commit(hub, cache):
    folder = hub_folder(TINY, cache, offline=False)
    spoil(folder / "config.json")
    hub.asked()
    hub_folder(TINY, cache, offline=False)
    assert content(folder) == CONTENT
    assert hub.asked() == ["config.json"]
    hub_folder(TINY, cache, offline=True)


@in_process
def test_a_large_file_is_not_fetched_twice(hub, cache):
    hub["vocab.txt"] = b"[PAD]\n"
    hub.misbehave("vocab.txt", [hub.web.status(404)])  # after the weights have come
    with pytest.raises(UserError, match="HTTP 404"):
        hub_folder(TINY, cache, offline=False)
    hub.asked()
    hub_folder(TINY, cache, offline=False)
    assert "model.safetensors" not in hub.asked()


@in_process
@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("model.safetensors", CONTENT["model.safetensors"][:-1] + b"!", "has the sha256"),
        ("config.json", b'{"hidden_size": 5}', "has another hash than in the hub's list"),
        (
            "model.safetensors",
            CONTENT["model.safetensors"] + b"!",
            "has 201 bytes, not 200|Consistency check failed",
        ),
    ],
)
def test_content_must_be_what_the_list_says(hub, cache, name, data, reason):
    hub.web.content[f"{FILES}/{name}"] = data
    with pytest.raises(UserError, match=rf"{name} .*{reason}"):
        hub_folder(TINY, cache, offline=False)
    assert not left(cache)
    hub[name] = CONTENT[name]
    assert content(hub_folder(TINY, cache, offline=False)) == CONTENT  # nothing bad was kept


@in_process
@pytest.mark.parametrize("header", ["ETag", "X-Linked-ETag", "X-Repo-Commit"])
@pytest.mark.parametrize("value", ["../../../../evil", "/tmp/evil", "a/b", "..", "W.."])
def test_headers_that_the_library_makes_paths_of_cannot_lead_elsewhere(
    hub, cache, header, value, tmp_path
):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    told = {**hub.web.headers[f"{FILES}/config.json"], header: f'"{value}"'}
    hub.web.headers[f"{FILES}/config.json"] = told
    with pytest.raises(UserError, match=f"its server sends an unsafe {header.lower()}"):
        hub_folder(TINY, cache, offline=False)
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert not [path for path in written if "evil" in path.name]


@in_process
def test_a_file_of_another_commit_is_refused(hub, cache):
    hub.web.headers[f"{FILES}/config.json"]["X-Repo-Commit"] = "d" * 40
    with pytest.raises(UserError, match=r"config.json is said to be of another commit"):
        hub_folder(TINY, cache, offline=False)


@in_process
def test_a_sharded_model(hub, cache):
    del hub["model.safetensors"]
    hub["model-1.safetensors"] = save({"a": np.zeros(2)})
    hub["model-2.safetensors"] = save({"b": np.ones(3)})
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    hub["model.safetensors.index.json"] = json.dumps({"weight_map": shards}).encode()
    tensors = open_tensors(hub_folder(TINY, cache, offline=False))
    assert {name: tensors[name].tolist() for name in tensors} == {"a": [0, 0], "b": [1, 1, 1]}


def chosen(files):
    return select(files, files.__getitem__)


def test_a_shard_that_is_not_there_or_not_beside_its_index():
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"config.json": b"", "model-1.safetensors": b""}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    with pytest.raises(FetchError, match=r"it has no model-2.safetensors, which its model.safet"):
        chosen(files)
    for shard in ("../../blobs/x.safetensors", "/x.safetensors", "x.bin", 7):
        written = json.dumps({"weight_map": {"a": shard}}).encode()
        with pytest.raises(FetchError, match=r"expected \.safetensors files beside it"):
            chosen({**files, "model.safetensors.index.json": written})


@in_process
def test_a_sentence_transformers_model_has_the_files_of_its_modules(hub, cache):
    paths = ["", "1_Pooling", "2_Normalize", "3_Dense"]
    modules = [{"idx": i, "name": str(i), "path": path} for i, path in enumerate(paths)]
    hub["modules.json"] = json.dumps(modules).encode()
    hub["1_Pooling/config.json"] = b"{}"
    hub["3_Dense/config.json"] = b"[]"
    hub["3_Dense/model.safetensors"] = save({"linear.weight": np.eye(2)})
    hub["4_Other/config.json"] = b"not named"
    folder = hub_folder(TINY, cache, offline=False)
    assert set(content(folder)) == set(hub) - {"4_Other/config.json"}


def test_the_transformer_may_lie_in_a_module_s_folder():
    files = {f"0_Transformer/{name}": b"" for name in (*CONTENT, "vocab.txt")}
    files["modules.json"] = json.dumps([{"path": "0_Transformer"}]).encode()
    assert set(chosen(files)) == set(files)


@pytest.mark.parametrize("modules", [b"{", b"[1]", b'[{"type": "x"}]', b"[" * 100_000])
def test_an_unsound_list_of_modules(modules):
    with pytest.raises(FetchError, match=r"its modules.json is no list of modules"):
        chosen({**CONTENT, "modules.json": modules})
    assert set(chosen({**CONTENT, "modules.json": b"{}"})) == {*CONTENT, "modules.json"}


@in_process
@pytest.mark.parametrize("path", ["../../x", "a/../..", "a\\b", "nul\0"])
def test_modules_cannot_reach_outside_the_folder(hub, cache, path, tmp_path):
    hub["modules.json"] = json.dumps([{"path": path}]).encode()
    hub[f"{path}/config.json"] = b"{}"
    with pytest.raises(UserError, match=r"the name '.*' of one of its files is not safe"):
        hub_folder(TINY, cache, offline=False)
    assert not left(cache)


def test_a_model_without_safetensors_or_config():
    files = {"config.json": b"", "pytorch_model.bin": b"a pickle"}
    with pytest.raises(FetchError, match=r"it has no model.safetensors, and no other format"):
        chosen(files)
    with pytest.raises(FetchError, match=r"it has no config.json"):
        chosen({"model.safetensors": b""})


@in_process
def test_a_model_that_is_not_there(hub, cache):
    with pytest.raises(UserError, match=r"hf://acme/none could not be fetched \(the list of its f"):
        hub_folder(HuggingFace("acme/none"), cache, offline=False)
    with pytest.raises(UserError, match="run once without KERASFORMER_OFFLINE"):
        hub_folder(HuggingFace("acme/none"), cache, offline=True)


@in_process
@pytest.mark.parametrize(
    "changes",
    [
        {"sha": None},
        {"sha": "main"},
        {"sha": "../../x"},
        {"siblings": [1]},
        {"siblings": [{"size": 2}]},
        {"siblings": [{"rfilename": ["config.json"], "size": 2}]},
        {"siblings": [{"rfilename": "config.json", "size": "many"}]},
        {"siblings": [{"rfilename": "config.json", "size": -2}]},
        {"siblings": [{"rfilename": "config.json", "size": 2, "lfs": [1]}]},
    ],
)
def test_an_unsound_list_of_files(hub, cache, changes):
    hub.publish(**changes)
    with pytest.raises(UserError, match=r"the list of its files is not as the hub writes it"):
        hub_folder(TINY, cache, offline=False)
    assert not left(cache)


@in_process
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_list_that_is_no_json(hub, cache, body):
    hub.web.content[f"{API}/main"] = body
    with pytest.raises(UserError, match=r"the list of its files (is not as|could not be)"):
        hub_folder(TINY, cache, offline=False)


@in_process
def test_the_list_need_not_tell_sizes(hub, cache):
    hub.publish(siblings=[{"rfilename": name} for name in CONTENT])
    assert content(hub_folder(TINY, cache, offline=False)) == CONTENT


@in_process
def test_a_cache_of_the_hub_that_cannot_be_written_is_named_by_its_variable(hub, cache):
    Path(constants.HF_HUB_CACHE).parent.mkdir()
    Path(constants.HF_HUB_CACHE).touch()
    with pytest.raises(UserError, match=r"hf://acme/tiny cannot be written .*with HF_HOME\."):
        hub_folder(TINY, cache, offline=False)


@in_process
def test_what_the_disk_cannot_hold_is_not_begun(hub, cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(90, 0, 90))
    with pytest.raises(UserError, match=r"it needs \d+ bytes, and .* has 90 free"):
        hub_folder(TINY, cache, offline=False)
    assert hub.asked() == []


@in_process
def test_the_token_goes_to_the_hub_alone(hub, other_host, cache, monkeypatch):
    name = "model.safetensors"
    other_host.content["/cdn"] = CONTENT[name]
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    told = hub.web.headers[f"{FILES}/{name}"] | {"X-Linked-Size": str(len(CONTENT[name]))}
    redirect = hub.web.redirect(f"{other_host.url}/cdn", **told)
    hub.misbehave(name, redirect)
    hub.web.faults[f"HEAD {FILES}/{name}"] = redirect
    hub_folder(TINY, cache, offline=False)
    assert {seen.get("Authorization") for seen in hub.web.seen} == {"Bearer hf_secret"}
    assert [seen.get("Authorization") for seen in other_host.seen] == [None]
    assert "hf_secret" not in "".join(path.read_text() for path in cache.root.rglob("*.json"))


@in_process
def test_a_token_cannot_add_a_header(hub, cache, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret\r\nX-Added: y")
    hub_folder(TINY, cache, offline=False)
    assert not any("X-Added" in seen for seen in hub.web.seen)


@in_process
@pytest.mark.parametrize(
    "value", ["http://example.org", "http://localhost:1", "ftp://x", "https://", "https://x:0"]
)
def test_an_endpoint_must_be_https(cache, web, monkeypatch, value):
    monkeypatch.setenv("HF_ENDPOINT", value)
    with pytest.raises(UserError, match=r"could not be fetched \(.*(only https is|be fetched: )"):
        hub_folder(TINY, cache, offline=False)
    assert web.asked == []


@in_process
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "argument"])
def test_offline_a_model_that_other_tools_have_fetched_is_found(hub, cache, monkeypatch, variable):
    offline = variable == "argument"
    if not offline:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(UserError, match="hf://acme/tiny is not complete in the cache"):
        hub_folder(TINY, cache, offline)
    snapshot = Path(constants.HF_HUB_CACHE, "models--acme--tiny", "snapshots", COMMIT)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_bytes(b"{}")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    assert hub_folder(TINY, cache, offline) == snapshot
    assert hub_folder(HuggingFace("acme/tiny", COMMIT), cache, offline) == snapshot
    assert hub.web.asked == []


UNENDING = {
    "bytes": (lambda web: web.endless(most=10**5), "it brings more than the 218 bytes expected"),
    "a drip": (lambda web: web.drip(3.0), "it brings less than 1,000 bytes a second"),
    "tomorrow": (lambda web: web.status(429, Retry_After="86400"), "less than 1,000 bytes a sec"),
}


@pytest.mark.parametrize("kind", UNENDING)
def test_what_has_no_end_is_ended_from_outside(hub, cache, monkeypatch, kind):
    monkeypatch.setattr(child, "PATIENCE", 0.6)
    fault, reason = UNENDING[kind]
    hub.misbehave("model.safetensors", fault(hub.web))
    began = time.monotonic()
    with pytest.raises(UserError, match=reason):
        hub_folder(TINY, cache, offline=False)
    assert time.monotonic() - began < 10
    assert not left(cache)
    assert not in_hub_cache()


def test_a_list_without_end_is_not_waited_for(hub, cache, monkeypatch):
    monkeypatch.setattr(child, "ANSWER", 0.4)
    hub.web.faults[f"{API}/main"] = hub.web.drip(3.0)
    with pytest.raises(UserError, match=r"no answer within 0\.4 seconds"):
        hub_folder(TINY, cache, offline=False)


@in_process
def test_whatever_a_server_says_is_the_model_or_an_error(hub, cache, monkeypatch):
    rng, came = random.Random(7), 0
    length, etag = len(CONTENT["config.json"]), hashlib.sha256(CONTENT["config.json"]).hexdigest()
    head = (
        f'HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: "{etag}"\r\n'
        f"X-Repo-Commit: {COMMIT}\r\n\r\n"
    ).encode()
    for _ in range(20):
        for method, body in (("HEAD ", b""), ("", CONTENT["config.json"])):
            data = bytearray(head + body)
            for _ in range(rng.randint(0, 2)):
                data[rng.randrange(len(data))] = rng.choice(b"\0 \r\n:;=/09x\xff%")
            fault = lambda web, request, _, data=data: request.wfile.write(data)  # noqa: E731
            hub.web.faults[f"{method}{FILES}/config.json"] = fault
        shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)
        with contextlib.suppress(UserError):
            assert content(hub_folder(TINY, cache, offline=False)) == CONTENT
            came += 1
    assert 0 < came < 20


PAGE = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"


@in_process
@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("model.safetensors", PAGE, "is a web page"),
        ("vocab.txt", PAGE, "is a web page"),
        ("config.json", PAGE, "is a web page"),
        ("model.safetensors", b"Sign in", "does not begin as a .safetensors file does"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1", "does not begin as"),
        ("model.safetensors", b"", "does not begin as"),
        ("config.json", b"Sign in", "is not valid JSON"),
        ("config.json", b"[" * 100_000, "is not valid JSON"),
    ],
)
@pytest.mark.parametrize("told", ["nothing", "sizes"])
def test_without_a_hash_a_file_looks_like_its_name(hub, cache, name, data, reason, told):
    """As of a mirror that lists names alone, behind a portal that wants a sign-in."""
    whole = {**CONTENT, "vocab.txt": b"[PAD]\n<html>\n"}
    for each, sound in whole.items():
        hub[each] = sound
    hub[name] = data
    files = [{"rfilename": n} | ({"size": len(hub[n])} if told == "sizes" else {}) for n in hub]
    hub.publish(siblings=files)
    with pytest.raises(UserError, match=rf"could not be fetched \({name} {reason}"):
        hub_folder(TINY, cache, offline=False)
    assert not left(cache)
    hub[name] = whole[name]
    hub.publish(siblings=[{"rfilename": n} for n in hub])
    assert content(hub_folder(TINY, cache, offline=False)) == whole  # nothing bad was kept


@in_process
def test_a_file_that_is_a_page_by_its_hash_is_taken(hub, cache):
    hub["README.md"] = PAGE
    hub["vocab.txt"] = PAGE
    assert content(hub_folder(TINY, cache, offline=False))["vocab.txt"] == PAGE
