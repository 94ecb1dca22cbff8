"""Damaged copies of a folder: one file changed by its bytes, by what it means, or by its kind."""

import gzip
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "checkpoints"))

NUMBERS = (0, -1, 1, 2, 7, 255, 2**31, 2**63, 10**18, 10**400, 0.5, -1e308)
VALUES = (*NUMBERS, None, True, "", "x" * 5000, "../../etc/passwd", "/etc/passwd", [], {}, [[]])
# Texts that a JSON parser may stumble over: too deep, too long a number, no value, two values.
JSON_TEXTS = (b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b"NaN", b"", b"{}{}", b"\xef\xbb\xbf")


def damage_bytes(content, rng):
    """A file's bytes with some of them changed, left out, doubled or put in."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice((1, 4, 8, 64, 4096)))
        kind = rng.randrange(6)
        if kind == 0 and start < len(content):
            content[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[start:end] = rng.choice((b"\0", b"\xff", b"\x7f")) * (end - start)
        elif kind == 2:
            content[start:end] = rng.randbytes(end - start)
        elif kind == 3:
            del content[start : rng.choice((end, len(content)))]
        elif kind == 4:
            content[start:start] = content[start:end]
        else:
            content[start:start] = rng.randbytes(rng.choice((1, 8, 64)))
    return bytes(content)


def damage_json(value, rng):
    """A JSON value in which one part, anywhere, is another."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice(VALUES)
    if isinstance(value, list):
        value = list(value)
        i = rng.randrange(len(value))
        value[i : i + 1] = rng.choice(([damage_json(value[i], rng)], [], [value[i]] * 2))
        return value
    value, key = dict(value), rng.choice(list(value))
    other = rng.choice(list(value))
    changed = {key: damage_json(value[key], rng), rng.choice((key + "x", other)): value.pop(key)}
    return value | rng.choice(({key: changed[key]}, changed))


def _json(content, rng):
    if rng.random() < 0.1:
        return rng.choice(JSON_TEXTS)
    return json.dumps(damage_json(json.loads(content), rng)).encode()


def _jsonl(content, rng):
    return _line(content, rng, lambda line: _json(line, rng) if line else rng.choice(JSON_TEXTS))


def _text(content, rng):
    lines = content.split(b"\n")
    return _line(content, rng, lambda line: rng.choice((*lines, line * 1000, b'"' + line, b",")))


def _line(content, rng, change):
    lines = content.split(b"\n")
    i = rng.randrange(len(lines))
    lines[i] = change(lines[i])
    return b"\n".join(lines)


def _gzip(content, rng):
    return gzip.compress(damage_bytes(gzip.decompress(content), rng))


def _safetensors(content, rng):
    length = int.from_bytes(content[:8], "little")
    header = _json(content[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _npy(content, rng):
    length = int.from_bytes(content[8:10], "little")
    header = damage_bytes(content[10 : 10 + length], rng)
    return content[:8] + len(header).to_bytes(2, "little") + header + content[10 + length :]


def _parquet(content, rng):
    """Its footer alone: the numbers of rows, the offsets and the types."""
    length = int.from_bytes(content[-8:-4], "little")
    footer = damage_bytes(content[-8 - length : -8], rng)
    return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


_BY_MEANING = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".txt": _text,
    ".conll": _text,
    ".csv": _text,
    ".tsv": _text,
    ".gz": _gzip,
    ".safetensors": _safetensors,
    ".npy": _npy,
    ".parquet": _parquet,
}


def _index(path, rng):
    """The index of a TensorFlow checkpoint, wrong behind checksums that are right."""
    import tf_files

    from kerasformer.checkpoints.io.tf_index import read_index

    entries = read_index(path)
    if rng.random() < 0.5:
        key = rng.choice(list(entries))
        entries[key] = damage_bytes(entries[key], rng)
        return tf_files.index(entries)
    block = tf_files.block([(0, key, value) for key, value in entries.items()])
    return tf_files.table([(b"\xff", damage_bytes(block, rng))])


def damage_file(path, rng):
    """The changed content of a file, changed by what it means where that is known."""
    content = path.read_bytes()
    if rng.random() < 0.5:
        if path.suffix == ".index":
            return _index(path, rng)
        if change := _BY_MEANING.get(path.suffix):
            return change(content, rng)
    return damage_bytes(content, rng)


def _replace(path, rng):
    """Something else under the name of a file, or nothing."""
    kind = rng.randrange(6)
    if kind == 0:
        path.symlink_to("/dev/zero")
    elif kind == 1:
        path.symlink_to(path)
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.mkdir()
    elif kind == 4:
        path.touch()


def damaged_copies(folder, copy, rng):
    """Endless copies of a folder with one file damaged, each followed by the file's name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    while True:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy, copy_function=os.link)
        victim = rng.choice(files).relative_to(folder)
        (copy / victim).unlink()
        if rng.random() < 0.05:
            _replace(copy / victim, rng)
        else:
            (copy / victim).write_bytes(damage_file(folder / victim, rng))
        yield victim
