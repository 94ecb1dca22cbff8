"""Whether text is lower-cased where no file says it: by the release's name, or by Latin words."""

import warnings
from pathlib import Path

import pytest

from kerasformer.text import WordPieceTokenizer
from kerasformer.text.casing import guess, of_release

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.mark.parametrize(
    ("name", "lowercase"),
    [
        ("uncased_L-12_H-768_A-12", True),
        ("wwm_uncased_L-24_H-1024_A-16", True),
        ("multilingual_L-12_H-768_A-12", True),
        ("chinese_L-12_H-768_A-12", True),
        ("chinese_wwm_L-12_H-768_A-12", True),
        ("bert_zh_L-12_H-768_A-12/4", True),
        ("bert-tensorflow2-en-uncased-l-10-h-128-a-2/2", True),
        ("cased_L-12_H-768_A-12", False),
        ("multi_cased_L-12_H-768_A-12", False),
        ("bert_en_wwm_cased_L-24_H-1024_A-16", False),
        ("my_uncased_model", None),
        ("purchased_goods", None),
    ],
)
def test_the_names_of_googles_releases(name, lowercase):
    assert of_release(Path("/models", name)) is lowercase


@pytest.mark.parametrize(
    ("words", "lowercase", "strips"),
    [
        (["google", "facebook", "##ing", "中", "<S>", "<T>", "[unused1]"], True, True),
        (["Google", "the", "##ing"], False, False),
        (["नमस्ते", "दुनिया", "##ी"], False, False),
        (["한국어", "문장", "##은"], False, False),
        (["か", "が", "##で"], False, False),
        (["か", "が", "##で", "google"], True, False),
        (["한국어", "google"], True, False),
        (["café", "the"], True, False),
        (["cafe", "the"], True, True),
        (["1", "2", "中"], False, False),
        (["1A", "a", "<B>", "Б", "б"], True, True),
    ],
)
def test_a_guess_looks_at_latin_words(words, lowercase, strips):
    with pytest.warns(UserWarning, match="Nothing beside x says .* Latin words, texts "):
        assert guess([*SPECIAL, *words], "x") == (
            lowercase,
            None if strips == lowercase else strips,
        )


def test_each_word_of_a_guessed_vocabulary_can_be_reached(tmp_path):
    words = ["か", "が", "한국어", "नमस्ते", "中", "google", "facebook"]
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "<S>", "<T>", *words]))
    with pytest.warns(UserWarning, match="says whether its model is cased"):
        tokenizer = WordPieceTokenizer.from_pretrained(tmp_path / "vocab.txt")
    assert tokenizer.tokens([" ".join(words)]) == [words]
    assert tokenizer.tokens(["Google Facebook"]) == [["google", "facebook"]]


def test_a_release_is_no_guess(tmp_path):
    folder = tmp_path / "multi_cased_L-12_H-768_A-12"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "a", "é"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = WordPieceTokenizer.from_pretrained(folder / "vocab.txt")
        assert tokenizer.tokens(["é A"]) == [["é", "[UNK]"]]
        WordPieceTokenizer.from_vocabulary(folder / "vocab.txt")  # who says it needs no guess
