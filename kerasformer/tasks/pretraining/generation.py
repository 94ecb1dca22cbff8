"""Texts continued token by token, in one graph, with the keys and values of those before kept."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasformer.data.batches import TextBatches
from kerasformer.data.shapes import padded_length
from kerasformer.errors import UserError
from kerasformer.layers import SequencePooling
from kerasformer.tasks.prediction import predict_each
from kerasformer.tasks.pretraining.wrappers import TaskWrapper
from kerasformer.text import Tokenized

_NONE = -1  # in place of a token behind the end


class Sampling(NamedTuple):
    """How tokens are drawn.

    Attributes:
        temperature: What logits are divided by; 0 for always the likeliest token.
        top_k: Of how many tokens, the likeliest ones; 0 for all.
        top_p: Of the fewest tokens, the likeliest ones, that have this probability together.
        seed: Of the draws; None for others each time.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    def check(self) -> None:
        """Raises a ValueError for a value that is out of bounds."""
        for name, least, most in (("temperature", 0, 1e6), ("top_k", 0, 1e9), ("top_p", 0, 1)):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not least <= value <= most or (name == "top_p" and not value):
                raise ValueError(f"{name}={value!r} is not a number from {least} to {most:g}.")
        if not self.temperature and (self.top_k or self.top_p < 1):
            raise ValueError(
                "top_k and top_p are for tokens that are drawn: give a temperature above 0 too."
            )

    def draws(self, row: int, count: int) -> np.ndarray:
        """The random numbers of a prompt, the same whatever batch it is in; zeros for none."""
        if not self.temperature:
            return np.zeros(count, "float32")
        seed = None if self.seed is None else (self.seed, row)
        return np.random.default_rng(seed).random(count, "float32")


class Generator(TaskWrapper):
    """A model that continues texts of a causal language model.

    Args:
        task: The language model.

    Call arguments:
        inputs: A dict of `input_word_ids` and `input_mask`, int32 `[batch, prompt]`, padded at the
            end; `limits`, int32 `[batch, 3]`: how many tokens to make at most, the number of tokens
            that may be, and the one that ends a text; `draws`, float32 `[batch, new]`, a random
            number for each token; and, where they are drawn, `sampling`, float32 `[batch, 3]`:
            temperature, `top_k` and `top_p`.

    Returns:
        The new tokens, int32 `[batch, new]`, -1 behind the end.
    """

    def __init__(self, task: keras.Model):
        super().__init__(task)
        self.last = SequencePooling("lasttoken")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        mask, draws, limits = inputs["input_mask"], inputs["draws"], inputs["limits"]
        prompt, new = ops.shape(mask)[1], ops.shape(draws)[1]
        lengths, places = ops.sum(mask, axis=1), ops.arange(new)
        # Prompts are padded, and all go on in the same columns behind them.
        columns = ops.concatenate([mask, ops.ones_like(draws, "int32")], axis=1)
        ids, positions = inputs["input_word_ids"], ops.arange(prompt)[None]
        cache = self.encoder.empty_cache(columns)
        vectors, cache = self.encoder.extend(ids, positions, columns, cache, 0)
        last = self.last(vectors, padding_mask=mask)

        def token(vectors, step):
            logits = self.task.logits(vectors[:, None])[:, 0]
            draw = ops.take(draws, step, axis=1)
            return _choose(logits, limits[:, 1], inputs.get("sampling"), draw)

        def is_end(token, made):
            return ops.logical_or(ops.equal(token, limits[:, 2]), made >= limits[:, 0])

        def more(step, token, is_done, made, cache):
            return ops.logical_not(ops.all(is_done))

        def go_on(step, before, is_done, made, cache):
            at = (lengths + step)[:, None]
            at = ops.minimum(at, self.encoder.config.max_length - 1)  # of texts that are done
            known = ops.maximum(before, 0)[:, None]
            vectors, cache = self.encoder.extend(known, at, columns, cache, prompt + step)
            step = step + 1
            chosen = ops.where(is_done, _NONE, token(vectors[:, 0], step))
            made = ops.where(places == step, chosen[:, None], made)
            is_done = ops.logical_or(is_done, is_end(chosen, step + 1))
            return step, chosen, is_done, made, cache

        first = token(last, ops.convert_to_tensor(0, "int32"))
        made = ops.where(places == 0, first[:, None], _NONE)
        state = (ops.convert_to_tensor(0, "int32"), first, is_end(first, 1), made, cache)
        return ops.while_loop(more, go_on, state)[3]


