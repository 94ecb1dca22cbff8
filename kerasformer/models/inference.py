"""Batches of inference, side by side where that is quicker."""

import collections
import concurrent.futures
import contextlib
import contextvars
import functools
import itertools

import keras

from kerasformer.hardware import cores, has_gpu
from kerasformer.models.forward import fetched

_MOST_AT_ONCE = 4  # each batch in work has its own memory


def batches_at_once():
    """How many batches are best computed side by side.

    On TensorFlow's processors the operations between the matrix products hardly use a second core:
    on 2 cores 2 batches take much less than twice the time of one.
    """
    if keras.backend.backend() != "tensorflow" or has_gpu():
        return 1
    return min(cores(), _MOST_AT_ONCE)


def in_order(run, batches, at_once):
    """Computes batches side by side, in threads; or one after another, where a device does it.

    The device has the next batch already when the results of the one before are waited for.

    Args:
        run: A function of a batch, called in several threads, in the caller's context; what it
            gives may still be computed, as that of `kerasformer.models.forward.begin`.
        batches: An iterable of pairs `(key, batch)`, taken as work goes on.
        at_once: How many batches are in work in threads.

    Yields:
        Pairs `(key, output)`, in the order of the batches, tensors as arrays.

    Example:

    >>> list(in_order(str.upper, [(1, "a"), (2, "b"), (3, "c")], at_once=2))
    [(1, 'A'), (2, 'B'), (3, 'C')]
    """
    batches = iter(batches)
    head = list(itertools.islice(batches, 2))
    batches = itertools.chain(head, batches)
    if at_once == 1 or len(head) < 2:  # a thread takes as long to start as a short text
        yield from _one_behind(run, batches)
        return
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(at_once) as threads:
        for key, batch in batches:
            # One more than are in work, for a thread that is done.
            if len(waiting) > at_once:
                first, output = waiting.popleft()
                yield first, output.result()
            context = contextvars.copy_context()
            waiting.append((key, threads.submit(context.run, _fetch, run, batch)))
        for first, output in waiting:
            yield first, output.result()


def _fetch(run, batch):
    return fetched(run(batch))


def _one_behind(run, batches):
    """Fetches the results of a batch when the next one has begun."""
    begun = []
    for key, batch in batches:
        begun.append((key, run(batch)))
        if len(begun) == 2:
            first, output = begun.pop(0)
            yield first, fetched(output)
    for last, output in begun:
        yield last, fetched(output)


def one_ahead(run, items):
    """Calls a function of items, of each in a thread while the caller is at work on the one before.

    An error of the items is raised behind the results of those before it.

    Args:
        run: The function.
        items: The items, read in the caller's thread, one more than the caller has got.

    Yields:
        What the function gave, in the order of the items.

    Example:

    >>> list(one_ahead(str.upper, ["a", "b", "c"]))
    ['A', 'B', 'C']
    """
    before = None
    with contextlib.ExitStack() as stack:
        threads = None
        for item, error in _with_error(items):
            if before is None and error is None:  # nothing to do beside it
                before = functools.partial(run, item)
                continue
            if error is None:
                threads = threads or stack.enter_context(concurrent.futures.ThreadPoolExecutor(1))
                begun = threads.submit(run, item).result
            if before is not None:
                yield before()
            if error is not None:
                raise error
            before = begun
        if before is not None:
            yield before()


def _with_error(items):
    """Pairs of an item and None, and in the end of None and the error of reading them, if any."""
    try:
        for item in items:
            yield item, None
    except Exception as error:
        yield None, error
