"""Hiding tokens for a model to guess."""

import dataclasses
import functools
from typing import Any, Self

import numpy as np

from kerasformer.errors import UserError
from kerasformer.text.tokenizer import Tokenizer


def mask_id_of(tokenizer: Any) -> int:
    """The id of a tokenizer's mask token.

    Raises:
        UserError: It has none.
    """
    mask_id = getattr(tokenizer, "mask_id", None)
    if mask_id is None:
        raise UserError(
            "The vocabulary has no mask token, which hides the words to guess: use the tokenizer "
            "of a masked language model."
        )
    return mask_id


@dataclasses.dataclass(frozen=True)
class TokenMasking:
    """Chooses tokens to guess, and hides most of them, as BERT is pretrained.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3.1, task 1: of the tokens chosen 80 %
    become the mask token, 10 % any token of the vocabulary, and 10 % stay as they are. Each token
    is chosen by itself, as by transformers' `DataCollatorForLanguageModeling`.

    Attributes:
        mask_id: The id of the mask token.
        vocab_size: The number of tokens.
        special_ids: The ids that are never chosen: those of the special tokens, padding included.
        rate: The probability of any other token to be chosen.
        continuing_ids: The ids of pieces that go on with a word, all of whose pieces are chosen
            together; none where each token is chosen by itself.

    Example:

    >>> masking = TokenMasking(mask_id=4, vocab_size=100, special_ids=(0, 1, 2, 3, 4), rate=1.0)
    >>> ids, chosen = masking.hide(np.array([2, 17, 8, 54, 3]), np.random.default_rng(0))
    >>> chosen.tolist()
    [False, True, True, True, False]
    """

    mask_id: int
    vocab_size: int
    special_ids: tuple[int, ...]
    rate: float = 0.15
    continuing_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, tokenizer: Tokenizer, rate: float = 0.15, *, whole_words: bool = False) -> Self:
        """For the ids of a tokenizer.

        Args:
            tokenizer: A tokenizer with a mask token.
            rate: The probability of a token to be chosen.
            whole_words: Whether all pieces of a word are chosen together.

        Raises:
            UserError: It has none.
        """
        mask_id, vocabulary = mask_id_of(tokenizer), tokenizer.vocabulary()
        special_tokens = set(tokenizer.special_tokens.values())
        special = tuple(i for i, token in enumerate(vocabulary) if token in special_tokens)
        prefix = getattr(tokenizer.backend.model, "continuing_subword_prefix", None)
        within = [
            i
            for i, token in enumerate(vocabulary)
            if whole_words and prefix and token.startswith(prefix) and i not in special
        ]
        return cls(mask_id, len(vocabulary), special, rate, tuple(within))

    def hide(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Hides tokens at random.

        Args:
            ids: Token ids, an integer array of any shape.
            rng: What is hidden follows from it and from `ids`.

        Returns:
            The ids with tokens hidden, and which of them were chosen, both shaped like `ids`.
        """
        draws = rng.random(ids.shape)
        if self.continuing_ids:
            draws = np.take_along_axis(draws, self._firsts(ids), axis=-1)
        chosen = draws < self.rate
        chosen &= self._is_word(ids)
        fate = rng.random(ids.shape)
        others = rng.integers(self.vocab_size, size=ids.shape, dtype=ids.dtype)
        hidden = np.where(chosen & (fate < 0.8), ids.dtype.type(self.mask_id), ids)
        return np.where(chosen & (fate >= 0.9), others, hidden), chosen

    def guesses(
        self, ids: np.ndarray, draws: np.ndarray, most: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Hides just the rate's share of the tokens of each row, as BERT's own program does.

        What the share leaves of a token is a probability, so that of many rows it is exact. One
        token at least is hidden. Whole words are taken in a random order, but for those with more
        pieces than are left to choose; where all have too many, the shortest one is taken, or as
        many of its pieces as `most` allows.

        Args:
            ids: Token ids, int32 `[rows, seq]`.
            draws: Random numbers in [0, 1) that all follows from, float64 `[rows, 3 * seq]`: three
                for each token, in the order of the tokens, so that padding changes nothing.
            most: The most tokens to hide in a row.

        Returns:
            The ids with tokens hidden; the positions of these, the ids that were there, and the
            weight 1 of each, `[rows, predictions]`, with zeros behind those of a row with fewer.
        """
        order, fate, other = np.moveaxis(draws.reshape(*ids.shape, 3), -1, 0)
        is_word = self._is_word(ids)
        rest = fate[:, 0]  # of a special token, which has no other use for it
        number = np.floor(self.rate * is_word.sum(axis=1) + rest).astype(int)
        number = np.minimum(np.clip(number, 1, most), is_word.sum(axis=1))
        if self.continuing_ids:
            first = self._firsts(ids)
            order = np.take_along_axis(order, first, axis=1)
            keys = np.where(is_word, order, np.inf)
            chosen = _chosen_words(np.argsort(keys, axis=1, kind="stable"), keys, number, most)
        else:
            keys = np.where(is_word, order, np.inf)
            places = np.argsort(keys, axis=1, kind="stable")
            chosen = np.zeros(ids.shape, bool)
            np.put_along_axis(chosen, places, np.arange(ids.shape[1]) < number[:, None], axis=1)
        others = (other * self.vocab_size).astype(ids.dtype)
        hidden = np.where(chosen & (fate < 0.8), ids.dtype.type(self.mask_id), ids)
        hidden = np.where(chosen & (fate >= 0.9), others, hidden)
        places = np.argsort(~chosen, axis=1, kind="stable")[:, :most].astype("int32")
        weights = np.take_along_axis(chosen, places, axis=1)
        labels = np.take_along_axis(ids, places, axis=1)
        return hidden, places * weights, labels * weights, weights.astype("float32")

    def _is_word(self, ids: np.ndarray) -> np.ndarray:
        """Which tokens may be chosen."""
        return self._is_no_special[ids]

    @functools.cached_property
    def _is_no_special(self) -> np.ndarray:
        return ~np.isin(np.arange(self.vocab_size), self.special_ids)

    @functools.cached_property
    def _is_continuing(self) -> np.ndarray:
        return np.isin(np.arange(self.vocab_size), self.continuing_ids)

    def _firsts(self, ids: np.ndarray) -> np.ndarray:
        """Where the word of each token begins, along the last axis."""
        begins = ~self._is_continuing[ids]
        begins[..., 1:] |= ~self._is_word(ids)[..., :-1]  # a piece behind a special token
        begins[..., :1] = True
        return np.maximum.accumulate(np.where(begins, np.arange(ids.shape[-1]), 0), axis=-1)


def _chosen_words(
    places: np.ndarray, keys: np.ndarray, number: np.ndarray, most: int
) -> np.ndarray:
    """Takes words in the order of their keys until each row has its number of pieces.

    A word with more pieces than are left is passed over. Where that leaves none, the shortest is
    taken.

    Args:
        places: The places of the pieces in that order, `[rows, seq]`.
        keys: The key of each piece, that of its word; infinite where it may not be chosen.
        number: How many pieces each row is to have.
        most: How many it may have.
    """
    keys = np.take_along_axis(keys, places, axis=1)
    rows, count = np.arange(len(keys)), np.arange(keys.shape[1])
    begins = np.concatenate([np.ones((len(keys), 1), bool), keys[:, 1:] != keys[:, :-1]], axis=1)
    first = np.maximum.accumulate(np.where(begins, count, 0), axis=1)
    ends = np.concatenate([begins[:, 1:], np.ones((len(keys), 1), bool)], axis=1)
    last = np.minimum.accumulate(np.where(ends, count, len(count))[:, ::-1], axis=1)[:, ::-1]
    sizes = np.where(np.isfinite(keys), last + 1 - first, len(count) + 1)
    taken = last < number[:, None]
    left = number - taken.sum(axis=1)
    behind = number - left  # those before it are taken, or were passed over
    while True:
        fits = begins & (count >= behind[:, None]) & (sizes <= left[:, None])
        if not (some := fits.any(axis=1)).any():
            break
        word = fits.argmax(axis=1)
        size = np.where(some, sizes[rows, word], 0)
        taken |= (count >= word[:, None]) & (count < (word + size)[:, None])
        left, behind = left - size, np.where(some, word + size, behind)
    shortest = sizes.argmin(axis=1)
    size = np.minimum(sizes[rows, shortest], most) * ((number > 0) & ~taken.any(axis=1))
    taken |= (count >= shortest[:, None]) & (count < (shortest + size)[:, None])
    chosen = np.zeros_like(taken)
    np.put_along_axis(chosen, places, taken, axis=1)
    return chosen
