"""What is shown while texts are embedded."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kerasformer.models.ahead import Show, compiling
from kerasformer.progress import Bars

_MANY_TEXTS = 500  # fewer have no progress bar by default


class Progress(NamedTuple):
    """What to call: with the texts done since the last call, and with the programs compiled."""

    advance: Callable[[int], object]
    compiling: Show | None = None


@contextlib.contextmanager
def shown(total: int | None, show: bool | Callable[[int], object] | None) -> Iterator[Progress]:
    """Shows how many texts are done.

    Args:
        total: How many there are; None for an unknown number.
        show: The `show_progress_bar` of `TextEmbedder.encode`.
    """
    if callable(show):
        yield Progress(show)
        return
    if show is None:
        show = sys.stderr.isatty() and (total is None or total >= _MANY_TEXTS)
    if not show:
        yield Progress(lambda count: None)
        return
    done, started = 0, time.monotonic()
    with Bars(unit="texts") as bars:
        bars.add("embedding", total=total)

        def advance(count):
            nonlocal done
            done += count
            bars.update(advance=count)

        def compiled(count, of):
            if count < of:
                bars.update(description=compiling(count, of))
            else:
                bars.restart("embedding", total=total, completed=done)

        yield Progress(advance, compiled)
        if not bars.shown:
            rate = done / max(time.monotonic() - started, 1e-3)
            bars.say(f"embedding: {done}/{total or done} texts, {rate:,.0f} texts/s")
