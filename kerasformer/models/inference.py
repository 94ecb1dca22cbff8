"""Batches of inference, side by side where that is quicker."""

import collections
import concurrent.futures
import contextvars
import itertools

import keras

from kerasformer.hardware import cores, has_gpu

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
    """Computes batches side by side, in threads.

    Args:
        run: A function of a batch, called in several threads, in the caller's context.
        batches: An iterable of pairs `(key, batch)`, taken as work goes on.
        at_once: How many batches are in work.

    Yields:
        Pairs `(key, output)`, in the order of the batches.

    Example:

    >>> list(in_order(str.upper, [(1, "a"), (2, "b"), (3, "c")], at_once=2))
    [(1, 'A'), (2, 'B'), (3, 'C')]
    """
    batches = iter(batches)
    head = list(itertools.islice(batches, 2))
    batches = itertools.chain(head, batches)
    if at_once == 1 or len(head) < 2:  # a thread takes as long to start as a short text
        yield from ((key, run(batch)) for key, batch in batches)
        return
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(at_once) as threads:
        for key, batch in batches:
            # One more than are in work, for a thread that is done.
            if len(waiting) > at_once:
                first, output = waiting.popleft()
                yield first, output.result()
            context = contextvars.copy_context()
            waiting.append((key, threads.submit(context.run, run, batch)))
        for first, output in waiting:
            yield first, output.result()