def _choose(logits: Any, known: Any, sampling: Any, draw: Any) -> Any:
    """A token for each row of logits `[batch, vocab_size]`, int32 `[batch]`.

    A model may have more embeddings than there are tokens.
    """
    is_known = ops.arange(logits.shape[1]) < known[:, None]
    logits = ops.where(is_known, logits, -1e30)
    if sampling is None:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")
    temperature, top_k, top_p = (sampling[:, i : i + 1] for i in range(3))
    scores, tokens = ops.top_k(logits / temperature, k=logits.shape[1])
    last = ops.minimum(ops.cast(top_k, "int32"), logits.shape[1]) - 1
    is_kept = scores >= ops.take_along_axis(scores, last, axis=-1)  # also what is as likely
    probabilities = ops.where(is_kept, ops.softmax(scores, axis=-1), 0.0)
    probabilities /= ops.sum(probabilities, axis=-1, keepdims=True)
    before = ops.cumsum(probabilities, axis=-1) - probabilities
    probabilities = ops.where(before < top_p, probabilities, 0.0)
    # By the inverse of the distribution function: the first token at which it is above the draw.
    reached = ops.cumsum(probabilities, axis=-1)
    place = ops.sum(ops.cast(reached <= draw[:, None] * reached[:, -1:], "int32"), axis=-1)
    kept = ops.sum(ops.cast(probabilities > 0, "int32"), axis=-1)
    place = ops.minimum(place, kept - 1)  # whatever was rounded
    return ops.cast(ops.take_along_axis(tokens, place[:, None], axis=-1)[:, 0], "int32")


class PromptBatches(TextBatches):
    """Batches of prompts, the inputs of a `Generator`.

    Args:
        tokenized: The prompts, of one token at least.
        new: The most tokens to add to each.
        sampling: How these are drawn.
        vocab_size: Only smaller ids are taken.
        end_id: The token that ends a text; None where none does.
        batch_size: Prompts in a batch.
        max_length: The most tokens that the model takes.

    Raises:
        UserError: A prompt is too long.

    Example:

    >>> prompts = Tokenized([[5, 6, 7], [8]])
    >>> batches = PromptBatches(prompts, 9, Sampling(), 20, end_id=3, batch_size=2, max_length=64)
    >>> batches[0][0]["limits"].tolist()
    [[9, 20, 3], [9, 20, 3]]
    """

    width_varies = True

    def __init__(
        self,
        tokenized: Tokenized,
        new: int,
        sampling: Sampling,
        vocab_size: int,
        end_id: int | None,
        batch_size: int,
        max_length: int,
    ):
        if len(longer := np.flatnonzero(tokenized.lengths + new > max_length)):
            raise UserError(
                f"prompts[{longer[0]}] has {tokenized.lengths[longer[0]]:,} tokens, and with "
                f"{new:,} more is longer than the model's {max_length:,}: shorten it, or give a "
                "smaller max_new_tokens."
            )
        self.end_id = _NONE if end_id is None else end_id
        self._limits = np.array([new, vocab_size, self.end_id], "int32")
        self._sampling, self._new = sampling, int(padded_length(new, max_length))
        super().__init__(tokenized, batch_size=batch_size, max_length=max_length)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Generator`."""
        inputs, sampling = super().inputs(rows), self._sampling
        del inputs["input_type_ids"]
        inputs["limits"] = np.tile(self._limits, (len(rows), 1))
        inputs["draws"] = np.stack([sampling.draws(row, self._new) for row in rows.tolist()])
        if sampling.temperature:
            settings = sampling.temperature, sampling.top_k or self._limits[1], sampling.top_p
            inputs["sampling"] = np.tile(np.array(settings, "float32"), (len(rows), 1))
        return inputs


def generate(model: Generator, data: PromptBatches) -> list[list[int]]:
    """The tokens that continue each prompt, without the one that ends a text."""
    made: dict[int, list[int]] = {}
    ends = {_NONE, data.end_id}

    def keep(rows, tokens):
        for row, own in zip(rows.tolist(), tokens.tolist(), strict=True):
            made[row] = [token for token in own if token not in ends]

    predict_each(model, data, keep, verbose=0)
    return [made[row] for row in range(len(data.lengths))]
