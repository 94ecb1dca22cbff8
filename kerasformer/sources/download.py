"""Downloading a file of any hub: continued where it was cut off, bounded, and checked.

A download that breaks off is asked for again from its last byte (`Range` with `If-Range`, RFC
9110), in the same run and in the next. Failures of the network and replies of 429 and 5xx are
tried again a few times after a growing pause; `Retry-After` is honoured.
"""

import json
import random
import shutil
import time
from pathlib import Path

from kerasformer.sources.partial import Partial
from kerasformer.sources.places import (
    FetchError,
    File,
    TemporaryError,
    UnreachableError,
)
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.request import Address, RangeError, Reply, ask

ATTEMPTS = 4  # in a row that bring nothing new
BACKOFF = 0.5  # seconds before the second attempt; twice as long before each further one
PATIENCE = 8.0  # seconds of silence after which a place is not asked again
LONGEST_WAIT = 30.0  # seconds, the longest Retry-After that is waited for
LARGEST = 64 << 30  # bytes, where nothing says how large the file is
LARGEST_JSON = 16 << 20
_PROGRESS = 1 << 20  # bytes that make an attempt a success


def download(
    address: Address,
    folder: Path,
    progress: FetchProgress,
    *,
    size: int | None = None,
    sha256: str | None = None,
    limit: int = LARGEST,
) -> tuple[Path, File]:
    """Downloads a file, or the rest of it where an earlier run was cut off.

    Args:
        address: Where it is.
        folder: A folder that this process holds, for the file and for what is unfinished.
        progress: Told how far the download is.
        size: The file's bytes, where known.
        sha256: The content's sha256, where known.
        limit: The most bytes that it may have.

    Returns:
        Where the whole file is, in the folder, and what it is.

    Raises:
        NotThereError: There is no such file.
        UnreachableError: Nobody answers within a few seconds.
        TemporaryError: It broke off too often; what has come stays for the next run.
        FetchError: The content is not what was expected; nothing is left.
    """
    progress.start(address.name, size)
    with Partial(folder, address.url) as part:
        if part.count:
            progress.say(f"{address.name}: going on after {part.count / 1e6:.1f} MB.")
        failures, heard = 0, time.monotonic()
        while True:
            before = part.count
            try:
                _receive(address, part, progress, size, sha256, limit)
                return part.finish(), File(address.name, part.sha256, part.count)
            except TemporaryError as error:
                failures = 1 if part.count - before >= _PROGRESS else failures + 1
                if part.count > before:
                    heard = time.monotonic()
                wait = _pause(error, failures)
                silent = isinstance(error, UnreachableError)
                silent = silent and time.monotonic() - heard > PATIENCE
                if failures >= ATTEMPTS or wait > LONGEST_WAIT or silent:
                    raise
                progress.say(f"{address.name}: {error}; asking again in {wait:.1f} s.")
                time.sleep(wait)
            except FetchError:
                part.discard()
                raise


def download_json(address: Address, folder: Path, progress: FetchProgress):
    """Downloads and reads a JSON document of moderate size.

    Raises:
        FetchError: As `download`, or it is no JSON.
    """
    path, _ = download(address, folder, progress, limit=LARGEST_JSON)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise FetchError(f"{address.name} is no JSON") from None
    finally:
        path.unlink()


def _receive(address: Address, part: Partial, progress: FetchProgress, size, sha256, limit):
    """One attempt: asks for what is missing, takes it, and checks the whole."""
    if part.etag is None:
        part.restart(None)
    resumed = part.count > 0
    headers = {"Range": f"bytes={part.count}-", "If-Range": part.etag} if resumed else {}
    try:
        reply = ask(address, headers)
    except RangeError:
        part.restart(None)
        raise
    with reply:
        total = _place(reply, part, address.name)
        if None not in (size, total) and size != total:
            raise FetchError(f"{address.name} has {total:,} bytes, not {size:,}")
        goal = size if total is None else total
        _check_room(address.name, part, goal, limit)
        for chunk in reply.chunks():
            if part.count + len(chunk) > (limit if goal is None else goal):
                raise FetchError(f"{address.name} is longer than its {goal or limit:,} bytes")
            part.write(chunk)
            progress.move_to(part.count, goal)
    if goal is not None and part.count < goal:
        raise TemporaryError(f"{address.name} ended after {part.count:,} of {goal:,} bytes")
    try:
        _check_content(address.name, part, sha256, reply)
    except FetchError as error:
        if not resumed:
            raise
        part.restart(None)  # the parts are of two versions, whatever the server said
        raise TemporaryError(str(error)) from None


def _place(reply: Reply, part: Partial, name: str) -> int | None:
    """Sees to it that the reply's content goes on where the file ends; the bytes of the whole."""
    start, total = reply.span
    if reply.status == 200:
        part.restart(reply.etag)  # the server knows no ranges, or another version by now
    elif reply.status != 206 or not part.count:
        raise FetchError(f"the answer for {name} was HTTP {reply.status}")
    elif start != part.count or reply.etag not in (None, part.etag):
        part.restart(None)
        raise TemporaryError(f"{name} was continued at another place")
    return total


def _check_room(name: str, part: Partial, size: int | None, limit: int):
    if size is None:
        return
    if size > limit:
        raise FetchError(f"{name} has {size:,} bytes, more than the {limit:,} allowed")
    free = shutil.disk_usage(part.path.parent).free
    if size - part.count > free:
        raise FetchError(f"{name} has {size:,} bytes, and the cache's disk has {free:,} free")


def _check_content(name: str, part: Partial, sha256: str | None, reply: Reply):
    for expected in filter(None, (sha256, reply.sha256)):
        if part.sha256 != expected:
            short, wanted = part.sha256[:12], expected[:12]
            raise FetchError(f"{name} has the sha256 {short}..., not {wanted}...")
    if reply.md5 and part.md5 != reply.md5:
        raise FetchError(f"{name} has another MD5 than the server says: it was damaged on the way")


def _pause(error: TemporaryError, failures: int) -> float:
    """Seconds until the next attempt; a random part keeps many clients from coming at once."""
    if error.wait is not None:
        return error.wait
    return BACKOFF * 2 ** (failures - 1) * random.uniform(0.5, 1.5)
