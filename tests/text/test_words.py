"""Sentences of words: every word has tokens, and they are those of the word by itself."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.words import WordTokens, check_words, word_tokens

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abc'", *("##" + c for c in "abc")]
TOKENIZER = WordPieceTokenizer.from_vocabulary(VOCABULARY)
WORDS = st.text("abcZ' \u200b\x00中[]", max_size=4) | st.just("[SEP]")


@given(st.lists(st.lists(WORDS, max_size=5), max_size=4))
@settings(deadline=None, max_examples=100)
def test_each_word_has_its_own_tokens_at_its_place(sentences):
    found = list(word_tokens(TOKENIZER, sentences))
    assert len(found) == len(sentences)
    for sentence, tokens in zip(sentences, found, strict=True):
        alone = [ids or [TOKENIZER.unk_id] for ids in TOKENIZER.ids(sentence)]
        assert tokens.ids == list(itertools.chain.from_iterable(alone))
        assert tokens.words == [i for i, ids in enumerate(alone) for _ in ids]
        assert [tokens.words[first] for first in tokens.firsts] == list(range(len(sentence)))


def test_words_without_a_token_keep_their_place():
    words = ["ab", "\u200b", "", "c", "\x00"]
    assert list(word_tokens(TOKENIZER, [words, []])) == [
        WordTokens([5, 10, 1, 1, 7, 1], [0, 0, 1, 2, 3, 4]),
        WordTokens([], []),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ab", "words is a str, but must be a list"),
        (["ab"], r"words\[0\] is the string 'ab', but must be a list of words"),
        ([["a"], ["a", None]], r"words\[1\]\[1\] is None, a NoneType, but must be a str"),
        ([["a"], 3], r"words\[1\] is 3, but must be a list"),
        ([["\ud800"]], r"words\[0\]\[0\] holds half a surrogate pair"),
        ([["a" * 1024**2] * 3], r"words\[0\] is a text of more than 2 MiB"),
    ],
)
def test_what_are_no_words(words, message):
    with pytest.raises(UserError, match=message):
        check_words(words)
