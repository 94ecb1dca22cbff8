"""What a person sees on stderr while a command is at work."""

import contextlib
import datetime
import os
import sys
import time

_SECONDS = 30  # between two lines, where there are no bars


class Bars:
    """Bars where stderr is a terminal, elsewhere a line every half minute; a context manager.

    The rate and the time left are those since the bar was added or restarted.

    Args:
        columns: The columns of a bar, made from the module `rich.progress`; by default the
            description, the bar, what is done, the rate, the time left and the time taken.
        unit: What is counted, such as `"texts"`; `"MB"` for bytes; `"%"` for the share alone.

    Attributes:
        shown: Whether there are bars.

    Example:

    >>> with Bars(unit="texts") as bars:
    ...     bars.add("embedding", total=10)
    ...     bars.update(advance=5)
    """

    def __init__(self, columns=None, unit: str = "%"):
        self.shown = sys.stderr.isatty()
        self._unit, self._says_lines = unit, columns is None
        if self.shown:
            from rich import progress
            from rich.console import Console

            columns = (columns or _columns)(progress)
            self._progress = progress.Progress(*columns, console=Console(stderr=True))

    def __enter__(self):
        if self.shown:
            self._progress.start()
        return self

    def __exit__(self, *_):
        if self.shown:
            self._progress.stop()

    def say(self, line: str):
        """Prints a line."""
        if self.shown:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def add(self, description: str, total: float | None = None, completed: float = 0, **fields):
        """Adds a bar, to which further updates apply; without a total it only shows life."""
        self._bar = {"description": description, "total": total, "completed": completed}
        self._first, self._started = completed, time.monotonic()
        self._said = self._started
        if self.shown:
            self._task = self._progress.add_task(**self._bar, **{"status": ""} | fields)

    def restart(self, description: str, total: float | None = None, **values):
        """Puts a new bar, with a clock and a rate of its own, in the place of the present one."""
        if self.shown:
            self._progress.remove_task(self._task)
        self.add(description, total, **values)

    def update(self, advance: float = 0, **values):
        """Changes the bar: `completed`, `total` and `description`; None leaves one as it is."""
        self._bar |= {name: value for name, value in values.items() if value is not None}
        self._bar["completed"] += advance
        if self.shown:
            self._progress.update(self._task, **{"status": self._status()} | self._bar)
        elif self._says_lines and time.monotonic() - self._said >= _SECONDS:
            self._said = time.monotonic()
            self.say(f"{self._bar['description']}: {self._status()}")

    def _status(self):
        done, total, unit = self._bar["completed"], self._bar["total"], self._unit
        rate = (done - self._first) / max(time.monotonic() - self._started, 1e-9)
        if unit == "%":
            parts = [] if total is None else [f"{done / total:.0%}"]
        else:
            scale, digits = (1e6, 1) if unit == "MB" else (1, 0)
            of = "" if total is None else f" of {total / scale:,.{digits}f}"
            parts = [
                f"{done / scale:,.{digits}f}{of} {unit}",
                f"{rate / scale:,.{digits}f} {unit}/s",
            ]
        if total is not None and rate > 0:
            parts.append(f"{datetime.timedelta(seconds=round((total - done) / rate))} left")
        return ", ".join(parts)


def _columns(rich):
    return (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.TextColumn("{task.fields[status]}", markup=False),
        rich.TimeElapsedColumn(),
    )


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
