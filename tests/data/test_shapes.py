"""The shapes of batches: no more than 8 where each is compiled, near the texts' own elsewhere."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasformer import hardware
from kerasformer.data.batches import TextBatches, token_batches
from kerasformer.data.shapes import (
    are_few,
    filled,
    full_rows,
    grid,
    padded_length,
    row_weights,
    rows_within,
)
from kerasformer.text import Tokenized

in_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    assert are_few()


@given(st.lists(st.integers(1, 512), min_size=1), st.integers(0, 300))
def test_padded_lengths_are_few_and_near(lengths, more):
    lengths, most = np.array(lengths), max(lengths) + more
    padded = padded_length(lengths, most)
    assert (lengths <= padded).all()
    assert (padded <= most).all()
    assert (np.diff(padded[np.argsort(lengths)]) >= 0).all()
    assert [int(padded_length(length, most)) for length in lengths] == padded.tolist()
    if not are_few():
        assert (padded < lengths * (1 + 1 / 16)).all()
        assert len(np.unique(padded_length(np.arange(1, 513), 512))) == 32 + 4 * 16


@pytest.mark.parametrize("most", [1, 7, 16, 17, 128, 200, 384, 512, 4096])
def test_a_grid_has_8_lengths_at_most_and_little_padding(most, few):
    lengths = grid(most)
    assert len(lengths) <= 8
    assert lengths[-1] == most
    assert (np.diff(lengths) > 0).all()
    assert (lengths[:-1] % 8 == 0).all()
    texts = np.arange(16, most + 1)
    padded = padded_length(texts, most)
    assert set(padded.tolist()) <= set(lengths.tolist())
    if 16 <= most <= 512:
        assert padded.sum() < 1.3 * texts.sum()


@given(st.integers(1, 300), st.integers(1, 300))
@in_fixture
def test_a_batch_is_filled_up_whole_where_shapes_are_few(few, count, full):
    batch = np.arange(7, 7 + count)
    found = filled(batch, full)
    assert len(found) == max(count, full)
    assert found[:count].tolist() == batch.tolist()
    assert set(found) == set(batch)


def test_small_works_have_small_batches_of_few_sizes(few):
    counts = range(1, 1001)
    sizes = [full_rows(64, count) for count in counts]
    assert set(sizes) == {1, 4, 16, 64}
    assert all(
        count <= size < 4 * count for count, size in zip(counts, sizes, strict=True) if count <= 64
    )
    assert [rows_within(2048, length, 1000) for length in (16, 48, 512)] == [128, 32, 4]
    assert rows_within(2048, 16, 3) == 4


@given(st.lists(st.integers(1, 300), min_size=1, max_size=400))
@in_fixture
def test_batches_of_tokens_have_one_number_of_rows_for_each_length(few, lengths):
    padded = padded_length(np.array(lengths), 300)
    shapes = {}
    for batch in token_batches(padded, 2048):
        width = int(padded[batch].max())
        shape = len(filled(batch, rows_within(2048, width, len(lengths)))), width
        assert shape[0] * width <= max(2048, 300)
        shapes.setdefault(width, set()).add(shape)
    assert all(len(own) == 1 for own in shapes.values())
    assert len(shapes) <= 8


def test_2000_texts_have_8_shapes_in_training_and_8_in_inference(few):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 251, 2000) * 4 // 3 + 2
    tokenized = Tokenized([[1] * length for length in lengths.tolist()])
    data = TextBatches(tokenized, rng.integers(2, size=2000), seed=0, max_length=512)
    data.fills = True
    trained = set()
    for _ in range(2):
        trained |= {data[number][0]["input_mask"].shape for number in range(len(data))}
        data.on_epoch_end()
    assert 4 <= len(trained) <= 8
    assert {rows for rows, _ in trained} == {32}
    padded = padded_length(lengths, 512)
    widths = {int(padded[batch].max()) for batch in token_batches(padded, 2048)}
    assert 4 <= len(widths) <= 8  # and each has one number of rows, as the test above says


def test_the_weights_tell_which_rows_are_examples():
    weights = row_weights(np.array([2.0, 3.0, 2.0]), rows=2, count=3)
    assert weights["is_example"].tolist() == [True, True, False]
    assert weights["weights"].tolist() == [2.0, 3.0, 2.0]


@pytest.mark.backend("tensorflow")
def test_on_a_cpu_tensorflow_gets_many_shapes():
    assert not are_few()
    assert full_rows(64, 3) == 64
    assert len(filled(np.arange(3), 64)) == 4


@pytest.mark.backend("jax")
def test_on_jax_they_are_few_without_a_gpu():
    assert are_few()
    assert keras.backend.backend() == "jax"
