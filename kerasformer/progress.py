"""What a person sees on stderr while a command is at work."""

import contextlib
import datetime
import logging
import os
import sys
import time

from kerasformer.formatting import readable

_FORESEEN = 86_400 * 1000  # seconds, a time that nobody waits for
_SECONDS = 30  # between two lines, where there are no bars


class Bars:
    """Bars where stderr is a terminal, elsewhere a line every half minute; a context manager.

    The rate and the time left are those since the bar was added or restarted.

    Args:
        unit: What is counted, such as `"texts"`; `"MB"` for bytes; `"%"` for the share alone.

    Attributes:
        shown: Whether there are bars.

    >>> with Bars(unit="texts") as bars:
    ...     bars.add("embedding", total=10)
    ...     bars.update(advance=5)
    """

    def __init__(self, unit: str = "%"):
        from rich import progress
        from rich.console import Console

        self.shown = sys.stderr.isatty()
        self._unit = unit
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.fields[status]}", markup=False),
            progress.TimeElapsedColumn(),
            console=Console(
                stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False
            ),
            disable=not self.shown,
            get_time=time.monotonic,
        )

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *_):
        self._progress.stop()

    def say(self, line: str):
        """Prints a line."""
        self._progress.console.print(readable(line))

    def add(self, description: str, total: float | None = None, completed: float = 0):
        """Adds a bar, to which further updates apply; without a total it only shows life."""
        self._first, self._said = completed, time.monotonic()
        self._task = self._progress.add_task(readable(description), total=total, status="")
        self._progress.update(self._task, completed=completed)

    def restart(self, description: str, total: float | None = None, completed: float = 0):
        """Puts a new bar, with a clock and a rate of its own, in the place of the present one."""
        self._progress.remove_task(self._task)
        self.add(description, total, completed)

    def update(self, **values):
        """Sets `completed`, `total` or `description`, or adds `advance` to what is completed."""
        self._progress.update(self._task, **values)
        task = self._progress.tasks[-1]
        self._progress.update(self._task, status=self._status(task))
        if not self.shown and time.monotonic() - self._said >= _SECONDS:
            self._said = time.monotonic()
            self.say(f"{task.description}: {self._status(task)}")

    def _status(self, task):
        done, total = task.completed, task.total
        rate = (done - self._first) / max(task.elapsed, 1e-9)
        parts = []
        if self._unit != "%":
            scale, digits = (1e6, 1) if self._unit == "MB" else (1, 0)
            of = f" of {total / scale:,.{digits}f}" if total else ""
            parts.append(f"{done / scale:,.{digits}f}{of} {self._unit}")
            parts.append(f"{rate / scale:,.{digits}f} {self._unit}/s")
        elif total:
            parts.append(f"{done / total:.0%}")
        if total and rate > 0:
            left = (total - done) / rate
            if left < _FORESEEN:
                parts.append(f"{datetime.timedelta(seconds=round(left))} left")
        return ", ".join(parts)


class WorkProgress(Bars):
    """A bar for long work, of which `done` was done before; at the end a line says how fast it was.

    The rate and the time left count from the first report on, as what comes before it (reading,
    tokenizing, compiling) is done once; until then the bar only shows life.
    """

    def __init__(self, title: str, total: int | None, done: int = 0, unit: str = "texts"):
        super().__init__(unit)
        self._title, self._total = title, total
        self._before, self._done = done, float(done)
        self._start = time.monotonic()
        self.add(title, completed=done)

    def advance(self, count: float):
        """Adds what is done."""
        self.move_to(self._done + count)

    def move_to(self, done: float):
        """Sets how much is done, what was done before included."""
        if self._done == self._before:
            self.restart(self._title, self._total, completed=done)
        else:
            self.update(completed=done)
        self._done = done

    def finish(self):
        """Says how fast it was."""
        count, seconds = self._done - self._before, time.monotonic() - self._start
        self.say(
            f"{self._title}: {count:,.0f} {self._unit} in {seconds:.1f} s, "
            f"{count / max(seconds, 1e-9):,.0f} {self._unit}/s."
        )


def say(line: str):
    """Prints a line on stderr, with escapes for what could steer a terminal."""
    print(readable(line), file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(title: str):
    """Shows that something of unknown length is going on, such as "Loading the model"."""
    with Bars() as bars:
        bars.add(title)
        if not bars.shown:
            bars.say(f"{title} ...")
        yield


@contextlib.contextmanager
def errors_only(package):
    """Has a package log nothing less than errors."""
    log = logging.getLogger(package)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def stderr_to_nowhere():
    """Discards what C++ code writes to the standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
