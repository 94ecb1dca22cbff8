"""The OpenAI transformer's tokenizer by itself; tests/parity has transformers'."""

import json
import pickle

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from kerasformer.errors import UserError
from kerasformer.text import ByteLevelTokenizer, CharBPETokenizer, Tokenizer

TOKENS = ["<unk>", *"ceflms", "</w>", "e</w>", "s</w>", "m</w>", "fe", "ms</w>"]
VOCABULARY = {token: number for number, token in enumerate(TOKENS)}
MERGES = "#version: 0.2\nf e\nm s</w>\n"


def write(folder, **config):
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "merges.txt").write_text(MERGES)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def saved_json(folder, **model):
    """A tokenizer.json with changes of its model, and no class."""
    tokenizer = Tokenizer.from_pretrained(write(folder))
    tokenizer.save_pretrained(folder)
    saved = json.loads((folder / "tokenizer.json").read_text())
    saved["model"] |= model
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def test_a_special_token_makes_no_characters_of_bytes(tmp_path):
    tokens = [*sorted(ByteLevel.alphabet()), "ab", "<|endoftext|>", "</w>"]
    ids = {token: number for number, token in enumerate(tokens)}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert type(tokenizer) is ByteLevelTokenizer
    assert tokenizer.tokens(["abé"]) == [["ab", "Ã", "©"]]


def test_words_end_and_others_are_unknown(tmp_path):
    tokenizer = Tokenizer.from_pretrained(write(tmp_path, tokenizer_class="OpenAIGPTTokenizer"))
    assert tokenizer.tokens(["Féms cz"]) == [["fe", "ms</w>", "c", "<unk>"]]
    assert tokenizer.tokenize(["", "fems", "fe"]).ids == [[0], [11, 12], [3, 8]]
    assert tokenizer.decode([[11, 12, 0, 1, 8]]) == ["fems ce"]
    assert {tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id, tokenizer.unk_id} == {0}
    again = pickle.loads(pickle.dumps(tokenizer))
    assert (type(again), again.to_json()) == (CharBPETokenizer, tokenizer.to_json())
    with pytest.raises(UserError, match="A CharBPETokenizer takes no pairs"):
        tokenizer.tokenize(["fe"], pairs=["fe"])


@pytest.mark.parametrize("config", [{}, {"tokenizer_class": "OpenAIGPTTokenizerFast"}], ids=str)
def test_the_class_or_the_vocabulary_shows_what_it_is(tmp_path, config):
    assert type(Tokenizer.from_pretrained(write(tmp_path, **config))) is CharBPETokenizer
    saved_json(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert Tokenizer.from_pretrained(tmp_path).tokens(["FEMS"]) == [["fe", "ms</w>"]]
    with pytest.raises(UserError, match="holds a CharBPE model, but only BPE can be read here"):
        ByteLevelTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"end_of_word_suffix": "@@"}, "'BPE with end_of_word_suffix'"),
        ({"fuse_unk": True}, "'BPE with fuse_unk'"),
        ({"dropout": 0.1}, "'BPE with dropout'"),
        ({"unk_token": None}, "unk_token is 'None'"),
        ({"unk_token": "s"}, "the unk_token 's', but it must be '<unk>'"),
        ({"merges": [["f", "m"]]}, "its merge .* is not of two of its tokens"),
    ],
)
def test_what_is_refused(tmp_path, model, message):
    with pytest.raises(UserError, match=message):
        Tokenizer.from_pretrained(saved_json(tmp_path, **model))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"post_processor": {"type": "BertProcessing", "cls": ["c", 1], "sep": ["s", 6]}},
            "a post_processor of the type 'that adds c'",
        ),
        ({"decoder": {"type": "ByteLevel"}}, "a decoder of the type \"{'type': 'ByteLevel'}"),
        ({"decoder": {"type": "BPEDecoder", "suffix": "s"}}, "a decoder of the type "),
    ],
)
def test_other_parts_are_refused(tmp_path, part, message):
    saved_json(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved | part))
    with pytest.raises(UserError, match=message):
        Tokenizer.from_pretrained(tmp_path)


def test_special_tokens_are_named(tmp_path):
    config = {"unk_token": "c", "eos_token": {"content": "l"}, "pad_token": "s"}
    folder = write(tmp_path, tokenizer_class="OpenAIGPTTokenizer", **config)
    tokenizer = Tokenizer.from_pretrained(folder)
    found = (tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id)
    assert found == tuple(VOCABULARY[token] for token in "ccls")
    with pytest.raises(UserError, match="lacks the eos_token '_end_'"):
        Tokenizer.from_pretrained(write(tmp_path, eos_token="_end_", pad_token=None))
