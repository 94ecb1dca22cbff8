"""The texts that are learnt from without labels, none of which is judged later."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from kerasformer.data.dataset import Dataset
from kerasformer.data.hashing import text_key
from kerasformer.data.raw import Documents
from kerasformer.data.raw.sentences import split_paragraphs

_BYTES = 3  # of UTF-8 in a token, about: of English a few letters, a sign of Chinese


def texts_to_learn_from(
    dataset: Dataset, max_length: int, sources: Sequence[str] = ()
) -> list[str]:
    """All texts that a model may learn from without their labels: none that is judged.

    They are those of training and of `Documents(sources)`, which are divided into pieces of about
    `max_length` tokens, as a model truncates what is longer. A text of the test or validation split
    is left out as a document, and as some sentences of one, which it is in a file of a text on each
    line.
    """
    texts = list(dataset.train.texts)
    if not sources:
        return texts
    splits = [split for name, split in dataset.splits.items() if name != "train"]
    judged = _Judged(text for split in splits for text in split.texts)
    for sentences in Documents(sources):
        texts += _pieces(judged.left_out_of(sentences), max_length)
    return texts


def _pieces(sentences: list[str], max_length: int) -> Iterator[str]:
    """A document in pieces of whole sentences, but for those too long for one.

    >>> list(_pieces(["It rains.", "Oh.", "It rains, and it is late."], max_length=8))
    ['It rains. Oh. It rains,', 'and it is late.']
    >>> list(_pieces(["It rains.", "The rain is wet."], max_length=8))
    ['It rains.', 'The rain is wet.']
    """
    piece, most = "", _BYTES * max_length
    for sentence in sentences:
        is_long = len(sentence.encode()) > most
        parts = textwrap.wrap(sentence, max_length, break_on_hyphens=False) if is_long else []
        for part in parts or [sentence]:
            longer = f"{piece} {part}".lstrip()
            if piece and len(longer.encode()) > most:
                yield piece
                longer = part
            piece = longer
    if piece:
        yield piece


class _Judged:
    """Texts that nothing may learn from."""

    def __init__(self, texts: Iterable[str]):
        divided = [split_paragraphs(text) for text in texts]
        self.keys = {_key(sentences) for sentences in divided}
        self.first = {_key(sentences[:1]) for sentences in divided}
        self.most = max(map(len, divided), default=0)  # sentences of one

    def left_out_of(self, sentences: list[str]) -> list[str]:
        """The sentences that are no part of a whole one of the texts."""
        kept, start = [], 0
        while start < len(sentences):
            end = self._end(sentences, start)
            if end == start:
                kept.append(sentences[start])
            start = max(end, start + 1)
        return kept

    def _end(self, sentences, start):
        """Where the longest of the texts ends that starts there; `start` if none does."""
        first = _key(sentences[start : start + 1])
        if first in self.first:
            for end in range(min(start + self.most, len(sentences)), start, -1):
                if _key(sentences[start:end]) in self.keys:
                    return end
        return start + (first in self.keys)  # of several sentences on a line


def _key(sentences):
    """Equal for what has the same characters but for case and white space."""
    return text_key("".join("".join(sentences).split()))
