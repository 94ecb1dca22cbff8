"""A published model of any task, as the class that its heads ask for."""

from collections.abc import Iterable
from typing import Any

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.sources import resolve
from kerasformer.tasks.answering.question_answerer import QuestionAnswerer
from kerasformer.tasks.choosing.multiple_choice import MultipleChoice
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.pretraining.causal_language_model import CausalLanguageModel
from kerasformer.tasks.pretraining.masked_language_model import MaskedLanguageModel
from kerasformer.tasks.pretraining.model import PretrainingModel
from kerasformer.tasks.pretraining.next_sentence import NextSentencePredictor
from kerasformer.tasks.tagging.token_classifier import TokenClassifier
from kerasformer.tasks.task import Task
from kerasformer.tasks.texts.text_classifier import TextClassifier
from kerasformer.tasks.texts.word_classifier import WordClassifier

# The task of the heads that a model has; the first whose heads it all has is taken.
_TASKS: dict[tuple[str, ...], type[EncoderTask]] = {
    ("masked_lm", "next_sentence"): PretrainingModel,
    ("masked_lm",): MaskedLanguageModel,
    ("next_sentence",): NextSentencePredictor,
    ("classifier",): TextClassifier,
    ("token_classifier",): TokenClassifier,
    ("span",): QuestionAnswerer,
    ("multiple_choice",): MultipleChoice,
    ("causal_lm",): CausalLanguageModel,  # which every decoder is, whatever else it is
}


def task_of(heads: Iterable[str]) -> tuple[type[EncoderTask] | None, tuple[str, ...]]:
    """The task of a model with these heads, and which of them it has; None for no task.

    Example:

    >>> task_of(["masked_lm"])[0].__name__
    'MaskedLanguageModel'
    """
    held = set(heads)
    for names, task in _TASKS.items():
        if held.issuperset(names):
            return task, names
    return None, ()


def load(source: Any, **kwargs: Any) -> Task:
    """Reads a trained model as the task that its heads are for.

    Args:
        source: What `save_pretrained` of a task wrote, or a published model in any format; a
            folder or file, a preset's name or a handle, see `kerasformer.resolve`.
        **kwargs: Arguments of the task's `from_pretrained`, such as `dtype`.

    Returns:
        A `TransformerClassifier`, `RecurrentClassifier`, `StaticClassifier`, `TextClassifier`,
        `TokenClassifier`, `QuestionAnswerer`, `MultipleChoice`, `MaskedLanguageModel`,
        `NextSentencePredictor` or `PretrainingModel`.

    Raises:
        UserError: There is no such source, or it has no head.

    Example:

    >>> load("bert-tiny-mlm")  # doctest: +SKIP
    <MaskedLanguageModel name=masked_language_model, built=True>
    """
    folder = resolve(source)
    if WordClassifier.is_here(folder):
        return WordClassifier.from_pretrained(folder, **kwargs)
    checkpoint = open_checkpoint(folder)
    task, _ = task_of(checkpoint.heads)
    if task is None:
        refused = "; ".join(checkpoint.refused.values())
        raise UserError(
            f"{checkpoint.path} holds a {checkpoint.architecture} without a head that can be read"
            + (f" ({refused})" if refused else "")
            + ": use BertEncoder or TextEmbedder, or give TextClassifier.from_pretrained the "
            "class_names of a new head."
        )
    return task.from_checkpoint(checkpoint, **kwargs)
