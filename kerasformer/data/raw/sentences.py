"""Texts divided into sentences by their punctuation, in any language."""

import re

# Characters of a sentence; what is longer has no punctuation, and is cut at a space.
LONGEST_SENTENCE = 1 << 13
_CLOSING = "\"'”’»›)\\]」』）】〉》"
# Marks behind which a space has to follow, and those of scripts without spaces.
_SPACED = ".!?…‽؟۔।॥።։"
# A run of marks is searched from its beginning alone: from each of them, a long one takes forever.
_END = re.compile(rf"(?<![{_SPACED}])[{_SPACED}]+[{_CLOSING}]*(?=\s)|[。！？｡]+[{_CLOSING}]*")
_BLANK_LINES = re.compile(r"(?:\r\n?|\n)[^\S\r\n]*(?:\r\n?|\n)\s*")
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
    text, start = " ".join(text.split()), 0
    sentences: list[str] = []
    for end in _END.finditer(text):
        if _ends(text, start, end.end()):
            sentences += bounded(text[start : end.end()].strip())
            start = end.end()
    return [*sentences, *bounded(text[start:].strip())]


def split_paragraphs(text: str) -> list[str]:
    r"""The sentences of a text whose paragraphs, if it has several, have blank lines between them.

    >>> split_paragraphs("A title\n\nA text. It goes\non.")
    ['A title', 'A text.', 'It goes on.']
    """
    paragraphs = _BLANK_LINES.split(text)
    return [sentence for paragraph in paragraphs for sentence in split_sentences(paragraph)]


def ends_sentence(line: str) -> bool:
    """Whether a line ends as a sentence does.

    >>> ends_sentence("It rains. "), ends_sentence("It rains, and")
    (True, False)
    """
    line = line.strip()
    return any(end.end() == len(line) for end in _END.finditer(f"{line} "))


def bounded(sentence: str) -> list[str]:
    """A sentence in parts that are not too long, cut at blanks; none where it is empty."""
    parts = []
    while len(sentence) > LONGEST_SENTENCE:
        cut = sentence.rfind(" ", 1, LONGEST_SENTENCE)
        cut = LONGEST_SENTENCE if cut < 0 else cut
        parts.append(sentence[:cut])
        sentence = sentence[cut:].lstrip()
    return [*parts, sentence] if sentence else parts


def _ends(text: str, start: int, end: int) -> bool:
    """Whether a sentence ends at a mark."""
    following = text[end : end + 2].lstrip()[:1]
    return not (following.islower() or _INITIAL.search(text, max(start, end - 4), end))
