"""What a person sees on stderr while files are fetched."""

import time

from kerasformer.progress import Bars


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
        self._bars = Bars(_columns)
        self.say = self._bars.say

    def __enter__(self):
        self._start = time.monotonic()
        self.say(f"Fetching {self._title} ...")
        self._bars.__enter__()
        return self

    def __exit__(self, kind, error, trace):
        self._bars.__exit__()
        if kind is None:
            self.say(f"Fetched {self._title} in {time.monotonic() - self._start:.1f} s.")

    def start(self, name: str, size: int | None):
        """Begins the bar of one download of `size` bytes, or of an unknown size."""
        self._bars.add(name, total=size)

    def move_to(self, count: int, size: int | None = None):
        """Sets the bytes of the present download, and how many it has where that is known now."""
        self._bars.update(completed=count, total=size)


def _columns(rich):
    return (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
    )
