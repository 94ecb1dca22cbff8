"""A tokenizer.json of another kind, damaged or hostile: a UserError, or BERT's tokens."""

import json
import random
import subprocess
import sys

import pytest

from kerasformer.errors import UserError
from kerasformer.text import Tokenizer, WordPieceTokenizer, WordTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, "a", "b", "##b", "é", "e", "."]
TEXT = "a ab aé É. \u0301 [SEP]"

# Each of these aborts the tokenizers library, makes it panic or never end, or once did.
FOREIGN = {
    "normalizer": [
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Prepend", "prepend": ""},
        {"type": "Replace", "pattern": {"String": ""}, "content": "x"},
        {"type": "Replace", "pattern": {"Regex": "(a*)*$"}, "content": "x"},
        {"type": "Sequence", "normalizers": "NFC"},
        {"type": "ByteLevel"},
        {"type": "Nmt"},
        {"type": ["NFC"]},
        {"type": "BertNormalizer", "clean_text": 3},
        {"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 100_000},
        [],
        "NFC",
    ],
    "pre_tokenizer": [
        {"type": "FixedLength", "length": 0},
        {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False},
        {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": True},
        {"type": "CharDelimiterSplit", "delimiter": ""},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "UnicodeScripts"},
        [],
    ],
    "post_processor": [
        {"type": "ByteLevel"},
        {"type": "TemplateProcessing", "single": 3, "pair": [], "special_tokens": {}},
        {"type": "TemplateProcessing", "single": [], "pair": [{}] * 10, "special_tokens": {}},
        {"type": "BertProcessing", "sep": 3},
        {"type": "Sequence", "processors": []},
        [],
    ],
}
MODELS = [
    {"type": "BPE", "vocab": {}, "merges": []},
    {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 0},
    {"type": "WordPiece", "vocab": ["a"]},
    {"type": "WordPiece", "vocab": {"a": -1}},
    {"type": "WordPiece", "vocab": {"a": 2**40}},
    {"type": "WordPiece", "vocab": {"a": 1.5}},
    {"type": "WordPiece", "vocab": {"a": True}},
    {"type": "WordPiece", "vocab": {"\ud800": 0}},
    {"type": "WordPiece", "vocab": {}},
    {"vocab": {"a": 0}, "merges": []},
    [],
]


def tokenizer_json(**changes):
    saved = json.loads(WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json())["tokenizer"]
    return saved | changes


def write(folder, saved, made_for):
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    config = {"tokenizer_class": made_for} if made_for else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("part", FOREIGN)
def test_foreign_parts_are_refused_or_not_read(tmp_path, part):
    plain = WordPieceTokenizer.from_vocabulary(VOCABULARY).tokens([TEXT])
    for value in FOREIGN[part]:
        saved = tokenizer_json(**{part: value})
        for made_for in (None, "PreTrainedTokenizerFast"):
            with pytest.raises(UserError, match=r"tokenizer\.json "):
                Tokenizer.from_pretrained(write(tmp_path, saved, made_for))
        # BertTokenizer takes the vocabulary alone.
        read = Tokenizer.from_pretrained(write(tmp_path, saved, "BertTokenizer"))
        assert read.tokens([TEXT]) == plain


@pytest.mark.parametrize("made_for", ["BertTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: ascii(model)[:40])
def test_foreign_models_are_refused(tmp_path, model, made_for):
    model = {"unk_token": "[UNK]", **model} if model else model
    with pytest.raises(UserError, match=r"tokenizer\.json "):
        Tokenizer.from_pretrained(write(tmp_path, tokenizer_json(model=model), made_for))


@pytest.mark.parametrize("most", [0, -1, 2**70, 10**6, 1.5, "9", None])
def test_the_length_of_a_word_is_bounded(tmp_path, most):
    model = tokenizer_json()["model"] | {"max_input_chars_per_word": most}
    with pytest.raises(UserError, match="max_input_chars_per_word"):
        Tokenizer.from_pretrained(write(tmp_path, tokenizer_json(model=model), None))


@pytest.mark.parametrize("member", ["truncation", "padding", "version", "decoder", "more"])
@pytest.mark.parametrize("value", [{"strategy": {"Fixed": 2**40}}, -1, [], "x", None])
def test_other_members_are_not_read(tmp_path, member, value):
    read = Tokenizer.from_pretrained(write(tmp_path, tokenizer_json(**{member: value}), None))
    assert read.to_json() == WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json()


def test_a_generic_tokenizer_keeps_the_parts_that_are_known(tmp_path):
    normalizer = {
        "type": "Sequence",
        "normalizers": [
            {"type": "NFKC"},
            {"type": "Replace", "pattern": {"String": "’"}, "content": "'"},
            {"type": "Lowercase"},
            {"type": "StripAccents"},
        ],
    }
    saved = tokenizer_json(normalizer=normalizer, pre_tokenizer={"type": "WhitespaceSplit"})
    saved["model"] |= {"continuing_subword_prefix": "++", "max_input_chars_per_word": 3}
    saved["model"]["vocab"]["++b"] = saved["model"]["vocab"].pop("##b")
    read = Tokenizer.from_pretrained(write(tmp_path, saved, "PreTrainedTokenizerFast"))
    assert read.tokens(["AB a. abbb"]) == [["a", "++b", "[UNK]", "[UNK]"]]
    read.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert Tokenizer.from_pretrained(tmp_path / "saved").to_json() == read.to_json()
    with pytest.raises(UserError, match=r"begins the pieces within a word with '\+\+', but Bert"):
        Tokenizer.from_pretrained(write(tmp_path, saved, "BertTokenizer"))


def test_one_regular_expression_is_read_and_no_other(tmp_path):
    WordTokenizer.train(["a b"]).save_pretrained(tmp_path)
    assert Tokenizer.from_pretrained(tmp_path).tokens(["a's 体b"]) == [["[UNK]", "[UNK]", "b"]]
    path = tmp_path / "tokenizer.json"
    saved = json.loads(path.read_text())
    saved["pre_tokenizer"]["pattern"]["Regex"] += "|(a+)+$"
    path.write_text(json.dumps(saved))
    with pytest.raises(UserError, match="a pre_tokenizer of the type 'Split'"):
        Tokenizer.from_pretrained(tmp_path)


def mutated(value, rng):
    """A copy of a JSON value in which one or two places are other values."""
    odd = [
        *(None, True, -1, 0, 2**31, 2**65, 1e400, -1.5, "", "\ud800", "\x00", "x" * 5000),
        *([], {}, [[]], {"type": "Lowercase"}, {"id": 3}, "[UNK]", "[SEP]", 10**400),
    ]
    places = []

    def walk(parent):
        for key in parent if isinstance(parent, dict) else range(len(parent)):
            places.append((parent, key))
            if isinstance(parent[key], dict | list):
                walk(parent[key])

    copy = json.loads(json.dumps(value))
    walk(copy)
    for _ in range(rng.choice([1, 1, 2])):
        parent, key = rng.choice(places)
        kind = rng.randrange(4)
        if kind == 0 and isinstance(parent, dict):
            parent.pop(key, None)
        elif kind == 1 and isinstance(parent, dict):
            parent[rng.choice(["type", "", "x" * 300, "\ud800", "[e]"])] = rng.choice(odd)
        elif isinstance(parent, list) and key >= len(parent):
            continue
        else:
            parent[key] = rng.choice(odd)
    return copy


FUZZ = """
import sys; sys.path.insert(0, sys.argv[1])
from test_tokenizer_json import fuzz
fuzz(int(sys.argv[2]), sys.argv[3])
"""


def fuzz(count, folder):
    """Reads `count` mutated tokenizers and tokenizes with those that are whole."""
    from pathlib import Path

    rng, folder = random.Random(7), Path(folder)
    tokens = [
        {"content": "<e1>", "lstrip": True, "normalized": True, "special": False},
        {"content": "E 2", "single_word": True, "special": True},
    ]
    base = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    added = [{"id": len(VOCABULARY) + i, **token} for i, token in enumerate(tokens)]
    saved = tokenizer_json(added_tokens=[*tokenizer_json()["added_tokens"], *added])
    words = json.loads(WordTokenizer.train(["a b"]).to_json())["tokenizer"]
    config = json.loads(base.to_json())["config"]
    decoder = {str(len(VOCABULARY) + i): token for i, token in enumerate(tokens)}
    whole = 0
    for number in range(count):
        one, settings = rng.choice([saved, saved, words]), config | {"max_len": 9}
        settings["tokenizer_class"] = rng.choice(["BertTokenizer", "PreTrainedTokenizerFast", None])
        if number % 3 == 0:
            settings = mutated(settings | {"added_tokens_decoder": decoder}, rng)
        else:
            one = mutated(one, rng)
        (folder / "tokenizer.json").write_text(json.dumps(one))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        try:
            tokenizer = Tokenizer.from_pretrained(folder)
        except UserError:
            continue
        text = [TEXT, "<e1>  E 2", "", "a" * 2000, "\x00\ufeff"]
        assert max(map(max, tokenizer.tokenize(text).ids)) < tokenizer.vocab_size
        tokenizer.offsets(text)
        assert Tokenizer.from_json(tokenizer.to_json()).to_json() == tokenizer.to_json()
        whole += 1
    assert 0.1 < whole / count < 0.9


def test_mutated_files_in_another_process(tmp_path):
    arguments = [sys.executable, "-c", FUZZ, str(__file__.rpartition("/")[0]), "300", str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
