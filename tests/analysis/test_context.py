"""A word's vectors in different contexts."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.analysis.context import plot_layer, plot_layers, word_contexts
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer, pack

WORDS = [
    *(
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "the",
        "bank",
        "##s",
        "##er",
        "river",
        "of",
        "a",
        ".",
        ",",
    ),
    *("cu", "##ra", "cara", "New", "York", "new", "york", "don", "'", "t", "Bank"),
]


def make_embedder(lowercase=True, max_length=16, **settings):
    keras.utils.set_random_seed(7)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=36,
        num_layers=2,
        num_heads=3,
        intermediate_size=20,
        max_length=max_length,
        initializer_range=0.2,
    )
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS, lowercase=lowercase)
    return TextEmbedder(BertEncoder(config), tokenizer, **settings)


@pytest.fixture(scope="module")
def embedder():
    return make_embedder()


@pytest.fixture(scope="module")
def cased():
    return make_embedder(lowercase=False)


def places(contexts):
    return [(o.text, o.start, o.end) for o in contexts.occurrences]


def hidden_states(embedder, text):
    """`[tokens, layers, hidden]` by the encoder itself, special tokens included."""
    outputs = embedder.encoder(
        pack(embedder.tokenizer.tokenize([text])), outputs=["embedding_output", "encoder_outputs"]
    )
    states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
    return np.stack([np.asarray(state, "float64")[0] for state in states], axis=1)


def cosine(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def test_cosines_are_those_of_the_mean_of_the_sub_words(embedder):
    texts = ["La cura, the cara.", "the cura of a river"]
    contexts = word_contexts(embedder, "cura", texts)
    first, second = (hidden_states(embedder, text) for text in texts)
    expected = cosine(first[2:4].mean(0), second[2:4].mean(0))  # behind [CLS] and one token
    np.testing.assert_allclose(contexts.cosines[:, 0, 1], expected, atol=1e-5)
    np.testing.assert_allclose(contexts.pairs()[:, 0], expected, atol=1e-5)
    assert contexts.occurrences[0].tokens == ("cu", "##ra")
    assert (contexts.cosines.shape, contexts.cosines.dtype) == ((3, 2, 2), np.float32)


def test_other_tokens_of_different_texts(embedder):
    texts = ["the bank of a river", "a bank, the river."]
    contexts = word_contexts(embedder, "bank", texts)
    others = [np.delete(hidden_states(embedder, text)[1:-1], 1, axis=0) for text in texts]
    expected = np.mean([cosine(a, b) for a, b in itertools.product(*others)], axis=0)
    np.testing.assert_allclose(contexts.others, expected, atol=1e-5)


def test_no_other_tokens(embedder):
    assert np.isnan(word_contexts(embedder, "bank", ["bank", "the bank"]).others).all()
    assert np.isnan(word_contexts(embedder, "bank", ["the bank of a bank"]).others).all()


def test_the_embeddings_differ_by_position_alone(embedder):
    texts = ["the bank of a river", "a bank of a river", "of the bank"]
    contexts = word_contexts(embedder, "bank", texts)
    assert contexts.cosines[0, 0, 1] == pytest.approx(1, abs=1e-6)
    assert contexts.cosines[0, 0, 2] < 1 - 1e-4
    assert (contexts.cosines[1:, 0, 1] < 1 - 1e-4).all()


def test_several_in_one_text_and_none_in_another(embedder):
    contexts = word_contexts(embedder, "bank", ["the bank of a bank", "the river", "Bank"])
    assert places(contexts) == [(0, 4, 8), (0, 14, 18), (2, 0, 4)]
    assert contexts.without == [1]
    assert not contexts.more


def test_case_and_accents_of_an_uncased_model(embedder):
    texts = ["BANK the", "the Bánk", "ba\u0301nk"]
    assert places(word_contexts(embedder, "bAnk", texts)) == [(0, 0, 4), (1, 4, 8), (2, 0, 5)]


def test_case_of_a_cased_model(cased):
    contexts = word_contexts(cased, "bank", ["Bank of the bank", "a bank"])
    assert places(contexts) == [(0, 12, 16), (1, 2, 6)]
    with pytest.raises(UserError, match="in text 1, 2 it is part of a longer word, or has other"):
        word_contexts(cased, "BANK", ["the bank", "Bank"])


def test_words_within_words_are_others(embedder):
    texts = ["banks of a bank", "banker", "bank"]
    assert places(word_contexts(embedder, "bank", texts)) == [(0, 11, 15), (2, 0, 4)]
    assert places(word_contexts(embedder, "banks", ["banks bank banks"])) == [
        (0, 0, 5),
        (0, 11, 16),
    ]


def test_several_words_and_punctuation(embedder):
    contexts = word_contexts(embedder, "New  York", ["new york, New York.", "new a york"])
    assert places(contexts) == [(0, 0, 8), (0, 10, 18)]
    assert len(word_contexts(embedder, "don't", ["don't don't", "don t"]).occurrences) == 2


def test_a_word_out_of_the_vocabulary_is_no_other_such_word(embedder):
    contexts = word_contexts(embedder, "東", ["東 京", "京 東", "京"])
    assert places(contexts) == [(0, 0, 1), (1, 2, 3)]
    assert contexts.occurrences[0].tokens == ("[UNK]",)


def test_long_texts_give_the_part_around_the_word(embedder):
    filler = "river " * 20
    texts = [f"{filler}a bank of the {filler}", f"bank of {filler}", f"{filler}the bank"]
    contexts = word_contexts(embedder, "bank", texts)
    # 14 tokens beside [CLS] and [SEP]: with the word in their middle, or at the text's end.
    parts = [
        "river " * 6 + "a bank of the " + "river " * 4,
        "bank of" + " river" * 12,
        "river " * 12 + "the bank",
    ]
    vectors = [
        hidden_states(embedder, part)[1 + index]
        for part, index in zip(parts, (7, 0, 13), strict=True)
    ]
    for i, j in itertools.combinations(range(3), 2):
        expected = cosine(vectors[i], vectors[j])
        np.testing.assert_allclose(contexts.cosines[:, i, j], expected, atol=1e-5)
    assert [text[start:end] for text, (_, start, end) in zip(texts, places(contexts), strict=True)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["bank", "banks", "cura", "river", "."]), max_size=60), st.data())
def test_every_occurrence_of_any_text_is_found(embedder, words, data):
    """Whatever its length, the word stands in a passage that the encoder takes whole."""
    from kerasformer.analysis.occurrences import WordFinder

    words.insert(data.draw(st.integers(0, len(words))), "cura")
    text = " ".join(words)
    room = data.draw(st.integers(2, 14))
    found = WordFinder(embedder.tokenizer, "cura", room).find(text, 7)
    assert len(found) == words.count("cura")
    for occurrence, passage in found:
        assert text[occurrence.start : occurrence.end] == "cura"
        assert passage.text[passage.start : passage.end] == "cura"
        assert passage.text in text
        tokens = embedder.tokenizer.tokens([passage.text])[0]
        assert len(tokens) <= room
        assert not tokens[0].startswith("##")
        if len(embedder.tokenizer.tokens([text])[0]) > room:
            assert len(tokens) >= room - 2  # at most a part of a word is lost at either end
        assert "[cura]" in occurrence.snippet
        assert len(occurrence.snippet) < 50


def test_more_than_the_limit(embedder):
    contexts = word_contexts(embedder, "bank", ["bank bank", "bank bank bank"], limit=3)
    assert places(contexts) == [(0, 0, 4), (0, 5, 9), (1, 0, 4)]
    assert contexts.more
    assert not word_contexts(embedder, "bank", ["bank bank", "bank", "river"], limit=3).more
    assert word_contexts(embedder, "bank", ["bank bank", "bank", "bank"], limit=3).more


def test_texts_behind_the_limit_are_not_read(embedder):
    texts = itertools.cycle(["the bank", "a river"])
    assert len(word_contexts(embedder, "bank", texts, limit=4).occurrences) == 4


def test_a_prompt_is_left_out(embedder):
    prompted = TextEmbedder(embedder.encoder, embedder.tokenizer, prompt="river of ")
    texts = ["the bank", "a bank of a river"]
    np.testing.assert_allclose(
        word_contexts(prompted, "bank", texts).cosines,
        word_contexts(embedder, "bank", texts).cosines,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("word", "texts", "message"),
    [
        ("bank", ["the river", "a river"], "'bank' is not in any of the 2 texts: give texts"),
        ("bank", ["the river"], "'bank' is not in the text: give"),
        ("bank", ["banks", "a river"], r"\(in text 1 it is part of a longer word"),
        ("bank", ["river", "the bank"], "'bank' stands only once, in text 2: give"),
        ("", ["bank"], "The word is '', of 0 tokens, but must have 1 to 14"),
        (" ", ["bank"], "of 0 tokens"),
        ("bank " * 15, ["bank"], "of 15 tokens, but must have 1 to 14"),
        (None, ["bank"], "word is None, a NoneType, but must be a str"),
        ("bank", "the bank", "texts is a str, but must be a list"),
        ("bank", ["bank", 3], r"texts\[1\] is 3, a int"),
        ("bank", [], "'bank' is not in"),
    ],
    ids=[
        "none",
        "not",
        "within",
        "once",
        "empty",
        "blank",
        "long",
        "null",
        "str",
        "int",
        "no-text",
    ],
)
def test_mistakes(embedder, word, texts, message):
    with pytest.raises(UserError, match=message):
        word_contexts(embedder, word, texts)


def test_plots(embedder):
    contexts = word_contexts(embedder, "bank", ["the bank", "bank of a river", "a bank"])
    pictures = [plot_layers(contexts), plot_layer(contexts, 0), plot_layer(contexts, 2)]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3
    foreign = dataclasses.replace(contexts, word="שלום")
    assert plot_layer(foreign, 1).startswith(b"\x89PNG")
