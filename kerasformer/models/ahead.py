"""Programs that JAX compiles before the first of them is needed, side by side."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import keras

from kerasformer.hardware import cores
from kerasformer.progress import Bars

Show: TypeAlias = Callable[[int, int], object]  # of the programs that are compiled, and of all


def compile_all(jobs: Sequence[tuple[Any, tuple]], show: Show | None = None) -> None:
    """Compiles functions, for seconds each; JAX has them ready as long as these live.

    With one core, or for a single one, nothing is gained: then each is compiled when it is called.

    Args:
        jobs: What `jax.jit` gave, and its arguments, or what describes the arrays in them.
        show: What is told how many are done, and of how many.

    >>> compile_all([])
    """
    if len(jobs) < 2 or cores() == 1:
        return
    with _threads() as threads:
        compiling = [
            threads.submit(jitted.lower(*keras.tree.map_structure(_described, given)).compile)
            for jitted, given in jobs
        ]
        for number, done in enumerate(concurrent.futures.as_completed(compiling)):
            if show:
                show(number, len(jobs))
            done.result()
        if show:
            show(len(jobs), len(jobs))


@contextlib.contextmanager
def compiling_shown(verbose: Any) -> Iterator[Show | None]:
    """A bar, if it is wanted, from the time when there is something to compile.

    Args:
        verbose: Whether to show it; 0 for no.

    >>> with compiling_shown(verbose=0) as show:
    ...     compile_all([], show)
    """
    if not verbose:
        yield None
        return
    with Bars() as bars:

        def show(done, total):
            if not done:
                bars.add("compiling", total=total)
            bars.update(description=compiling(done, total), completed=done)

        yield show


def compiling(done: int, total: int) -> str:
    """What is shown of programs.

    >>> compiling(3, 8)
    'compiling 3 of 8 shapes'
    """
    return f"compiling {done} of {total} shapes"


def _described(array: Any) -> Any:
    import jax

    return jax.ShapeDtypeStruct(array.shape, keras.backend.standardize_dtype(array.dtype))


@contextlib.contextmanager
def _threads() -> Iterator[concurrent.futures.Executor]:
    """Threads, of which an interruption does not wait for what they have not begun."""
    threads = concurrent.futures.ThreadPoolExecutor()
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
