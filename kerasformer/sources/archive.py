"""Unpacking archives that nobody vouches for: names, kinds and sizes are checked before writing.

A member may be a plain file or a folder within the archive's own folder, and each only once, also
where a file system ignores case or the form of accents. Links, devices and sparse files are no
part of a model. Sizes are bounded by the archive's own, for packed zeros take hardly any room.
Python's own `data` filter (PEP 706) is the second line of defence.
"""

import gzip
import re
import shutil
import tarfile
import unicodedata
import zlib
from pathlib import Path

from kerasformer.sources.places import FetchError

MOST_MEMBERS = 10_000
LARGEST = 64 << 30  # bytes of all members together
RATIO = 100  # bytes unpacked for each packed one; real models have 1 to 3 ...
SLACK = 64 << 20  # ... and so many bytes more, for small archives
_LONGEST_NAME = 1024
_LONGEST_HEADER = 1 << 16  # bytes that say more about a member: a long name, a time stamp
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class ArchiveError(FetchError):
    """An archive is damaged, or holds what no model holds."""


class MemberNames:
    """The names of an archive's members: each checked, and allowed once.

    Args:
        archive: What messages call the archive.

    Example:

    >>> names = MemberNames("model.tar.gz")
    >>> names.take("./assets/vocab.txt")
    'assets/vocab.txt'
    >>> names.take("../../.bashrc")
    Traceback (most recent call last):
    kerasformer.sources.archive.ArchiveError: the member '../../.bashrc' ...
    """

    def __init__(self, archive: str):
        self._archive = archive
        self._files: set[str] = set()
        self._folders: set[str] = {""}

    def take(self, name: str, is_folder: bool = False) -> str:
        """Checks a member's name.

        Args:
            name: As the archive has it.
            is_folder: Whether it is a folder; these may come twice.

        Returns:
            The path within the archive's folder, `""` for that folder itself.

        Raises:
            ArchiveError: It leads out of the folder, is no portable name, or was there before.
        """
        parts = [part for part in name.rstrip("/").split("/") if part != "."]
        problem = _problem(name, parts)
        if problem is None:
            # What some file system would take for the same name.
            alike = [unicodedata.normalize("NFC", part).casefold() for part in parts]
            path = "/".join(alike)
            above = {"/".join(alike[:depth]) for depth in range(len(alike))}
            taken = self._files if is_folder else self._files | self._folders
            if path in taken or above & self._files:
                problem = "is there twice"
            self._folders |= above | ({path} if is_folder else set())
            self._files |= set() if is_folder else {path}
        if problem is not None:
            raise ArchiveError(f"the member {name[:200]!r} of {self._archive} {problem}")
        return "/".join(parts)


def _problem(name: str, parts: list[str]) -> str | None:
    """What is wrong with a member's name, if anything."""
    if len(name) > _LONGEST_NAME or any(
        len(part.encode("utf-8", "replace")) > 255 for part in parts
    ):
        return "has too long a name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in parts:
        return "leads out of its folder"
    if "" in parts or re.search(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\ud800-\udfff]', name):
        return "has no portable name"
    if any(part != part.rstrip(". ") for part in parts):
        return "has no portable name"
    return None


def unpack(archive: Path, folder: Path, name: str) -> list[str]:
    """Unpacks a `.tar.gz`, piece by piece.

    Args:
        archive: The file.
        folder: An empty folder for the members.
        name: What messages call the archive.

    Returns:
        The names of the files, sorted.

    Raises:
        ArchiveError: The archive is damaged, or a member is not allowed; the folder is then to be
            thrown away.
    """
    names, files = MemberNames(name), []
    limit = min(LARGEST, RATIO * archive.stat().st_size + SLACK)
    try:
        with gzip.open(archive) as stream:
            bounded = _Bounded(stream, limit, name)
            with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Member) as tar:
                for count, member in enumerate(tar, start=1):
                    if count > MOST_MEMBERS:
                        raise ArchiveError(f"{name} has more than {MOST_MEMBERS:,} members")
                    path = names.take(member.name, member.isdir())
                    _check_member(member, bounded, name)
                    if not member.isdir():
                        _write(tar, member, folder, path)
                        files.append(path)
                _check_end(tar.fileobj, name)
    # The last three are tarfile's own, of numbers and names that are none.
    except (
        *(tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError),
        *(ValueError, OverflowError, RecursionError),
    ) as error:
        raise ArchiveError(f"{name} is no sound .tar.gz ({error})") from None
    return sorted(files)


def _check_member(member: tarfile.TarInfo, bounded: "_Bounded", archive: str):
    kinds = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    if member.type not in kinds or member.sparse is not None:
        problem = "is neither a plain file nor a folder"
    elif member.size > bounded.left:
        problem = f"has {member.size:,} bytes, more than such an archive may hold"
    else:
        return
    raise ArchiveError(f"the member {member.name[:200]!r} of {archive} {problem}")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, path: str):
    tarfile.data_filter(member, str(folder))  # refuses what should have been refused before
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as content, open(folder / path, "xb") as file:
        shutil.copyfileobj(content, file)


def _check_end(stream, archive: str):
    """Only zeros may follow the last member; tarfile takes a damaged header for the end."""
    while rest := stream.read(1 << 16):
        if rest.count(0) != len(rest):
            raise ArchiveError(f"{archive} is damaged, or holds more after its end")


class _Bounded:
    """An unpacked stream that may not go on for ever."""

    def __init__(self, stream, limit: int, archive: str):
        self._stream, self._limit, self._archive = stream, limit, archive
        self.left = limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ArchiveError(f"{self._archive} unpacks to more than {self._limit:,} bytes")
        return data


class _Member(tarfile.TarInfo):
    """A member of which tarfile reads no header that is large, or damaged, or leads backwards."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            raise tarfile.ReadError(f"a damaged header: {error}") from None

    def _proc_member(self, archive):  # the entry point that tarfile names for subclasses
        if self.size < 0 or (self.type in _EXTENDED and self.size > _LONGEST_HEADER):
            raise tarfile.ReadError(f"a header claims {self.size:,} bytes")
        return super()._proc_member(archive)

    def _refuse_sparse(self, *_):
        raise tarfile.ReadError("a sparse member")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse
