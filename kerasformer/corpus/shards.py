"""The files of one shard: Parquet, or a `.npy` of vectors with a `.jsonl` of ids and texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasformer.errors import UserError, require
from kerasformer.files import open_whole, sha256_of, writing

FORMATS = ("parquet", "npy")


class ShardFile(NamedTuple):
    """A file of a shard, in the corpus' folder."""

    name: str
    bytes: int
    sha256: str


class Shard(NamedTuple):
    """An id for each row, the texts (None where not kept), and the vectors `[rows, width]`."""

    ids: list[int] | list[str]
    texts: list[str] | None
    vectors: np.ndarray


def write_files(folder: Path, index: int, shard: Shard, format: str) -> tuple[ShardFile, ...]:
    """Writes the files of a shard atomically: the same shard gives the same bytes, and sha256."""
    stem = folder / f"part-{index:05d}"
    with writing(stem, "free some space, then continue with --resume"):
        if format == "parquet":
            paths = [_write_parquet(stem.with_suffix(".parquet"), shard)]
        else:
            paths = _write_npy(stem.with_suffix(".npy"), shard)
        return tuple(ShardFile(p.name, p.stat().st_size, sha256_of(p)) for p in paths)


def read_files(folder: Path, files: Sequence[ShardFile]) -> Shard:
    """Reads what `write_files` wrote; the vectors of a `.npy` file are memory-mapped."""
    paths = [folder / file.name for file in files]
    try:
        if paths[0].suffix == ".parquet":
            table = require("pyarrow.parquet", extra="parquet").read_table(paths[0])
            column = table["vector"].combine_chunks()
            numbers = column.flatten().to_numpy(zero_copy_only=False)
            texts = table["text"].to_pylist() if "text" in table.column_names else None
            vectors = numbers.reshape(-1, column.type.list_size)
            return Shard(table["id"].to_pylist(), texts, vectors)
        vectors = np.load(paths[0], mmap_mode="r", allow_pickle=False)
        with open(paths[1], encoding="utf-8", newline="\n") as stream:
            rows = [json.loads(line) for line in stream]
        texts = [row["text"] for row in rows] if rows and "text" in rows[0] else None
        return Shard([row["id"] for row in rows], texts, vectors)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, EOFError) as error:  # Arrow's errors are among them
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise UserError(
            f"{paths[0]} is damaged ({reason}): delete it, and make it again with --resume."
        ) from None


def is_whole(folder: Path, files: Sequence[ShardFile]) -> bool:
    """Whether all files of a shard are there with their sizes."""
    paths = [(folder / file.name, file.bytes) for file in files]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _write_parquet(path, shard):
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    columns = {"id": arrow.array(shard.ids)}
    if shard.texts is not None:
        columns["text"] = arrow.array(shard.texts, arrow.string())
    values = arrow.array(np.ascontiguousarray(shard.vectors).reshape(-1))
    columns["vector"] = arrow.FixedSizeListArray.from_arrays(values, shard.vectors.shape[1])
    # Numbers that look random are not worth compressing; texts are.
    compression = dict.fromkeys(columns, "zstd") | {"vector.list.element": "none"}
    with open_whole(path) as stream:
        table = arrow.table(columns)
        parquet.write_table(table, stream, use_dictionary=False, compression=compression)
    return path


def _write_npy(path, shard):
    with open_whole(path) as stream:
        np.save(stream, np.ascontiguousarray(shard.vectors), allow_pickle=False)
    texts = [{}] * len(shard.ids) if shard.texts is None else [{"text": t} for t in shard.texts]
    with open_whole(path.with_suffix(".jsonl")) as stream:
        for id, text in zip(shard.ids, texts, strict=True):
            stream.write(json.dumps({"id": id, **text}, ensure_ascii=False).encode() + b"\n")
    return [path, path.with_suffix(".jsonl")]
