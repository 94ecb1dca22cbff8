"""What a person sees on stderr while a command is at work."""

import contextlib
import os
import sys


class Bars:
    """Bars where stderr is a terminal; and lines, above them, or alone where it is none.

    A context manager.

    Args:
        columns: A function of the module `rich.progress` to the columns of a bar; rich is imported
            only where there is a terminal.

    Attributes:
        shown: Whether there are bars.

    Example:

    >>> with Bars(lambda rich: [rich.TextColumn("{task.description}"), rich.BarColumn()]) as bars:
    ...     bars.add("texts", total=10)
    ...     bars.update(completed=5)
    """

    def __init__(self, columns):
        self.shown = sys.stderr.isatty()
        if self.shown:
            from rich import progress
            from rich.console import Console

            self._progress = progress.Progress(*columns(progress), console=Console(stderr=True))

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

    def add(self, description: str, total: float | None, **fields):
        """Adds a bar, which the following updates are of; without a total it only shows life."""
        if self.shown:
            self._task = self._progress.add_task(description, total=total, **fields)

    def update(self, **values):
        """Sets what the bar says: `completed`, `total`, `description`, `advance` or a field."""
        if self.shown:
            self._progress.update(self._task, **values)

    def restart(self, **values):
        """Sets the bar, its clock and its rate back to the start."""
        if self.shown:
            self._progress.reset(self._task)
            self._progress.update(self._task, **values)


@contextlib.contextmanager
def stderr_to_nowhere():
    """Sends what C++ code writes to the standard error nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
