"""The files of a source: their names, sizes and sha256, and the licence that they name."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from kerasformer.files import sha256_of

_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_MOST_FILES, _DEEPEST = 1000, 4


def list_files(path: Path) -> list[dict]:
    """The name, size and sha256 of each file of a source.

    Hidden files are left out, and those more than four folders deep; the data of a TensorFlow
    checkpoint are beside its index.
    """
    folder = path.parent
    files: Iterable[Path] = [path]
    if path.is_dir():
        folder, files = path, _walk(path)
    elif path.suffix == ".index":
        files = path.parent.glob(f"{glob.escape(path.stem)}.*")
    return [
        {
            "name": file.relative_to(folder).as_posix(),
            "size": file.stat().st_size,
            "sha256": sha256_of(file),
        }
        for file in sorted(filter(Path.is_file, files))[:_MOST_FILES]
    ]


def digests(path: Path) -> dict[str, str]:
    """The sha256 of each file of a source but its texts, which change no result."""
    files = list_files(path)
    return {f["name"]: f["sha256"] for f in files if not f["name"].lower().endswith(".md")}


def _walk(folder: Path):
    for root, folders, names in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = [n for n in folders if not n.startswith(".") and depth < _DEEPEST]
        yield from (Path(root, name) for name in names if not name.startswith("."))


def read_licence(path: Path) -> dict | None:
    """The licence that a folder's own files name, and the `source` that names it.

    That is the front matter of `README.md`, `config.json`, or the first line of a licence's text.
    """
    front = re.match(r"---\s*\n(.*?\n)---\s*\n", _beginning(path / "README.md"), flags=re.DOTALL)
    match = front and re.search(r"^licen[sc]e:\s*(?:-\s*)?(\S[^\n]*)", front[1], flags=re.MULTILINE)
    if match:
        return {"name": match[1].strip().strip("'\""), "source": "README.md"}
    match = re.search(r'"license"\s*:\s*"([^"\n]{1,100})"', _beginning(path / "config.json"))
    if match:
        return {"name": match[1], "source": "config.json"}
    for name in _LICENCE_FILES:
        lines = [line.strip(" #\t") for line in _beginning(path / name).splitlines()]
        first = next(filter(None, lines), None)
        if first:
            return {"name": first[:100], "source": name}
    return None


def _beginning(path: Path) -> str:
    """The first 100,000 characters of a text file; nothing where it cannot be read."""
    if not path.is_file():  # a pipe would be waited for
        return ""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            return stream.read(100_000)
    except OSError:
        return ""
