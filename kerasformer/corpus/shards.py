"""The files of one shard: Parquet, or a `.npy` of vectors with a `.jsonl` of ids and texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasformer.data.parquet_file import ParquetFile, readable
from kerasformer.data.text_file import TextLines
from kerasformer.errors import UserError, require
from kerasformer.files import map_array, open_whole, parse_json, sha256_of, write_array, writing

FORMATS = ("parquet", "npy")
_SUFFIXES = {"parquet": (".parquet",), "npy": (".npy", ".jsonl")}
_SLACK = 1 << 20  # bytes of Parquet beside the vectors


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


def file_names(index: int, format: str) -> list[str]:
    """The names of the files of a shard.

    >>> file_names(3, "npy")
    ['part-00003.npy', 'part-00003.jsonl']
    """
    return [f"part-{index:05d}{suffix}" for suffix in _SUFFIXES[format]]


def write_files(folder: Path, index: int, shard: Shard, format: str) -> tuple[ShardFile, ...]:
    """Writes the files of a shard atomically: the same shard gives the same bytes, and sha256."""
    paths = [folder / name for name in file_names(index, format)]
    with writing(paths[0], "free some space, then continue with --resume"):
        if format == "parquet":
            _write_parquet(paths[0], shard)
        else:
            _write_npy(paths[0], paths[1], shard)
        return tuple(ShardFile(p.name, p.stat().st_size, sha256_of(p)) for p in paths)


def read_files(
    folder: Path, files: Sequence[ShardFile], rows: int, width: int, dtype: str
) -> Shard:
    """Reads what `write_files` wrote; the vectors of a `.npy` file are memory-mapped.

    A `UserError` where it has other `rows`, or vectors of another `width` or `dtype`, which is
    "binary" or a name of numpy's.
    """
    paths = [folder / file.name for file in files]
    is_parquet = paths[0].suffix == ".parquet"
    if is_parquet:
        require("pyarrow", extra="parquet")
    kind = np.dtype("uint8" if dtype == "binary" else dtype)
    try:
        if is_parquet:
            ids, texts, vectors = _read_parquet(paths[0], rows * width * kind.itemsize)
        else:
            ids, texts, vectors = _read_npy(*paths)
        found = (vectors.dtype, vectors.shape, len(ids))
        if found != (kind, (rows, width), rows):
            raise ValueError(f"it holds {len(ids)} rows, and {found[0]} {list(found[1])}")
        if {type(id) for id in ids} not in ({int}, {str}):
            raise ValueError("its ids are neither numbers nor strings")
        if texts is not None and not all(isinstance(text, str) for text in texts):
            raise ValueError("its texts are no strings")
        return Shard(ids, texts, vectors)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # a UserError is a ValueError
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise UserError(
            f"{paths[0]} is damaged ({reason}): delete it, and make it again with --resume."
        ) from None


def _read_parquet(path, vector_bytes):
    file = ParquetFile(path)
    kept = "text" in file.columns
    rows = [row for _, row in file.rows(["id", "text"] if kept else ["id"])]
    if file.unpacked("vector") > 2 * vector_bytes + _SLACK:
        raise ValueError("its vectors are larger than they were")
    with readable(path):
        table = require("pyarrow.parquet", extra="parquet").read_table(path, columns=["vector"])
        column = table["vector"].combine_chunks()
        numbers = column.flatten().to_numpy(zero_copy_only=False)
        vectors = numbers.reshape(len(rows), -1)
    return [row[0] for row in rows], [row[1] for row in rows] if kept else None, vectors


def _read_npy(path, about):
    lines = TextLines(about)
    rows = [parse_json(line, f"{about}, line {lines.here.number},") for line in lines]
    kept = any("text" in row for row in rows)
    texts = [row["text"] for row in rows] if kept else None
    return [row["id"] for row in rows], texts, map_array(path)


def damage(folder: Path, files: Sequence[ShardFile]) -> str:
    """What is wrong with the files of a shard by their sizes and sha256, in a few words, or ""."""
    for file in files:
        path = folder / file.name
        if not is_whole(folder, [file]):
            return f"{path} is not there, or has not {file.bytes:,} bytes"
        if sha256_of(path) != file.sha256:
            return f"{path} is not what was written: its sha256 differs from the manifest's"
    return ""


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


def _write_npy(path, about, shard):
    write_array(path, np.ascontiguousarray(shard.vectors))
    texts = [{}] * len(shard.ids) if shard.texts is None else [{"text": t} for t in shard.texts]
    with open_whole(about) as stream:
        for id, text in zip(shard.ids, texts, strict=True):
            stream.write(json.dumps({"id": id, **text}, ensure_ascii=False).encode() + b"\n")
