"""Hiding tokens for a model to guess."""

import dataclasses
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

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Self:
        """For the ids of a tokenizer; a UserError where it has no mask token."""
        mask_id = mask_id_of(tokenizer)
        special_tokens = set(tokenizer.special_tokens.values())
        ids = (i for i, token in enumerate(tokenizer.vocabulary()) if token in special_tokens)
        return cls(mask_id, tokenizer.vocab_size, tuple(ids))

    def hide(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Hides tokens at random.

        Args:
            ids: Token ids, an integer array of any shape.
            rng: What is hidden follows from it and from `ids`.

        Returns:
            The ids with tokens hidden, and which of them were chosen, both shaped like `ids`.
        """
        chosen = rng.random(ids.shape) < self.rate
        chosen &= ~np.isin(ids, self.special_ids)
        fate = rng.random(ids.shape)
        others = rng.integers(self.vocab_size, size=ids.shape, dtype=ids.dtype)
        hidden = np.where(chosen & (fate < 0.8), ids.dtype.type(self.mask_id), ids)
        return np.where(chosen & (fate >= 0.9), others, hidden), chosen
