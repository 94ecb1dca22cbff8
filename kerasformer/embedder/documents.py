"""The texts to embed: checked, in pools of a bounded size, and tokenized."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import tokenizers

from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.texts import check_iterable, check_text

TextOrWords: TypeAlias = str | list[str]


@dataclasses.dataclass(frozen=True)
class Document:
    """A text and its pair as given, and the tokens `one` of prompt and text, `two` of the pair."""

    text: TextOrWords
    pair: TextOrWords | None
    one: tokenizers.Encoding
    two: tokenizers.Encoding | None


def checked(
    texts: Iterable[TextOrWords], pairs: Iterable[TextOrWords] | None, are_words: bool
) -> Iterator[tuple[TextOrWords, TextOrWords | None]]:
    """Pairs `(text, pair or None)`, each checked when it is reached.

    With `are_words` a text may be a list of words.
    """
    texts = check_iterable(texts, "texts")
    if pairs is None:
        return ((_check(text, f"texts[{i}]", are_words), None) for i, text in enumerate(texts))
    return _checked_pairs(texts, check_iterable(pairs, "pairs"), are_words)


def _checked_pairs(texts, pairs, are_words):
    missing = object()
    for i, (text, pair) in enumerate(itertools.zip_longest(texts, pairs, fillvalue=missing)):
        if text is missing or pair is missing:
            more, fewer = ("pairs", "texts") if text is missing else ("texts", "pairs")
            raise UserError(
                f"There are more {more} than the {i:,} {fewer}: give one pair for each text."
            )
        yield _check(text, f"texts[{i}]", are_words), _check(pair, f"pairs[{i}]", are_words)


def _check(text, name, are_words):
    if are_words and isinstance(text, list | tuple):
        return [check_text(word, f"{name}[{i}]") for i, word in enumerate(text)]
    return check_text(text, name)


def pools(
    items: Iterable[tuple], most: int, most_characters: int
) -> Iterator[tuple[list[tuple], bool]]:
    """Consecutive texts in lists of so many texts and characters at most, but at least one text.

    With each it is told whether it has all texts that there are.
    """
    pool: list[tuple] = []
    characters, has_all = 0, True
    for item in items:
        size = sum(map(_size, item))
        if pool and (len(pool) >= most or characters + size > most_characters):
            has_all = False
            yield pool, has_all
            pool, characters = [], 0
        pool.append(item)
        characters += size
    if pool:
        yield pool, has_all


def _size(text):
    if text is None or isinstance(text, str):
        return len(text or "")
    return sum(map(len, text))


def token_ids(
    tokenizer: WordPieceTokenizer, pool: Sequence[tuple], prompt: str
) -> Iterator[tuple[list[int], list[int] | None]]:
    """The ids of the texts of a pool, with the prompt before them, and of their pairs."""
    ones = tokenizer.ids([prompt + text for text, _ in pool])
    if not pool or pool[0][1] is None:
        yield from ((ids, None) for ids in ones)
    else:
        yield from zip(ones, tokenizer.ids([pair for _, pair in pool]), strict=True)


def documents(tokenizer: WordPieceTokenizer, pool: Sequence[tuple], prompt: str) -> list[Document]:
    """The texts of a pool with their encodings; before words, the prompt is one more word."""
    ones = _encodings(tokenizer, [text for text, _ in pool], prompt)
    twos = [None] * len(pool)
    if pool and pool[0][1] is not None:
        twos = _encodings(tokenizer, [pair for _, pair in pool], "")
    return [Document(*item, *both) for item, *both in zip(pool, ones, twos, strict=True)]


def _encodings(tokenizer, texts, prompt):
    """The encodings of texts, some of which may be lists of words."""
    found = [None] * len(texts)
    for are_words in (False, True):
        places = [i for i, text in enumerate(texts) if isinstance(text, list) == are_words]
        given = [texts[i] for i in places]
        if prompt:
            given = [[prompt, *text] if are_words else prompt + text for text in given]
        encodings = tokenizer.encodings(given, are_words=are_words)
        for place, encoding in zip(places, encodings, strict=True):
            found[place] = encoding
    return found
