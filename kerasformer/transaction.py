"""Saving several files as one step: the folder holds the whole old model or the whole new one.

The files are written to a staging folder inside the folder itself, which may be a mount point, and
flushed to the disk. Then the journal is put in place, which is the commit, and the files are moved
to where they belong. A kill before the commit leaves the old files alone, and after it whoever
next reads or writes the folder moves the rest. Meanwhile the file without which no program reads
the folder is absent, so that one which knows no journal does not read a mixture.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from kerasformer.errors import UserError
from kerasformer.files import locked, read_json, write_whole

JOURNAL = ".saving.json"
_STAGING = re.compile(r"\.saving-[0-9a-f]{16}")
_PATIENCE = 600  # seconds that a second writer waits for the first
_REMEDY = "give a folder that can be written to, on a disk with room"


@contextlib.contextmanager
def saving(folder, last: str | Iterable[str], obsolete: Iterable[str] = ()) -> Iterator[Path]:
    """A new folder to write to, whose files replace those of `folder` when the block ends.

    After an error, the old files are as they were. A second writer waits for the first. What a
    killed one left is finished or removed. Other files in the folder are kept.

    Args:
        folder: Output folder, created if missing.
        last: The files, by their names in the folder, without which no program reads the model.
            They are removed first and put in place last.
        obsolete: Patterns of files of an older model, which are removed unless they are written.

    Raises:
        UserError: The folder or a file of it cannot be written to.

    Example:

    >>> folder = getfixture("tmp_path")
    >>> with saving(folder, "config.json", ["*.bin"]) as new:
    ...     _ = (new / "config.json").write_text("{}")
    >>> [path.name for path in folder.iterdir()]
    ['config.json']
    """
    folder = Path(folder)
    with _cannot_save(folder), locked(folder, "save", _PATIENCE):
        with contextlib.suppress(UserError):  # of what cannot be finished nothing is kept
            _finish(folder)
        _remove_staging(folder)
        staging = folder / f".saving-{secrets.token_hex(8)}"
        try:
            staging.mkdir()
            yield staging
            _commit(folder, staging, {last} if isinstance(last, str) else set(last), obsolete)
        except BaseException:
            if not _is_committed(folder, staging):
                shutil.rmtree(staging, ignore_errors=True)
            raise
        _finish(folder)


def finish_saving(path: Path) -> None:
    """Finishes the save of a folder that was cut off behind its commit, if there is one.

    Waits for a save that is under way to end.

    Raises:
        UserError: The folder cannot be written to, or has lost files of the save.
    """
    for folder in (path, path.parent):  # a model may be one of several that were saved together
        if not (folder / JOURNAL).is_file():
            continue
        if not os.access(folder, os.W_OK):
            raise UserError(
                f"{folder} holds a save that was cut off, and cannot be written to: make it "
                "writable, so that the save can be finished, or save the model again."
            )
        with _cannot_save(folder), locked(folder, "save", _PATIENCE):
            _finish(folder)


@contextlib.contextmanager
def _cannot_save(folder: Path):
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"Cannot save to {folder} ({reason}): {_REMEDY}.") from None


def _commit(folder: Path, staging: Path, last: set[str], obsolete: Iterable[str]):
    """Flushes the files in the staging folder, and puts the journal in place."""
    names = [_name(path, staging) for path in sorted(staging.rglob("*")) if path.is_file()]
    for name in names:
        if (folder / name).is_dir():
            raise UserError(
                f"Cannot save to {folder}, where {name} is a folder: remove it, or give another."
            )
        _flush(staging / name)
    found = {
        _name(path, folder)
        for pattern in obsolete
        for path in folder.glob(pattern)
        if path.is_file() or path.is_symlink()
    }
    journal = {
        "staging": staging.name,
        "remove": sorted(found - set(names)),
        "files": {name: (staging / name).stat().st_size for name in names},
        "last": sorted(last & set(names)),
    }
    write_whole(staging / JOURNAL, json.dumps(journal))
    for place in {staging, *((staging / name).parent for name in names)}:
        _flush(place)
    os.replace(staging / JOURNAL, folder / JOURNAL)
    _flush(folder)


def _is_committed(folder: Path, staging: Path) -> bool:
    try:
        return read_json(folder / JOURNAL).get("staging") == staging.name
    except UserError:
        return False


def _finish(folder: Path):
    """Moves the files of a committed save to where they belong; does nothing where none is."""
    if not (folder / JOURNAL).is_file():
        return
    staging, remove, names, last = _read_journal(folder)
    waiting = [name for name in names if (staging / name).is_file()]
    if any(name in waiting for name in last) or not last:
        for name in [*last, *remove]:
            (folder / name).unlink(missing_ok=True)
    for name in sorted(waiting, key=lambda name: (name in last, name)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / name)
    for place in {folder, *((folder / name).parent for name in names)}:
        _flush(place)
    (folder / JOURNAL).unlink()
    _remove_staging(folder)


def _read_journal(folder: Path) -> tuple[Path, list[str], list[str], list[str]]:
    """What is to be done, which anyone may have written: nothing outside the folder is touched."""
    path = folder / JOURNAL
    journal = read_json(path)
    staging, remove, files, last = (journal.get(k) for k in ("staging", "remove", "files", "last"))
    types = [type(value) for value in (staging, remove, files, last)]
    sound = types == [str, list, dict, list] and _STAGING.fullmatch(staging)
    if not sound or not all(_is_inside(folder, name) for name in [*files, *remove, *last]):
        raise UserError(f"{path} is no record of a save: remove it, and save the model again.")
    place = folder / staging
    for name, size in files.items():
        kept = place / name if (place / name).is_file() else folder / name
        if place.is_symlink() or not kept.is_file() or kept.stat().st_size != size:
            raise UserError(
                f"{folder} holds a save that was cut off, and {name} of it is missing or changed: "
                "save the model again."
            )
    return place, remove, list(files), last


def _is_inside(folder: Path, name) -> bool:
    if not isinstance(name, str) or not name or PurePosixPath(name).is_absolute():
        return False
    if ".." in PurePosixPath(name).parts or "\0" in name:
        return False
    return (folder / name).parent.resolve().is_relative_to(folder.resolve())


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _remove_staging(folder: Path):
    for path in list(folder.iterdir()):
        if _STAGING.fullmatch(path.name) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path):
    """Has the disk take what was written to a file or a folder."""
    if os.name == "nt" and path.is_dir():  # which cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
