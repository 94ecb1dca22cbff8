from hypothesis import given
from hypothesis import strategies as st

from kerasformer.embedder.pipeline import batch_tokens


@given(st.integers(0, 10**6), st.sampled_from([2048, 4096]), st.integers(1, 4))
def test_small_work_is_shared_and_large_work_is_not_cut_up(total, most, at_once):
    tokens = batch_tokens(total, most, at_once)
    assert 256 <= tokens <= most
    if total >= most * at_once:
        assert tokens == most
    elif tokens > 256:
        assert (tokens - 1) * at_once < total <= tokens * at_once
