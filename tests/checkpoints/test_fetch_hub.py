"""The Hugging Face hub as a place, against a small server of the same manners on 127.0.0.1."""

import hashlib
import http.server
import json
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import save

from kerasformer.checkpoints import hub_place
from kerasformer.checkpoints.cache import Cache
from kerasformer.checkpoints.fetch import hub_folder, preset_folder
from kerasformer.checkpoints.presets import File, HuggingFace, Preset
from kerasformer.checkpoints.tensor_file import open_tensors
from kerasformer.errors import UserError

COMMIT = "c0ffee" * 6 + "c0ff"
CONTENT = {"config.json": b'{"hidden_size": 4}', "model.safetensors": save({"w": np.eye(4)})}


class Hub:
    """What the server has and how it misbehaves; `asked` lists the paths that were requested."""

    def __init__(self):
        self.files = dict(CONTENT)
        self.asked = []
        self.faults = {}  # file name -> "short", "long", "hang", "stall", "error" or a redirect
        self.large = set()  # files that are redirected to, as the hub's large files are

    def serve(self, request):
        self.asked.append(request.path)
        name = request.path.split("/", 5)[-1]
        fault = self.faults.get(name)
        content = self.files.get(name)
        if fault == "hang":
            time.sleep(1.0)
        elif fault == "error":
            request.send_error(503)
        elif fault and "://" in fault:
            self.redirect(request, fault, content)
        elif content is None:
            request.send_error(404)
        elif name in self.large and "/cdn/" not in request.path:
            self.redirect(request, f"/a/cdn/resolve/x/{name}", content)
        else:
            self.send(request, content, fault)

    def send(self, request, content, fault):
        request.send_response(200)
        request.send_header("X-Repo-Commit", COMMIT)
        if fault != "long":  # without a length, the client reads what there is
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if fault == "long":
            content += b"x"
        elif fault in ("short", "stall"):
            content = content[:-3]
        request.wfile.write(content)
        if fault == "stall":
            time.sleep(1.0)

    def redirect(self, request, url, content):
        request.send_response(302)
        request.send_header("Location", url)
        request.send_header("X-Repo-Commit", COMMIT)
        if content is not None:
            request.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("Content-Length", "0")
        request.end_headers()


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hub.serve(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(hub_place, "TIMEOUT", 0.2)
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def preset(*places, content=CONTENT):
    files = tuple(
        File(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in content.items()
    )
    places = places or (HuggingFace("acme/tiny"),)
    return Preset("tiny", "model", "none", "two files of a test", files, places)


def is_empty(cache):
    """No folder, no blob, nothing unfinished."""
    return not [
        path
        for section in ("models", "blobs", "incoming")
        for path in (cache.root / section).glob("**/*")
        if path.is_file()
    ]


def test_a_preset_is_fetched_once_and_then_needs_no_network(hub, cache):
    folder = preset_folder(preset(), cache, offline=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert hub.asked == [f"/acme/tiny/resolve/main/{name}" for name in CONTENT]
    assert preset_folder(preset(), cache, offline=False) == folder
    assert preset_folder(preset(), cache, offline=True) == folder
    assert len(hub.asked) == 2


def test_large_files_come_by_a_redirect(hub, cache):
    hub.large = {"model.safetensors"}
    folder = preset_folder(preset(), cache, offline=False)
    assert (folder / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("short", "ended after"),
        ("long", "is longer than its"),
        ("hang", "no answer within 0.2 seconds"),
        ("stall", "no answer within 0.2 seconds"),
        ("error", "HTTP 503"),
        ("file:///etc/passwd", "HTTP 302"),  # urllib itself follows to the web alone
        ("http://example.org/model", "redirects to http://"),
        ("ftp://example.org/model", "redirects to ftp://"),
    ],
)
def test_a_fault_is_one_sentence_and_leaves_nothing_unfinished(hub, cache, fault, reason):
    hub.faults = {"model.safetensors": fault}
    with pytest.raises(UserError, match=reason) as caught:
        preset_folder(preset(), cache, offline=False)
    assert "hf://acme/tiny: " in str(caught.value)
    assert "KERASFORMER_OFFLINE=1" in str(caught.value)
    assert not list((cache.root / "models").glob("*"))
    assert not list((cache.root / "incoming").glob("*"))


def test_a_file_with_another_sha256_is_refused(hub, cache):
    hub.files["config.json"] = CONTENT["config.json"].replace(b"4", b"5")
    with pytest.raises(UserError, match=r"config.json has the sha256 \w{12}\.\.\., not \w{12}"):
        preset_folder(preset(), cache, offline=False)
    assert is_empty(cache)


def test_a_missing_file_is_passed_over_for_the_next_place_and_what_came_is_kept(hub, cache, capsys):
    del hub.files["model.safetensors"]
    two = preset(HuggingFace("acme/tiny"), HuggingFace("acme/copy", "v1"))
    with pytest.raises(UserError, match=r"acme/tiny: model.*; hf://acme/copy@v1: model"):
        preset_folder(two, cache, offline=False)
    assert "Passing over hf://acme/tiny" in capsys.readouterr().err
    hub.files, hub.asked[:] = dict(CONTENT), []
    preset_folder(two, cache, offline=False)
    assert hub.asked == ["/acme/tiny/resolve/main/model.safetensors"]


def test_an_endpoint_must_be_https(cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://example.org")
    with pytest.raises(UserError, match="must begin with https://"):
        preset_folder(preset(), cache, offline=False)


def test_nobody_listens(cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match=r"no connection \(Connection refused\)"):
        preset_folder(preset(), cache, offline=False)


def test_a_hub_model_is_recorded_with_its_commit_and_stays_as_it_was(hub, cache):
    hub.files["1_Pooling/config.json"] = b"{}"
    place = HuggingFace("acme/tiny")
    folder = hub_folder(place, cache, offline=False)
    assert (folder / "1_Pooling/config.json").read_bytes() == b"{}"
    assert open_tensors(folder)["w"].shape == (4, 4)
    assert hub.asked[0] == "/acme/tiny/resolve/main/config.json"
    assert all(path.startswith(f"/acme/tiny/resolve/{COMMIT}/") for path in hub.asked[1:])
    manifest = json.loads(folder.with_name(folder.name + ".json").read_text())
    assert (manifest["source"], manifest["commit"]) == ("hf://acme/tiny", COMMIT)

    hub.files["config.json"], hub.asked[:] = b"{}", []
    assert hub_folder(place, cache, offline=True) == folder
    assert hub_folder(place, cache, offline=False) == folder
    assert hub.asked == []
    assert hub_folder(HuggingFace("acme/tiny", "v2"), cache, offline=False) != folder


def test_a_spoiled_file_of_a_hub_model_is_fetched_again_at_its_commit(hub, cache):
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    spoil(folder / "config.json")
    with pytest.raises(UserError, match=r"missing: config.json"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=True)
    hub.asked[:] = []
    hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert (folder / "config.json").read_bytes() == CONTENT["config.json"]
    assert hub.asked == [f"/acme/tiny/resolve/{COMMIT}/config.json"]
    hub_folder(HuggingFace("acme/tiny"), cache, offline=True)


def spoil(path):
    """Changes a file without changing its size, as a failing disk or a careless editor may."""
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")


def test_a_large_file_of_a_hub_model_is_checked_and_not_fetched_twice(hub, cache):
    hub.large = {"model.safetensors"}
    hub.faults = {"vocab.txt": "error"}  # after the weights have come
    with pytest.raises(UserError, match="HTTP 503"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    hub.faults, hub.asked[:] = {}, []
    folder = hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert (folder / "model.safetensors").read_bytes() == CONTENT["model.safetensors"]

    class Other(Hub):
        def send(self, request, content, fault):
            super().send(request, content[:-1] + b"!", fault)

    hub.__class__ = Other
    with pytest.raises(UserError, match=r"model\.safetensors has the sha256"):
        hub_folder(HuggingFace("acme/tiny", "v2"), Cache(cache.root / "empty"), offline=False)


def test_a_sharded_hub_model(hub, cache):
    del hub.files["model.safetensors"]
    hub.files["model-1.safetensors"] = save({"a": np.zeros(2)})
    hub.files["model-2.safetensors"] = save({"b": np.ones(3)})
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    hub.files["model.safetensors.index.json"] = json.dumps({"weight_map": shards}).encode()
    tensors = open_tensors(hub_folder(HuggingFace("acme/tiny"), cache, offline=False))
    assert {name: tensors[name].tolist() for name in tensors} == {"a": [0, 0], "b": [1, 1, 1]}


def test_an_index_cannot_reach_outside_the_folder(hub, cache):
    del hub.files["model.safetensors"]
    index = {"weight_map": {"a": "../../blobs/x.safetensors"}}
    hub.files["model.safetensors.index.json"] = json.dumps(index).encode()
    with pytest.raises(UserError, match=r"expected a \.safetensors file beside it"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)


def test_a_hub_model_without_safetensors(hub, cache):
    del hub.files["model.safetensors"]
    hub.files["pytorch_model.bin"] = b"a pickle"
    with pytest.raises(UserError, match=r"it has no model.safetensors, and no other format"):
        hub_folder(HuggingFace("acme/tiny"), cache, offline=False)
    assert not any("pytorch" in path for path in hub.asked)


def test_a_hub_model_that_is_not_there(hub, cache):
    hub.files = {}
    with pytest.raises(UserError, match=r"hf://acme/none could not be fetched \(config.json is "):
        hub_folder(HuggingFace("acme/none"), cache, offline=False)
    with pytest.raises(UserError, match="run once without KERASFORMER_OFFLINE"):
        hub_folder(HuggingFace("acme/none"), cache, offline=True)
