"""The job of a corpus and how far it is: `manifest.json`."""

import dataclasses
import json
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from kerasformer.corpus.embedding import EmbeddingConfig
from kerasformer.corpus.input import CorpusInput, InputFile
from kerasformer.corpus.shard_plan import PlannedShard
from kerasformer.corpus.shards import FORMATS, ShardFile, damage, file_names, is_whole
from kerasformer.data.text_file import Place
from kerasformer.errors import UserError
from kerasformer.files import read_json, write_whole, writing
from kerasformer.formatting import shorten
from kerasformer.progress import WorkProgress

MANIFEST = "manifest.json"
_VERSION = 1
_MOST = 2**62  # that any number is: of rows, bytes, nanoseconds


@dataclasses.dataclass(frozen=True)
class Job:
    """All that decides what a corpus' shards hold: plain data, to be sent to other processes.

    `text` keeps the texts beside their vectors; a shard has fewer rows where texts are long.
    """

    config: EmbeddingConfig
    input: CorpusInput
    format: str = "parquet"
    text: bool = True
    shard_size: int = 8192
    limit: int | None = None

    def __post_init__(self):
        if self.format not in FORMATS:
            raise UserError(f"format is {self.format!r}: give one of {', '.join(FORMATS)}.")
        for name in ("shard_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}: give a number of rows, 1 or more.")


class ShardRecord(NamedTuple):
    """The files of a shard that was written, how many texts were cut, and their tokens."""

    files: tuple[ShardFile, ...]
    cut_texts: int
    cut_tokens: int


@dataclasses.dataclass
class Manifest:
    """The job, the numbers in a stored vector, all planned shards, and the records of those that
    are made, by their number.
    """

    job: Job
    width: int
    planned: tuple[PlannedShard, ...]
    done: dict[int, ShardRecord] = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all shards are made."""
        return len(self.done) == len(self.planned)

    @property
    def rows(self) -> int:
        """The rows of the whole job."""
        return sum(shard.rows for shard in self.planned)

    @property
    def done_rows(self) -> int:
        """The rows of the shards that are made."""
        return sum(shard.rows for shard in self.planned if shard.index in self.done)

    @property
    def cut(self) -> tuple[int, int]:
        """How many texts were cut so far, and how many tokens they lost."""
        records = self.done.values()
        return sum(r.cut_texts for r in records), sum(r.cut_tokens for r in records)

    def damage(self, folder: Path) -> dict[int, str]:
        """What is wrong with shards that are made, by their number: all of their files are read."""
        found = {}
        total = sum(file.bytes for record in self.done.values() for file in record.files)
        with WorkProgress("Checking the shards", total, unit="MB") as progress:
            for index, record in sorted(self.done.items()):
                if problem := damage(folder, record.files):
                    found[index] = problem
                progress.advance(sum(file.bytes for file in record.files))
        return found

    def save(self, folder: Path):
        """Writes it atomically."""
        content = json.dumps(self._to_json(), indent=1) + "\n"
        with writing(folder / MANIFEST, "free some space, then continue with --resume"):
            write_whole(folder / MANIFEST, content)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Reads the manifest of a folder; a shard whose files are gone or cut is not done."""
        path = folder / MANIFEST
        if not path.exists():
            raise UserError(
                f"{folder} holds no embedded corpus (no {MANIFEST}): give a folder of `embed`."
            )
        content = read_json(path)
        if content.get("version", _VERSION) != _VERSION:
            raise UserError(
                f"{path} is of version {shorten(repr(content['version']), 80)}, and this "
                f"kerasformer reads version {_VERSION}: update it."
            )
        try:
            return cls._from_json(content, folder)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path} is not a sound manifest ({type(error).__name__}: {error}): embed again."
            ) from None

    def _to_json(self) -> dict[str, Any]:
        texts, tokens = self.cut
        job = dataclasses.asdict(self.job)
        config = job.pop("config")
        return {
            "version": _VERSION,
            "complete": self.complete,
            "rows": self.rows,
            "width": self.width,
            "cut": {"texts": texts, "tokens": tokens},
            "recipe": config,
            **job,
            "shards": [self._shard(shard) for shard in self.planned],
        }

    def _shard(self, shard):
        content = shard._asdict() | {"place": shard.place._asdict()}
        if record := self.done.get(shard.index):
            content |= record._asdict() | {"files": [file._asdict() for file in record.files]}
        return content

    @classmethod
    def _from_json(cls, content, folder):
        source = {**content["input"]}
        source["files"] = tuple(typed(InputFile, file) for file in source["files"])
        source["text_columns"] = tuple(source["text_columns"])
        job = typed(
            Job,
            {name: content[name] for name in ("format", "text", "shard_size", "limit")},
            config=typed(EmbeddingConfig, content["recipe"]),
            input=typed(CorpusInput, source),
        )
        planned, done, rows = [], {}, 0
        for index, entry in enumerate(content["shards"]):
            values = {name: entry[name] for name in PlannedShard._fields if name != "place"}
            shard = typed(PlannedShard, values, place=typed(Place, entry["place"]))
            if (shard.index, shard.first_row) != (index, rows) or shard.rows < 1:
                raise ValueError(f"shard {index} does not follow the one before it")
            if min(shard.file, shard.place.number - 1, shard.place.offset) < 0:
                raise ValueError(f"shard {index} begins nowhere")
            planned.append(shard)
            rows += shard.rows
            files = tuple(typed(ShardFile, file) for file in entry.get("files", ()))
            if files and [file.name for file in files] != file_names(index, job.format):
                raise ValueError(f"shard {index} has files of other names, {files[0].name!r}")
            if files and is_whole(folder, files):
                cut = {name: entry[name] for name in ("cut_texts", "cut_tokens")}
                done[index] = typed(ShardRecord, cut, files=files)
        width = content["width"]
        if not _fits(width, int) or width < 1:
            raise ValueError(f"its width is {shorten(repr(width), 80)}")
        return cls(job, width, tuple(planned), done)


def typed(kind: type, values: dict[str, Any], **made: Any) -> Any:
    """A dataclass or named tuple of values out of JSON, a TypeError where one is of another type.

    What is `made` already is not looked at.

    >>> typed(Place, {"number": 1, "offset": "2"})
    Traceback (most recent call last):
    TypeError: the offset is '2'
    """
    hints = get_type_hints(kind)
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise TypeError(f"the {name} is {shorten(repr(value), 80)}")
    return kind(**values, **made)


def _fits(value, hint):
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, list | tuple) and all(
            _fits(item, get_args(hint)[0]) for item in value
        )
    if hint is int:
        return type(value) is int and abs(value) < _MOST
    return isinstance(value, hint)
