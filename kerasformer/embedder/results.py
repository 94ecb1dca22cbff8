"""What `TextEmbedder` returns: the vectors of a text's tokens, of its words, quantized."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from kerasformer.embedder.documents import Document, TextOrWords
from kerasformer.embedder.options import EncodeOptions
from kerasformer.text import WordPieceTokenizer


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
        offsets: As of `TokenVectors`; None where the caller gave words.
        vectors: `[words, size]`; `[words, layers, hidden]` for stacked layers.
        segments: As of `TokenVectors`.
    """

    words: list[str]
    offsets: list[tuple[int, int] | None]
    vectors: np.ndarray
    segments: list[int]


class TruncationWarning(UserWarning):
    """`texts` of the texts were longer than `max_length`, and lost `tokens` tokens together."""

    def __init__(self, texts: int, tokens: int, max_length: int, window: bool = False):
        self.texts, self.tokens = texts, tokens
        advice = 'long="window" takes all of a text'
        if window:
            advice = "of a pair, the windows slide over the longer text alone"
        super().__init__(
            f"{tokens:,} tokens were cut off, of {texts:,} of the texts, which are longer than "
            f"max_length={max_length}: {advice}."
        )


def token_vectors(
    document: Document,
    keep: tuple[int, int],
    vectors: np.ndarray,
    options: EncodeOptions,
    tokenizer: WordPieceTokenizer,
    include_prompt: bool,
) -> TokenVectors:
    """The tokens of a text with their vectors, `[tokens, ...]`, of `[CLS] text [SEP] pair [SEP]`.

    `keep` is how many tokens of the text, and of its pair if it has one, are among them.
    """
    cls, sep = (tokenizer.special_tokens[role] for role in ("cls_token", "sep_token"))
    special_tokens = options.special_tokens
    rows: list[tuple] = [(cls, tokenizer.cls_id, None, 0, special_tokens)]
    for segment, encoding in enumerate((document.one, document.two)):
        if encoding is None:
            continue
        before = 0 if segment else len(options.prompt)
        count = keep[segment]
        parts = (encoding.tokens, encoding.ids, encoding.offsets)
        for token, token_id, (start, end) in zip(*(part[:count] for part in parts), strict=True):
            is_prompt = before > 0 and end <= before
            place = None if is_prompt else (max(start - before, 0), end - before)
            rows.append((token, token_id, place, segment, include_prompt or not is_prompt))
        rows.append((sep, tokenizer.sep_id, None, segment, special_tokens))
    *columns, stay = zip(*rows, strict=True)
    tokens, ids, offsets, segments = (list(itertools.compress(c, stay)) for c in columns)
    return TokenVectors(tokens, ids, offsets, segments, vectors[np.array(stay)])


def word_vectors(
    document: Document, keep: tuple[int, int], vectors: np.ndarray, options: EncodeOptions
) -> WordVectors:
    """The words of a text with their vectors: the words that its tokenizer splits it into.

    Of words that the caller gave, one without any token (an empty one) gets zeros, as in flair;
    truncated ones are left out.
    """
    prompt, pooling = options.prompt, options.word_pooling
    parts = [_words(document.text, document.one, keep[0], vectors[1:], prompt, pooling)]
    if document.pair is not None:
        after = vectors[keep[0] + 2 :]
        parts.append(_words(document.pair, document.two, keep[1], after, "", pooling))
    words, offsets, pooled = zip(*parts, strict=True)
    return WordVectors(
        words=[word for part in words for word in part],
        offsets=[place for part in offsets for place in part],
        vectors=np.concatenate(pooled),
        segments=[segment for segment, part in enumerate(words) for _ in part],
    )


def _words(
    text: TextOrWords, encoding, count: int, vectors: np.ndarray, prompt: str, pooling: str
) -> tuple[Sequence[str], list, np.ndarray]:
    """The words of one text, their places and their vectors."""
    numbers = np.array([-1 if i is None else i for i in encoding.word_ids[:count]], int)
    offsets = np.array(encoding.offsets[:count], int).reshape(-1, 2)
    if prompt:
        is_prompt = offsets[:, 1] <= len(prompt) if isinstance(text, str) else numbers == 0
        numbers = np.where(is_prompt, -1, numbers)
    inside = np.flatnonzero(numbers >= 0)
    firsts = np.flatnonzero(np.diff(numbers[inside], prepend=-1))
    pooled = _pool(vectors[inside], firsts, pooling)
    if not isinstance(text, str):
        # Each word that was given, also those without a token.
        with_tokens = numbers[inside][firsts] - bool(prompt)
        if count < len(encoding.ids):
            text = text[: with_tokens[-1] + 1 if len(with_tokens) else 0]
        spread = np.zeros((len(text), *pooled.shape[1:]), pooled.dtype)
        spread[with_tokens] = pooled
        return text, [None] * len(text), spread
    lasts = np.append(firsts, len(inside))[1:] - 1
    begins = np.maximum(offsets[inside][firsts, 0] - len(prompt), 0)
    ends = offsets[inside][lasts, 1] - len(prompt)
    places = list(zip(begins.tolist(), ends.tolist(), strict=True))
    return [text[start:end] for start, end in places], places, pooled


def _pool(vectors, firsts, pooling):
    """Consecutive vectors pooled, each group from one of `firsts` to the next."""
    if pooling == "first" or not len(firsts):
        return vectors[firsts]
    if pooling == "max":
        return np.maximum.reduceat(vectors, firsts)
    total = np.add.reduceat(vectors, firsts)
    if pooling == "sum":
        return total
    counts = np.diff(np.append(firsts, len(vectors)))
    return total / counts.reshape(-1, *[1] * (total.ndim - 1)).astype(total.dtype)


def quantize(
    vectors: np.ndarray, dimensions: int | None, normalize: bool, dtype: str
) -> np.ndarray:
    """Truncates float32 vectors `[..., size]`, then normalises them, then quantizes them.

    A vector of zeros keeps its length. `"int8"` scales each vector, which keeps cosines; `"binary"`
    is the `"ubinary"` of sentence-transformers, uint8 `[..., ceil(size / 8)]`.

    >>> vectors = np.array([[3.0, -4.0, 1.0], [0.0, 0.0, 0.0]], "float32")
    >>> quantize(vectors, dimensions=2, normalize=True, dtype="float32").tolist()
    [[0.6000000238418579, -0.800000011920929], [0.0, 0.0]]
    """
    vectors = vectors[..., :dimensions]
    if normalize:
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors = vectors / np.maximum(lengths, 1e-12)
    if dtype == "binary":
        return np.packbits(vectors > 0, axis=-1)
    if dtype == "int8":
        largest = np.abs(vectors).max(axis=-1, keepdims=True, initial=0.0)
        return np.rint(vectors * (127 / np.where(largest > 0, largest, 1))).astype("int8")
    return vectors.astype(dtype, copy=False)
