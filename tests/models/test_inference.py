import itertools
import threading

import keras
import numpy as np
import pytest

from kerasformer.layers.kernels import Kernels, kernels, use_kernels
from kerasformer.models import inference
from kerasformer.models.inference import in_order, one_ahead


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


def test_a_device_has_the_next_batch_before_results_are_waited_for(monkeypatch):
    events, fetched = [], inference.fetched

    def run(batch):
        events.append(("begun", batch))
        return keras.ops.convert_to_tensor([batch])

    def fetch(output):
        events.append(("fetched", int(output[0])))
        return fetched(output)

    monkeypatch.setattr(inference, "fetched", fetch)
    results = list(in_order(run, ((str(i), i) for i in range(4)), at_once=1))
    assert [key for key, _ in results] == ["0", "1", "2", "3"]
    assert [int(output[0]) for _, output in results] == [0, 1, 2, 3]
    assert all(isinstance(output, np.ndarray) for _, output in results)
    of = [[("begun", i + 1), ("fetched", i)] for i in range(3)]
    assert events == [("begun", 0), *itertools.chain(*of), ("fetched", 3)]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_ends_a_work_in_between_leaves_no_batch_and_no_thread(error):
    class Output:
        """Of which there are as many as batches on the device."""

        alive = 0

        def __init__(self, batch):
            if batch == 3:
                raise error
            Output.alive += 1

        def __del__(self):
            Output.alive -= 1

    threads, found = threading.active_count(), []
    with pytest.raises(error):
        found += in_order(Output, ((i, i) for i in range(9)), at_once=1)
    assert len(found) == 2
    assert threading.active_count() == threads
    most = [Output.alive for _ in in_order(lambda _: Output(0), enumerate(range(9)), at_once=1)]
    assert max(most) <= len(found) + 3


def test_one_ahead_is_one_ahead_in_another_thread():
    here, taken, threads = threading.current_thread(), [], []

    def items():
        for index in range(6):
            assert threading.current_thread() is here
            taken.append(index)
            yield index

    def run(index):
        threads.append((index, threading.current_thread() is here))
        return -index

    found = []
    for result in one_ahead(run, items()):
        found.append(result)
        assert len(taken) == min(len(found) + 1, 6)
    assert found == [0, -1, -2, -3, -4, -5]
    assert sorted(threads) == [(0, True), *((index, False) for index in range(1, 6))]
    assert list(one_ahead(abs, [-3])) == [3]
    assert list(one_ahead(abs, [])) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_its_errors_come_in_order_and_leave_no_thread(error, place):
    def run(index):
        if index == place:
            raise error
        return index

    def items():
        yield from range(place)
        raise IndexError

    threads, found = threading.active_count(), []
    with pytest.raises(error):
        found += one_ahead(run, range(9))
    assert found == list(range(place))
    with pytest.raises(IndexError):
        found += one_ahead(abs, items())
    assert found == 2 * list(range(place))
    in_caller = map({0: 0}.__getitem__, one_ahead(abs, range(9)))  # an error in place of Ctrl-C
    with pytest.raises(KeyError):
        found += in_caller
    del in_caller
    assert threading.active_count() == threads
