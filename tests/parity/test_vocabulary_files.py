"""Odd vocabulary files, and the classes they are for, as transformers reads them."""

import json
import pickle

import numpy as np
import pytest

from kerasformer.embedder import TextEmbedder
from kerasformer.errors import UserError
from kerasformer.tasks import TextClassifier
from kerasformer.text import Tokenizer, WordPieceTokenizer, pack

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["a b c ab", "A bb x", "é. c [SEP] a", ""]


def vocabulary(*lines, end="\n", special=SPECIAL):
    return "".join(f"{line}{end}" for line in [*special, *lines]).encode()


ODD = {
    "plain": vocabulary("a", "b", "##b", "c"),
    "repeated": vocabulary("a", "b", "##b", "a", "c"),
    "three times": vocabulary("a", "b", "a", "##b", "a", "b", "c"),
    "trailing spaces": vocabulary("a ", "b\t", "##b  ", "c\u00a0", "\u3000"),
    "leading spaces": vocabulary(" a", "a", "b", "c"),
    "repeated by a space": vocabulary("a", "b", "a ", "c"),
    "blank lines within": vocabulary("a", "", "b", "", "", "c"),
    "Windows": vocabulary("a", "b", "##b", "c", end="\r\n"),
    "no last line end": vocabulary("a", "b", "##b", "c").rstrip(),
    "separators of other kinds": vocabulary("a", "b\x85b", "\u2028", "b", "c\x0b", "x\x1cy"),
    "no padding": vocabulary("a", "b", "c", special=SPECIAL[1:]),
    "no mask": vocabulary("a", "b", "c", special=SPECIAL[:-1]),
}


def write(folder, content, **config):
    (folder / "vocab.txt").write_bytes(content)
    config = {"tokenizer_class": "BertTokenizer", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", ODD)
def test_ids(tmp_path, name):
    folder = write(tmp_path, ODD[name])
    ours = WordPieceTokenizer.from_pretrained(folder)
    theirs = transformers.BertTokenizer.from_pretrained(folder)
    assert ours.tokenize(TEXTS).ids == theirs(TEXTS)["input_ids"]
    assert ours.tokenize(TEXTS, TEXTS[::-1]).ids == theirs(TEXTS, TEXTS[::-1])["input_ids"]
    # Every id has a token, so that all else that needs the whole vocabulary works.
    assert len(set(ours.vocabulary())) == ours.vocab_size
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    for saved in ("ours", "theirs"):
        again = Tokenizer.from_pretrained(tmp_path / saved)
        assert again.tokenize(TEXTS).ids == ours.tokenize(TEXTS).ids
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert again(TEXTS)["input_ids"] == ours.tokenize(TEXTS).ids


def test_a_byte_order_mark_is_no_part_of_the_first_token(tmp_path):
    """Of transformers it is, which then lacks a [PAD]: the ids of texts are the same."""
    folder = write(tmp_path, b"\xef\xbb\xbf" + ODD["plain"])
    ours = WordPieceTokenizer.from_pretrained(folder)
    theirs = transformers.BertTokenizer.from_pretrained(folder)
    assert ours.tokenize(TEXTS).ids == theirs(TEXTS)["input_ids"]
    assert (ours.pad_id, theirs.pad_token_id) == (0, 9)


def test_without_padding_token_the_mask_hides_what_stands_there(tmp_path):
    ours = WordPieceTokenizer.from_pretrained(write(tmp_path, ODD["no padding"]))
    batch = pack(ours.tokenize(TEXTS))
    assert batch["input_word_ids"].max() < ours.vocab_size
    np.testing.assert_array_equal(batch["input_mask"].sum(1), ours.tokenize(TEXTS).lengths)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (vocabulary("a\rb"), "carriage return within line 6"),
        (vocabulary("a", special=["[UNK]", "[SEP]"]), r"lacks the cls_token '\[CLS\]'"),
        (vocabulary("a") + b"\xff\n", "is not UTF-8 text"),
        (b"\n", "is empty"),
    ],
)
def test_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(write(tmp_path, content))


