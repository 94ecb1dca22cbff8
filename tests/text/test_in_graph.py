"""The tokenizer in the graph gives the ids of the tokenizer outside of it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer, pack

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")

from kerasformer.text.in_graph import InGraphTokenizer  # noqa: E402

LETTERS = [*"abcdeisx", "é", "中", "ß", "σ", "ي", "A", "É", ".", "!", "-"]
WORDS = ["the", "film", "films", "##s", "##ing", "straße", "cafe", "café", "Film"]
# Special ids of BETO's kind: in another order, and not first.
SPECIALS = ["[MASK]", "[PAD]", "a", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = list(
    dict.fromkeys([*SPECIALS, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)])
)
SETTINGS = {
    "uncased": {},
    "cased": {"lowercase": False},
    "uncased_accents": {"strip_accents": False},
    "cased_bare_no_chinese": {
        "lowercase": False,
        "strip_accents": True,
        "tokenize_chinese_chars": False,
    },
}
ODDITIES = [
    "",
    "   \t\n\r\x0b\x85\xa0\u2028\u3000 ",
    "The films, filming! café CAFÉ cafe\u0301 straße STRASSE",
    "[CLS] a [SEP] b[MASK]c [sep] [[SEP]] [UNK][PAD",
    "a\x00b\u200bc\ufeffd \ufffd \ue000 \U000f0000",
    "ﬁ½①…İIıßẞΑΣ ς Ⅷ ㎏",
    "中文abc中 日本語 한국어 가각힣",
    "a" * 100 + " " + "a" * 101 + " " + "é" * 100 + " " + "é" * 101,
    "\ufdd0 x\ufdd1a\ufdef \uffff",
    "👩‍👩‍👧 a\u0301\u0323e $+<=>^`|~ €¥ «a» ‚a‘ a’s a'b",
    "\ud7ff\ue000 \U0010ffff",
]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def both(request):
    tokenizer = WordPieceTokenizer.from_vocabulary(VOCABULARY, **SETTINGS[request.param])
    return tokenizer, InGraphTokenizer(tokenizer)


def check(both, texts, pairs=None, max_length=None):
    tokenizer, in_graph = both
    expected = pack(tokenizer.tokenize(texts, pairs, max_length=max_length))
    second = None if pairs is None else tf.constant(pairs, tf.string)
    inputs = in_graph(tf.constant(texts, tf.string), second, max_length=max_length)
    assert inputs.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(inputs[name], value, err_msg=name)
        assert inputs[name].dtype == tf.int32


def test_oddities(both):
    check(both, ODDITIES)


def test_every_character_of_the_first_planes(both):
    planes = [*range(0xD800), *range(0xE000, 0x20000, 7), *range(0xE0000, 0xE0200)]
    check(both, [f"a{chr(c)}b" for c in planes])


TEXTS = st.lists(
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from([*LETTERS, " "])), max_size=20)
    | st.lists(st.sampled_from([*WORDS, *SPECIALS, " "]), max_size=12).map("".join),
    min_size=1,
    max_size=5,
)


@given(TEXTS, st.none() | st.integers(2, 12))
@settings(deadline=None, max_examples=25)
def test_equals_the_tokenizer(both, texts, max_length):
    check(both, texts, max_length=max_length)


@given(TEXTS, TEXTS, st.none() | st.integers(3, 16))
@settings(deadline=None, max_examples=25)
def test_equals_the_tokenizer_on_pairs(both, texts, pairs, max_length):
    count = min(len(texts), len(pairs))
    check(both, texts[:count], pairs[:count], max_length)


@pytest.fixture(scope="module")
def uncased():
    tokenizer = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    return tokenizer, InGraphTokenizer(tokenizer)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(3, 12))
@settings(deadline=None, max_examples=40)
def test_pack_shares_the_room_in_turns(uncased, first, second, seq_length):
    tokenizer, in_graph = uncased
    ids = [[10] * first, [20] * second]
    keep = [0, 0]
    while sum(keep) < min(first + second, seq_length - 3):  # one token at a time, as TF Hub does
        number = min((n for n in (0, 1) if keep[n] < len(ids[n])), key=keep.__getitem__)
        keep[number] += 1
    segments = [tf.ragged.constant([row], tf.int32, ragged_rank=1) for row in ids]
    packed = in_graph.pack(segments, seq_length)
    expected = [tokenizer.cls_id, *ids[0][: keep[0]], tokenizer.sep_id]
    types = [0] * len(expected) + [1] * (keep[1] + 1)
    expected += [*ids[1][: keep[1]], tokenizer.sep_id]
    padding = seq_length - len(expected)
    assert packed["input_word_ids"].numpy().tolist() == [expected + [tokenizer.pad_id] * padding]
    assert packed["input_mask"].numpy().tolist() == [[1] * len(expected) + [0] * padding]
    assert packed["input_type_ids"].numpy().tolist() == [types + [0] * padding]


def test_an_empty_batch(uncased):
    inputs = uncased[1](tf.zeros([0], tf.string), max_length=8)
    assert inputs["input_word_ids"].shape[0] == 0


def test_bytes_that_are_no_utf8_are_left_out(uncased):
    tokenizer, in_graph = uncased
    inputs = in_graph(tf.constant([b"a\xffb \xed\xa0\x80c"]))
    assert inputs["input_word_ids"].numpy().tolist() == tokenizer.tokenize(["ab c"]).ids


def test_saved_and_loaded(uncased, tmp_path):
    tokenizer, in_graph = uncased
    module = tf.Module()
    signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.string)]
    module.encode = tf.function(
        lambda texts, pairs: in_graph(texts, pairs, max_length=9), input_signature=signature
    )
    tf.saved_model.save(module, tmp_path)
    inputs = tf.saved_model.load(tmp_path).encode(tf.constant(["The films"]), tf.constant(["abc"]))
    tokenized = tokenizer.tokenize(["The films"], ["abc"], max_length=9)
    assert inputs["input_word_ids"].numpy().tolist() == tokenized.ids
    assert inputs["input_type_ids"].numpy().tolist() == tokenized.type_ids


def test_special_tokens_of_other_names():
    names = {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    words = ["<pad>", "<unk>", "<s>", "</s>", "a", "b", "##b"]
    tokenizer = WordPieceTokenizer.from_vocabulary(words, special_tokens=names)
    check((tokenizer, InGraphTokenizer(tokenizer)), ["a</s>b <s>ab", "xyz", "< s >"])


def test_refuses_what_a_graph_cannot_do():
    tokenizer = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    tokenizer.backend.add_tokens([AddedToken("New York")])
    with pytest.raises(UserError, match="'New York' beside its vocabulary"):
        InGraphTokenizer(tokenizer)
    saved = json.loads(WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json())
    saved["tokenizer"]["normalizer"]["clean_text"] = False
    with pytest.raises(UserError, match="control characters"):
        InGraphTokenizer(WordPieceTokenizer.from_json(json.dumps(saved)))
    saved["tokenizer"]["normalizer"] = {"type": "NFKC"}
    with pytest.raises(UserError, match="another way than BERT's"):
        InGraphTokenizer(WordPieceTokenizer.from_json(json.dumps(saved)))
