"""SavedModels of Kaggle and tfhub.dev, against a server that speaks as Kaggle does to kagglehub."""

import base64
import hashlib
import json
import sys

import pytest

pytest.importorskip("kagglehub")
import kagglehub
from kagglesdk import kaggle_env

from kerasformer.errors import UserError
from kerasformer.sources import kaggle, resolve
from kerasformer.sources.folders import hub_folder
from kerasformer.sources.places import FetchError, Kaggle, TFHub

MODEL = {
    "assets/vocab.txt": b"[PAD]\n[UNK]\n",
    "saved_model.pb": b"graph" * 99,
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 8,
    "variables/variables.index": b"index",
}
BERT = TFHub("acme/bert_tiny", "2")
TINY = Kaggle("acme/bert/tensorFlow2/tiny")
API = "POST /v1/models.ModelApiService"
pytestmark = pytest.mark.usefixtures("in_process")


class Hub:
    """acme/bert/tensorFlow2/tiny on Kaggle, whose files are redirects to a storage."""

    def __init__(self, web):
        self.web, self.files, self.current = web, dict(MODEL), 3
        self.listed = None  # what the list says, if it lies
        web.faults[f"{API}/GetModelInstance"] = self.describe
        web.faults[f"{API}/ListModelInstanceVersionFiles"] = self.list
        web.faults[f"{API}/DownloadModelInstanceVersion"] = self.download
        page = f"{web.url}/models/acme/bert/frameworks/tensorFlow2/variations/tiny/versions/1"
        web.faults["/acme/bert_tiny/2"] = web.redirect(f"{page}?tfhub-redirect=true")

    def asked_for(self):
        return json.loads(self.web.bodies[-1])

    def tell(self, request, told):
        self.web.reply(
            request, 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
        )

    def describe(self, web, request, content):
        self.tell(request, {"id": 7, "versionNumber": self.current})

    def list(self, web, request, content):
        names = list(self.files) if self.listed is None else self.listed
        start = int(self.asked_for().get("pageToken", "0"))
        page = [{"name": n, "size": len(self.files.get(n, b""))} for n in names[start : start + 3]]
        more = {"nextPageToken": str(start + 3)} if start + 3 < len(names) else {}
        self.tell(request, {"files": page, **more})

    def download(self, web, request, content):
        name = self.asked_for()["path"]
        path = f"/storage/{name}"
        if name in self.files:
            data = self.files[name]
            web.content.setdefault(path, data)
            md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
            web.headers[path] = {"x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}
            web.headers[path]["Accept-Ranges"] = "bytes"
        web.redirect(f"{web.url}{path}?X-Goog-Signature=x")(web, request, content)


@pytest.fixture
def hub(web, monkeypatch):
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, web.url)
    # It reads the source of every function on the stack, for each request.
    monkeypatch.setattr(kagglehub.clients, "get_user_agent", lambda: "a test")
    return Hub(web)


def content(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def spoil(path):
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_a_model_comes_into_kagglehub_s_cache_and_then_needs_no_network(hub, cache, tmp_path):
    folder = hub_folder(TINY, cache, offline=False)
    assert folder == tmp_path / "kagglehub/models/acme/bert/tensorFlow2/tiny/3"
    assert content(folder) == MODEL
    manifest = json.loads(
        (cache.root / "models" / "kaggle+acme+bert+tensorFlow2+tiny.json").read_text()
    )
    assert (manifest["source"], manifest["commit"]) == (str(TINY), "3")
    asked = len(hub.web.asked)
    hub.current = 4
    assert hub_folder(TINY, cache, offline=False) == folder
    assert hub_folder(TINY, cache, offline=True) == folder
    assert len(hub.web.asked) == asked


def test_a_handle_of_tfhub_dev_leads_to_kaggle(hub, cache, tmp_path):
    folder = hub_folder(BERT, cache, offline=False)
    assert folder == tmp_path / "kagglehub/models/acme/bert/tensorFlow2/tiny/1"
    assert content(folder) == MODEL
    assert hub.web.asked[0] == "/acme/bert_tiny/2"
    assert hub_folder(BERT, cache, offline=True) == folder


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/models/a/b/tensorFlow2/c-1/3?tfhub-redirect=true", ("a/b/tensorFlow2/c-1", "3")),
        ("/models/a/b/frameworks/x/variations/c/versions/12", ("a/b/x/c", "12")),
        ("/models/a/b/../c/1", None),
        ("/models/a/b/x/../1", None),
        ("/models/../b/x/c/1", None),
        ("/models?tfhub-redirect=true", None),
        ("", None),
    ],
)
def test_where_tfhub_dev_may_lead_to(hub, location, found):
    hub.web.faults["/a/b/1"] = hub.web.redirect(f"https://www.kaggle.com{location}")
    if found:
        assert kaggle._on_kaggle(f"{hub.web.url}/a/b/1") == found
    else:
        with pytest.raises(FetchError, match=r"tfhub.dev leads to no model on Kaggle"):
            kaggle._on_kaggle(f"{hub.web.url}/a/b/1")


