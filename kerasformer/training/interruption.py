"""Ctrl-C in training: it ends where there is something to go on from."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interruption:
    """Whether Ctrl-C was pressed."""

    def __init__(self):
        self.requested = False


@contextlib.contextmanager
def postponed_interruption() -> Iterator[Interruption]:
    """Notes the first Ctrl-C, instead of ending whatever runs; the second one is as ever.

    Elsewhere than in the main thread, or where a program has its own way with Ctrl-C, nothing is
    changed.

    >>> with postponed_interruption() as interruption:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interruption.requested
    True
    """
    interruption = Interruption()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interruption
        return

    def note(number, frame):
        interruption.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
