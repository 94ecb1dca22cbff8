"""What a person sees on stderr while files are fetched."""

import time

from kerasformer.progress import Bars


class FetchProgress:
    """A bar for each download where stderr is a terminal, else a line at its start and its end."""

    def __init__(self, title: str):
        self._title = title
        self._size: int | None = None
        self._started = False
        self._bars = Bars(unit="MB")
        self.say = self._bars.say

    def __enter__(self) -> "FetchProgress":
        self._start = time.monotonic()
        self._bars.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._bars.__exit__()
        if kind is None and self._started:
            self.say(f"Fetched {self._named()} in {time.monotonic() - self._start:.1f} s.")

    def start(self, size: int | None) -> None:
        """Begins a download of `size` bytes, or of an unknown size."""
        self._size, self._started = size, True
        self.say(f"Fetching {self._named()} ...")
        self._bars.add(self._title, total=size)

    def move_to(self, count: int) -> None:
        """Sets the bytes of the present download that have come."""
        if self._started:
            self._bars.update(completed=count)

    def _named(self) -> str:
        return f"{self._title} ({self._size / 1e6:.1f} MB)" if self._size else self._title
