"""Child processes that end with their parent, whatever ended it: SIGKILL too.

The parent alone holds one end of a pipe, which the system closes when the parent ends.
"""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

LAST_WORDS = 5.0  # seconds to remove what is unfinished


def end_with_parent() -> None:
    """Has this process, one of `multiprocessing`, be ended at once when its parent ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # By the system, where it can: a thread may wait for the interpreter, which an import of
    # TensorFlow does not release for seconds.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(parent.sentinel, fcntl.F_GETFL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)  # SIGIO, which ends it
    _watch(parent.join, last_words=0)


@contextlib.contextmanager
def deaf_to_interruption() -> Iterator[None]:
    """Has the processes that are started in it hear no Ctrl-C; this one hears it at the end.

    >>> with deaf_to_interruption():
    ...     process = multiprocessing.get_context("spawn").Process(target=print)
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_stdin() -> None:
    """Has this process end soon after its stdin, a pipe that its parent holds; nothing is read.

    The handler of SIGTERM, if there is one, may remove what is unfinished.
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait():
        while os.read(pipe, 1):
            pass

    _watch(wait, LAST_WORDS)


def _watch(wait: Callable[[], object], last_words: float) -> None:
    def watch():
        wait()
        if last_words:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(last_words)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":  # python child_process.py MODULE ARGUMENT...: another package's module
    end_with_stdin()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
