"""The Hugging Face hub as a place, against a small server of the same manners on 127.0.0.1."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save

from kerasformer.checkpoints.io.safetensors_file import open_tensors
from kerasformer.errors import UserError
from kerasformer.sources.folders import hub_folder, preset_folder
from kerasformer.sources.places import File, HuggingFace
from kerasformer.sources.presets import Preset

COMMIT = "c0ffee" * 6 + "c0ff"
LISTED = "/api/models/acme/tiny/revision/main?blobs=true"
CONTENT = {"config.json": b'{"hidden_size": 4}', "model.safetensors": save({"w": np.eye(4)})}


class Repository(dict):
    """The files of acme/tiny by name; changing them changes what the server has."""

    def __init__(self, web):
        super().__init__()
        self.web = web

    def __setitem__(self, name, content):
        super().__setitem__(name, content)
        for revision in ("main", "v1", COMMIT):
            self.web.content[f"/acme/tiny/resolve/{revision}/{name}"] = content
        self.publish()

    def __delitem__(self, name):
        super().__delitem__(name)
        for revision in ("main", "v1", COMMIT):
            del self.web.content[f"/acme/tiny/resolve/{revision}/{name}"]
        self.publish()

    def publish(self, **changes):
        files = [self.described(name, content) for name, content in self.items()]
        told = json.dumps({"sha": COMMIT, "siblings": files, **changes}).encode()
        for revision in ("main", "v1"):
            self.web.content[f"/api/models/acme/tiny/revision/{revision}"] = told

    def described(self, name, content):
        if not name.endswith(".safetensors"):
            return {"rfilename": name, "size": len(content), "blobId": "0" * 40}
        lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}


@pytest.fixture
def hub(web):
    hub = Repository(web)
    for name, content in CONTENT.items():
        hub[name] = content
    return hub


def asked(hub):
    """The names of the files that were asked for since this was last called."""
    paths = [path for path in hub.web.asked if not path.startswith("/api/")]
    hub.web.asked.clear()
    return [path.split("/", 5)[-1] for path in paths]


def misbehave(hub, name, fault):
    for revision in ("main", "v1", COMMIT):
        hub.web.faults[f"/acme/tiny/resolve/{revision}/{name}"] = fault


def preset(*places, content=CONTENT):
    files = tuple(
        File(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in content.items()
    )
    places = places or (HuggingFace("acme/tiny"),)
    return Preset("tiny", "model", "none", "two files of a test", files, places)


def left(cache):
    """The files of folders, blobs and downloads; nothing where the cache is as before."""
    files = (
        path for part in ("models", "blobs", "incoming") for path in (cache.root / part).rglob("*")
    )
    return [path for path in files if path.is_file()]


def test_a_preset_is_fetched_once_and_then_needs_no_network(hub, cache):
    folder = preset_folder(preset(), cache, offline=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert hub.web.asked == [f"/acme/tiny/resolve/main/{name}" for name in CONTENT]
    hub.web.asked.clear()
    assert preset_folder(preset(), cache, offline=False) == folder
    assert preset_folder(preset(), cache, offline=True) == folder
    assert hub.web.asked == []
    assert not list((cache.root / "incoming").iterdir())


def test_large_files_come_by_a_redirect(hub, cache):
    name = "model.safetensors"
    sha256 = hashlib.sha256(CONTENT[name]).hexdigest()
    hub.web.content["/cdn/x"] = CONTENT[name]
    misbehave(hub, name, hub.web.redirect("/cdn/x?signed", X_Linked_ETag=f'"{sha256}"'))
    folder = preset_folder(preset(), cache, offline=False)
    assert (folder / name).read_bytes() == CONTENT[name]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (("cut", 9), "ended after 9 of"),
        (("status", 503), "HTTP 503"),
        (("silence", 0.5), "no answer within 0.2 seconds"),
        (("redirect", "http://example.org/model"), "redirects to http://"),
    ],
)
def test_a_fault_is_one_sentence_and_finishes_nothing(hub, cache, fault, reason, monkeypatch):
    monkeypatch.setattr("kerasformer.sources.download.PATIENCE", 0)
    misbehave(hub, "model.safetensors", getattr(hub.web, fault[0])(*fault[1:]))
    with pytest.raises(UserError, match=reason) as caught:
        preset_folder(preset(), cache, offline=False)
    assert "hf://acme/tiny: " in str(caught.value)
    assert "KERASFORMER_OFFLINE=1" in str(caught.value)
    assert not list((cache.root / "models").glob("*"))
    kept = {path.suffix for path in (cache.root / "incoming").rglob("*") if path.is_file()}
    assert kept == ({".partial", ".json"} if fault[0] == "cut" else set())


def test_a_download_that_was_cut_off_goes_on_in_the_next_run(hub, cache):
    misbehave(hub, "model.safetensors", [hub.web.cut(9), *[hub.web.status(503)] * 3])
    with pytest.raises(UserError, match="HTTP 503"):
        preset_folder(preset(), cache, offline=False)
    folder = preset_folder(preset(), cache, offline=False)
    assert (folder / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]
    assert hub.web.seen[-1]["Range"] == "bytes=9-"
    assert not list((cache.root / "incoming").iterdir())


def test_a_file_with_another_sha256_is_refused(hub, cache):
    hub["config.json"] = CONTENT["config.json"].replace(b"4", b"5")
    with pytest.raises(UserError, match=r"config.json has the sha256 \w{12}\.\.\., not \w{12}"):
        preset_folder(preset(), cache, offline=False)
    assert not left(cache)


def test_a_missing_file_is_passed_over_for_the_next_place_and_what_came_is_kept(hub, cache, capsys):
    del hub["model.safetensors"]
    two = preset(HuggingFace("acme/tiny"), HuggingFace("acme/tiny", "v1"))
    with pytest.raises(UserError, match=r"acme/tiny: model.*; hf://acme/tiny@v1: model"):
        preset_folder(two, cache, offline=False)
    assert "Passing over hf://acme/tiny" in capsys.readouterr().err
    hub["model.safetensors"] = CONTENT["model.safetensors"]
    asked(hub)
    preset_folder(two, cache, offline=False)
    assert asked(hub) == ["model.safetensors"]


def test_a_hub_that_does_not_answer_is_asked_once(cache, monkeypatch, web):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    two = preset(HuggingFace("acme/tiny"), HuggingFace("acme/copy"))
    with pytest.raises(UserError, match=r"no connection \(Connection refused\)") as caught:
        preset_folder(two, cache, offline=False)
    assert "acme/copy" not in str(caught.value)


def test_a_hub_model_is_recorded_with_its_commit_and_stays_as_it_was(hub, cache):
    hub["vocab.txt"] = b"[PAD]\n"
    hub["pytorch_model.bin"] = b"a pickle"
    place = HuggingFace("acme/tiny")
    folder = hub_folder(place, cache, offline=False)
    assert (folder / "vocab.txt").read_bytes() == b"[PAD]\n"
    assert not (folder / "pytorch_model.bin").exists()
    assert open_tensors(folder)["w"].shape == (4, 4)
    assert hub.web.asked[0] == LISTED
    assert all(path.startswith(f"/acme/tiny/resolve/{COMMIT}/") for path in hub.web.asked[1:])
    assert len(hub.web.asked) == 4
    manifest = json.loads(folder.with_name(folder.name + ".json").read_text())
    assert (manifest["source"], manifest["commit"]) == ("hf://acme/tiny", COMMIT)

    hub["config.json"] = b"{}"
    hub.web.asked.clear()
    assert hub_folder(place, cache, offline=True) == folder
    assert hub_folder(place, cache, offline=False) == folder
    assert hub.web.asked == []
    assert hub_folder(HuggingFace("acme/tiny", "v1"), cache, offline=False) != folder


def test_a_spoiled_file_of_a_hub_model_is_fetched_again_at_its_commit(hub, cache):
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    spoil(folder / "config.json")
    with pytest.raises(UserError, match=r"missing: config.json"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=True)
    hub.web.asked.clear()
    hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert (folder / "config.json").read_bytes() == CONTENT["config.json"]
    assert hub.web.asked == [f"/acme/tiny/resolve/{COMMIT}/config.json"]
    hub_folder(HuggingFace("acme/tiny"), cache, offline=True)


def spoil(path):
    """Changes a file without changing its size, as a failing disk or a careless editor may."""
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")


def test_a_large_file_of_a_hub_model_is_not_fetched_twice(hub, cache):
    hub["vocab.txt"] = b"[PAD]\n"
    misbehave(hub, "vocab.txt", [hub.web.status(404)])  # after the weights have come
    with pytest.raises(UserError, match="HTTP 404"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    asked(hub)
    hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert "model.safetensors" not in asked(hub)


def test_content_must_be_what_the_list_says(hub, cache):
    path = f"/acme/tiny/resolve/{COMMIT}/model.safetensors"
    hub.web.content[path] = CONTENT["model.safetensors"][:-1] + b"!"
    with pytest.raises(UserError, match=r"model\.safetensors has the sha256"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    hub.web.content[path] += b"!"
    with pytest.raises(
        UserError, match=r"model\.safetensors has 193 bytes, not 192|has .* bytes, not"
    ):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)


def test_a_sharded_hub_model(hub, cache):
    del hub["model.safetensors"]
    hub["model-1.safetensors"] = save({"a": np.zeros(2)})
    hub["model-2.safetensors"] = save({"b": np.ones(3)})
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    hub["model.safetensors.index.json"] = json.dumps({"weight_map": shards}).encode()
    tensors = open_tensors(hub_folder(HuggingFace("acme/tiny"), cache, offline=False))
    assert {name: tensors[name].tolist() for name in tensors} == {"a": [0, 0], "b": [1, 1, 1]}
    del hub["model-2.safetensors"]
    with pytest.raises(UserError, match=r"it has no model-2.safetensors, which its model.safet"):
        hub_folder(HuggingFace("acme/tiny", "v1"), cache, offline=False)


def test_a_sentence_transformers_model_has_the_files_of_its_modules(hub, cache):
    paths = ["", "1_Pooling", "2_Normalize", "3_Dense"]
    modules = [{"idx": i, "name": str(i), "path": path} for i, path in enumerate(paths)]
    hub["modules.json"] = json.dumps(modules).encode()
    hub["1_Pooling/config.json"] = b"{}"
    hub["3_Dense/config.json"] = b"[]"
    hub["3_Dense/model.safetensors"] = save({"linear.weight": np.eye(2)})
    hub["4_Other/config.json"] = b"not named"
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == set(hub) - {"4_Other/config.json"}


def test_the_transformer_may_lie_in_a_module_s_folder(hub, cache):
    for name in list(hub):
        hub["0_Transformer/" + name] = CONTENT[name]
        del hub[name]
    hub["0_Transformer/vocab.txt"] = b"[PAD]"
    hub["modules.json"] = json.dumps([{"path": "0_Transformer"}]).encode()
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert sorted(path.name for path in (folder / "0_Transformer").iterdir()) == [
        "config.json",
        "model.safetensors",
        "vocab.txt",
    ]


@pytest.mark.parametrize("modules", [b"{", b"[1]", b"{}", b'[{"type": "x"}]', b"[" * 100_000])
def test_an_unsound_list_of_modules(hub, cache, modules):
    hub["modules.json"] = modules
    if modules == b"{}":
        assert hub_folder(HuggingFace("acme/tiny"), cache, offline=False).is_dir()
        return
    with pytest.raises(UserError, match=r"its modules.json is no list of modules"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)


@pytest.mark.parametrize("path", ["../../x", "/etc", "a/../..", "a\\b", "nul\0"])
def test_modules_cannot_reach_outside_the_folder(hub, cache, path):
    hub["modules.json"] = json.dumps([{"path": path}]).encode()
    hub[f"{path.strip('/')}/config.json"] = b"{}"
    if path == "/etc":  # the same as etc, within the folder
        folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
        assert (folder / "etc/config.json").read_bytes() == b"{}"
        return
    with pytest.raises(UserError, match=r"the member .* of hf://acme/tiny (leads|has no)"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert not list((cache.root / "models").glob("*"))


def test_an_index_cannot_reach_outside_the_folder(hub, cache):
    del hub["model.safetensors"]
    index = {"weight_map": {"a": "../../blobs/x.safetensors"}}
    hub["model.safetensors.index.json"] = json.dumps(index).encode()
    with pytest.raises(UserError, match=r"expected a \.safetensors file beside it"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)


def test_a_hub_model_without_safetensors_or_config(hub, cache):
    del hub["model.safetensors"]
    hub["pytorch_model.bin"] = b"a pickle"
    with pytest.raises(UserError, match=r"it has no model.safetensors, and no other format"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert not any("pytorch" in path for path in hub.web.asked)
    del hub["config.json"]
    with pytest.raises(UserError, match=r"it has no config.json"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)


def test_a_hub_model_that_is_not_there(hub, cache):
    with pytest.raises(UserError, match=r"hf://acme/none could not be fetched \(the list of its f"):
        hub_folder(HuggingFace("acme/none"), cache, offline=False)
    with pytest.raises(UserError, match="run once without KERASFORMER_OFFLINE"):
        hub_folder(HuggingFace("acme/none"), cache, offline=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha": None},
        {"sha": "main"},
        {"siblings": None},
        {"siblings": [1]},
        {"siblings": [{"size": 2}]},
        {"siblings": [{"rfilename": ["config.json"], "size": 2}]},
        {"siblings": [{"rfilename": "config.json", "size": "many"}]},
        {"siblings": [{"rfilename": "config.json", "size": 2, "lfs": {"sha256": "../../x"}}]},
        {"siblings": [{"rfilename": "config.json", "size": 2, "lfs": {"sha256": 7}}]},
        {"siblings": [{"rfilename": "config.json", "size": 2, "lfs": [1]}]},
    ],
)
def test_an_unsound_list_of_files(hub, cache, changes):
    hub.publish(**changes)
    with pytest.raises(UserError, match=r"the list of its files is not as the hub writes it"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert not left(cache)


def test_the_list_need_not_tell_sizes(hub, cache):
    hub.publish(siblings=[{"rfilename": name} for name in CONTENT])
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


def test_the_token_goes_to_the_hub_and_not_along_a_redirect(hub, cache, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert {seen.get("Authorization") for seen in hub.web.seen} == {"Bearer hf_secret"}
