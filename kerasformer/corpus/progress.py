"""What a person sees while a corpus is embedded: rows, rows a second, the time left."""

import time

from kerasformer.progress import Bars

_SECONDS = 30  # between two lines, where there is no terminal


class CorpusProgress:
    """A bar where stderr is a terminal, else a line now and then. A context manager.

    Args:
        title: What is being done.
        total: All rows of the job, or None where nobody knows.
        done: Those that had been made before.
    """

    def __init__(self, title: str, total: int | None, done: int = 0):
        self._title, self._total, self._first, self._done = title, total, done, done
        self._bars = Bars(_columns)
        self._bars.add(title, total=total, completed=done, rate="", left="")

    def __enter__(self):
        self._start = self._said = time.monotonic()
        self._bars.__enter__()
        return self

    def __exit__(self, *_):
        self._bars.__exit__()

    @property
    def rate(self) -> float:
        """Rows a second since the start."""
        return (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)

    def advance(self, count: int):
        """Adds rows that are done."""
        self.move_to(self._done + count)

    def move_to(self, done: int):
        """Sets how many rows are done, those from before included."""
        self._done = done
        rate = f"{self.rate:,.0f} texts/s"
        left = "" if self._total is None else _left((self._total - done) / max(self.rate, 1e-9))
        self._bars.update(completed=done, rate=rate, left=left)
        if not self._bars.shown and time.monotonic() - self._said >= _SECONDS:
            self._said = time.monotonic()
            of = "" if self._total is None else f" of {self._total:,}"
            self._bars.say(f"{self._title}: {done:,}{of} texts, {rate}{left and ', ' + left}")

    def finish(self):
        """Says how fast it was."""
        count, seconds = self._done - self._first, time.monotonic() - self._start
        self._bars.say(
            f"{self._title}: {count:,} texts in {seconds:.1f} s, {self.rate:,.0f} texts/s."
        )


def _left(seconds):
    seconds = round(seconds)
    days, hours = divmod(seconds // 3600, 24)
    clock = f"{hours}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{f'{days} d ' if days else ''}{clock} left"


def _columns(rich):
    return (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.TextColumn("{task.completed:,.0f} texts"),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TextColumn("{task.fields[left]}"),
    )
