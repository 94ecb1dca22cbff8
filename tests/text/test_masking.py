"""Hidden tokens, by BERT's law; tests/parity compares with transformers' collator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer, WordTokenizer
from kerasformer.text.masking import TokenMasking, mask_id_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(95))]
MASKING = TokenMasking.of(WordPieceTokenizer.from_vocabulary(WORDS))


def test_how_often_each_thing_happens():
    ids = np.full(400_000, 50)
    hidden, chosen = MASKING.hide(ids, np.random.default_rng(0))
    assert chosen.mean() == pytest.approx(0.15, abs=0.003)
    own = hidden[chosen]
    # A random token is the mask, or the same token again, as often as any other one.
    assert (own == 4).mean() == pytest.approx(0.8 + 0.1 / 100, abs=0.005)
    assert (own == 50).mean() == pytest.approx(0.1 + 0.1 / 100, abs=0.005)
    others = own[(own != 4) & (own != 50)]
    counts = np.bincount(others, minlength=100)
    assert counts[[i for i in range(100) if i not in (4, 50)]].min() > 0.6 * counts.sum() / 98
    assert (hidden[~chosen] == 50).all()


def test_special_tokens_are_never_chosen():
    ids = np.tile(np.arange(100, dtype="int32"), (300, 1))
    hidden, chosen = MASKING.hide(ids, np.random.default_rng(0))
    assert hidden.dtype == ids.dtype
    assert MASKING.special_ids == (0, 1, 2, 3, 4)
    assert not chosen[:, :5].any()
    assert chosen[:, 5:].any(axis=0).all()
    assert (hidden[:, :5] == ids[:, :5]).all()


def test_it_follows_from_the_random_numbers_alone():
    ids = np.arange(5, 95)
    one, other, third = (MASKING.hide(ids, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert (one != third).any()


def test_a_vocabulary_without_a_mask():
    assert mask_id_of(WordPieceTokenizer.from_vocabulary(WORDS)) == 4
    alone = [word for word in WORDS if word != "[MASK]"]
    for tokenizer in (WordPieceTokenizer.from_vocabulary(alone), WordTokenizer.train(["a b"])):
        with pytest.raises(UserError, match="The vocabulary has no mask token"):
            TokenMasking.of(tokenizer)


PIECES = [*WORDS[:60], *(f"##p{i}" for i in range(40))]
WHOLE = TokenMasking.of(WordPieceTokenizer.from_vocabulary(PIECES), whole_words=True)


def chosen_one_by_one(ids, draws, number, most):
    """BERT's `create_masked_lm_predictions`, on words in the order of their first pieces' draws.

    But where that chooses none, the shortest.
    """
    words = []
    for place, token in enumerate(ids):
        if token >= 60 and place and ids[place - 1] >= 5:
            words[-1].append(place)
        elif token >= 5:
            words.append([place])
    chosen = []
    words.sort(key=lambda word: draws[word[0]])
    for word in words:
        if len(chosen) + len(word) <= number:
            chosen += word
    return sorted(chosen or min(words, key=len, default=[])[:most])


tokens = st.integers(0, 59) | st.integers(60, 99)


@given(st.lists(st.lists(tokens, min_size=1, max_size=50), min_size=1, max_size=5), st.integers())
@settings(deadline=None, max_examples=60)
def test_words_are_taken_as_in_berts_own_program(rows, seed):
    width = max(map(len, rows)) + 3
    ids = np.array([[2, *row, *[0] * (width - 1 - len(row))] for row in rows], "int32")
    draws = np.random.default_rng(abs(seed)).random([len(ids), 3 * width])
    hidden, positions, labels, weights = WHOLE.guesses(ids, draws, 6)
    for row, own in enumerate(ids):
        count = (own >= 5).sum()
        number = int(np.clip(np.floor(0.15 * count + draws[row, 1]), 1, 6))
        expected = chosen_one_by_one(own.tolist(), draws[row, ::3], number, 6)
        found = positions[row, : int(weights[row].sum())].tolist()
        assert found == expected
        np.testing.assert_array_equal(labels[row, : len(found)], own[found])
        others = np.setdiff1d(np.arange(width), found)
        np.testing.assert_array_equal(hidden[row, others], own[others])
        assert not positions[row, len(found) :].any()
        assert not labels[row, len(found) :].any()
        assert min(1, count) <= len(found) <= min(6, count)


@pytest.mark.parametrize(("most", "expected"), [(5, [4, 5]), (1, [4])])
def test_of_long_words_alone_the_shortest_is_hidden(most, expected):
    ids = np.array([[2, 5, 60, 61, 6, 62, 7, 63, 64, 65, 3], [2, *[0] * 9, 3]], "int32")
    draws = np.zeros([2, 33])
    draws[0, ::3] = np.arange(11)
    _, positions, labels, weights = WHOLE.guesses(ids, draws, most)
    assert positions[0, weights[0] > 0].tolist() == expected
    assert labels[0, weights[0] > 0].tolist() == ids[0, expected].tolist()
    assert not weights[1].any()  # where there is nothing to hide


@pytest.mark.parametrize("masking", [MASKING, WHOLE])
def test_what_is_hidden_does_not_depend_on_the_padding(masking):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 100, [4, 30]).astype("int32")
    ids[:, 0], ids[:, -1] = 2, 3
    draws = rng.random([4, 120])
    wide = np.pad(ids, [(0, 0), (0, 10)])
    for short, long in zip(
        masking.guesses(ids, draws[:, :90], 5), masking.guesses(wide, draws, 5), strict=True
    ):
        np.testing.assert_array_equal(long[:, : short.shape[1]], short)


def test_the_share_of_a_row_is_exact_on_average():
    ids = np.tile(np.arange(5, 16, dtype="int32"), (20_000, 1))  # 1.65 of 11
    ids = np.pad(ids, [(0, 0), (1, 0)], constant_values=2)
    draws = np.random.default_rng(0).random([20_000, 36])
    counts = MASKING.guesses(ids, draws, 5)[-1].sum(axis=1)
    assert set(counts.tolist()) == {1, 2}
    assert counts.mean() == pytest.approx(1.65, abs=5 * 0.48 / np.sqrt(20_000))


def test_whole_words_are_hidden_where_each_is_chosen_by_itself():
    ids = np.array([2, 5, 60, 61, 6, 7, 62, 3] * 5000)
    _, chosen = WHOLE.hide(ids, np.random.default_rng(0))
    rows = chosen.reshape(-1, 8)
    assert (rows[:, 1:2] == rows[:, 2:4]).all()
    assert (rows[:, 5] == rows[:, 6]).all()
    assert not rows[:, [0, 7]].any()
    assert rows[:, 1:7].mean() == pytest.approx(0.15, abs=0.01)
