"""Batches of texts some of whose tokens a model is to guess."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasformer.data.batches import Batches, TextBatches
from kerasformer.data.shapes import are_few
from kerasformer.errors import UserError
from kerasformer.text import Tokenized, pack
from kerasformer.text.masking import TokenMasking

POSITIONS = "masked_lm_positions"


class GuessBatches(TextBatches):
    """Batches of texts with the positions to guess, as the input `masked_lm_positions`.

    Rows with fewer positions than others have the first token's beside them, which counts for
    nothing.

    Args:
        tokenized: What `Tokenizer.tokenize` returned.
        positions: Of each text where the tokens to guess are.
        *args, **kwargs: As of `TextBatches`.

    Example:

    >>> batches = GuessBatches(Tokenized([[2, 4, 4, 3], [2, 4, 3]]), [[1, 2], [1]])
    >>> batches[0][0]["masked_lm_positions"].tolist()
    [[1, 2], [1, 0]]
    """

    width_varies = True

    def __init__(self, tokenized: Tokenized, positions: Sequence[Any], *args: Any, **kwargs: Any):
        self.positions, self._widest = positions, max(map(len, positions), default=0)
        super().__init__(tokenized, *args, **kwargs)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes, and the positions."""
        inputs = super().inputs(rows)
        length = inputs["input_word_ids"].shape[1]
        places = _rectangle([self.positions[row] for row in rows], length, self._widest)
        return inputs | {POSITIONS: places.astype("int32")}


class EachTokenBatches(Batches):
    """Batches of texts each of whose tokens is hidden in turn: a row for each token.

    Args:
        tokenized: What `WordPieceTokenizer.tokenize` returned.
        mask_id: The id of the mask token.
        batch_size: Rows in a batch.
        max_length: The most tokens that the model takes.

    Attributes:
        counts: How many rows each text has, int `[n]`.
        targets: The id of the token that a row hides, int `[rows]`.
    """

    width_varies = True

    def __init__(self, tokenized: Tokenized, mask_id: int, batch_size: int, max_length: int):
        self.tokenized, self.mask_id = tokenized, mask_id
        self.counts = tokenized.lengths - 2  # without the first token and the last
        self._texts = np.repeat(np.arange(len(tokenized)), self.counts)
        firsts = np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        self._places = (np.arange(len(self._texts)) - firsts + 1).astype("int32")
        self.targets = np.array([one for row in tokenized.ids for one in row[1:-1]], "int32")
        sizes = {"batch_size": batch_size, "max_length": max_length}
        super().__init__(tokenized.lengths[self._texts], **sizes)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes, and the position of the hidden token."""
        inputs = pack(self.tokenized, self._texts[rows], pad_to=self.width(rows))
        places = self._places[rows]
        inputs["input_word_ids"][np.arange(len(rows)), places] = self.mask_id
        return inputs | {POSITIONS: places[:, None]}


class MaskedBatches(TextBatches):
    """Batches of texts with tokens hidden at random, and the labels that these are.

    With a seed each epoch hides others, as RoBERTa's pretraining does (Liu et al.,
    https://arxiv.org/abs/1907.11692, section 4.1): those of a text follow from seed, epoch and the
    text's place, whatever batch it is in. Without one they follow from the text alone.

    Args:
        tokenized: What `Tokenizer.tokenize` returned.
        masking: What hides tokens.
        *args, **kwargs: As of `TextBatches`, of which labels are None.
    """

    width_varies = True

    def __init__(
        self,
        tokenized: Tokenized,
        masking: TokenMasking,
        *args: Any,
        seed: int | None = None,
        **kwargs: Any,
    ):
        self._masking, self._seed = masking, seed
        super().__init__(tokenized, None, *args, seed=seed, **kwargs)

    def check_trained(self) -> None:
        """Looks whether there are enough tokens for a pass to choose one of them to be guessed.

        Raises:
            UserError: There are not.
        """
        least, found = math.ceil(1 / self._masking.rate), 0
        for ids in self.tokenized.ids:
            found += int((~np.isin(ids, self._masking.special_ids)).sum())
            if found >= least:
                return
        raise UserError(
            f"The texts to train or evaluate on have fewer than {least} tokens that could be "
            f"guessed; {self._masking.rate:.0%} of them are chosen: give more texts."
        )

    def columns(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The inputs, and the ids that are right at their positions with the weight of each."""
        return self._hide(rows)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The dict that `kerasformer.text.pack` makes, with tokens hidden, and their positions."""
        return self._hide(rows)[0]

    def _hide(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        inputs = super().inputs(rows)
        columns: list[list[np.ndarray]] = [[], [], []]
        for ids, row in zip(inputs["input_word_ids"], rows.tolist(), strict=True):
            own = ids[: self.lengths[row]]
            key = (0, *own.tolist()) if self._seed is None else (1 + self._seed, self.epoch, row)
            hidden, chosen = self._masking.hide(own, np.random.default_rng(key))
            weight = 1.0 if self.sample_weight is None else self.sample_weight[row]
            guesses = np.flatnonzero(chosen), own[chosen], np.full(chosen.sum(), weight)
            for column, values in zip(columns, guesses, strict=True):
                column.append(values)
            ids[: len(own)] = hidden
        length, rate = ids.size, self._masking.rate
        # Hardly ever more: one text in a thousand million.
        usual = math.ceil(length * rate + 6 * math.sqrt(length * rate * (1 - rate)))
        positions, labels, weights = (_rectangle(column, length, usual) for column in columns)
        inputs[POSITIONS] = positions.astype("int32")
        return inputs, labels.astype("int32"), weights.astype("float32")


class StudentBatches(MaskedBatches):
    """Masked batches for distillation; the target distance is 0.

    Attributes:
        weights: What each text weighs, as much as its tokens hidden, float32 `[n]`, of the batches
            that were made: a loss that is a mean by weight is one of tokens.
    """

    width_varies = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.labels = np.zeros((len(self.lengths), 1), "float32")
        self.weights = np.zeros(len(self.lengths), "float32")

    def columns(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The inputs, the distance 0, and the weight of each text."""
        return self.inputs(rows), self.labels[rows], self.weights[rows]

    def _hide(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        inputs, labels, weights = super()._hide(rows)
        self.weights[rows] = weights.sum(axis=1)
        return inputs, labels, weights


def _rectangle(rows: Sequence[Any], most: int, usual: int) -> np.ndarray:
    """Lists of numbers as one array, with zeros behind them.

    Args:
        rows: The lists.
        most: How wide it is at most.
        usual: How wide it is at least where shapes are few.
    """
    # One of few widths: every new shape has its price.
    width = max([usual if are_few() else 1, *map(len, rows)])
    width = -(-width // 8) * 8 if width > 8 else 1 << max(width - 1, 0).bit_length()
    array = np.zeros((len(rows), min(width, most)))
    for own, values in zip(array, rows, strict=True):
        own[: len(values)] = values
    return array
