"""Who says whether texts are lower-cased: the table of the files, as transformers reads them."""

import json

import pytest

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Ab", "ab", "é", "e", "É", "E", "中"]
TEXT = ["Ab é É 中中 E"]
# What each file says: None where it is not there. A tokenizer.json of another kind says "NFKC".
JSONS = {
    "none": None,
    "lower": {"lowercase": True},
    "cased": {"lowercase": False},
    "lower, accents": {"lowercase": True, "strip_accents": False},
    "cased, bare": {"lowercase": False, "strip_accents": True},
    "whole Chinese": {"handle_chinese_chars": False},
    "control characters": {"clean_text": False},
    "NFKC": {"type": "NFKC"},
}
SETTINGS = {
    "none": None,
    "silent": {},
    "lower": {"do_lower_case": True},
    "cased": {"do_lower_case": False},
    "accents": {"strip_accents": False},
    "bare": {"do_lower_case": False, "strip_accents": True},
    "null": {"do_lower_case": True, "strip_accents": None},
    "whole Chinese": {"tokenize_chinese_chars": False},
}
CLASSES = {
    "no class": None,
    "BERT": "BertTokenizer",
    "BERT, fast": "BertTokenizerFast",
    "DistilBERT": "DistilBertTokenizerFast",
    "generic": "PreTrainedTokenizerFast",
}


def write(folder, normalizer, settings, made_for, model):
    """A folder with a vocabulary and those files that say something."""
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    if normalizer is not None:
        saved = json.loads(WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json())["tokenizer"]
        saved["normalizer"] |= normalizer
        if "type" in normalizer:
            saved["normalizer"] = normalizer
        (folder / "tokenizer.json").write_text(json.dumps(saved))
    if made_for:
        settings = {**(settings or {}), "tokenizer_class": made_for}
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if model:
        (folder / "config.json").write_text(json.dumps({"model_type": model}))
    return folder


def expected(normalizer, settings, made_for, model):
    """The rule that the table below bears out: what transformers 5 makes of the files.

    - BertTokenizer, which a file names or the model's type implies, makes its normalizer of
      tokenizer_config.json alone: lower-casing by default. The tokenizer.json's own is not read.
    - Any other takes the tokenizer.json as it is. What tokenizer_config.json says is not read.
    """
    is_berts = made_for != "PreTrainedTokenizerFast" and (made_for or model)
    if is_berts or normalizer is None:
        settings = settings or {}
        return {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": settings.get("tokenize_chinese_chars", True),
            "strip_accents": settings.get("strip_accents"),
            "lowercase": settings.get("do_lower_case", True),
        }
    if "type" in normalizer:
        return normalizer
    default = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
    return {"type": "BertNormalizer", **default, "lowercase": True, **normalizer}


def is_ambiguous(normalizer, settings, made_for, model):
    """Whether tokenizer_config.json contradicts, and no file says which of the two counts."""
    names = {"do_lower_case": "lowercase", "tokenize_chinese_chars": "handle_chinese_chars"}
    is_berts = normalizer is not None and "type" not in normalizer
    rule = expected(normalizer, settings, made_for, model)
    said = {names.get(name, name): value for name, value in (settings or {}).items()}
    return not (made_for or model) and is_berts and bool(said.items() - rule.items())


@pytest.mark.parametrize("model", [None, "bert", "distilbert"])
@pytest.mark.parametrize("made_for", CLASSES)
@pytest.mark.parametrize("said", JSONS)
def test_the_two_files(tmp_path, said, made_for, model):
    for name, settings in SETTINGS.items():
        (tmp_path / name).mkdir()
        row = (JSONS[said], settings, CLASSES[made_for], model)
        folder = write(tmp_path / name, *row)
        rule = expected(*row)
        if JSONS[said] is None and (made_for == "generic" or not (model or CLASSES[made_for])):
            # transformers reads none of these. A vocab.txt without a class is BERT's here.
            with pytest.raises(ValueError, match="instantiate the backend tokenizer"):
                transformers.AutoTokenizer.from_pretrained(folder)
            if made_for == "generic":
                with pytest.raises(UserError, match="PreTrainedTokenizerFast, which takes a tok"):
                    WordPieceTokenizer.from_pretrained(folder)
                continue
            theirs = transformers.BertTokenizer.from_pretrained(folder)
        else:
            theirs = transformers.AutoTokenizer.from_pretrained(folder)
        assert json.loads(theirs.backend_tokenizer.to_str())["normalizer"] == rule
        if is_ambiguous(*row):
            with pytest.raises(UserError, match="no tokenizer_class that says which one counts"):
                WordPieceTokenizer.from_pretrained(folder)
            continue
        ours = WordPieceTokenizer.from_pretrained(folder)
        assert json.loads(ours.backend.to_str())["normalizer"] == rule
        assert ours.tokenize(TEXT).ids == theirs(TEXT)["input_ids"]


@pytest.mark.parametrize("said", ["lower", "cased", "NFKC"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("name", ["none", "lower", "cased"])
def test_what_a_person_says_wins(tmp_path, said, name, lowercase):
    folder = write(tmp_path, JSONS[said], SETTINGS[name], "BertTokenizer", "bert")
    theirs = transformers.AutoTokenizer.from_pretrained(folder, do_lower_case=lowercase)
    ours = WordPieceTokenizer.from_vocabulary(folder / "vocab.txt", lowercase=lowercase)
    assert json.loads(ours.backend.to_str())["normalizer"]["lowercase"] is lowercase
    assert ours.tokenize(TEXT).ids == theirs(TEXT)["input_ids"]


@pytest.mark.parametrize("value", [None, "no", 0, []])
@pytest.mark.parametrize("said", ["none", "lower"])
def test_what_is_neither_true_nor_false(tmp_path, said, value):
    folder = write(tmp_path, JSONS[said], {"do_lower_case": value}, "BertTokenizer", "bert")
    with pytest.raises(UserError, match=r"do_lower_case .* must be true or false"):
        WordPieceTokenizer.from_pretrained(folder)
    with pytest.raises(TypeError):
        transformers.AutoTokenizer.from_pretrained(folder)
