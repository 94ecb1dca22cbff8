"""What a model of answers gives for all windows: its logits, and its frozen encoder's vectors."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasformer.errors import UserError
from kerasformer.tasks.answering.answer_batches import AnswerBatches
from kerasformer.tasks.answering.answers import RankedAnswers, best_answers
from kerasformer.tasks.answering.spans import SPAN
from kerasformer.tasks.feature_cache import new_features
from kerasformer.tasks.prediction import inference_sizes, predict_batch, predict_each

# More than that of a frozen encoder's vectors are not kept, but computed in each epoch.
MOST_FEATURES = 4 << 30  # bytes


def span_logits(
    model: keras.Model, data: AnswerBatches, *shown: Any, **told: Any
) -> dict[str, np.ndarray]:
    """The logits of all windows of batches, and where their tokens are.

    Args:
        model: Gives a dict of `SPAN`, each float `[batch, seq]`.
        data: The batches.
        *shown, **told: As of `predict_each`, from `verbose` on.

    Returns:
        What `best_answers` of `answers` takes: `start_logits` and `end_logits`, float32
        `[windows, tokens]`, -infinity under padding; `offsets` in the context, int32
        `[windows, tokens, 2]`, -1 for what is not of it; and `questions`, int `[windows]`, whose
        index they are of.
    """
    windows, shape = data.windows, (len(data.lengths), int(data.lengths.max(initial=0)))
    outputs = {name: np.full(shape, -np.inf, "float32") for name in SPAN}

    def keep(rows, part):
        for name in SPAN:
            logits = part[name][:, : shape[1]]
            is_token = np.arange(logits.shape[1]) < data.lengths[rows, None]
            outputs[name][rows, : logits.shape[1]] = np.where(is_token, logits, -np.inf)

    predict_each(model, data, keep, *shown, **told)
    offsets = np.full((*shape, 2), -1, "int32")
    for window, length in enumerate(data.lengths.tolist()):
        offsets[window, :length] = windows.window_offsets(window)
    return outputs | {"offsets": offsets, "questions": windows.questions}


def rank_answers(
    outputs: dict[str, Any], pairs: Sequence[Any], **options: Any
) -> list[RankedAnswers]:
    """The best answers to each question by what `span_logits` gave.

    Args:
        outputs: What it gave.
        pairs: The (question, context) pairs.
        **options: Of `best_answers`.

    Raises:
        UserError: A logit is no number.
    """
    bad = np.any([np.isnan(outputs[name]).any(axis=1) for name in SPAN], axis=0)
    if bad.any():
        raise UserError(
            f"The model's answer to questions[{outputs['questions'][bad.argmax()]}] is not a "
            "number: its weights diverged in training, or its dtype is too narrow for them; train "
            "it anew, or load it in float32."
        )
    return best_answers(**outputs, contexts=[context for _, context in pairs], **options)


def vectors_fit(data: AnswerBatches, size: int) -> bool:
    """Whether vectors of so many numbers, of the tokens of all windows, are to be kept."""
    return 4 * int(data.lengths.sum()) * size <= MOST_FEATURES


def token_vectors(encoder: keras.Model, data: AnswerBatches) -> np.ndarray:
    """The vectors that a frozen encoder has of the tokens of all windows, one after another.

    Args:
        encoder: Gives float `[batch, seq, size]`.
        data: The batches, of which neither order nor labels matter.

    Returns:
        float32 `[tokens, size]`.
    """
    vectors = new_features((int(data.lengths.sum()), encoder.output_shape[-1]))

    def keep(rows, part):
        for row, its in zip(rows.tolist(), part, strict=True):
            vectors[data.tokens(row)] = its[: data.lengths[row]]

    order = AnswerBatches(data.windows, **inference_sizes(data.max_length))
    predict_each(encoder, order, keep, verbose=0)
    return vectors


def same_places(
    model: keras.Model, data: AnswerBatches, which: str, least: int, batches: int
) -> str:
    """As `same_answers` of a task: says that a model has the answer at one place of all windows.

    Args:
        model: Gives a dict of `SPAN`, each float `[batch, seq]`.
        data: The batches, with labels.
        which, least, batches: As there.
    """
    labels, places = [], []
    for number in range(min(len(data), batches)):
        rows = data.batches[number]
        outputs = predict_batch(model, data, rows)
        for name, column in zip(SPAN, (0, 1), strict=True):
            is_token = np.arange(outputs[name].shape[1]) < data.lengths[rows, None]
            places.append(np.where(is_token, outputs[name], -np.inf).argmax(axis=1))
            labels.append(data.labels[rows, column])
    seen, right = np.unique(np.concatenate(places)), np.concatenate(labels)
    count = len(right) // len(SPAN)
    if len(seen) > 1 or count < least or len(np.unique(right)) < 2:
        return ""
    if seen[0]:
        return f"has the answer at token {seen[0]} of all of {count:,} {which} windows"
    return f"finds no answer in any of {count:,} {which} windows, though some have one"
