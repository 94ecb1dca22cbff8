"""SavedModels of Kaggle and of tfhub.dev, which it has taken over, by kagglehub (the `hub` extra).

`download` runs in a child process (`kerasformer.sources.child`), for kagglehub sets no time limits.
It writes to whatever names Kaggle lists, and unpacks archives of any size; so the files are listed
and their names checked here, and fetched one by one, never an archive.

A handle of tfhub.dev is a redirect to the model's page on Kaggle. tensorflow_hub itself is not
used: it needs a setuptools that still has pkg_resources, and does not notice a damaged archive.
Its cache, `TFHUB_CACHE_DIR`, is read and written as it does.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from kerasformer.files import sha256_of
from kerasformer.sources.child import announce, asking
from kerasformer.sources.places import FetchError, Hub, TFHub, check_names, require_https
from kerasformer.sources.signatures import unlike

_TFHUB = "https://tfhub.dev"
TIMEOUT = 5  # seconds of silence of tfhub.dev
_CHUNK = 1 << 16  # bytes, so that a slow download is seen to move
_MARKS = ("saved_model.pb", "config.json")  # of a SavedModel, and of a KerasHub preset
_MOST_PAGES = 100  # of the list of a model's files, each of up to 100
_PAGE = re.compile(  # the address of a model's version on Kaggle, in its two forms
    r"/models/([\w-]+/[\w.-]+)/(?:frameworks/)?([\w-]+)/(?:variations/)?([\w.-]+)"
    r"/(?:versions/)?(\d+)(?=[/?]|$)",
    flags=re.ASCII,
)


def cached(place: Hub) -> Path | None:
    """A model that kagglehub or tensorflow_hub has fetched before."""
    if isinstance(place, TFHub):
        folder = _tfhub_folder(place)
        return folder if folder and folder.is_dir() and any(folder.iterdir()) else None
    folder = _cache() / "models" / place.model / str(place.version)
    return folder if folder.with_name(f"{place.version}.complete").exists() else None


def download(model: str, version: str | None) -> dict[str, Any]:
    """Downloads a model of Kaggle, at its current version or another, into kagglehub's cache.

    The result is that of `huggingface.download`.
    """
    with _redirects_over_https():
        version, sizes = _list(model, version)
        folder = _cache() / "models" / model / version
        return {"version": version, **_get(f"{model}/{version}", sizes, folder)}


def download_tfhub(model: str, version: str) -> dict[str, Any]:
    """Downloads a model of tfhub.dev, as `download`; into `TFHUB_CACHE_DIR` where that is set."""
    target = _tfhub_folder(TFHub(model, version))
    model, on_kaggle = _on_kaggle(f"{_TFHUB}/{model}/{version}")
    if target is None:
        return {**download(model, on_kaggle), "version": version}
    with _redirects_over_https():
        _, sizes = _list(model, on_kaggle)
        unfinished = target.with_suffix(".kerasformer")
        shutil.rmtree(unfinished, ignore_errors=True)
        found = _get(f"{model}/{on_kaggle}", sizes, unfinished, output_dir=str(unfinished))
    shutil.rmtree(unfinished / ".complete")  # kagglehub's own notes
    shutil.rmtree(target, ignore_errors=True)
    os.replace(unfinished, target)
    return {**found, "folder": str(target), "version": version}


def _list(model: str, version: str | None) -> tuple[str, dict[str, int]]:
    """The version, and the sizes of all its files by name."""
    import kagglehub
    from kagglesdk.models.types import model_api_service as types

    handle = kagglehub.handle.parse_model_handle(model)
    fields: dict[str, Any] = {
        "owner_slug": handle.owner,
        "model_slug": handle.model,
        "framework": handle.framework_enum(),
        "instance_slug": handle.variation,
    }
    sizes: dict[str, int] = {}
    with kagglehub.clients.build_kaggle_client() as client:
        api = client.models.model_api_client
        if version is None:
            asking("its description")
            asked = _filled(types.ApiGetModelInstanceRequest(), fields)
            version = str(int(api.get_model_instance(asked).version_number))
        fields |= {"version_number": int(version), "page_size": 100}
        asked = _filled(types.ApiListModelInstanceVersionFilesRequest(), fields)
        for _ in range(_MOST_PAGES):
            asking("the list of its files")
            page = api.list_model_instance_version_files(asked)
            sizes |= {file.name: file.size for file in page.files}
            asked.page_token = page.next_page_token
            if not page.next_page_token:
                break
    check_names(sizes)
    if not any(name in _MARKS for name in sizes):
        raise FetchError("it is no SavedModel: there is no saved_model.pb")
    return version, sizes


def _filled(request: Any, fields: dict[str, Any]) -> Any:
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def _get(
    handle: str, sizes: dict[str, int], folder: Path, output_dir: str | None = None
) -> dict[str, Any]:
    """Fetches the files, one by one, into a folder."""
    import kagglehub

    kagglehub.clients.CHUNK_SIZE = _CHUNK
    folder.mkdir(parents=True, exist_ok=True)
    announce(folder, sum(sizes.values()) or None)
    files = []
    for name, size in sizes.items():
        asking(name)
        kagglehub.model_download(handle, name, output_dir=output_dir)
        found = (folder / name).stat().st_size
        if size and found != size:
            raise FetchError(f"{name} has {found:,} bytes, not {size:,}")
        if fault := unlike(name, folder / name):  # as Kaggle lists no hashes
            (folder / name).unlink()
            raise FetchError(f"{name} {fault}")
        files.append((name, sha256_of(folder / name), found))
    return {"folder": str(folder), "files": files}


def _cache() -> Path:
    chosen = os.environ.get("KAGGLEHUB_CACHE")
    return Path(chosen or Path.home() / ".cache" / "kagglehub").absolute()


def _tfhub_folder(place: Hub) -> Path | None:
    """Where tensorflow_hub keeps this model, if the person has chosen a folder for its cache."""
    chosen = os.environ.get("TFHUB_CACHE_DIR")
    name = hashlib.sha1(str(place).encode(), usedforsecurity=False).hexdigest()
    return Path(chosen).absolute() / name if chosen else None


def _on_kaggle(url: str) -> tuple[str, str]:
    """The model and version on Kaggle that a handle of tfhub.dev leads to."""
    import requests

    asking("the model")
    reply = requests.get(url, allow_redirects=False, stream=True, timeout=TIMEOUT)
    with reply:
        reply.raise_for_status()
    page = _PAGE.search(reply.headers.get("Location", ""))
    if page is None or ".." in page[0]:
        raise FetchError("tfhub.dev leads to no model on Kaggle")
    return "/".join(page.groups()[:3]), page[4]


@contextlib.contextmanager
def _redirects_over_https() -> Iterator[None]:
    """Has requests follow no redirect from https to http."""
    from unittest import mock

    import requests

    follow = requests.Session.get_redirect_target

    def checked(session, reply):
        target = follow(session, reply)
        if target:
            require_https(urljoin(reply.url, target), reply.url)
        return target

    with mock.patch.object(requests.Session, "get_redirect_target", checked):
        yield
