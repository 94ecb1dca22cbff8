"""The Hugging Face hub as a place to fetch files from, by plain HTTPS requests.

A public file of a model is at `{endpoint}/{repo}/resolve/{revision}/{file}`; the reply names the
commit in `X-Repo-Commit`. A large file is a redirect to another host, whose `X-Linked-ETag` is the
content's sha256. The endpoint is https://huggingface.co, or a mirror named by `HF_ENDPOINT`.
"""

import contextlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import kerasformer
from kerasformer.checkpoints.cache import FetchError, UnreachableError
from kerasformer.checkpoints.presets import File, HuggingFace
from kerasformer.checkpoints.progress import FetchProgress

TIMEOUT = 5.0  # seconds without a byte, after which the hub is given up
_CHUNK = 1 << 18


class NotThereError(FetchError):
    """The hub answers, and has no such file."""


@dataclass
class Reply:
    """A file on its way: what the headers tell about it, and its content piece by piece."""

    size: int | None
    commit: str | None
    sha256: str | None
    chunks: Iterator[bytes] = field(repr=False)


def fetch_from_hub(
    place: HuggingFace,
    files: Iterable[File],
    store: Callable[[File, Iterable[bytes]], None],
    progress: FetchProgress,
):
    """Downloads files whose content is known beforehand.

    Args:
        place: The model's repository.
        files: The files that are wanted.
        store: Takes a file and its content piece by piece, and checks it.
        progress: Told how far the download is.

    Raises:
        FetchError: The hub does not answer, or what it has is not what was expected.
    """
    for file in files:
        with open_file(place, file.name) as reply:
            progress.start(file.name, file.size)
            store(file, counted(reply.chunks, progress))


@contextlib.contextmanager
def open_file(place: HuggingFace, name: str) -> Iterator[Reply]:
    """Asks for one file of a model.

    Raises:
        NotThereError: The repository has no such file, or there is no such public repository.
        UnreachableError: The hub does not answer within a few seconds.
        FetchError: It answers, but not as it should.
    """
    revision = quote(place.revision or "main", safe="")
    url = f"{_endpoint()}/{place.repo}/resolve/{revision}/{quote(name)}"
    redirects = _SafeRedirects()
    agent = f"kerasformer/{kerasformer.__version__}"
    # Without "identity" a server may compress, and the length would not be the file's.
    headers = {"User-Agent": agent, "Accept-Encoding": "identity"}
    try:
        opener = urllib.request.build_opener(redirects)
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404):  # the hub says 401 for a model that does not exist
            raise NotThereError(f"{name} is not there, or not public (HTTP {error.code})") from None
        raise FetchError(f"the answer for {name} was HTTP {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(_network_reason(error)) from None
    with response:
        seen = {**redirects.headers, **_facts(response.headers)}
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        etag = seen.get("x-linked-etag", "").strip('W/"')
        yield Reply(
            size=size,
            commit=seen.get("x-repo-commit"),
            sha256=etag if re.fullmatch("[0-9a-f]{64}", etag) else None,
            chunks=_chunks(response),
        )


def counted(chunks: Iterable[bytes], progress: FetchProgress) -> Iterator[bytes]:
    """Passes content on and moves the bar."""
    for chunk in chunks:
        progress.advance(len(chunk))
        yield chunk


def _chunks(response) -> Iterator[bytes]:
    # Only the network's own failures are turned here; a full disk is the cache's to explain.
    while True:
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(_network_reason(error)) from None
        if not chunk:
            return
        yield chunk


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone, and keeps what the hub's own reply says of the file."""

    def __init__(self):
        self.headers = {}

    def redirect_request(self, request, stream, code, message, headers, url):
        self.headers |= _facts(headers)
        # A reply over https may lead to nothing else: not to a file, nor to this machine's ports.
        if not _is_safe(url) or (_is_https(request.full_url) and not _is_https(url)):
            raise FetchError(f"it redirects to {urlsplit(url).scheme}://, which is not https")
        return super().redirect_request(request, stream, code, message, headers, url)


def _facts(headers) -> dict[str, str]:
    return {name: headers[name] for name in ("x-repo-commit", "x-linked-etag") if headers.get(name)}


def _endpoint() -> str:
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if not _is_safe(endpoint):
        raise FetchError(f"HF_ENDPOINT is {endpoint!r}; it must begin with https://")
    return endpoint


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return _is_https(url) or (parts.scheme == "http" and parts.hostname == "127.0.0.1")


def _network_reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # a URLError wraps the socket's own
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:g} seconds"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection broke off"
    return f"no connection ({getattr(cause, 'strerror', None) or cause})"
