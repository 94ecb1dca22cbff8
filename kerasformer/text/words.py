"""The words of texts, and the tokens of each word."""

import bisect
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from kerasformer.errors import UserError
from kerasformer.text.texts import LONGEST_TEXT, check_iterable, check_text, too_long
from kerasformer.text.tokenizer import Tokenizer


class WordTokens(NamedTuple):
    """The tokens of a sentence, without special tokens, and the words that they are of.

    Attributes:
        ids: The token ids.
        words: Of each token the number of its word, never falling; every word is there.
    """

    ids: list[int]
    words: list[int]

    @property
    def firsts(self) -> list[int]:
        """The place of the first token of each word.

        >>> WordTokens([7, 8, 9], [0, 0, 1]).firsts
        [0, 2]
        """
        return [k for k, word in enumerate(self.words) if not k or word != self.words[k - 1]]


def check_words(sentences: Iterable[Iterable[str]], name: str = "words") -> list[list[str]]:
    """The words of sentences as lists of str; `name` is theirs in error messages.

    Raises:
        UserError: A sentence is no list of words, or a word is no str that UTF-8 can hold.

    Example:

    >>> check_words([("A", "film"), []])
    [['A', 'film'], []]
    """
    checked = []
    for i, sentence in enumerate(check_iterable(sentences, name)):
        if isinstance(sentence, str | bytes):
            raise UserError(
                f"{name}[{i}] is the string {str(sentence)[:40]!r}, but must be a list of words: "
                "divide it into its words first."
            )
        words = list(check_iterable(sentence, f"{name}[{i}]"))
        checked.append([check_text(word, f"{name}[{i}][{k}]") for k, word in enumerate(words)])
        if sum(map(len, words)) > LONGEST_TEXT:
            raise too_long(f"{name}[{i}]")
    return checked


def word_tokens(tokenizer: Tokenizer, sentences: list[list[str]]) -> Iterator[WordTokens]:
    """The tokens of each of some checked sentences, word by word.

    Each word is tokenized by itself, and one that gives no token, such as a control character, is
    an unknown one: words and their labels stay side by side.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "film", "##s"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(vocabulary)
    >>> list(word_tokens(tokenizer, [["Films", "\\u200b", "film"]]))
    [WordTokens(ids=[4, 5, 1, 4], words=[0, 0, 1, 2])]
    """
    encodings = tokenizer.encodings(sentences, are_words=True)
    for sentence, encoding in zip(sentences, encodings, strict=True):
        ids, words = encoding.ids, [word for word in encoding.word_ids if word is not None]
        for word in sorted(set(range(len(sentence))).difference(words)):
            place = bisect.bisect_left(words, word)
            ids.insert(place, tokenizer.unk_id)
            words.insert(place, word)
        yield WordTokens(ids, words)


def split_words(text: str) -> list[tuple[int, int]]:
    """Where each word of a text stands, as BERT divides it: (start, end) in characters.

    Words are divided by white space; every punctuation mark and Chinese character is one.

    >>> [("It's 5km."[start:end]) for start, end in split_words("It's 5km.")]
    ['It', "'", 's', '5km', '.']
    """
    return _splitter().encode(text).offsets


@functools.cache
def _splitter():
    backend = tokenizers.Tokenizer(models.WordLevel({"": 0}, unk_token=""))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend
