"""Batches of the examples of pretraining, made of a corpus as they are asked for."""

import itertools
import math
import threading
from typing import Any, NamedTuple

import numpy as np

from kerasformer.data.batches import Batches
from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.random_numbers import keys_of, uniform
from kerasformer.data.raw.segments import (
    Joined,
    Pairs,
    full_sequences,
    mixed_order,
    segment_pairs,
)
from kerasformer.data.shapes import padded_length
from kerasformer.errors import UserError
from kerasformer.tasks.pretraining.masked_batches import POSITIONS
from kerasformer.text import Tokenizer, WordPieceTokenizer
from kerasformer.text.masking import TokenMasking

_PASS_BITS = 40  # the number of an example: its pass, and its place there


class Plan(NamedTuple):
    """The examples of a pass: where they are in the corpus, how long they are, and their order."""

    parts: Any
    lengths: np.ndarray
    order: np.ndarray


class CorpusBatches(Batches):
    """Batches of examples that are planned anew for each pass over a corpus.

    A child has `plan(number)`. The examples of a pass, and their order, follow from the seed and
    the number of the pass, and not from the size of a batch.

    Args:
        corpus: The documents.
        batch_size, seed, in_order, steps: As of `Batches`. Passes differ a little in their number
            of examples: by default an epoch has as many steps as the first pass.
        max_length: The tokens of an example, special tokens included.
    """

    width_varies = True

    def __init__(
        self,
        corpus: TokenCorpus,
        batch_size: int,
        max_length: int,
        seed: int | None = None,
        *,
        in_order: bool = False,
        steps: int | None = None,
    ):
        self.corpus, self.seed = corpus, seed
        self._plans: dict[int, Plan] = {}
        self._counts: dict[int, int] = {}
        self._planning = threading.Lock()
        self.in_order, self.batch_size, self.max_length = in_order, batch_size, max_length
        lengths = self._plan(0).lengths
        order = {"in_order": in_order, "steps": steps, "max_length": max_length}
        super().__init__(lengths, None, None, batch_size, seed, **order)

    def plan(self, number: int) -> Plan:
        """The examples of a pass."""
        raise NotImplementedError

    def _batches_of(self, epoch: int, step: int) -> list[np.ndarray]:
        """As of `Batches`."""
        steps = self.steps or self._steps(0)
        first = epoch * steps if self.seed is not None or self.steps else 0
        return list(self._between(first + step, first + steps))

    def _between(self, start, stop):
        """The batches from a step on, counted through all passes."""
        before = 0
        for number in itertools.count():
            if before >= stop:
                return
            after = before + self._steps(number)
            if after > start:
                order = self._plan(number).order + (number << _PASS_BITS)
                for step in range(max(start, before), min(stop, after)):
                    at = (step - before) * self.batch_size
                    yield order[at : at + self.batch_size]
            before = after

    def _steps(self, number):
        number = self._own(number)
        if number not in self._counts:
            self._plan(number)
        return -(-self._counts[number] // self.batch_size)

    def _own(self, number):
        return 0 if self.seed is None else number  # without a seed all are alike

    def _plan(self, number):
        number = self._own(number)
        if (plan := self._plans.get(number)) is not None:
            return plan
        with self._planning:  # once, whoever else waits for it
            if number not in self._plans:
                plan = self.plan(number)
                self._counts[number] = len(plan.order)
                # An epoch may begin in one pass and end in the next. Other threads may be reading.
                self._plans = {**dict(list(self._plans.items())[-1:]), number: plan}
            return self._plans[number]

    def _rng(self, *numbers: int) -> np.random.Generator:
        """What a pass draws from."""
        return np.random.default_rng(self._key(*numbers))

    def _key(self, *numbers: int) -> list[int]:
        return [0 if self.seed is None else 1 + self.seed, *numbers]

    def _order(self, number: int, lengths: np.ndarray) -> np.ndarray:
        if self.seed is None or self.in_order:
            return np.arange(len(lengths))
        return mixed_order(lengths, self._rng(number, 1))

    def _of(self, rows: np.ndarray) -> tuple[int, np.ndarray, Plan]:
        """The pass that examples are of, their places there, and its plan."""
        number = self._own(int(rows[0]) >> _PASS_BITS)
        return number, rows & ((1 << _PASS_BITS) - 1), self._plan(number)

    @property
    def count(self) -> int:
        """How many examples the first pass has."""
        self._steps(0)
        return self._counts[0]

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """The number of tokens of some examples, int `[n]`."""
        _, places, plan = self._of(rows)
        return plan.lengths[places]

    def width(self, rows: np.ndarray) -> int:
        """The length that some examples are padded to."""
        return self._padded(self.lengths_of(rows).max())

    def _padded(self, length):
        return int(padded_length(length, self.max_length))

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The model's inputs for some examples."""
        return self.columns(rows)[0]


def special_tokens(next_sentence: bool) -> int:
    """How many special tokens an example has, of a pair of segments or of one."""
    return 3 if next_sentence else 2


def check_length(max_length: int, next_sentence: bool) -> None:
    """Raises a UserError for a length in which there is no room for an example."""
    if max_length < (least := special_tokens(next_sentence) + 2):
        raise UserError(f"max_length is {max_length}, but must be at least {least}.")


class SegmentBatches(CorpusBatches):
    """Batches of examples as BERT is pretrained with: segments, with tokens to guess.

    Each is a pair of segments, half of which follow each other; see
    `kerasformer.data.raw.segments.segment_pairs`. In each pass pairs, order and hidden tokens are
    others, those of an example the same whatever batch it is in.

    Args:
        corpus: The documents.
        tokenizer: The tokenizer that made it.
        batch_size, seed, in_order, steps: As of `CorpusBatches`. Without a seed each pass has the
            same examples: to evaluate on.
        max_length: The most tokens of an example, special tokens included.
        next_sentence: Whether there are pairs; if not, examples are full sequences of sentences,
            over the ends of documents, as RoBERTa is pretrained with.
        masking: What hides tokens; by default `TokenMasking.of(tokenizer)`.
        max_predictions: The most tokens to guess in an example; by default as many as `masking`
            chooses.
        short_share: The share of the documents whose pairs are shorter, of any length.

    Raises:
        UserError: The corpus was made by another tokenizer, which has no mask token or is not
            BERT's, or is one document; or `max_length` is too small.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> texts = ["The film is good. I like it.", "The film is bad. Very bad."]
    >>> tokenizer = WordPieceTokenizer.train(texts)
    >>> corpus = TokenCorpus.of(texts, tokenizer)
    >>> x, y, weights = SegmentBatches(corpus, tokenizer, 8, max_length=16, seed=0)[0]
    >>> x["input_word_ids"].shape[1], x["masked_lm_positions"].shape[1]
    (16, 2)
    >>> {name: array.ndim for name, array in y.items()}
    {'mlm_logits': 2, 'next_sentence_logits': 1}
    """

    def __init__(
        self,
        corpus: TokenCorpus,
        tokenizer: Tokenizer,
        batch_size: int,
        max_length: int,
        seed: int | None = None,
        *,
        next_sentence: bool = True,
        masking: TokenMasking | None = None,
        max_predictions: int | None = None,
        short_share: float = 0.1,
        in_order: bool = False,
        steps: int | None = None,
    ):
        corpus.check(tokenizer)
        if not isinstance(tokenizer, WordPieceTokenizer):
            raise UserError(
                f"A {type(tokenizer).__name__} marks no beginning and no end of segments: use a "
                "WordPieceTokenizer."
            )
        self._ids = (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id)
        check_length(max_length, next_sentence)
        self._special = special_tokens(next_sentence)
        self.next_sentence, self.short_share = next_sentence, short_share
        self.masking = TokenMasking.of(tokenizer) if masking is None else masking
        self.max_predictions = max_predictions
        super().__init__(corpus, batch_size, max_length, seed, in_order=in_order, steps=steps)

    def plan(self, number: int) -> Plan:
        """The examples of a pass."""
        room = self.max_length - self._special
        if self.next_sentence:
            pairs = segment_pairs(self.corpus, room, self._key(number), self.short_share)
            lengths = pairs.lengths + self._special
            return Plan(pairs, lengths, self._order(number, lengths))
        keep = self.seed is None or self.in_order
        count = len(self.corpus)
        order = np.arange(count) if keep else self._rng(number).permutation(count)
        spans = full_sequences(self.corpus, order, room)
        lengths = np.diff(spans)[:, 0] + self._special
        joined = Joined(self.corpus, order, self._ids[2])
        return Plan((joined, spans), lengths, self._order(number, lengths))

    def columns(self, rows: np.ndarray) -> tuple[Any, Any, Any]:
        """The inputs; the right answers; and the weight of each."""
        number, places, plan = self._of(rows)
        width = self._padded(plan.lengths[places].max())
        ids, types = self._rows(plan, places, width)
        mask = (np.arange(width) < plan.lengths[places][:, None]).astype("int32")
        draws = uniform(keys_of(self._key()[0], number, places), 3 * width)
        # As many as the longest row may have, whatever it has: a shape for each width, no more.
        most = math.ceil(self.masking.rate * (width - self._special))
        most = max(1, min(most, self.max_predictions or most))
        hidden, positions, labels, weights = self.masking.guesses(ids, draws, most)
        x = {"input_word_ids": hidden, "input_mask": mask, "input_type_ids": types}
        x[POSITIONS] = positions
        if not self.next_sentence:
            return x, labels, weights
        is_random = plan.parts.is_random[places]
        y = {"mlm_logits": labels, "next_sentence_logits": is_random}
        ones = np.ones(len(rows), "float32")
        return x, y, {"mlm_logits": weights, "next_sentence_logits": ones}

    def _rows(self, plan, places, width):
        """The ids and the types of some examples."""
        at, (pad, begin, end) = np.arange(width), self._ids
        lengths = plan.lengths[places][:, None]
        ids = np.full((len(places), width), pad, "int32")
        ids[:, 0] = begin
        if self.next_sentence:
            pairs: Pairs = plan.parts
            first, second = pairs.first[places], pairs.second[places]
            middle = 1 + np.diff(first)  # where the first segment's [SEP] is
            source = np.where(at < middle, first[:, :1] + at - 1, second[:, :1] + at - middle - 1)
            is_token = (at > 0) & (at != middle) & (at < lengths - 1)
            ids[is_token] = self.corpus.tokens[source[is_token]]
            np.put_along_axis(ids, middle, end, axis=1)
            types = (at > middle) & (at < lengths)
        else:
            joined, spans = plan.parts
            is_token = (at > 0) & (at < lengths - 1)
            ids[is_token] = joined.tokens((spans[places][:, :1] + at - 1)[is_token])
            types = np.zeros_like(ids)
        np.put_along_axis(ids, lengths - 1, end, axis=1)
        return ids, types.astype("int32")
