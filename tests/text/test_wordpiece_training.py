"""A vocabulary of word pieces, learnt from texts."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer

from kerasformer.errors import UserError
from kerasformer.text import Tokenizer, WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_texts():
    """Texts whose words are the beginnings of a few, of different frequency: without ties."""
    rng, words = random.Random(3), []
    for k, stem in enumerate(["banderol", "cuentista", "dromo", "fugaz", "mil"]):
        for length in range(1, len(stem) + 1):
            words += [stem[:length]] * (7 * length + 11 * k + 2)
    rng.shuffle(words)
    return [" ".join(words[i : i + 20]) + "." for i in range(0, len(words), 20)]


@pytest.mark.parametrize("lowercase", [True, False])
def test_the_pieces_are_those_of_hugging_face(lowercase):
    texts = ["El Año, ¡año!", "中文 中", *(text.title() for text in make_texts())]
    theirs = BertWordPieceTokenizer(lowercase=lowercase)
    theirs.train_from_iterator(texts, vocab_size=70, show_progress=False)
    ours = WordPieceTokenizer.train(texts, 70, lowercase)
    assert set(ours.vocabulary()) == set(theirs.get_vocab())
    assert ours.vocabulary()[:5] == SPECIAL
    assert ours.tokens(texts[:9]) == [
        theirs.encode(t, add_special_tokens=False).tokens for t in texts[:9]
    ]


def test_the_same_in_any_order_and_process():
    texts = make_texts()
    learnt = WordPieceTokenizer.train(iter(texts), 60).vocabulary()
    assert WordPieceTokenizer.train(texts[::-1], 60).vocabulary() == learnt
    code = (
        "import sys; from kerasformer.text import WordPieceTokenizer as W\n"
        "print(*W.train(sys.argv[1].split('|'), 60).vocabulary())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "|".join(texts)], capture_output=True, text=True
    )
    assert run.stdout.split() == learnt


@given(texts=st.lists(st.text("abcdefgÉ中。' "), max_size=6), vocab_size=st.integers(7, 40))
@settings(deadline=None, max_examples=50)
def test_no_more_tokens_than_asked_for_and_the_most_frequent_characters(texts, vocab_size):
    texts = [*texts, "a a a a", "a a"]
    tokenizer = WordPieceTokenizer.train(texts, vocab_size)
    assert len(tokenizer.vocabulary()) <= vocab_size
    known = WordPieceTokenizer.train(texts, 1000)
    assert all("[UNK]" not in tokens for tokens in known.tokens(texts))


def test_saved_and_loaded(tmp_path):
    tokenizer = WordPieceTokenizer.train(make_texts(), 120, lowercase=False)
    tokenizer.save_pretrained(tmp_path)
    again = Tokenizer.from_pretrained(tmp_path)
    assert again.to_json() == tokenizer.to_json()
    assert not again.backend.normalizer.lowercase


def test_what_cannot_be_learnt_from():
    with pytest.raises(UserError, match="The texts hold no word to learn"):
        WordPieceTokenizer.train(["", " \u200b"])
    with pytest.raises(UserError, match="vocab_size is 6, but must be at least 7"):
        WordPieceTokenizer.train(["a"], 6)
    for name in ("vocab_size", "min_frequency", "characters"):
        with pytest.raises(UserError, match=f"{name} is 2147483648, but must be at most"):
            WordPieceTokenizer.train(["a"], **{name: 1 << 31})
    with pytest.raises(UserError, match="texts is a str"):
        WordPieceTokenizer.train("a text")


class Stream:
    """Texts that are made anew each time, and never all there."""

    def __init__(self, texts):
        self.texts, self.reads = texts, 0

    def __iter__(self):
        self.reads += 1
        yield from self.texts


def test_texts_are_read_again_and_not_kept():
    texts = make_texts()
    stream = Stream(texts)
    learnt = WordPieceTokenizer.train(stream, 60)
    assert learnt.vocabulary() == WordPieceTokenizer.train(texts, 60).vocabulary()
    assert stream.reads > 1
    documents = [texts[:3], texts[3:5], *texts[5:]]
    assert WordPieceTokenizer.train(documents, 60).vocabulary() == learnt.vocabulary()


def test_how_often_a_piece_occurs_and_how_many_characters():
    texts = ["aab aab aab", "cd cd", "é"]
    pieces = WordPieceTokenizer.train(texts, min_frequency=3).vocabulary()[5:]
    assert "aab" in pieces
    assert "cd" not in pieces
    pieces = WordPieceTokenizer.train(texts, characters=2).vocabulary()[5:]
    assert {piece.removeprefix("##") for piece in pieces if len(piece) in (1, 3)} >= {"a", "b"}
    assert "c" not in pieces


@pytest.mark.parametrize("special", [["[PAD]"], ["a", "a"], [""], ["a b"]])
def test_special_tokens_that_cannot_be(special):
    with pytest.raises(UserError, match="cannot be one"):
        WordPieceTokenizer.train(["a b"], special_tokens=special)
