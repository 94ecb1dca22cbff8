"""TF Hub's SavedModels as places: tfhub.dev and Kaggle, which has taken it over.

Both give a whole folder as a `.tar.gz`: tfhub.dev where `?tf-hub-format=compressed` is added to a
model's own address (https://www.tensorflow.org/hub/hosting), by redirects to Kaggle's storage;
Kaggle at `/api/v1/models/{owner}/{model}/{framework}/{variation}/{version}/download`, and `.../get`
tells the current version, as `kagglehub` asks for them. `TFHUB_ENDPOINT` and `KAGGLE_API_ENDPOINT`
name mirrors. `KAGGLE_USERNAME` and `KAGGLE_KEY`, or `~/.kaggle/kaggle.json`, open private models.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasformer.errors import UserError
from kerasformer.files import sha256_of
from kerasformer.sources.archive import unpack
from kerasformer.sources.cache import Cache
from kerasformer.sources.download import download, download_json
from kerasformer.sources.places import FetchError, File, Kaggle, TFHub
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.request import Address, endpoint

_MARKS = ("saved_model.pb", "config.json")  # of a SavedModel, and of a KerasHub preset


def fetch_archive(
    place: TFHub | Kaggle,
    files: Iterable[File],
    cache: Cache,
    scratch: Path,
    progress: FetchProgress,
) -> Iterator[File]:
    """Downloads a model's archive for those of its files that are wanted, and known beforehand.

    Args:
        place: The model, with its version.
        files: The files that are wanted.
        cache: Where they go, each checked.
        scratch: A folder for what is unfinished.
        progress: Told how far the download is.

    Yields:
        Each file once it is stored.

    Raises:
        FetchError: The hub does not answer, or what it has is not what was expected.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        found = {file.name: file for file in _unpacked(place, Path(folder), scratch, progress)}
        for file in files:
            if file.name in found:
                if found[file.name] != file:
                    raise FetchError(f"{file.name} is not what it was when it was first fetched")
                cache.adopt(Path(folder, file.name), file)
                yield file


def discover_archive(
    place: TFHub | Kaggle, cache: Cache, scratch: Path, progress: FetchProgress
) -> tuple[list[File], str]:
    """Downloads a model of which nothing is known but its name.

    Args:
        place: The model; without a version, the one that is current.
        cache: Where its files go.
        scratch: A folder for what is unfinished.
        progress: Told how far the download is.

    Returns:
        The files, and the version that they are of.

    Raises:
        FetchError: The hub does not answer, there is no such model, or its archive is unsound.
    """
    if place.version is None:
        place = place.pinned(_current_version(place, scratch, progress))
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        files = _unpacked(place, Path(folder), scratch, progress)
        if not any(file.name in _MARKS for file in files):
            raise FetchError("its archive holds no SavedModel: there is no saved_model.pb")
        for file in files:
            cache.adopt(Path(folder, file.name), file)
    return files, place.version


def _unpacked(place, folder: Path, scratch: Path, progress: FetchProgress) -> list[File]:
    archive, _ = download(_archive(place), scratch, progress)
    names = unpack(archive, folder, f"the archive of {place}")
    archive.unlink()
    paths = [(name, folder / name) for name in names]
    return [File(name, sha256_of(path), path.stat().st_size) for name, path in paths]


def _archive(place: TFHub | Kaggle) -> Address:
    if isinstance(place, Kaggle):
        return _on_kaggle(place, f"{place.version}/download", "its archive")
    hub = endpoint("TFHUB_ENDPOINT", "https://tfhub.dev")
    url = f"{hub}/{place.model}/{place.version}?tf-hub-format=compressed"
    return Address("its archive", url)


def _current_version(place: Kaggle, scratch: Path, progress: FetchProgress) -> str:
    address = _on_kaggle(place, "get", "its description")
    told = download_json(address, scratch, progress)
    version = told.get("versionNumber") if isinstance(told, dict) else None
    if type(version) is not int or version < 1:
        raise FetchError("its description on Kaggle tells no version")
    return str(version)


def _on_kaggle(place: Kaggle, what: str, name: str) -> Address:
    hub = endpoint("KAGGLE_API_ENDPOINT", "https://www.kaggle.com")
    return Address(name, f"{hub}/api/v1/models/{place.model}/{what}", _kaggle_credentials())


def _kaggle_credentials() -> str | None:
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    if not (user and key):
        folder = os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle"
        path = Path(folder).expanduser() / "kaggle.json"
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            user, key = str(given["username"]), str(given["key"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{path} is no API token of Kaggle: expected JSON with username and key; create a "
                "new token in the settings of your account, or remove the file."
            ) from None
    return "Basic " + base64.b64encode(f"{user.strip()}:{key.strip()}".encode()).decode()
