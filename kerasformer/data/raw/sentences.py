"""Texts divided into sentences by their punctuation, in any language."""

import re

# Characters of a sentence; what is longer has no punctuation, and is cut at a space.
LONGEST_SENTENCE = 1 << 13
_CLOSING = "\"'”’»›)\\]」』）】〉》"
# Marks behind which a space has to follow, and those of scripts without spaces.
_END = re.compile(rf"[.!?…‽؟۔।॥።։]+[{_CLOSING}]*(?=\s)|[。！？｡]+[{_CLOSING}]*")
_INITIAL = re.compile(r"(?:^|[\s.(])[^\W\d_]\.$")


def split_sentences(text: str) -> list[str]:
    """Divides a text into sentences, by its punctuation alone.

    A sentence ends behind a full stop, an exclamation or a question mark of any script, with the
    quotes and brackets that close there, if a space follows, and then no small letter; behind
    Chinese and Japanese ones no space has to follow. The full stop of an initial ("J. Smith") ends
    none. So an abbreviation before a capital letter divides a sentence in two: for pretraining,
    which takes several at a time, that does not matter. Every space becomes one blank, and what has
    no punctuation for 8,192 characters is cut there, at a blank if there is one.

    >>> split_sentences("He met J. Smith. “Why?” he asked. It cost 3.5 euros!")
    ['He met J. Smith.', '“Why?” he asked.', 'It cost 3.5 euros!']
    >>> split_sentences("你好。再见！")
    ['你好。', '再见！']
    """
    text, start, sentences = " ".join(text.split()), 0, []
    for end in _END.finditer(text):
        if _ends(text, start, end.end()):
            sentences += _bounded(text[start : end.end()].strip())
            start = end.end()
    return [*sentences, *_bounded(text[start:].strip())]


def ends_sentence(line: str) -> bool:
    """Whether a line ends as a sentence does.

    >>> ends_sentence("It rains. "), ends_sentence("It rains, and")
    (True, False)
    """
    line = line.strip()
    return any(end.end() == len(line) for end in _END.finditer(f"{line} "))


def _ends(text: str, start: int, end: int) -> bool:
    """Whether a sentence ends at a mark."""
    following = text[end : end + 2].lstrip()[:1]
    return not (following.islower() or _INITIAL.search(text, max(start, end - 4), end))


def _bounded(sentence: str) -> list[str]:
    """A sentence in parts that are not too long; none where it is empty."""
    parts = []
    while len(sentence) > LONGEST_SENTENCE:
        cut = sentence.rfind(" ", 1, LONGEST_SENTENCE)
        cut = LONGEST_SENTENCE if cut < 0 else cut
        parts.append(sentence[:cut])
        sentence = sentence[cut:].lstrip()
    return [*parts, sentence] if sentence else parts
