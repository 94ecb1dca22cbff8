"""Attention maps of a text and what is told of the heads."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.analysis.attention import (
    AttentionMaps,
    attention_maps,
    plot_head,
    plot_heads,
    summarize_heads,
)
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "bank", "river", "##s"]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(7)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=36,
        num_layers=2,
        num_heads=3,
        intermediate_size=20,
        max_length=9,
        initializer_range=0.5,
    )
    return BertEncoder(config)


def made_of(weights, cls=(0,), sep=(-1,)):
    """Maps of `[tokens, tokens]`, or of several heads, of one block."""
    weights = np.asarray(weights, "float32").reshape(1, -1, *np.shape(weights)[-2:])
    size = weights.shape[-1]
    flags = np.zeros([2, size], bool)
    flags[0, list(cls)] = flags[1, list(sep)] = True
    return AttentionMaps([str(i) for i in range(size)], [0] * size, weights, *flags)


def test_maps_of_a_text(encoder, tokenizer):
    maps = attention_maps(encoder, tokenizer, "The banks")
    assert maps.tokens == ["[CLS]", "the", "bank", "##s", "[SEP]"]
    assert maps.weights.shape == (2, 3, 5, 5)
    assert maps.weights.dtype == np.float32
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-6)
    assert maps.weights.std() > 0.01
    assert maps.left_out == 0
    assert maps.cls.tolist() == [True, False, False, False, False]
    assert maps.sep.tolist() == [False, False, False, False, True]


def test_maps_of_a_pair(encoder, tokenizer):
    maps = attention_maps(encoder, tokenizer, "bank", "the river")
    assert maps.tokens == ["[CLS]", "bank", "[SEP]", "the", "river", "[SEP]"]
    assert maps.segments == [0, 0, 0, 1, 1, 1]
    assert np.flatnonzero(maps.sep).tolist() == [2, 5]


def test_maps_of_no_word_and_of_too_many(encoder, tokenizer):
    assert attention_maps(encoder, tokenizer, "").tokens == ["[CLS]", "[SEP]"]
    maps = attention_maps(encoder, tokenizer, "river " * 30)
    assert maps.weights.shape == (2, 3, 9, 9)
    assert maps.left_out == 30 - 7


def test_maps_of_no_text(encoder, tokenizer):
    with pytest.raises(UserError, match=r"texts\[0\] is None"):
        attention_maps(encoder, tokenizer, None)
    with pytest.raises(UserError, match=r"pairs\[0\] is 3"):
        attention_maps(encoder, tokenizer, "bank", 3)


@pytest.mark.parametrize(("offset", "measure"), [(-1, "previous"), (0, "same"), (1, "next")])
def test_a_head_that_looks_at_a_neighbour(offset, measure):
    weights = np.eye(6, k=offset)
    weights[weights.sum(1) == 0, 3] = 1  # the token without that neighbour looks elsewhere
    (head,) = summarize_heads(made_of(weights))
    assert getattr(head, measure) == 1
    assert head.entropy == 0
    assert all(
        getattr(head, name) < 0.5
        for name in ("previous", "same", "next", "cls", "sep")
        if name != measure
    )


def test_heads_that_look_at_special_tokens():
    to_cls, to_sep = np.zeros([2, 5, 5])
    to_cls[:, 0] = 1
    to_sep[:, 2], to_sep[:, 4] = 0.25, 0.75
    first, second = summarize_heads(made_of([to_cls, to_sep], sep=(2, 4)))
    assert (first.cls, first.sep, first.head) == (1, 0, 1)
    assert (second.cls, second.sep, second.head) == (0, 1, 2)
    assert second.entropy == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 5))
def test_measures_are_bounded(size, seed, concentration):
    rng = np.random.default_rng(seed)
    (head,) = summarize_heads(made_of(rng.dirichlet([concentration] * size, size)))
    for name in ("cls", "sep", "previous", "same", "next", "entropy"):
        bound = math.log(size) if name == "entropy" else 1
        assert -1e-6 <= getattr(head, name) <= bound + 1e-5, name


def test_heads_come_in_the_order_of_blocks_and_heads(encoder, tokenizer):
    maps = attention_maps(encoder, tokenizer, "the river bank")
    heads = summarize_heads(maps)
    assert [(head.block, head.head) for head in heads] == [
        (block, head) for block in (1, 2) for head in (1, 2, 3)
    ]
    alone = dataclasses.replace(maps, weights=maps.weights[1:, 2:])
    assert dataclasses.astuple(summarize_heads(alone)[0])[2:] == dataclasses.astuple(heads[-1])[2:]


def test_plots(encoder, tokenizer):
    maps = attention_maps(encoder, tokenizer, "the river bank")
    pictures = [plot_heads(maps), plot_heads(maps, block=2), plot_head(maps, 2, 3)]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3
