"""Reads thousands of damaged copies of what the package reads: each is read, or refused.

    python tests/fuzz/run.py COUNT SEED NAME...

The names are those of `SUBJECTS` in subjects.py. Run in a process of its own, so that a crash of a
library, a hang or an explosion of memory is seen as what it is. A line for each name tells how many
copies were read and how many refused; the exit status is 1 where a reader raised anything but a
UserError, or ran, wrote or connected to anything.
"""

import collections
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from damage import damaged_copies
from subjects import SUBJECTS

from kerasformer.checkpoints import formats
from kerasformer.errors import UserError

SECONDS, MEMORY = 20, 1 << 30  # for one copy; of address space beyond what is taken at the start
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
FORBIDDEN += ("socket.connect", "pickle.find_class", "ctypes.dlopen", "exec")

WATCHING = []


def watch(event, arguments):
    writes = event == "open" and arguments[1] is not None and set(arguments[1]) & set("wxa+")
    if WATCHING and (event in FORBIDDEN or writes):
        os.write(2, f"forbidden: {event} {arguments!r:.300}\n".encode())
        os._exit(1)


def main(count, seed, *names):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for name in names:
            SUBJECTS[name].write(scratch / name)
            SUBJECTS[name].read(scratch / name)  # imports what is imported late
        "".encode("unicode_escape")  # as error messages do
        for module in pkgutil.walk_packages(formats.__path__, formats.__name__ + "."):
            importlib.import_module(module.name)
        gc.freeze()  # Keras collects garbage at every `clear_session`, among all that was imported
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        sys.addaudithook(watch)
        failures = 0
        for name in names:
            subject = SUBJECTS[name]
            outcomes = read_damaged(subject, scratch / name, count // subject.cost, seed)
            failures += outcomes["failed"]
            print(json.dumps(outcomes))
    return failures > 0


def read_damaged(subject, folder, count, seed):
    """How many damaged copies of a folder were read, refused, and refused at length; failures."""
    outcomes, rng = collections.Counter(failed=0), random.Random(seed)
    copy = folder.with_name("copy") / folder.name
    copy.parent.mkdir(exist_ok=True)
    damaged = damaged_copies(folder, copy, rng)
    for number in range(count):
        victim = next(damaged)
        os.write(2, f"\r{folder.name} {number} {victim} ".encode())  # seen after a crash
        signal.alarm(SECONDS)
        try:
            WATCHING.extend([True] * subject.is_data)
            with contextlib.redirect_stderr(None):
                subject.read(copy)
            outcomes["read"] += 1
        except UserError as error:
            outcomes["refused at length" if "\n" in str(error) else "refused"] += 1
        except BaseException:  # Rust's panics are no Exception
            WATCHING.clear()
            outcomes["failed"] += 1
            print(f"{folder.name} {number}, {victim}:\n{traceback.format_exc()}")
        finally:
            WATCHING.clear()
            signal.alarm(0)
    return outcomes


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
