"""A word in different contexts: how much alike its vectors are, layer by layer."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from kerasformer.analysis.occurrences import Occurrence, Passage, WordFinder, numbers
from kerasformer.errors import UserError
from kerasformer.plots.heatmap import heat_map, heat_map_grid
from kerasformer.text.texts import check_iterable, check_text


@dataclasses.dataclass(frozen=True, eq=False)
class WordContexts:
    """How much alike the vectors of a word's occurrences are.

    Attributes:
        word: The word.
        occurrences: Its occurrences, in the order of the texts.
        cosines: float32 `[layers, occurrences, occurrences]`, the embeddings first.
        others: float32 `[layers]`: the mean cosine of two other tokens out of different texts. In
            some layers all vectors point the same way, and a high cosine means little; NaN where
            there are no such tokens.
        without: The numbers of the texts that the word is not in, from 0.
        more: Whether there are more occurrences than were asked for.
    """

    word: str
    occurrences: list[Occurrence]
    cosines: np.ndarray
    others: np.ndarray
    without: list[int]
    more: bool

    def pairs(self) -> np.ndarray:
        """The cosines of all pairs of occurrences, float32 `[layers, pairs]`.

        The pairs are in the order of `numpy.triu_indices(occurrences, 1)`.
        """
        first, second = np.triu_indices(len(self.occurrences), 1)
        return self.cosines[:, first, second]


def word_contexts(embedder, word: str, texts: Iterable[str], *, limit: int = 30) -> WordContexts:
    """Compares a word's vectors in the contexts in which it stands, in every layer.

    A vector is the mean of the word's sub-words. A word stands where the tokenizer sees the same
    word: in any case and with any accents, if the model is uncased. Of a text longer than the
    embedder takes, the part around each occurrence is encoded.

    Ethayarajh, "How Contextual are Contextualized Word Representations?",
    https://arxiv.org/abs/1909.00512: self-similarity, and the similarity of other words, with
    which it is to be compared.

    Args:
        embedder: A `TextEmbedder`.
        word: The word, or several words that stand next to each other.
        texts: The texts, which may be more than fit into memory.
        limit: The most occurrences to compare: the first ones. Texts behind them are not read.

    Raises:
        UserError: The word is in none of the texts, or there only once; or something is not a str.

    Example:

    >>> from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
    >>> from kerasformer.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "bank", "river"]
    >>> tokenizer = WordPieceTokenizer.from_vocabulary(words)
    >>> encoder = BertEncoder(EncoderConfig.bert("tiny", vocab_size=len(words)))
    >>> embedder = TextEmbedder(encoder, tokenizer)
    >>> found = word_contexts(embedder, "bank", ["The river bank", "Bank the bank"])
    >>> [occurrence.snippet for occurrence in found.occurrences]
    ['The river [bank]', '[Bank] the bank', 'Bank the [bank]']
    >>> found.cosines.shape
    (3, 3, 3)
    """
    finder = WordFinder(embedder.tokenizer, word, room=embedder.max_length - 2)
    found: list[tuple[Occurrence, Passage]] = []
    without: list[int] = []
    more = False
    for number, text in enumerate(check_iterable(texts, "texts")):
        here = finder.find(check_text(text, f"texts[{number}]"), number)
        if not here:
            without.append(number)
        more = len(found) + len(here) > limit
        found += here[: limit - len(found)]
        if more:
            break
    occurrences = [occurrence for occurrence, _ in found]
    if len(found) < 2:
        raise UserError(_too_few(finder, occurrences, without))
    vectors, others = _vectors(embedder, [passage for _, passage in found])
    cosines = np.einsum("ilh,jlh->lij", vectors, vectors)
    return WordContexts(
        word, occurrences, np.clip(cosines, -1, 1).astype("float32"), others, without, more
    )


def _too_few(finder, occurrences, without):
    """Why there is nothing to compare."""
    if occurrences:
        return (
            f"{finder.word!r} stands only once, in text {occurrences[0].text + 1}: give texts with "
            "two occurrences or more, to compare them."
        )
    where = f"any of the {len(without):,} texts" if len(without) > 1 else "the text"
    near = f" (in text {numbers(finder.near_misses)} it is part of a longer word, or has other "
    near = f"{near}capitals, which this model tells apart)" if finder.near_misses else ""
    return f"{finder.word!r} is not in {where}{near}: give texts that have it."


def _vectors(embedder, passages):
    """Unit vectors of the word, `[passages, layers, hidden]`, and `WordContexts.others`."""
    places: dict[str, list] = {}
    for index, passage in enumerate(passages):
        places.setdefault(passage.text, []).append((index, passage))
    results = embedder.stream(list(places), output="hidden_states", prompt="")
    vectors, sums, counts = [None] * len(passages), {}, {}
    for here, result in zip(places.values(), results, strict=True):
        states = result.vectors.astype("float64")
        spans = np.array([place or (-1, -1) for place in result.offsets])
        rest = spans[:, 1] > 0  # special tokens have no place
        for index, passage in here:
            inside = (spans[:, 0] < passage.end) & (passage.start < spans[:, 1])
            vectors[index] = states[inside].mean(axis=0)
            rest &= ~inside
        number = here[0][1].number
        sums[number] = sums.get(number, 0) + _unit(states[rest]).sum(axis=0)
        counts[number] = counts.get(number, 0) + rest.sum()
    return _unit(np.stack(vectors)), _mean_cosine(list(sums.values()), list(counts.values()))


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _mean_cosine(sums, counts):
    """The mean cosine by layer of two vectors of different groups, from their sums and counts."""
    sums, counts = np.stack(sums), np.array(counts, "float64")
    products = (sums.sum(axis=0) ** 2).sum(-1) - (sums**2).sum(axis=(0, 2))
    pairs = counts.sum() ** 2 - (counts**2).sum()
    return (products / pairs if pairs else np.full(len(products), np.nan)).astype("float32")


def plot_layers(contexts: WordContexts) -> bytes:
    """A PNG of the cosines of all pairs of occurrences, a small map a layer."""
    labels = list(range(1, len(contexts.occurrences) + 1))
    return heat_map_grid(
        contexts.cosines,
        ["layer 0 (embeddings)", *(f"layer {i}" for i in range(1, len(contexts.cosines)))],
        columns=5,
        labels=labels,
        value_label="Cosine",
        title=f"“{contexts.word}” in {len(labels)} contexts",
    )


def plot_layer(contexts: WordContexts, layer: int) -> bytes:
    """A PNG of the cosines of all pairs of occurrences in one layer, with a snippet of each."""
    numbered = list(enumerate((found.snippet for found in contexts.occurrences), 1))
    return heat_map(
        contexts.cosines[layer],
        [f"{snippet}  {number}" for number, snippet in numbered],
        [number for number, _ in numbered],
        value_label="Cosine",
        title=f"“{contexts.word}” in layer {layer}",
    )
