"""The laws of what examples are made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.random_numbers import keys_of, uniform
from kerasformer.data.raw.segments import Joined, mixed_order, segment_pairs

ABOUT = {"end_id": 1, "vocab_size": 9, "tokenizer": ""}
documents = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=6), min_size=2, max_size=7
)  # the tokens of each sentence


def corpus_of(lengths):
    starts = np.cumsum([0, *(n for document in lengths for n in document)])
    ends = np.cumsum([0, *map(len, lengths)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    return TokenCorpus(np.arange(starts[-1]), starts, spans, ABOUT)


@given(documents, st.integers(2, 40), st.integers(0, 99), st.sampled_from([0.0, 0.1, 1.0]))
@settings(deadline=None, max_examples=60)
def test_pairs_of_segments(lengths, room, seed, short_share):
    corpus = corpus_of(lengths)
    pairs = segment_pairs(corpus, room, [seed], short_share)
    own = np.repeat(np.arange(len(lengths)), [sum(document) for document in lengths])
    first, second = pairs.first, pairs.second
    assert (first[:, 0] < first[:, 1]).all()
    assert (second[:, 0] < second[:, 1]).all()
    assert (pairs.lengths <= room).all()
    for segment in (first, second):  # within one document
        np.testing.assert_array_equal(own[segment[:, 0]], own[segment[:, 1] - 1])
    is_other = own[first[:, 0]] != own[second[:, 0]]
    np.testing.assert_array_equal(is_other, pairs.is_random == 1)
    follows = ~is_other
    assert (first[follows, 1] <= second[follows, 0]).all()
    # Each document is gone through once, from its beginning to its end.
    used = np.concatenate([first, second[follows]])
    seen = np.zeros(corpus.token_count, int)
    for start, stop in used:
        seen[start:stop] += 1
    assert seen.max() == 1
    assert set(own[first[:, 0]]) == set(range(len(lengths)))
    assert (np.diff(first[:, 0]) > 0).all()


def test_nothing_is_lost_where_nothing_is_too_long():
    """Ten tokens fill an example, at the end of a sentence."""
    corpus = corpus_of([[5] * 20] * 10)
    pairs = segment_pairs(corpus, 10, [0], 0.0)
    follows = pairs.is_random == 0
    used = np.concatenate([pairs.first, pairs.second[follows]])
    assert np.diff(used).sum() == corpus.token_count


def test_what_is_left_of_a_document_is_one_token():
    assert segment_pairs(corpus_of([[1]] * 20), 10, [0]).is_random.all()
    follows = segment_pairs(corpus_of([[2]] * 200), 10, [0]).is_random == 0
    assert 60 < follows.sum() < 140


@given(st.lists(st.integers(2, 500), min_size=1, max_size=2000), st.integers(0, 9))
@settings(deadline=None, max_examples=20)
def test_a_mixed_order_has_each_example_once(lengths, seed):
    order = mixed_order(np.array(lengths), np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(lengths)))


def test_a_mixed_order_puts_what_is_as_long_together():
    lengths = np.random.default_rng(0).integers(2, 500, 30_000)
    one, other = (mixed_order(lengths, np.random.default_rng(seed)) for seed in (1, 2))
    spread = [np.ptp(lengths[one[i : i + 64]]) for i in range(0, 25_600, 64)]
    assert np.median(spread) < 25
    # ... but no two passes, and no two neighbours, are in order.
    assert (one != other).mean() > 0.99
    assert abs(np.corrcoef(np.arange(30_000), lengths[one])[0, 1]) < 0.2


@given(documents, st.integers(0, 99), st.none() | st.just(-2))
@settings(deadline=None, max_examples=40)
def test_joined_documents(lengths, seed, begin_id):
    corpus = corpus_of(lengths)
    order = np.random.default_rng(seed).permutation(len(lengths))
    joined = Joined(corpus, order, -1, begin_id)
    begin = [] if begin_id is None else [begin_id]
    starts = np.cumsum([0, *map(sum, lengths)])
    expected = [one for i in order for one in [*begin, *range(starts[i], starts[i + 1]), -1]]
    assert joined.tokens(np.arange(len(joined))).tolist() == expected


def test_random_numbers_are_even_and_follow_from_their_key():
    keys = keys_of(3, 1, np.arange(500))
    assert len(set(keys.tolist())) == 500
    numbers = uniform(keys, 400)
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    expected = numbers.size / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # of chi-square, one in 1,000
    assert 0 <= numbers.min() <= numbers.max() < 1
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 5 / numbers.size**0.5
    assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 5 / 500**0.5
    np.testing.assert_array_equal(uniform(keys[7:9], 400), numbers[7:9])
    assert (keys_of(3, 2, np.arange(500)) != keys).all()
    with pytest.raises(OverflowError):
        keys_of(-1)
