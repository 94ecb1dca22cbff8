"""The entities that a model's logits of tokens give, as transformers groups them."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from kerasformer.errors import UserError
from kerasformer.training.metrics.tags import tag_spans

AGGREGATIONS = ("none", "simple", "first", "average", "max")


@dataclasses.dataclass(frozen=True)
class Entity:
    """An entity found in a text.

    Args:
        text: Its words, `text[start:end]` of the whole text.
        start: Where it begins, in characters.
        end: Where it ends, exclusive.
        label: Its kind, such as `"PER"`.
        score: Its probability.

    Example:

    >>> entity = Entity("Rome", start=9, end=13, label="LOC", score=0.9)
    >>> "He is in Rome."[entity.start : entity.end]
    'Rome'
    """

    text: str
    start: int
    end: int
    label: str
    score: float


def token_entities(
    text: str,
    logits: Iterable[npt.ArrayLike],
    offsets: Iterable[npt.ArrayLike],
    words: Iterable[npt.ArrayLike],
    class_names: Sequence[str],
    aggregation: str = "simple",
) -> list[Entity]:
    """The entities of a text from the logits of its tokens, in one window or several.

    They are those of transformers' `TokenClassificationPipeline`: neighbours of one kind are one
    entity, `B-` begins another, and other letters than B and I, as of IOBES, are part of the kind
    that neighbours must share. Of entities that overlap, as those of two windows do, the longest
    stays, and of equally long ones that of the highest score. `"O"` is no entity.

    Args:
        text: The text.
        logits: Of each window, float `[tokens, classes]`.
        offsets: Where each token begins and ends in the text, int `[tokens, 2]`.
        words: The number of each token's word, int `[tokens]`; -1 for a token that is not of the
            text: special tokens and padding.
        class_names: The names of the classes, such as `"B-PER"`.
        aggregation: "none" gives each token with its class as label. "simple" groups tokens,
            which may cut words. The others first give each word one class, then group words: that
            of the word's "first" token, of its tokens' "average", or of its surest ("max").

    Returns:
        The entities, by where they begin.

    Raises:
        UserError: There is no such aggregation.

    Example:

    >>> logits = [[[0, 9, 0], [0, 0, 9], [9, 0, 0]]]
    >>> names = ["O", "B-PER", "I-PER"]
    >>> offsets, words = [[(0, 3), (4, 9), (9, 10)]], [[0, 1, 2]]
    >>> [entity.text for entity in token_entities("Ann Jones.", logits, offsets, words, names)]
    ['Ann Jones']
    """
    if aggregation not in AGGREGATIONS:
        raise UserError(
            f"aggregation is {aggregation!r}, and must be one of {', '.join(AGGREGATIONS)}."
        )
    found: list[Entity] = []
    windows = 0
    for window in zip(logits, offsets, words, strict=True):
        arrays = [np.asarray(values) for values in window]
        found += _of_window(text, arrays, class_names, aggregation)
        windows += 1
    return _without_overlaps(found) if windows > 1 else found


def word_entities(
    text: str,
    spans: Sequence[tuple[int, int]],
    tags: Sequence[str],
    scores: Sequence[float] | None = None,
) -> list[Entity]:
    """The entities that tags of words mark, as `entity_metrics` counts them.

    Args:
        text: The text.
        spans: Where each word begins and ends in it.
        tags: The tag of each word, such as `"B-PER"`, of BIO, IOBES or any other scheme.
        scores: The probability of each word's tag, of which an entity has the mean; by default 1.

    Returns:
        The entities, by where they begin.

    Raises:
        UserError: A tag is empty.

    Example:

    >>> word_entities("in New York", [(0, 2), (3, 6), (7, 11)], ["O", "B-LOC", "I-LOC"])
    [Entity(text='New York', start=3, end=11, label='LOC', score=1.0)]
    """
    sure = np.ones(len(tags)) if scores is None else np.asarray(scores, "float64")
    entities = []
    for label, first, stop in tag_spans([tags])[0]:
        start, end = spans[first][0], spans[stop - 1][1]
        score = float(sure[first:stop].mean())
        entities.append(Entity(text[start:end], start, end, label, score))
    return entities


def _of_window(text, arrays, class_names, aggregation):
    """The entities of one window, of which the arrays are logits, offsets and words."""
    logits, offsets, words = arrays
    ours = np.flatnonzero(words >= 0)
    if not len(ours):
        return []
    scores, words = _softmax(logits[ours].astype("float32")), words[ours]
    start, end = offsets[ours].T
    if aggregation in ("first", "average", "max"):
        first, last = _runs(words[1:] != words[:-1])
        scores, start, end = _of_words(scores, first, aggregation), start[first], end[last]
    classes = scores.argmax(axis=1)
    best = np.take_along_axis(scores, classes[:, None], axis=1)[:, 0]
    names = list(class_names)
    if aggregation != "none":
        kinds = [name[2:] if name[:2] in ("B-", "I-") else name for name in names]
        kind = np.array([kinds.index(each) for each in kinds])[classes]
        begins = np.array([name.startswith("B-") for name in names])[classes]
        first, last = _runs((kind[1:] != kind[:-1]) | begins[1:])
        best = np.add.reduceat(best.astype("float64"), first) / (last - first + 1)
        classes, start, end = classes[first], start[first], end[last]
        names = [name.split("-", 1)[-1] for name in names]
    rows = zip(start.tolist(), end.tolist(), classes.tolist(), best.tolist(), strict=True)
    return [Entity(text[a:b], a, b, names[c], score) for a, b, c, score in rows if names[c] != "O"]


def _runs(breaks):
    """The first and the last index of each run, given whether each next item begins one."""
    later = np.flatnonzero(breaks)
    return np.append(0, later + 1), np.append(later, len(breaks))


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _of_words(scores, first, aggregation):
    """The scores of words from those of their tokens, given each word's first token."""
    if aggregation == "first":
        return scores[first]
    lengths = np.diff(np.append(first, len(scores)))
    if aggregation == "average":
        return np.add.reduceat(scores, first) / lengths[:, None].astype(scores.dtype)
    surest = scores.max(axis=1)
    is_surest = surest == np.repeat(np.maximum.reduceat(surest, first), lengths)
    word = np.repeat(np.arange(len(first)), lengths)
    _, places = np.unique(word[is_surest], return_index=True)  # the first one of each word
    return scores[np.flatnonzero(is_surest)[places]]


def _without_overlaps(entities):
    """Of those that overlap with the one before, the longest, or the surest of equal length."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda each: each.start):
        if not kept or entity.start >= kept[-1].end:
            kept.append(entity)
            continue
        before = kept[-1]
        if (entity.end - entity.start, entity.score) > (before.end - before.start, before.score):
            kept[-1] = entity
    return kept
