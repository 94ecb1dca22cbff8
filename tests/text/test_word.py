import json
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.text import Tokenizer, WordPieceTokenizer, WordTokenizer, pack


def words(text):
    """The words of a text, all of them in the vocabulary."""
    (tokens,) = WordTokenizer.train([text]).tokens([text])
    return tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good, GOOD film!", ["good", ",", "good", "film", "!"]),
        ("don't I’m rock'n'roll", ["don't", "i'm", "rock'n'roll"]),
        ("'quoted' l'été", ["'", "quoted", "'", "l'été"]),
        ("well-made 7/10", ["well", "-", "made", "7", "/", "10"]),
        ("año ano an\u0303o", ["año", "ano", "año"]),
        ("ﬁlm ＦＩＬＭ", ["film", "film"]),
        ("这是 film中", ["这", "是", "film", "中"]),
        ("ひらカナ", ["ひ", "ら", "カ", "ナ"]),
        ("วันดี", ["วั", "น", "ดี"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("مرحبا، بك", ["مرحبا", "،", "بك"]),
        ("❤️👍🏽🇪🇸", ["❤️", "👍🏽", "🇪🇸"]),
        # Control and format characters go, as in BERT; every kind of space parts words.
        ("a\x00b\tc\u00a0d\u200be", ["ab", "c", "de"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_most_frequent_words_first_and_ties_in_order():
    word = WordTokenizer.train(["b b b", "d c a c d", "é z z z z"], vocab_size=6)
    assert word.vocabulary() == ["[PAD]", "[UNK]", "z", "b", "c", "d"]
    assert (word.pad_id, word.unk_id, word.vocab_size) == (0, 1, 6)
    assert word.tokenize(["d a Z"]).ids == [[5, 1, 2]]


@given(texts=st.lists(st.text("ab Éé'中,"), max_size=6), vocab_size=st.integers(3, 8))
@settings(deadline=None, max_examples=50)
def test_vocabulary_is_that_of_a_plain_count(texts, vocab_size):
    texts = [*texts, "a"]
    everything = WordTokenizer.train(texts)
    counts = Counter(token for tokens in everything.tokens(texts) for token in tokens)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    assert everything.vocabulary() == ["[PAD]", "[UNK]", *ranked]
    small = WordTokenizer.train(texts[::-1], vocab_size)
    assert small.vocabulary() == everything.vocabulary()[:vocab_size]


# Marks are left out: bringing several on one letter into Unicode's order moves their offsets.
@given(text=st.text(st.characters(categories=["L", "N", "P", "Z", "So"])))
@settings(deadline=None, max_examples=50)
def test_offsets_slice_to_the_word(text):
    word = WordTokenizer.train([text, "a"])
    (tokens,), (offsets,) = word.tokens([text]), word.offsets([text])
    assert len(tokens) == len(offsets)
    normalize = word.backend.normalizer.normalize_str
    for token, (start, end) in zip(tokens, offsets, strict=True):
        assert token in normalize(text[start:end])


def test_typed_special_tokens_are_signs():
    word = WordTokenizer.train(["a [PAD] [UNK]"])
    assert word.tokens(["[PAD]"]) == [["[", "pad", "]"]]
    assert word.pad_id not in word.tokenize(["[PAD] a"]).ids[0]
    again = Tokenizer.from_json(word.to_json())
    assert again.tokens(["[PAD]"]) == [["[", "pad", "]"]]


def test_a_text_without_words_is_one_unknown_token():
    word = WordTokenizer.train(["a b"])
    tokenized = word.tokenize(["", "a b a", " \n\u200b"], max_length=2)
    assert tokenized.ids == [[1], [2, 3], [1]]
    assert tokenized.type_ids == [[0], [0, 0], [0]]
    assert pack(tokenized)["input_mask"].tolist() == [[1, 0], [1, 1], [1, 0]]
    assert word.tokens([""]) == [[]]


def test_decode_leaves_out_padding():
    word = WordTokenizer.train(["A good film"])
    batch = pack(word.tokenize(["good film", "a"]))
    assert word.decode(batch["input_word_ids"]) == ["good film", "a"]


def test_pairs_are_refused():
    with pytest.raises(UserError, match="takes no pairs"):
        WordTokenizer.train(["a"]).tokenize(["a"], ["a"])


@pytest.mark.parametrize("texts", [[], [""], [" \n", "\u200b"]])
def test_no_words_to_learn(texts):
    with pytest.raises(UserError, match="The texts hold no word"):
        WordTokenizer.train(texts)


def test_sizes_without_room():
    with pytest.raises(UserError, match=r"vocab_size is 2, .* 3"):
        WordTokenizer.train(["a"], vocab_size=2)
    with pytest.raises(UserError, match=r"max_length is 0, .* 1"):
        WordTokenizer.train(["a"]).tokenize(["a"], max_length=0)


def test_training_takes_any_iterable():
    assert WordTokenizer.train(text for text in ("a b", "b")).vocabulary()[2:] == ["b", "a"]


def test_saved_and_loaded(tmp_path):
    word = WordTokenizer.train(["Don’t, año 这是"])
    word.save_pretrained(tmp_path)
    for again in (
        Tokenizer.from_pretrained(tmp_path),
        WordTokenizer.from_pretrained(tmp_path),
        WordTokenizer.from_json(word.to_json()),
        pickle.loads(pickle.dumps(word)),
    ):
        assert type(again) is WordTokenizer
        assert again.to_json() == word.to_json()
        assert again.tokenize(["don't AÑO 这 ?"]).ids == word.tokenize(["don't AÑO 这 ?"]).ids
    with pytest.raises(UserError, match="holds a WordLevel model, but only WordPiece can be read"):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_the_base_class_names_all_kinds(tmp_path):
    saved = json.loads(WordTokenizer.train(["a"]).to_json())
    saved["tokenizer"]["model"] = {"type": "Unigram", "vocab": [["a", 0.0]]}
    saved["tokenizer"]["added_tokens"] = []
    with pytest.raises(UserError, match=r"holds a Unigram model, but only WordLevel, WordP"):
        Tokenizer.from_json(json.dumps(saved))
