import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kerasformer.data.shapes import are_few, filled
from kerasformer.embedder.batching import batch_tokens


@given(st.integers(0, 10**6), st.sampled_from([2048, 4096]), st.integers(1, 4))
def test_small_work_is_shared_and_large_work_is_not_cut_up(total, most, at_once):
    tokens = batch_tokens(total, most, at_once)
    assert 256 <= tokens <= most
    if total >= most * at_once:
        assert tokens == most
    elif tokens > 256:
        assert (tokens - 1) * at_once < total <= tokens * at_once


@given(st.integers(1, 300), st.integers(1, 300))
def test_rest_of_a_work_has_one_of_a_few_sizes(count, full):
    batch = np.arange(7, 7 + count)
    found = filled(batch, full)
    assert set(found) == set(batch)
    assert found[:count].tolist() == batch.tolist()
    if are_few():
        assert len(found) == max(count, full)
    elif count <= full:
        assert len(found) < 2 * count
        assert len(found) <= full
        assert len(found) == full or len(found).bit_count() == 1
    else:
        assert len(found) == count
