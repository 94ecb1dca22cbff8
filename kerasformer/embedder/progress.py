"""A progress bar for many texts."""

import contextlib
import sys

_MANY = 500  # texts, of which a bar is shown on a terminal


@contextlib.contextmanager
def progress(total, verbose):
    """Shows how many texts are done, how many a second, and the time left, on stderr.

    Args:
        total: The number of texts; None where nobody knows.
        verbose: Whether to show it; `"auto"` for many texts on a terminal. Or a function that is
            called in its place.

    Yields:
        A function to call with the number of texts that have been done since the last call.
    """
    if callable(verbose):
        yield verbose
        return
    if verbose == "auto":
        verbose = sys.stderr.isatty() and (total is None or total >= _MANY)
    if not verbose:
        yield lambda count: None
        return
    with _bar() as bar:
        task = bar.add_task("texts", total=total, rate="")

        def advance(count):
            bar.advance(task, count)
            done, seconds = bar.tasks[task].completed, bar.tasks[task].elapsed
            bar.update(task, rate=f"{done / max(seconds, 1e-3):,.0f} texts/s")

        yield advance


def _bar():
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