def test_the_cache_of_tensorflow_hub_is_read_and_written(hub, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    name = hashlib.sha1(b"https://tfhub.dev/acme/bert_tiny/2").hexdigest()
    folder = hub_folder(BERT, cache, offline=False)
    assert folder == tmp_path / "tfhub" / name
    assert content(folder) == MODEL
    assert [path.name for path in folder.parent.iterdir()] == [name]
    spoil(folder / "saved_model.pb")
    hub_folder(BERT, cache, offline=False)
    assert content(folder) == MODEL

    theirs = tmp_path / "tfhub" / hashlib.sha1(b"https://tfhub.dev/acme/other/1").hexdigest()
    theirs.mkdir()
    with pytest.raises(UserError, match="missing: all of it"):
        hub_folder(TFHub("acme/other", "1"), cache, offline=True)
    (theirs / "saved_model.pb").touch()
    asked = len(hub.web.asked)
    assert hub_folder(TFHub("acme/other", "1"), cache, offline=True) == theirs
    assert hub_folder(TFHub("acme/other", "1"), cache, offline=False) == theirs
    assert len(hub.web.asked) == asked


def test_offline_a_model_that_kagglehub_has_fetched_is_found(hub, cache, tmp_path):
    folder = tmp_path / "kagglehub/models/acme/bert/tensorFlow2/tiny/7"
    folder.mkdir(parents=True)
    seventh = Kaggle(TINY.model, "7")
    with pytest.raises(UserError, match="tiny/7 is not complete in the cache"):
        hub_folder(seventh, cache, offline=True)
    folder.with_name("7.complete").touch()
    assert hub_folder(seventh, cache, offline=True) == folder


def test_resolve_takes_the_handles(hub, monkeypatch, cache):
    monkeypatch.setenv("KERASFORMER_CACHE", str(cache.root))
    one, two = resolve(str(BERT)), resolve(f"{TINY}/2")
    assert one != two
    assert content(one) == content(two) == MODEL


def test_a_spoiled_file_is_fetched_again_at_its_version(hub, cache):
    folder = hub_folder(TINY, cache, offline=False)
    spoil(folder / "saved_model.pb")
    with pytest.raises(UserError, match=r"missing: saved_model\.pb"):
        hub_folder(TINY, cache, offline=True)
    hub.current = 4
    assert hub_folder(TINY, cache, offline=False) == folder
    assert content(folder) == MODEL


def test_a_version_whose_content_has_changed_is_not_taken_for_the_first(hub, cache):
    folder = hub_folder(BERT, cache, offline=False)
    spoil(folder / "saved_model.pb")
    hub.files["saved_model.pb"] = hub.web.content["/storage/saved_model.pb"] = b"other"
    with pytest.raises(UserError, match=r"saved_model.pb is not what it was when it was first"):
        hub_folder(BERT, cache, offline=False)
    hub.files = {**MODEL}
    del hub.files["variables/variables.index"]
    hub.web.content.clear()
    with pytest.raises(UserError, match=r"variables/variables\.index is not what it was when"):
        hub_folder(BERT, cache, offline=False)


def test_a_file_that_was_cut_off_goes_on_in_the_next_run(hub, cache):
    path = "/storage/variables/variables.data-00000-of-00001"
    hub.files["variables/variables.data-00000-of-00001"] = data = bytes(range(256)) * 1000
    hub.web.faults[path] = [hub.web.cut(100_000)]
    with pytest.raises(UserError, match=r"variables.data-00000-of-00001 could not be fetched: "):
        hub_folder(TINY, cache, offline=False)
    assert not (cache.root / "models").exists()
    found = content(hub_folder(TINY, cache, offline=False))
    assert found == {**MODEL, "variables/variables.data-00000-of-00001": data}
    assert "bytes=65536-" in [seen.get("Range") for seen in hub.web.seen]


def test_a_file_that_was_damaged_on_the_way(hub, cache):
    hub.web.content["/storage/saved_model.pb"] = MODEL["saved_model.pb"][:-1] + b"!"
    with pytest.raises(UserError, match=r"saved_model.pb could not be fetched: .*MD5"):
        hub_folder(BERT, cache, offline=False)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil"])
def test_names_cannot_lead_out_of_the_folder(hub, cache, name, tmp_path):
    hub.files[name] = b"evil"
    with pytest.raises(UserError, match=r"the name '.*' of one of its files is not safe") as caught:
        hub_folder(BERT, cache, offline=False)
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and ".lock" not in path.name]


