"""What a person sees of long work: how much is done, how fast, and the time left."""

import contextlib
import time

from kerasformer.progress import Bars


@contextlib.contextmanager
def step(title: str):
    """Shows that something of unknown length is going on, such as "Loading the model"."""
    with Bars(lambda rich: (rich.SpinnerColumn(), rich.TextColumn(title, markup=False))) as bars:
        bars.add(title)
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
        self._first, self._done = done, float(done)
        self._bars = Bars(unit=unit)
        self._bars.add(title, completed=done)

    def __enter__(self):
        self._start = time.monotonic()
        self._bars.__enter__()
        return self

    def __exit__(self, *_):
        self._bars.__exit__()

    def advance(self, count: float):
        """Adds what is done."""
        self.move_to(self._done + count)

    def move_to(self, done: float):
        """Sets how much is done, what was done before included."""
        if self._done == self._first:
            self._bars.restart(self._title, self._total, completed=done)
        else:
            self._bars.update(completed=done)
        self._done = done

    def finish(self):
        """Says how fast it was."""
        count, seconds = self._done - self._first, time.monotonic() - self._start
        self._bars.say(
            f"{self._title}: {count:,.0f} {self._unit} in {seconds:.1f} s, "
            f"{count / max(seconds, 1e-9):,.0f} {self._unit}/s."
        )
