"""The progress bar of many texts."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from kerasformer.progress import Bars

_MANY = 500  # texts; fewer have no bar by default


@contextlib.contextmanager
def progress(
    total: int | None, show: bool | Callable[[int], object] | None
) -> Iterator[Callable[[int], object]]:
    """Shows on stderr how many texts are done, their rate and the time left.

    Args:
        total: The number of texts; None where it is unknown.
        show: As in `TextEmbedder.encode`.

    Yields:
        A function to call with the number of texts done since its last call.
    """
    if callable(show):
        yield show
        return
    if show is None:
        show = sys.stderr.isatty() and (total is None or total >= _MANY)
    if not show:
        yield lambda count: None
        return
    done, rate, started = 0, "", time.monotonic()
    with Bars(_columns) as bars:
        bars.add("texts", total=total, rate=rate)

        def advance(count):
            nonlocal done, rate
            done += count
            rate = f"{done / max(time.monotonic() - started, 1e-3):,.0f} texts/s"
            bars.update(advance=count, rate=rate)

        yield advance
        if not bars.shown:
            bars.say(f"texts {done}/{total or done} {rate}")


def _columns(rich):
    return (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
    )
