import threading

import pytest

from kerasformer.layers.kernels import Kernels, kernels, use_kernels
from kerasformer.models.inference import in_order


def test_batches_side_by_side_come_in_order_and_are_not_hoarded():
    taken, done = [], threading.Event()

    def batches():
        for index in range(20):
            taken.append(index)
            yield index, index

    def run(index):
        if index == 0:
            assert done.wait(timeout=10)  # the first is the slowest
        else:
            done.set()
        return -index

    found = []
    for key, output in in_order(run, batches(), at_once=3):
        found.append((key, output))
        assert len(taken) <= len(found) + 4
    assert found == [(index, -index) for index in range(20)]


def test_an_error_in_a_batch_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda x: 1 / x, [(i, 3 - i) for i in range(9)], at_once=2))
    assert list(in_order(abs, [], at_once=2)) == []


@pytest.mark.parametrize(("at_once", "count"), [(1, 2), (3, 2), (3, 1)])
def test_batches_run_in_the_callers_context(at_once, count):
    chosen = Kernels()

    def run(batch):
        assert kernels() is chosen
        return threading.current_thread()

    with use_kernels(chosen):
        batches = [(i, i) for i in range(count)]
        threads = {thread for _, thread in in_order(run, batches, at_once=at_once)}
    assert (threads == {threading.current_thread()}) == (at_once == 1 or count == 1)
