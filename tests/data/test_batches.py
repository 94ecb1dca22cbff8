"""Length buckets: each text once, hardly any padding, a new order in each epoch."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer import hardware
from kerasformer.data.batches import TextBatches, length_batches
from kerasformer.text import Tokenized

lengths_of_texts = st.lists(st.integers(1, 60), max_size=400)


def encoded_of(lengths):
    return Tokenized([list(range(1, n + 1)) for n in lengths])


@given(lengths_of_texts, st.integers(1, 40), st.none() | st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_every_text_is_in_exactly_one_batch(lengths, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = length_batches(lengths, batch_size, rng)
    assert sorted(np.concatenate([[], *batches])) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)


def test_without_a_seed_the_longest_come_first():
    batches = length_batches([3, 9, 4, 8, 9], batch_size=2)
    assert [b.tolist() for b in batches] == [[1, 4], [3, 2], [0]]


def test_shuffled_batches_hold_texts_of_nearly_one_length():
    rng = np.random.default_rng(0)
    lengths = rng.geometric(1 / 25, size=3200)
    batches = length_batches(lengths, 32, rng)
    padded = sum(lengths[b].max() * len(b) for b in batches)
    assert padded < 1.1 * lengths.sum()
    # ... and a plain shuffle's do not.
    plain = np.split(rng.permutation(3200), 100)
    assert sum(lengths[b].max() * len(b) for b in plain) > 2 * lengths.sum()


def test_each_epoch_has_its_own_order_and_a_seed_repeats_it():
    def epochs(seed):
        batches = TextBatches(encoded_of(range(1, 41)), batch_size=4, seed=seed)
        for _ in range(3):
            yield np.concatenate(batches.batches).tolist()
            batches.on_epoch_end()

    first, second, third = epochs(5)
    assert first != second != third
    assert [first, second, third] == list(epochs(5))
    assert first != next(epochs(6))


def test_epochs_of_fewer_steps_go_on_through_the_passes():
    def batches(**steps):
        return TextBatches(encoded_of(range(1, 13)), batch_size=2, seed=3, **steps)

    def epochs(batches, count):
        for epoch in range(count):
            batches.start_epoch(epoch)
            yield from (batch.tolist() for batch in batches.batches)

    assert list(epochs(batches(steps=4), 3)) == list(epochs(batches(), 2))
    again = batches(steps=4)
    again.start_epoch(2)
    assert [b.tolist() for b in again.batches] == list(epochs(batches(), 2))[8:]


@pytest.mark.parametrize("steps", [None, 4])
def test_an_epoch_begins_at_any_step(steps):
    batches = TextBatches(encoded_of(range(1, 13)), batch_size=2, seed=3, steps=steps)
    batches.start_epoch(1)
    whole = list(batches.batches)
    batches.start_epoch(1, step=3)
    assert len(batches) == len(whole) - 3
    for one, other in zip(batches.batches, whole[3:], strict=True):
        np.testing.assert_array_equal(one, other)
    batches.on_epoch_end()
    assert len(batches) == len(whole)


@pytest.mark.backend("tensorflow")
def test_a_pass_left_behind_changes_no_epoch():
    """`fit` leaves one that it has read ahead, which ends when it will."""
    batches = TextBatches(encoded_of(range(1, 13)), labels=range(12), batch_size=2, seed=3)
    left = iter(batches.for_backend())
    next(left)
    batches.start_epoch(4)
    begun = batches.batches
    with pytest.raises(Exception, match="contained only"):
        list(left)
    assert batches.epoch == 4
    assert batches.batches is begun


def test_a_batch_carries_its_labels_and_weights():
    batches = TextBatches(
        encoded_of([1, 2, 3]), labels=[0, 1, 2], sample_weight=np.array([0.5, 1.0, 2.0]),
        batch_size=2,
    )  # fmt: skip
    inputs, labels, weights = batches[0]
    assert inputs["input_mask"].sum(axis=1).tolist() == [3, 2]
    assert labels.tolist() == [2, 1]
    assert weights.tolist() == [2.0, 1.0]


def test_a_batch_is_filled_up_with_rows_that_are_told(monkeypatch):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    batches = TextBatches(encoded_of([1, 2, 3]), labels=[0, 1, 2], batch_size=2)
    batches.fills = True
    inputs, labels, weights = batches[1]
    assert inputs["input_mask"].sum(axis=1).tolist() == [1, 1]
    assert labels.tolist() == [0, 0]
    assert weights["is_example"].tolist() == [True, False]
    assert list(weights) == ["is_example"]


@pytest.mark.backend("tensorflow")
def test_the_tf_data_set_gives_the_same_batches_and_any_length():
    """Also where the first two batches are equally long, which Keras takes as fixed."""
    lengths = encoded_of([5, 5, 5, 5, 2, 9])
    batches = TextBatches(lengths, labels=range(6), batch_size=2, in_order=True)
    dataset = batches.for_backend()
    assert int(dataset.cardinality()) == 3
    shapes = [tuple(inputs["input_word_ids"].shape) for inputs, _ in dataset]
    assert shapes == [(2, 5), (2, 5), (2, 9)]
    assert [labels.numpy().tolist() for _, labels in dataset] == [[0, 1], [2, 3], [4, 5]]


def test_what_is_trained_on_is_let_go_with_its_data_set():
    """TensorFlow keeps the generator of a `tf.data.Dataset` as long as the process lives."""
    batches = TextBatches(encoded_of([3, 2, 4]), batch_size=2)
    data, alive = batches.for_backend(), weakref.ref(batches)
    del batches
    assert len(list(data)) == 2
    del data
    gc.collect()
    assert alive() is None
