"""Batches of windows whose every token is to be guessed from those before it."""

from typing import Any

import numpy as np

from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.segments import Joined
from kerasformer.errors import UserError
from kerasformer.tasks.pretraining.corpus_batches import CorpusBatches, Plan


class CausalBatches(CorpusBatches):
    """Batches of windows over joined documents, each framed by the tokenizer as a text is.

    Each document ends with the token that ends a text, and begins with the one before a text where
    that is another, which weighs nothing as a target. There is no padding. Documents are joined,
    and windows come, in another order in each pass, in which each token is guessed once: where the
    last window would go beyond the end it begins earlier, and what was in the one before it weighs
    nothing.

    Args:
        corpus: The documents.
        tokenizer: The tokenizer that made it.
        batch_size, seed, in_order, steps: As of `CorpusBatches`.
        max_length: The tokens of a window.

    Raises:
        UserError: The corpus was made by another tokenizer, or its vocabulary has no token that
            ends a text.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> texts = ["The film is good. I like it.", "The film is bad. Very bad."]
    >>> tokenizer = WordPieceTokenizer.train(texts)
    >>> corpus = TokenCorpus.of(texts, tokenizer)
    >>> x, y, weights = CausalBatches(corpus, tokenizer, 2, max_length=8, seed=0)[0]
    >>> x["input_word_ids"].shape, bool((x["input_word_ids"][:, 1:] == y[:, :-1]).all())
    ((2, 8), True)
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        tokenizer: Any,
        batch_size: int,
        max_length: int,
        seed: int | None = None,
        **order: Any,
    ):
        corpus.check(tokenizer)
        self._end_id = end_id_of(tokenizer)
        begin_id = tokenizer.bos_id
        self._begin_id = None if begin_id == self._end_id else begin_id
        super().__init__(corpus, batch_size, max_length, seed, **order)

    def plan(self, number: int) -> Plan:
        """The windows of a pass."""
        count, keep = len(self.corpus), self.seed is None or self.in_order
        order = np.arange(count) if keep else self._rng(number).permutation(count)
        joined = Joined(self.corpus, order, self._end_id, self._begin_id)
        guessed = len(joined) - 1
        windows = -(-guessed // self.max_length)
        lengths = np.full(windows, self.max_length)
        own = np.arange(windows) if keep else self._rng(number, 1).permutation(windows)
        return Plan(joined, lengths, own)

    def columns(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The inputs, the token behind each, and the weight of each."""
        _, places, plan = self._of(rows)
        length, joined = self.max_length, plan.parts
        wanted = places[:, None] * length
        starts = np.clip(wanted, 0, max(0, len(joined) - 1 - length))
        at = starts + np.arange(length + 1)
        # A corpus that is shorter than one window ends with its last token over and over.
        tokens = joined.tokens(np.minimum(at, len(joined) - 1))
        is_new = (at[:, :-1] >= wanted) & (at[:, :-1] < len(joined) - 1)
        if self._begin_id is not None:
            is_new &= tokens[:, 1:] != self._begin_id  # which nothing needs to be learned for
        return {"input_word_ids": tokens[:, :-1]}, tokens[:, 1:], is_new.astype("float32")


def end_id_of(tokenizer: Any) -> int:
    """The id of the token that ends a text.

    Raises:
        UserError: The tokenizer has none.
    """
    end_id = getattr(tokenizer, "eos_id", None)  # which a WordTokenizer has not
    if end_id is None:
        raise UserError(
            "The vocabulary has no token that ends a text: use a tokenizer with one, such as a "
            "WordPieceTokenizer."
        )
    return end_id