@pytest.mark.parametrize("has_json", [False, True])
@pytest.mark.parametrize("place", ["tokenizer_config", "config"])
@pytest.mark.parametrize(
    "made_for",
    [
        *BERT_CLASSES,
        *(f"{name}Fast" for name in BERT_CLASSES),
        "BertJapaneseTokenizer",
        "CharacterBertTokenizer",
        "MPNetTokenizer",
        "RobertaTokenizerFast",
        "XLMRobertaTokenizer",
        "CamembertTokenizer",
        "FunnelTokenizer",
        "AlbertTokenizer",
        3,
        ["BertTokenizer"],
    ],
    ids=str,
)
def test_the_class_in_either_file(tmp_path, made_for, place, has_json):
    if has_json:
        WordPieceTokenizer.from_vocabulary([*SPECIAL, "a", "b"]).save_pretrained(tmp_path)
    write(tmp_path, vocabulary("a", "b"), tokenizer_class=None)
    values = {"model_type": "bert", "tokenizer_class": made_for}
    (tmp_path / f"{place}.json").write_text(json.dumps(values))
    if str(made_for).removesuffix("Fast") not in BERT_CLASSES:
        with pytest.raises(UserError, match=r"which may split words in another way than BERT"):
            WordPieceTokenizer.from_pretrained(tmp_path)
        return
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = WordPieceTokenizer.from_pretrained(tmp_path)
    assert ours.tokenize(TEXTS).ids == theirs(TEXTS)["input_ids"]


def test_the_class_in_tokenizer_config_counts_before_that_in_config(tmp_path):
    write(tmp_path, vocabulary("a", "b"))
    values = {"model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (
        WordPieceTokenizer.from_pretrained(tmp_path).tokenize(TEXTS).ids
        == theirs(TEXTS)["input_ids"]
    )


@pytest.mark.parametrize(
    "config",
    [
        {"word_tokenizer_type": "mecab"},
        {"word_tokenizer_type": "sudachi"},
        {"subword_tokenizer_type": "character"},
        {"subword_tokenizer_type": "sentencepiece"},
        {"auto_map": {"AutoTokenizer": ["code.MyTokenizer", None]}},
        {"auto_map": ["code.MyTokenizer", None]},
    ],
    ids=str,
)
def test_other_ways_of_splitting(tmp_path, config):
    write(tmp_path, vocabulary("a", "b"), **config)
    with pytest.raises(UserError, match=rf"The tokenizer in .*{next(iter(config))}"):
        WordPieceTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"model_max_length": 128}, 128),
        ({"max_len": 64}, 64),
        ({"model_max_length": 128, "max_len": 64}, 128),
        ({"model_max_length": 10**30}, None),
        ({"model_max_length": 1e30}, None),
        ({"model_max_length": None, "max_len": 64}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_length_that_a_model_was_made_for(tmp_path, config, length):
    folder = write(tmp_path, vocabulary("a", "b"), **config)
    theirs = transformers.BertTokenizer.from_pretrained(folder)
    ours = WordPieceTokenizer.from_pretrained(folder)
    assert ours.max_length == length
    assert length == theirs.model_max_length or theirs.model_max_length > 10**9
    ours.save_pretrained(tmp_path / "ours")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert again.model_max_length == theirs.model_max_length or length is None
    assert pickle.loads(pickle.dumps(ours)).max_length == length


@pytest.mark.parametrize("length", ["128", 2, -1, True, float("nan"), []])
def test_a_length_that_is_none(tmp_path, length):
    folder = write(tmp_path, vocabulary("a"), model_max_length=length)
    with pytest.raises(UserError, match="as the most tokens of a text: expected 3 or more"):
        WordPieceTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("config", [{"max_len": 9}, {"model_max_length": 9}, {}], ids=str)
def test_the_length_is_the_default(random_model, sentence_transformers, config):
    _, folder = random_model()
    write(folder, vocabulary("a", "b"), **config)
    theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    embedder = TextEmbedder.from_pretrained(folder)
    assert embedder.max_length == theirs.max_seq_length
    classifier = TextClassifier(["x", "y"], embedder.encoder, embedder.tokenizer)
    assert classifier.max_length == theirs.max_seq_length
    text = "a b " * embedder.max_length
    with pytest.warns(UserWarning, match="truncated|cut"):
        ours = embedder.encode([text])
    np.testing.assert_allclose(ours, theirs.encode([text]), atol=1e-5)
