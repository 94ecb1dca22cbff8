"""Sentences of words as the tensors that a model of tokens computes with, and back."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.text import Tokenizer, pack
from kerasformer.text.windows import Windowing, Windows
from kerasformer.text.words import WordTokens


@dataclasses.dataclass(frozen=True)
class WordWindows:
    """The windows of sentences, and where each word of them is judged.

    A word is judged by its first token, in the window that has most context of that token.

    Attributes:
        windows: The windows of all sentences.
        columns: The place in its window of the first token of each word, int `[words]`; the words
            are those of the first window, of the second one, and so on, which is their own order.
        bounds: Where the words of each window begin among them, and the number of all words, int
            `[windows + 1]`.
        lengths: The number of words of each sentence.

    Any other parts than words do: `entities` judges each token as such a one.
    """

    windows: Windows
    columns: np.ndarray
    bounds: np.ndarray
    lengths: list[int]

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        sentences: Iterable[WordTokens],
        max_length: int,
        overlap: int | None,
    ) -> "WordWindows":
        """Makes the windows of sentences whose words are tokenized."""
        tokens = list(sentences)
        windowing = Windowing(tokenizer, max_length, window=True, overlap=overlap)
        windows = windowing.windows((each.ids, None) for each in tokens)
        firsts = [np.array(each.firsts, np.int64) + 1 for each in tokens]  # after [CLS]
        columns = []
        for window, sentence in enumerate(windows.texts.tolist()):
            start, stop = int(windows.start[window]), int(windows.stop[window])
            # The own tokens of a window are consecutive ones of the sentence.
            first = windows.positions(window)[start] if len(windows.parts[window]) > 1 else 0
            places = firsts[sentence] - first + start
            columns.append(places[(places >= start) & (places < stop)])
        bounds = np.cumsum([0, *map(len, columns)])
        lengths = [len(each) for each in firsts]
        return cls(windows, np.concatenate([[], *columns]).astype(np.int64), bounds, lengths)

    def words_of(self, window: int) -> tuple[slice, np.ndarray]:
        """The words that a window judges, and the places of their first tokens in it."""
        words = slice(int(self.bounds[window]), int(self.bounds[window + 1]))
        return words, self.columns[words]


class WordLabelled(Batches):
    """Batches with a label and a weight for each word, `[words]`, and rows of several words.

    What is no word has label 0 and weight 0. A child gives `_places(row)`: the words of a row, and
    their columns.

    Attributes:
        counts: The number of words of each sentence.
    """

    width_varies = True
    counts: Sequence[int]

    def _places(self, row: int) -> tuple[slice, Any]:
        raise NotImplementedError

    def keeper(self, out: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
        """Puts outputs `[batch, columns, ...]` for rows into `out`, `[words, ...]`."""

        def keep(rows: np.ndarray, outputs: np.ndarray) -> None:
            for output, row in zip(outputs, rows.tolist(), strict=True):
                words, columns = self._places(row)
                out[words] = output[columns]

        return keep

    def columns(self, rows: np.ndarray) -> tuple:
        """The inputs of rows, with the labels and weights of their words if they have labels."""
        inputs = self.inputs(rows)
        if self.labels is None:
            return (inputs,)
        shape = len(rows), self.width(rows)
        labels, weights = np.zeros(shape, "int32"), np.zeros(shape, "float32")
        for k, row in enumerate(rows.tolist()):
            words, columns = self._places(row)
            labels[k, columns] = self.labels[words]
            weights[k, columns] = 1 if self.sample_weight is None else self.sample_weight[words]
        return inputs, labels, weights


class TokenBatches(WordLabelled):
    """Batches of windows of sentences, whose labels are on the first tokens of their words.

    Args:
        words: The sentences.
        labels: The class of each word, int `[words]`; or None.
        sample_weight: The weight of each, float `[words]`; or None.
        *args, **kwargs: As of `Batches`.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> from kerasformer.text.words import word_tokens
    >>> tokenizer = WordPieceTokenizer.from_vocabulary("[PAD] [UNK] [CLS] [SEP] a ##b".split())
    >>> tokens = word_tokens(tokenizer, [["ab", "a"]])
    >>> words = WordWindows.of(tokenizer, tokens, max_length=8, overlap=None)
    >>> (inputs, labels, weights), = TokenBatches(words, np.array([1, 2]), max_length=8)
    >>> inputs["input_word_ids"].tolist(), labels.tolist(), weights.tolist()
    ([[2, 4, 5, 4, 3]], [[0, 1, 0, 2, 0]], [[0.0, 1.0, 0.0, 1.0, 0.0]])
    """

    def __init__(
        self,
        words: WordWindows,
        labels: np.ndarray | None = None,
        *args: Any,
        **kwargs: Any,
    ):
        self.words, self.counts = words, words.lengths
        super().__init__(words.windows.tokenized.lengths, labels, *args, **kwargs)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes."""
        return pack(self.words.windows.tokenized, rows, pad_to=self.width(rows))

    def _places(self, row: int) -> tuple[slice, np.ndarray]:
        return self.words.words_of(row)


class WordFeatureBatches(WordLabelled):
    """Batches of sentences whose words have vectors already, as the input `features`.

    The words of a sentence are judged one by one there, so one of many words is several rows.

    Args:
        features: float `[words, ...]`.
        counts: How many of them each sentence has.
        *args, **kwargs: As of `Batches`, from `labels` on.
    """

    MOST = 128  # words of a row

    def __init__(self, features: np.ndarray, counts: Sequence[int], *args: Any, **kwargs: Any):
        self.features, self.counts = features, counts
        ends = np.cumsum(counts).tolist()
        self._spans = [
            slice(start, min(start + self.MOST, end))
            for end, count in zip(ends, counts, strict=True)
            for start in range(end - count, end, self.MOST)
        ]
        super().__init__([span.stop - span.start for span in self._spans], *args, **kwargs)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict of `features`, float `[batch, most words, ...]`."""
        shape = len(rows), self.width(rows), *self.features.shape[1:]
        vectors = np.zeros(shape, self.features.dtype)
        for k, row in enumerate(rows.tolist()):
            words, columns = self._places(row)
            vectors[k, columns] = self.features[words]
        return {"features": vectors}

    def _places(self, row: int) -> tuple[slice, slice]:
        span = self._spans[row]
        return span, slice(span.stop - span.start)
