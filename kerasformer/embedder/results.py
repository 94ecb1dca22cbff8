"""What `TextEmbedder` returns for a text where that is more than one vector."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class TokenVectors:
    """The vectors of a text's tokens.

    Attributes:
        tokens: The tokens, such as `"film"` and `"##s"`.
        ids: Their ids in the vocabulary.
        offsets: For each `(start, end)` in characters of the text as given; None for special
            tokens and for the tokens of a prompt.
        segments: For each 0, or 1 in the second text of a pair, whose offsets are in that text.
        vectors: `[tokens, size]`; `[tokens, layers, hidden]` for stacked layers.
    """

    tokens: list[str]
    ids: list[int]
    offsets: list[tuple[int, int] | None]
    segments: list[int]
    vectors: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of a text's words.

    Attributes:
        words: The words, as they stand in the text; punctuation marks are words too.
        offsets: For each `(start, end)` in characters of the text as given; None where the caller
            gave words.
        vectors: `[words, size]`; `[words, layers, hidden]` for stacked layers.
        segments: For each 0, or 1 in the second text of a pair.
    """

    words: list[str]
    offsets: list[tuple[int, int] | None]
    vectors: np.ndarray
    segments: list[int]


class TruncationWarning(UserWarning):
    """Texts were longer than `max_length` tokens and were truncated.

    Attributes:
        texts: How many texts were truncated.
        tokens: How many tokens were cut off.
    """

    def __init__(self, texts: int, tokens: int, max_length: int, window: bool = False):
        self.texts, self.tokens = texts, tokens
        advice = 'long="window" takes all of a text'
        if window:
            advice = "of a pair, the windows slide over the longer text alone"
        super().__init__(
            f"{tokens:,} tokens were cut off, of {texts:,} of the texts, which are longer than "
            f"max_length={max_length}: {advice}."
        )
