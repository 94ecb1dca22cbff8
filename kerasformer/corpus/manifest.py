"""The job of a corpus and how far it is: `manifest.json`."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

from kerasformer.corpus.embedding import EmbeddingConfig
from kerasformer.corpus.input import CorpusInput, InputFile
from kerasformer.corpus.shard_plan import PlannedShard
from kerasformer.corpus.shards import FORMATS, ShardFile, is_whole
from kerasformer.data.text_file import Place
from kerasformer.errors import UserError
from kerasformer.files import read_json, write_whole, writing

MANIFEST = "manifest.json"
_VERSION = 1


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
                f"{path} is of version {content['version']!r}, and this kerasformer reads version "
                f"{_VERSION}: update it."
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
        source = dict(content["input"])
        source["files"] = tuple(InputFile(**file) for file in source["files"])
        source["text_columns"] = tuple(source["text_columns"])
        job = Job(
            config=EmbeddingConfig(**content["recipe"]),
            input=CorpusInput(**source),
            **{name: content[name] for name in ("format", "text", "shard_size", "limit")},
        )
        planned, done = [], {}
        for shard in content["shards"]:
            values = {name: shard[name] for name in PlannedShard._fields}
            planned.append(PlannedShard(**values | {"place": Place(**shard["place"])}))
            files = tuple(ShardFile(**file) for file in shard.get("files", ()))
            if any(Path(file.name).name != file.name for file in files):
                raise ValueError(f"a file outside the folder, {files[0].name!r}")
            if files and is_whole(folder, files):
                done[shard["index"]] = ShardRecord(files, shard["cut_texts"], shard["cut_tokens"])
        return cls(job, content["width"], tuple(planned), done)
