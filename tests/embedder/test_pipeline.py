import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from kerasformer.embedder.pipeline import batch_tokens


@given(st.integers(0, 10**6), st.sampled_from([2048, 4096]), st.integers(1, 4))
def test_the_fewest_full_rounds_of_batches_share_the_tokens(total, most, at_once):
    rounds = next(n for n in itertools.count(1) if total / (n * at_once) <= most)
    evenly = math.ceil(total / (rounds * at_once))
    assert batch_tokens(total, most, at_once) == max(evenly, 256)
