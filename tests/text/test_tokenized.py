import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.text import Tokenized, pack

ROWS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=9), max_size=9)


@given(rows=ROWS, pad_id=st.integers(0, 5), extra=st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_packed_rows_are_the_ids_then_padding(rows, pad_id, extra):
    types = [[i % 2 for i in range(len(row))] for row in rows]
    width = max(map(len, rows), default=0) + extra
    batch = pack(Tokenized(rows, types, pad_id=pad_id), pad_to=width)
    assert all(part.shape == (len(rows), width) for part in batch.values())
    assert all(part.dtype == np.int32 for part in batch.values())
    for i, row in enumerate(rows):
        padding = width - len(row)
        assert batch["input_word_ids"][i].tolist() == row + [pad_id] * padding
        assert batch["input_mask"][i].tolist() == [1] * len(row) + [0] * padding
        assert batch["input_type_ids"][i].tolist() == types[i] + [0] * padding


@given(rows=ROWS)
@settings(deadline=None, max_examples=25)
def test_lists_come_back(rows):
    tokenized = Tokenized(rows)
    assert len(tokenized) == len(rows)
    assert tokenized.ids == rows
    assert tokenized.type_ids == [[0] * len(row) for row in rows]
    assert tokenized.lengths.tolist() == [len(row) for row in rows]
    again = pickle.loads(pickle.dumps(tokenized))
    assert again.ids == rows


@pytest.mark.parametrize(
    "indices",
    [[2, 0], np.array([2, 0]), (2, 0), slice(2, None, -2), np.array([2, 0], np.uint8), [-1, -3]],
    ids=repr,
)
def test_indices_choose_and_order_the_rows(indices):
    batch = pack(Tokenized([[5, 6], [7, 8, 9, 1], [4]]), indices)
    assert batch["input_word_ids"].tolist() == [[4, 0], [5, 6]]


def test_boolean_indices_choose_rows():
    batch = pack(Tokenized([[5], [7, 8], [4]]), np.array([False, True, True]))
    assert batch["input_word_ids"].tolist() == [[7, 8], [4, 0]]


@pytest.mark.parametrize("indices", [[], np.array([], np.int64), slice(0)], ids=repr)
def test_an_empty_batch_has_no_rows(indices):
    batch = pack(Tokenized([[5], [7, 8]]), indices, pad_to=4)
    assert all(part.shape == (0, 4) for part in batch.values())


def test_mask_comes_from_lengths_where_a_token_has_the_padding_id():
    batch = pack(Tokenized([[1, 1], [1]], pad_id=1))
    assert batch["input_mask"].tolist() == [[1, 1], [1, 0]]


def test_pad_id_may_be_given():
    assert pack(Tokenized([[5, 6], [7]]), pad_id=9)["input_word_ids"].tolist() == [[5, 6], [7, 9]]


def test_too_narrow_batch_names_both_lengths():
    with pytest.raises(ValueError, match=r"3 tokens, more than pad_to=2.*max_length=2"):
        pack(Tokenized([[1], [1, 2, 3]]), pad_to=2)


def test_type_ids_of_another_shape():
    with pytest.raises(ValueError, match="type_ids"):
        Tokenized([[1, 2], [3]], [[0], [0, 0]])


def test_batches_are_the_callers_own():
    tokenized = Tokenized([[5, 6]])
    pack(tokenized)["input_word_ids"][:] = 0
    assert pack(tokenized)["input_word_ids"].tolist() == [[5, 6]]
