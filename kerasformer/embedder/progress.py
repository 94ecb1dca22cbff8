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
    done, started = 0, time.monotonic()
    with Bars(unit="texts") as bars:
        bars.add("embedding", total=total)

        def advance(count):
            nonlocal done
            done += count
            bars.update(advance=count)

        yield advance
        if not bars.shown:
            rate = done / max(time.monotonic() - started, 1e-3)
            bars.say(f"embedding: {done}/{total or done} texts, {rate:,.0f} texts/s")
