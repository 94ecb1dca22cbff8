"""What a person sees of long work: how much is done, how fast, and the time left."""

import contextlib
import time

from kerasformer.progress import Bars

_SECONDS = 30  # between two lines, where there is no terminal


@contextlib.contextmanager
def step(title: str):
    """Shows that something of unknown length is going on, such as "Loading the model"."""
    with Bars(lambda rich: (rich.SpinnerColumn(), rich.TextColumn(title, markup=False))) as bars:
        bars.add(title, total=None)
        if not bars.shown:
            bars.say(f"{title} ...")
        yield


class WorkProgress:
    """A bar where stderr is a terminal, else a line now and then. A context manager.

    The rate and the time left count from the first report on, as what comes before it (reading,
    tokenizing, compiling) is done once; until then the bar only shows life.

    Args:
        title: What is being done.
        total: How much there is of it, or None where that is unknown.
        done: How much of it was done before.
        unit: What is counted.
    """

    def __init__(self, title: str, total: int | None, done: int = 0, unit: str = "texts"):
        self._title, self._total, self._unit = title, total, unit
        self._first = done
        self._done: float = done
        self._steady_from: float = done
        self._bars = Bars(_columns)
        self._bars.add(title, total=None, completed=done, unit=unit, rate="", left="")

    def __enter__(self):
        self._start = self._said = self._steady_start = time.monotonic()
        self._bars.__enter__()
        return self

    def __exit__(self, *_):
        self._bars.__exit__()

    def advance(self, count: int):
        """Adds what is done."""
        self.move_to(self._done + count)

    def move_to(self, done: float):
        """Sets how much is done, what was done before included."""
        now = time.monotonic()
        begins, self._done = self._done == self._first, done
        rate = (done - self._steady_from) / max(now - self._steady_start, 1e-9)
        speed = f"{_number(rate)} {self._unit}/s"
        left = _left((self._total - done) / max(rate, 1e-9)) if self._total and rate else ""
        self._bars.update(completed=done, total=self._total, rate=speed, left=left)
        if not self._bars.shown and now - self._said >= _SECONDS:
            self._said = now
            of = "" if self._total is None else f" of {self._total:,}"
            told = [f"{done:,.0f}{of} {self._unit}", speed, *([left] if left else [])]
            self._bars.say(f"{self._title}: {', '.join(told)}")
        if begins:
            self._steady_start, self._steady_from = now, done

    def finish(self):
        """Says how fast it was."""
        count, seconds = self._done - self._first, time.monotonic() - self._start
        self._bars.say(
            f"{self._title}: {count:,.0f} {self._unit} in {seconds:.1f} s, "
            f"{_number(count / max(seconds, 1e-9))} {self._unit}/s."
        )


def _number(rate):
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _left(seconds):
    seconds = round(seconds)
    days, hours = divmod(seconds // 3600, 24)
    clock = f"{hours}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{f'{days} d ' if days else ''}{clock} left"


def _columns(rich):
    return (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TextColumn("{task.fields[left]}"),
    )
