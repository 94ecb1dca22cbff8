"""What a person sees on stderr while files are fetched."""

import sys
import time


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


class FetchProgress:
    """A bar for each download where stderr is a terminal, else a line at the start and the end.

    A context manager. The line at the end is printed only where the fetching succeeded.

    Args:
        title: What is being fetched.
        size: Its bytes, where known.
    """

    def __init__(self, title: str, size: int | None = None):
        self._title = title if size is None else f"{title} ({_megabytes(size)})"
        self._bars = None
        self._bar = None

    def __enter__(self):
        self._start = time.monotonic()
        self.say(f"Fetching {self._title} ...")
        if sys.stderr.isatty():
            self._bars = _terminal_bars()
            self._bars.start()
        return self

    def __exit__(self, kind, error, trace):
        if self._bars is not None:
            self._bars.stop()
        if kind is None:
            self.say(f"Fetched {self._title} in {time.monotonic() - self._start:.1f} s.")

    def say(self, line: str):
        """Prints a line, above the bars where there are any."""
        if self._bars is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bars.console.print(line, markup=False, highlight=False)

    def start(self, name: str, size: int | None):
        """Begins the bar of one download of `size` bytes, or of an unknown size."""
        if self._bars is not None:
            self._bar = self._bars.add_task(name, total=size)

    def move_to(self, count: int, size: int | None = None):
        """Sets the bytes of the present download, and how many it has where that is known now."""
        if self._bars is not None:
            self._bars.update(self._bar, completed=count, total=size)


def _terminal_bars():
    # Imported here: `import kerasformer.checkpoints` and a cached model need no rich.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
