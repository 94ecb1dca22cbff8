"""Reads thousands of damaged copies of a model: each must be read or refused, and nothing else.

    python tests/checkpoints/fuzz.py COUNT SEED MODEL...

Run in a process of its own, so that a crash of a library, a hang or an explosion of memory is seen
as what it is. A line for each model tells how many copies were read and how many refused; the exit
status is 1 where a reader raised anything but a UserError, or ran, wrote or connected to anything.
"""

import collections
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from kerasformer.checkpoints import formats
from kerasformer.errors import UserError

SECONDS, MEMORY = 20, 2 << 30  # for one copy; of address space beyond what is taken at the start
NUMBERS = (0, -1, 1, 2, 7, 255, 2**31, 2**63, 10**18, 10**400, 0.5, -1e308)
VALUES = (*NUMBERS, None, True, "", "x" * 5000, "../../etc/passwd", "/etc/passwd", [], {}, [[]])
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
FORBIDDEN += ("socket.connect", "pickle.find_class", "ctypes.dlopen", "exec")


def read_whole(path):
    """All that a reader does with a source, short of making Keras layers of it."""
    files = list(path.iterdir())
    is_file = len(files) == 1 and files[0].suffix == ".keras"
    checkpoint = formats.open_checkpoint(files[0] if is_file else path)
    checkpoint.report()
    weights = list(checkpoint.table.encoder_weights(checkpoint.config))
    for head in checkpoint.heads:
        weights += checkpoint.table.head_weights(head, checkpoint.config)
    for weight in weights:
        name = checkpoint.names.get(weight.theirs)
        if name is not None and checkpoint.tensors.shape(name) == weight.shape:
            checkpoint.read(weight)
    if not is_file:  # which has none
        checkpoint.read_tokenizer()


def damage(content, rng):
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


def damage_index(path, rng):
    """The index of a TensorFlow checkpoint, wrong behind checksums that are right."""
    import tf_files

    from kerasformer.checkpoints.io.tf_index import read_index

    entries = read_index(path)
    if rng.random() < 0.5:
        key = rng.choice(list(entries))
        entries[key] = damage(entries[key], rng)
        return tf_files.index(entries)
    block = tf_files.block([(0, key, value) for key, value in entries.items()])
    return tf_files.table([(b"\xff", damage(block, rng))])


def damage_file(path, rng):
    """The changed content of a file, changed by what it means where that is known."""
    content = path.read_bytes()
    if rng.random() < 0.5:
        if path.suffix == ".json":
            return json.dumps(damage_json(json.loads(content), rng)).encode()
        if path.suffix == ".safetensors":
            length = int.from_bytes(content[:8], "little")
            header = damage_json(json.loads(content[8 : 8 + length]), rng)
            header = json.dumps(header).encode()
            return len(header).to_bytes(8, "little") + header + content[8 + length :]
        if path.suffix == ".index":
            return damage_index(path, rng)
        if path.suffix == ".txt":
            lines = content.split(b"\n")
            lines[rng.randrange(len(lines))] = rng.choice(lines)
            return b"\n".join(lines)
    return damage(content, rng)


def copies(model, folder, rng):
    """Endless copies of a model with one file changed or gone, and what was done to it."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(model, folder, copy_function=os.link)
        victim = rng.choice(files)
        copy = folder / victim.relative_to(model)
        copy.unlink()
        if rng.random() < 0.98:
            copy.write_bytes(damage_file(victim, rng))
        yield victim.relative_to(model)


def watch(event, arguments):
    writes = event == "open" and arguments[1] is not None and set(arguments[1]) & set("wxa+")
    if WATCHING and (event in FORBIDDEN or writes):
        os.write(2, f"forbidden: {event} {arguments!r:.300}\n".encode())
        os._exit(1)


WATCHING = []


def main(count, seed, *models):
    for model in models:
        read_whole(model)  # imports all that is imported late, and so do the other formats
    for name in formats._FORMATS:
        importlib.import_module(f"kerasformer.checkpoints.formats.{name}")
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    sys.addaudithook(watch)
    for model in models:
        outcomes = read_damaged(model, count, random.Random(seed))
        if outcomes is None:
            return 1
        print(json.dumps(outcomes))
    return 0


def read_damaged(model, count, rng):
    """How many damaged copies of a model were read and refused; None where a reader failed."""
    outcomes = collections.Counter()
    if (model / "saved_model.pb").exists():
        count //= 5  # a SavedModel's graph takes long to parse
    with tempfile.TemporaryDirectory(dir=model.parent) as scratch:
        damaged = copies(model, Path(scratch, "model"), rng)
        for number in range(count):
            victim = next(damaged)
            os.write(2, f"\r{number} {victim} ".encode())  # the last one is seen after a crash
            signal.alarm(SECONDS)
            try:
                WATCHING.append(True)
                read_whole(Path(scratch, "model"))
                outcomes["read"] += 1
            except UserError as error:
                outcomes["refused at length" if "\n" in str(error) else "refused"] += 1
            except Exception:
                WATCHING.clear()
                print(f"number {number}, {victim}:\n{traceback.format_exc()}")
                return None
            finally:
                WATCHING.clear()
                signal.alarm(0)
    return outcomes


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:])))
