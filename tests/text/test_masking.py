"""Hidden tokens, by BERT's law; tests/parity compares with transformers' collator."""

import numpy as np
import pytest

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
