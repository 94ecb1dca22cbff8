"""One request over HTTPS: where it may lead, who sees the credentials, what the reply tells."""

import base64
import binascii
import http.client
import os
import re
import string
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urljoin, urlsplit

import kerasformer
from kerasformer.errors import UserError
from kerasformer.sources.paced import SLOWEST, SlowError, paced_opener
from kerasformer.sources.places import (
    FetchError,
    NotThereError,
    TemporaryError,
    UnreachableError,
)

TIMEOUT = 5.0  # seconds without a byte, after which a connection is given up
_CHUNK = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 8


class RangeError(TemporaryError):
    """The server has no such part of the file, so that all of it must be asked for."""


@dataclass(frozen=True)
class Address:
    """Where a file is, what messages call it, and the credentials, for this host alone."""

    name: str
    url: str
    authorization: str | None = field(default=None, repr=False)


def endpoint(variable: str, default: str) -> str:
    """A hub's address: what the environment variable says, or the hub's own.

    Raises:
        FetchError: It is neither https nor on this machine.
    """
    chosen = (os.environ.get(variable) or default).rstrip("/")
    if not _is_safe(chosen):
        raise FetchError(f"{variable} is {chosen!r}; it must begin with https://")
    return chosen


def bearer(variable: str) -> str | None:
    """The header that shows the token in the environment variable, where there is one.

    Raises:
        UserError: It is no token.
    """
    token = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise UserError(f"{variable} holds characters that no token has: copy the token again.")
    return f"Bearer {token}" if token else None


class Reply:
    """A file on its way: what the headers tell about it, and its content piece by piece."""

    def __init__(self, response, headers: Mapping[str, str]):
        self._response, self._headers = response, headers
        self.status: int = response.status

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._response.close()

    @property
    def etag(self) -> str | None:
        """The version of the content."""
        return self._headers.get("etag")

    @property
    def span(self) -> tuple[int, int | None]:
        """Where the content of this reply begins in the whole, and the bytes of the whole."""
        if self.status == 206:
            match = re.fullmatch(
                r"bytes (\d{1,19})-\d{1,19}/(\d{1,19})", self._headers.get("content-range", "")
            )
            return (int(match[1]), int(match[2])) if match else (-1, None)
        length = self._headers.get("content-length", "")
        return 0, int(length) if re.fullmatch(r"\d{1,19}", length) else None

    @property
    def sha256(self) -> str | None:
        """What the Hugging Face hub tells of a large file."""
        etag = self._headers.get("x-linked-etag", "").strip('W/"')
        return etag if re.fullmatch("[0-9a-f]{64}", etag) else None

    @property
    def md5(self) -> bytes | None:
        """What Google's storage, and so Kaggle, tells of a file."""
        match = re.search(r"\bmd5=([\w+/]+={0,2})", self._headers.get("x-goog-hash", ""))
        try:
            return base64.b64decode(match[1], validate=True) if match else None
        except binascii.Error:
            return None

    def chunks(self) -> Iterator[bytes]:
        """The content.

        Raises:
            TemporaryError: The connection breaks off, or is too slow.
        """
        # Only the network's own failures are turned here; a full disk is the cache's to explain.
        while True:
            try:
                chunk = self._response.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise TemporaryError(_reason(error)) from None
            if not chunk:
                return
            yield chunk


def ask(address: Address, headers: Mapping[str, str]) -> Reply:
    """Asks for a file, following redirects.

    Args:
        address: What is asked for.
        headers: What else to say, such as the range.

    Raises:
        NotThereError: There is no such file, or it is not public.
        UnreachableError: Nobody answers within a few seconds.
        TemporaryError: The server is busy, or has no such range.
        FetchError: It answers, but not as it should.
    """
    url, seen = address.url, {}
    for _ in range(_MOST_REDIRECTS):
        try:
            response = _open(url, address, headers)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _REDIRECTS:
                raise _refusal(address, error) from None
            seen |= _lower(error.headers, "x-linked-etag", "x-goog-hash")
            url = _redirected(url, error.headers.get("Location") or "")
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(_reason(error)) from None
        except ValueError:  # a host's name that no host can have
            raise FetchError(f"{url[:200]!r} is no address") from None
        else:
            return Reply(response, seen | _lower(response.headers))
    raise FetchError(f"{address.name} is redirected without end")


def _open(url: str, address: Address, headers: Mapping[str, str]):
    # Without "identity" a server may compress, and the length would not be the file's.
    told = {"User-Agent": f"kerasformer/{kerasformer.__version__}", "Accept-Encoding": "identity"}
    if address.authorization and _origin(url) == _origin(address.url):
        told["Authorization"] = address.authorization
    request = urllib.request.Request(url, headers=told | dict(headers))
    return paced_opener().open(request, timeout=TIMEOUT)


def _redirected(url: str, location: str) -> str:
    try:
        location = quote(location, safe=string.punctuation, encoding="iso-8859-1")
        target = urljoin(url, location)
    except ValueError:
        raise FetchError("it redirects to what is no address") from None
    scheme = urlsplit(target).scheme
    # A reply over https may lead to nothing else: not to a file, nor to this machine's ports.
    if not _is_safe(target) or (urlsplit(url).scheme == "https" and scheme != "https"):
        raise FetchError(f"it redirects to {scheme}://, and only to https is it followed")
    return target


def _refusal(address: Address, error: urllib.error.HTTPError) -> FetchError:
    if error.code in (401, 403, 404, 410):  # a hub may say 401 for what does not exist
        public = "open to your credentials" if address.authorization else "public"
        return NotThereError(f"{address.name} is not there, or not {public} (HTTP {error.code})")
    reason = f"the answer for {address.name} was HTTP {error.code}"
    if error.code == 416:
        return RangeError(reason)
    if error.code in (408, 429) or error.code >= 500:
        return TemporaryError(reason, _retry_after(error.headers.get("Retry-After", "")))
    return FetchError(reason)


def _retry_after(value: str) -> float | None:
    """Seconds, or the time of day until which to wait; None where it is neither."""
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0  # reading the port checks it
    except ValueError:
        return False
    here = parts.scheme == "http" and parts.hostname == "127.0.0.1"
    return known and (parts.scheme == "https" or here)


def _origin(url: str) -> tuple:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _lower(headers, *names: str) -> dict[str, str]:
    return {name.lower(): headers[name] for name in names or headers if headers[name] is not None}


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # a URLError wraps the socket's own
    if isinstance(cause, SlowError):
        return f"it brings less than {SLOWEST:,} bytes a second"
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:g} seconds"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection broke off"
    return f"no connection ({getattr(cause, 'strerror', None) or cause})"
