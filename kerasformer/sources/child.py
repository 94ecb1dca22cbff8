"""Downloads by other people's libraries in a child process, watched from outside.

pip, huggingface_hub and kagglehub bound, at best, the silence between two bytes. A server that
sends one byte now and then, or bytes without end, would hold them for ever or fill the disk, and
only a process can be ended whatever it waits for. A child also keeps their settings, output and
bars out of this process.
"""

import contextlib
import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasformer.child_process import LAST_WORDS, end_with_stdin
from kerasformer.files import parse_json
from kerasformer.sources.places import FetchError, UnreachableError
from kerasformer.sources.progress import FetchProgress

START = 120.0  # seconds for the child's imports
ANSWER = 15.0  # seconds for each answer before a download
PATIENCE = 30.0  # seconds, in each of which a download must bring ...
SLOWEST = 1000  # ... so many bytes
LARGEST = 64 << 30  # bytes, where the size is unknown
_SLACK = 1 << 20  # bytes of a cache's own notes
_EVENTS = "KERASFORMER_DOWNLOAD_EVENTS"  # the file in which a child tells how far it is
# The child's sys.path is this process' own, whatever the working directory.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from kerasformer.sources.child import main; main(sys.argv[2], json.loads(sys.argv[3]))"
)


def call(function: str, arguments: Mapping[str, Any], progress: FetchProgress) -> dict[str, Any]:
    """Calls a function, `"module:name"`, that downloads, in a child process.

    Its arguments and its result pass as JSON. An OSError is one of the disk; all else that can go
    wrong is a FetchError.
    """
    given = json.dumps([str(path) for path in sys.path]), function, json.dumps(arguments)
    output, events = run([sys.executable, "-c", _CHILD, *given], Watch(progress))
    if not events or events[-1][0] == "announce":
        if full := full_disk(output):
            raise full
        raise FetchError(f"the download failed: {output.strip().rpartition(chr(10))[2][:160]}")
    kind, value = events[-1]
    if kind == "result":
        return value
    raise {"OSError": OSError, "UnreachableError": UnreachableError}.get(kind, FetchError)(*value)


def main(function: str, arguments: Mapping[str, Any]) -> None:
    """The child's side of `call`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is unfinished is removed
    end_with_stdin()
    try:
        _tell("result", perform(function, arguments))
    except OSError as error:
        _tell("OSError", (error.errno, error.strerror))
    except FetchError as error:
        _tell(type(error).__name__, (str(error),))


def perform(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Calls a function that downloads, and turns what its library says at length into few words."""
    module, _, name = function.partition(":")
    try:
        return getattr(importlib.import_module(module), name)(**arguments)
    except FetchError:
        raise
    except Exception as error:
        raise _explained(error) from None


def _explained(error: BaseException) -> Exception:
    if full := full_disk(str(error)):  # which a library may wrap in an error of its own
        return full
    if type(error).__name__ == "LocalEntryNotFoundError" and error.__cause__:
        error = error.__cause__  # why the network gave nothing; that the cache lacks it is known
    # By name: which libraries there are, and whether httpx or httpx2, depends on the installation.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404, 410):  # a hub may say 401 for what does not exist
        return FetchError(f"{_asked} is not there, or not open to your credentials (HTTP {status})")
    if status is not None:
        return FetchError(f"the answer for {_asked} was HTTP {status}")
    if kinds & {"Timeout", "TimeoutException"}:
        return UnreachableError("no answer in time")
    if kinds & {"TransportError", "ConnectionError"} and "RemoteProtocolError" not in kinds:
        return UnreachableError(f"no connection ({_one_line(error).rpartition('): ')[2]})")
    if isinstance(error, OSError) and error.errno:
        return error  # of the disk
    return FetchError(f"{_asked} could not be fetched: {_one_line(error)}")


def full_disk(words: str) -> OSError | None:
    """The error of a full disk, if that is what a library or a program says."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in words:
            return OSError(number, os.strerror(number))
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


_asked = "the model"


def asking(what: str) -> None:
    """Names what is asked for next, which gives the place time to answer."""
    global _asked
    _asked = what
    _tell("announce", (None, None))


def announce(folder: Path, size: int | None) -> None:
    """Tells the parent where bytes will arrive from now on, and how many where that is known."""
    _tell("announce", (str(folder), size))


def _tell(kind: str, value: Any) -> None:
    # Not on stdout, where a server's words might come by way of the library.
    if _EVENTS in os.environ:
        with open(os.environ[_EVENTS], "a", encoding="utf-8") as events:
            events.write(json.dumps((kind, value)) + "\n")


class Watch:
    """How far a child's download is, and when to end it.

    The child announces where how many bytes arrive, unless `folder` and `size` say it beforehand.
    """

    def __init__(
        self, progress: FetchProgress, folder: Path | None = None, size: int | None = None
    ):
        self._progress, self._folder = progress, folder
        self._allowed, self._limit = START, LARGEST
        self._base = self._count = 0
        if folder is not None:
            self._begin(folder, size)
        self._renew()

    def check(self, events: Sequence[tuple[str, Any]]) -> None:
        """Heeds what the child has just told, and measures what has come."""
        for folder, size in (value for kind, value in events if kind == "announce"):
            if folder is not None:
                self._begin(Path(folder), size)
                self._limit = LARGEST if size is None else size
            elif self._folder is None:
                self._allowed = ANSWER
            self._renew()
        if self._folder is not None:
            self._count = max(self._count, _bytes_under(self._folder) - self._base)
            self._progress.move_to(self._count)
            if self._count > self._limit + _SLACK:
                raise FetchError(f"it brings more than the {self._limit:,} bytes expected")
        if time.monotonic() - self._since < self._allowed:
            return
        if self._folder is None:
            raise UnreachableError(f"no answer within {self._allowed:g} seconds")
        if self._count - self._before < SLOWEST * self._allowed:
            raise UnreachableError(f"it brings less than {SLOWEST:,} bytes a second")
        self._renew()

    def _begin(self, folder: Path, size: int | None) -> None:
        self._folder, self._allowed = folder, PATIENCE
        self._base, self._count = _bytes_under(folder), 0
        if size != 0:
            self._progress.start(size)

    def _renew(self) -> None:
        self._since, self._before = time.monotonic(), self._count


def run(
    command: Sequence[str], watch: Watch, environment: dict[str, str] | None = None
) -> tuple[str, list[tuple[str, Any]]]:
    """Runs a command until it ends, or the watch ends it: what it printed, and what it told."""
    with tempfile.TemporaryDirectory() as folder:
        log, told = Path(folder, "log"), Path(folder, "events")
        told.touch()
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # which nobody writes to: see `end_with_stdin`
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {_EVENTS: str(told)} | (environment or {}),
            )
        events: list[tuple[str, Any]] = []
        with process:
            try:
                while True:
                    running = process.poll() is None
                    whole, _, _ = told.read_text(encoding="utf-8").rpartition("\n")
                    lines = whole.splitlines()[len(events) :]
                    new = [parse_json(line, "what the download tells", list) for line in lines]
                    events += new
                    if running or new:
                        watch.check(new)
                    if not running:
                        return log.read_text(encoding="utf-8", errors="replace"), events
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=0.05)
            except BaseException:
                _end(process)
                raise


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=LAST_WORDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _bytes_under(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            with contextlib.suppress(OSError):  # the child has just moved or removed it
                total += 0 if os.path.islink(path) else os.stat(path).st_size
    return total
