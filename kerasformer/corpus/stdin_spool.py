"""Standard input as a file of a job, which reads its input more than once."""

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from kerasformer.corpus.input import InputFile
from kerasformer.errors import UserError
from kerasformer.files import open_whole, writing

STDIN = "-"
FORMATS = ("txt", "csv", "tsv", "jsonl")
SPOOLED = re.compile(rf"\.standard-input\.({'|'.join(FORMATS)})")
_BYTES = 1 << 20  # read at a time


def spool_stdin(folder: Path, format: str, known: Sequence[InputFile] = ()) -> Path:
    """Saves standard input as a file in the corpus' folder.

    In a job that is resumed it has to be one of the `known` files.
    """
    if format not in FORMATS:
        raise UserError(f"stdin_format is {format!r}: give one of {', '.join(FORMATS)}.")
    if sys.stdin is None:
        raise UserError("Standard input is closed: give files.")
    path, digest = folder / f".standard-input.{format}", hashlib.sha256()
    with writing(path, "free some space, or give another --output"), open_whole(path) as stream:
        while part := sys.stdin.buffer.read(_BYTES):
            digest.update(part)
            stream.write(part)
        if known and digest.hexdigest() not in {file.sha256 for file in known}:
            raise UserError(
                f"Standard input is not what the job in {folder} was begun with: give the same "
                "again, or embed it into a new folder."
            )
    return path


def find_spooled(folder: Path, file: InputFile) -> Path:
    """The present path of a file of a job: that of a saved one moves with the corpus."""
    name = os.path.basename(file.path)
    if not SPOOLED.fullmatch(name) or os.path.exists(file.path):
        return Path(file.path)
    if not (folder / name).exists():
        raise UserError(
            f"The job in {folder} was begun with standard input, which is not kept once all of it "
            "is embedded: give the same again, with - for INPUT."
        )
    return folder / name
