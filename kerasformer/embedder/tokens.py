"""The vectors of a text's tokens, and of the words that these make up."""

import itertools
from collections.abc import Sequence

import numpy as np

from kerasformer.embedder.documents import Document, TextOrWords
from kerasformer.embedder.options import EncodeOptions
from kerasformer.embedder.results import TokenVectors, WordVectors
from kerasformer.text import WordPieceTokenizer


def token_vectors(
    document: Document,
    keep: tuple[int, int],
    vectors: np.ndarray,
    options: EncodeOptions,
    tokenizer: WordPieceTokenizer,
    include_prompt: bool,
) -> TokenVectors:
    """The tokens of a text with their vectors.

    Args:
        document: The text.
        keep: How many tokens of the text, and of its pair, have vectors.
        vectors: Those of `[CLS] text [SEP]`, or of `[CLS] text [SEP] pair [SEP]`, `[tokens, ...]`.
        options: Their `prompt` is before the text; `special_tokens` are kept or not.
        tokenizer: The tokenizer.
        include_prompt: Whether the prompt's tokens are kept.
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
    truncated ones are left out. The arguments are those of `token_vectors`.
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
        return _given_words(text, numbers[inside][firsts] - bool(prompt), pooled, count, encoding)
    lasts = np.append(firsts, len(inside))[1:] - 1
    begins = np.maximum(offsets[inside][firsts, 0] - len(prompt), 0)
    ends = offsets[inside][lasts, 1] - len(prompt)
    places = list(zip(begins.tolist(), ends.tolist(), strict=True))
    return [text[start:end] for start, end in places], places, pooled


def _given_words(words, places, pooled, count, encoding):
    """Each word that was given, also those without a token, with its vector."""
    if count < len(encoding.ids):
        words = words[: places[-1] + 1 if len(places) else 0]
    vectors = np.zeros((len(words), *pooled.shape[1:]), pooled.dtype)
    vectors[places] = pooled
    return words, [None] * len(words), vectors


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