@pytest.mark.parametrize("listed", [[], ["tiny/saved_model.pb"], ["vocab.txt"]])
def test_what_is_no_saved_model(hub, cache, listed):
    hub.listed = listed
    with pytest.raises(UserError, match=r"it is no SavedModel: there is no saved_model.pb"):
        hub_folder(BERT, cache, offline=False)


@pytest.mark.parametrize("grows", [True, False])
def test_lists_without_end(hub, cache, monkeypatch, grows):
    monkeypatch.setattr(kaggle, "_MOST_PAGES", 20)

    def endless(web, request, content):
        token = int(hub.asked_for().get("pageToken", "0")) + 1
        files = [{"name": f"{token}.txt", "size": 1}] if grows else []
        hub.tell(request, {"files": files, "nextPageToken": str(token)})

    hub.web.faults[f"{API}/ListModelInstanceVersionFiles"] = endless
    with pytest.raises(UserError, match="it is no SavedModel"):
        hub_folder(TINY, cache, offline=False)
    assert len(hub.web.asked) < 30


@pytest.mark.parametrize("told", [b"[]", b"{}", b'{"versionNumber": "x"}', b"{", b"[" * 100_000])
def test_kaggle_tells_no_version(hub, cache, told):
    json_type = {"Content-Type": "application/json"}
    hub.web.faults[f"{API}/GetModelInstance"] = lambda web, request, content: web.reply(
        request, 200, json_type, told
    )
    with pytest.raises(
        UserError, match="acme/bert/tensorFlow2/tiny could not be fetched"
    ) as caught:
        hub_folder(TINY, cache, offline=False)
    assert "\n" not in str(caught.value)


def test_what_is_not_there(hub, cache):
    with pytest.raises(UserError, match=r"none/1 could not be fetched \(the model is not there"):
        hub_folder(TFHub("acme/none", "1"), cache, offline=False)
    hub.web.faults[f"{API}/GetModelInstance"] = hub.web.status(404)
    with pytest.raises(UserError, match=r"its description is not there, or not open to your cred"):
        hub_folder(TINY, cache, offline=False)
    with pytest.raises(UserError, match="'unheardof' is not a valid ModelFramework"):
        hub_folder(Kaggle("acme/bert/unheardof/tiny"), cache, offline=False)


@pytest.mark.parametrize("location", ["http://example.org/x", "ftp://example.org/x"])
def test_redirects_to_elsewhere_are_not_followed(hub, cache, location):
    hub.web.faults[f"{API}/DownloadModelInstanceVersion"] = hub.web.redirect(location)
    with pytest.raises(UserError, match=f"it leads to '{location}', and only https is followed"):
        hub_folder(TINY, cache, offline=False)


def test_credentials_are_for_kaggle_alone(hub, other_host, cache, monkeypatch, tmp_path):
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    other_host.content["/x"] = MODEL["assets/vocab.txt"]
    hub.web.faults["/storage/assets/vocab.txt"] = hub.web.redirect(f"{other_host.url}/x")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
    hub_folder(BERT, cache, offline=False)
    asked = dict(zip(hub.web.asked, hub.web.seen, strict=True))
    assert "Authorization" not in asked["/acme/bert_tiny/2"]
    assert asked[f"{API}/ListModelInstanceVersionFiles"]["Authorization"] == basic
    assert [seen.get("Authorization") for seen in other_host.seen] == [None]


@pytest.mark.parametrize("written", ["", '{"username": "me"}'])
def test_a_broken_file_of_credentials_is_named(hub, cache, monkeypatch, tmp_path, written):
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text(written)
    with pytest.raises(UserError, match=r"credentials file at .*kaggle\.json"):
        hub_folder(TINY, cache, offline=False)


def test_without_the_extra_the_error_names_it(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError, match=r"kagglehub is not installed.*kerasformer\[hub\]"):
        hub_folder(TINY, cache, offline=False)


def test_a_silent_tfhub_dev_is_given_up(hub, cache, monkeypatch):
    monkeypatch.setattr(kaggle, "TIMEOUT", 0.2)
    hub.web.faults["/acme/bert_tiny/2"] = hub.web.silence(0.5)
    with pytest.raises(UserError, match="no answer in time"):
        hub_folder(BERT, cache, offline=False)


def test_a_web_page_is_no_model(hub, cache):
    """Kaggle lists sizes, no hashes; MD5s come with the files, if at all."""
    page = b"<html><title>Sign in</title></html>"
    sound, hub.files["saved_model.pb"] = hub.files["saved_model.pb"], page
    with pytest.raises(UserError, match=r"could not be fetched \(saved_model.pb is a web page\)"):
        hub_folder(TINY, cache, offline=False)
    hub.files["saved_model.pb"] = sound
    hub.web.content.clear()
    assert content(hub_folder(TINY, cache, offline=False)) == MODEL
