"""What a person sees on stderr while files are fetched."""

import time

from kerasformer.progress import Bars


class FetchProgress(Bars):
    """A bar for each download where stderr is a terminal, else a line at its start and its end."""

    def __init__(self, title: str):
        super().__init__(unit="MB")
        self._named = self._title = title
        self._started = False
        self._start = time.monotonic()

    def __exit__(self, kind=None, *_) -> None:
        super().__exit__()
        if kind is None and self._started:
            self.say(f"Fetched {self._named} in {time.monotonic() - self._start:.1f} s.")

    def start(self, size: int | None) -> None:
        """Begins a download of `size` bytes, or of an unknown size."""
        self._named = f"{self._title} ({size / 1e6:.1f} MB)" if size else self._title
        self._started = True
        self.say(f"Fetching {self._named} ...")
        self.add(self._title, total=size)

    def move_to(self, count: int) -> None:
        """Sets the bytes of the present download that have come."""
        if self._started:
            self.update(completed=count)
