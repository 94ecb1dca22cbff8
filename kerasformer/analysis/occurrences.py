"""Where a word stands in texts, as the tokenizer sees it, and what is encoded around it."""

import dataclasses
from collections.abc import Iterator

from kerasformer.errors import UserError
from kerasformer.text.texts import check_text

_SNIPPET = 44  # characters of a word and what stands around it


@dataclasses.dataclass(frozen=True)
class Occurrence:
    """A place where a word stands."""

    text: int  # the number of the text, from 0
    start: int  # in characters of the text
    end: int
    tokens: tuple[str, ...]  # the word's sub-words
    snippet: str  # the word in brackets between the words around it


@dataclasses.dataclass(frozen=True)
class Passage:
    """What is encoded for an occurrence: its text, or the part around it of a long one."""

    text: str
    number: int  # of the whole text
    start: int  # of the word in the passage
    end: int


class WordFinder:
    """Finds a word in texts, where its tokens stand as whole words, with passages of `room` tokens.

    So an uncased model's word is found in any case and with any accents. `near_misses` are the
    numbers of the texts where its letters stand as part of a longer word, or with other capitals.

    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "bank", "##s", "the"]
    >>> finder = WordFinder(WordPieceTokenizer.from_vocabulary(words), "bank", room=9)
    >>> [occurrence.start for occurrence, _ in finder.find("The banks; the Bank", number=0)]
    [15]
    """

    def __init__(self, tokenizer, word: str, room: int):
        self.tokenizer = tokenizer
        self.word = check_text(word, "word")
        self.room = room
        self.near_misses: list[int] = []
        self._ids = self._encoding(word).ids
        self._is_unknown = tokenizer.unk_id in self._ids
        if not 1 <= len(self._ids) <= room:
            raise UserError(
                f"The word is {word!r}, of {len(self._ids)} tokens, but must have 1 to {room}."
            )

    def find(self, text: str, number: int) -> list[tuple[Occurrence, Passage]]:
        """The occurrences in a text, in order, each with its passage."""
        encoding = self._encoding(text)
        found = []
        for first in self._places(encoding, text):
            last = first + len(self._ids) - 1
            start, end = encoding.offsets[first][0], encoding.offsets[last][1]
            begin, stop = self._window(encoding, first, last) or (0, len(text))
            tokens = tuple(encoding.tokens[first : last + 1])
            occurrence = Occurrence(number, start, end, tokens, snippet(text, start, end))
            passage = Passage(text[begin:stop], number, start - begin, end - begin)
            found.append((occurrence, passage))
        if not found and self.word.casefold() in text.casefold():
            self.near_misses.append(number)
        return found

    def _encoding(self, text):
        return next(iter(self.tokenizer.encodings([text])))

    def _places(self, encoding, text) -> Iterator[int]:
        """The index of the first token of each occurrence."""
        ids, words, size = encoding.ids, encoding.word_ids, len(self._ids)
        for index in [i for i, token_id in enumerate(ids) if token_id == self._ids[0]]:
            end = index + size
            begins = index == 0 or words[index - 1] != words[index]
            ends = end >= len(ids) or words[end - 1] != words[end]
            if begins and ends and ids[index:end] == self._ids:
                found = text[encoding.offsets[index][0] : encoding.offsets[end - 1][1]]
                # It may be another word that is unknown too.
                if not self._is_unknown or self._normal(found) == self._normal(self.word):
                    yield index

    def _normal(self, text):
        normalizer = self.tokenizer.backend.normalizer
        return " ".join((normalizer.normalize_str(text) if normalizer else text).split())

    def _window(self, encoding, first, last):
        """The place in a long text of as many tokens as fit, the word in their middle."""
        size, words = len(encoding.ids), encoding.word_ids
        if size <= self.room:
            return None
        begin = min(max(0, (first + last + 1 - self.room) // 2), size - self.room)
        end = begin + self.room
        while 0 < begin < first and words[begin - 1] == words[begin]:  # whole words alone
            begin += 1
        while last + 1 < end < size and words[end - 1] == words[end]:
            end -= 1
        return encoding.offsets[begin][0], encoding.offsets[end - 1][1]


def snippet(text: str, start: int, end: int) -> str:
    """A part of a text in brackets with some of the words around it, about 44 characters in a line.

    >>> snippet("We sat on the bank of a river, where we fished till the sun went down.", 14, 18)
    'We sat on the [bank] of a river, where we…'
    """
    # Runs of spaces become one: what is looked at is wider than what is shown.
    before = _space(text[max(0, start - 4 * _SNIPPET) : start])
    after = _space(text[end : end + 4 * _SNIPPET])
    word = f"[{_space(text[start:end])}]"
    room = max(0, _SNIPPET - len(word))
    room_before = max(room // 2, room - len(after))
    if len(before) > room_before:
        before = "…" + before[len(before) - room_before :].partition(" ")[2]
    if len(after) > room - len(before):
        after = after[: max(0, room - len(before))].rpartition(" ")[0] + "…"
    return f"{before}{word}{after}".strip()


def numbers(indices: list[int]) -> str:
    """Numbers of texts as people count them, from 1.

    >>> numbers([0, 4]), numbers(list(range(8)))
    ('1, 5', '1, 2, 3, 4, 5 and 3 more')
    """
    shown = ", ".join(str(index + 1) for index in indices[:5])
    return shown + (f" and {len(indices) - 5:,} more" if len(indices) > 5 else "")


def _space(text):
    """The text with single spaces, at its ends too where there were any."""
    return " ".join(f"x{text}x".split())[1:-1]
