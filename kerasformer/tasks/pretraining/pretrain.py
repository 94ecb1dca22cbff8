"""From raw text to a pretrained model in a folder, in one call that can be interrupted."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kerasformer.checkpoints import Checkpoint, open_checkpoint
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.files import expanded, write_whole
from kerasformer.formatting import listed
from kerasformer.hardware import describe_hardware, versions
from kerasformer.models import DecoderConfig, EncoderConfig
from kerasformer.tasks.pretraining.causal_batches import end_id_of
from kerasformer.tasks.pretraining.causal_language_model import CausalLanguageModel
from kerasformer.tasks.pretraining.corpus_batches import check_length
from kerasformer.tasks.pretraining.corpus_task import CorpusTask, CorpusTrained
from kerasformer.tasks.pretraining.masked_language_model import MaskedLanguageModel
from kerasformer.tasks.pretraining.milestone_scores import MilestoneScores
from kerasformer.tasks.pretraining.model import PretrainingModel
from kerasformer.tasks.pretraining.pretraining_folder import (
    CHECKPOINTS,
    WORK,
    SourceText,
    plain,
    tokenized,
    writing_model,
)
from kerasformer.text.masking import mask_id_of
from kerasformer.training import Recipe
from kerasformer.training.budget import Milestones

OBJECTIVES: dict[str, type[CorpusTrained]] = {
    "bert": PretrainingModel,
    "masked": MaskedLanguageModel,
    "causal": CausalLanguageModel,
}
RECORD = "training.json"
_EPOCH = 500  # steps, after which the loss is noted
# What a decoder takes of an encoder's configuration.
_OF_DECODERS = (
    *("vocab_size", "hidden_size", "num_layers", "num_heads", "max_length"),
    *("dropout", "attention_dropout"),
)
_MOST_HELD = 1000  # documents to evaluate on, which are not trained on
_QUARTERS = (0.25, 0.5, 0.75)


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What `pretrain` has made.

    Attributes:
        model: The model, which is also in the folder.
        history: The `keras.callbacks.History`, an epoch every 500 steps.
        scores: The metrics on the documents held out; empty where there are none.
        milestones: These metrics, and the `share` of the budget, at quarters of it; of a published
            model also before, at 0.
    """

    model: CorpusTrained
    history: keras.callbacks.History
    scores: dict[str, Any]
    milestones: list[dict[str, Any]]


def pretrain(
    documents: Iterable[str | list[str]] | TokenCorpus,
    folder: str | os.PathLike,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    size: str = "mini",
    pretrained: Any = None,
    vocabulary: str | os.PathLike | None = None,
    vocab_size: int | None = None,
    objective: str | None = None,
    whole_words: bool = False,
    recipe: Mapping[str, Any] | None = None,
    max_length: int = 128,
    dropout: float = 0.1,
    held_out: float = 0.02,
    dtype: Any = None,
    seed: int = 0,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    at_milestone: Callable[[float, CorpusTrained], object] | None = None,
    verbose: str | int = "auto",
) -> Pretrained:
    """Pretrains a model on raw text, and saves it in the Hugging Face layout with its tokenizer.

    The learning rate rises and falls within the budget. Interrupted, even killed, it goes on in the
    same call with `resume=True`; of a number of steps to the same weights, bit for bit, and of
    minutes with those that are left. Text is read and tokenized before, and counts for neither.

    Args:
        documents: The texts, such as `kerasformer.data.raw.Documents`: a text each, or its
            sentences; or a corpus of them, which is read where it is, and has its vocabulary.
        folder: An empty folder, created if missing.
        minutes, steps: The budget; of both, what ends first.
        size: The name of a published size, as of `EncoderConfig.bert`.
        pretrained: A published model to go on from, with its own tokenizer; a new one if None.
        vocabulary: The folder or the vocab.txt of a vocabulary; by default one is learnt.
        vocab_size: The most tokens to learn, by default 8,000.
        objective: `"bert"`, hidden words and the next sentence; `"masked"`, hidden words alone; or
            `"causal"`, the next token, of a decoder. By default what the published model has heads
            for, and of a new one `"bert"`.
        whole_words: Whether all pieces of a word are hidden together.
        recipe: Changes of the model's recipe, such as `{"batch_size": 64}`.
        max_length: The tokens of an example, and the positions of a new model.
        dropout: Of a new model. 0 suits a budget that ends before the text has been read a few
            times (Liu et al., https://arxiv.org/abs/2505.24788).
        held_out: The share of the documents that are evaluated on; 0 for none.
        dtype: Keras dtype policy, such as `"mixed_bfloat16"`.
        seed: Of all that is drawn.
        resume: Whether to go on with what was interrupted.
        callbacks: Keras callbacks.
        at_milestone: Called at each quarter of the budget, but the last, with the share and the
            model.
        verbose: 0 for no progress.

    Raises:
        UserError: There is no budget, an argument cannot be used, or the folder is not empty, or
            not of such a training.

    Example:

    >>> texts = ["The cat sat. It slept. It ran.", "The dog ran. It sat. It slept."] * 4
    >>> made = pretrain(texts, getfixture("tmp_path") / "model", steps=2, size="tiny", verbose=0)
    >>> sorted(made.scores)[:2]
    ['loss', 'masked_lm_accuracy']
    """
    changes = _changes(minutes, steps, recipe or {})
    _check(objective, held_out, dtype, seed)
    shape = _shape(size, max_length, dropout)
    folder, documents = expanded(folder), _listed(documents)
    text = SourceText.of(documents, pretrained, vocabulary, vocab_size)
    with writing_model(folder, resume):
        work = folder / WORK
        checkpoint = None if pretrained is None else open_checkpoint(pretrained)
        task = _task(objective, checkpoint)
        hiding = _hiding(task, max_length, whole_words)
        check = mask_id_of if hiding else end_id_of
        corpus, tokenizer = tokenized(documents, text, checkpoint, work, resume, check, verbose)
        keras.utils.set_random_seed(seed)  # of the first weights
        model = _new_model(task, shape, checkpoint, tokenizer, dtype, hiding)
        train, held = _divided(corpus, held_out, seed, least=2 if task is PretrainingModel else 1)
        reached = MilestoneScores(model, held, work / "milestones.json", at_milestone, verbose != 0)
        if checkpoint is not None and not reached.seen:
            reached.measure(0.0)
        told: Any = {"seed": seed, "resume": work / CHECKPOINTS, "verbose": verbose}
        told |= {"callbacks": [*callbacks, Milestones(_QUARTERS, reached)]}
        told |= {"steps_per_epoch": min(_EPOCH, steps or _EPOCH)}
        history = model.fit(train, recipe=model.recipe.change(**changes), **told)
        scores = {} if held is None else model.evaluate(held, verbose=0, return_dict=True)
    made = Pretrained(model, history, scores, reached.seen)
    budget = {"minutes": minutes, "steps": steps, "seed": seed}
    _save(folder, made, dataclasses.asdict(text) | budget | hiding, corpus)
    return made


def _changes(minutes: Any, steps: Any, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a recipe, looked at before anything is read."""
    if minutes is None and steps is None:
        raise UserError("Pretraining has no end: give minutes or steps.")
    changes = {"minutes": minutes, "max_steps": steps, **recipe}
    try:
        Recipe().change(**changes)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from None
    return changes


def _check(objective: str | None, held_out: float, dtype: Any, seed: int) -> None:
    """Refuses what no training could begin with, before hours of reading text."""
    if objective is not None and objective not in OBJECTIVES:
        raise UserError(f"There is no objective {objective!r}: give {listed(OBJECTIVES)}.")
    if not 0 <= held_out < 1:
        raise UserError(f"The share to hold out is {held_out}: give one of at least 0, below 1.")
    if not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise UserError(f"seed is {seed!r}: give an integer from 0 to {2**32 - 1}.")
    try:
        keras.dtype_policies.get(dtype)
    except ValueError:
        raise UserError(
            f"There is no dtype policy {dtype!r}: give one such as mixed_bfloat16 or float32."
        ) from None


def _shape(size: str, max_length: int, dropout: float) -> EncoderConfig:
    """All of a new model's configuration but its vocabulary."""
    try:
        dropouts = {"dropout": dropout, "attention_dropout": dropout}
        return EncoderConfig.bert(size, max_length=max_length, **dropouts)
    except ValueError as error:
        raise UserError(str(error)) from None


def _hiding(task: type[CorpusTrained], max_length: int, whole_words: bool) -> dict[str, Any]:
    """The arguments of a task that say how words are hidden, which is not done by each."""
    if issubclass(task, CorpusTask):
        check_length(max_length, task.NEXT_SENTENCE)
        return {"whole_words": whole_words}
    if whole_words:
        raise UserError("A causal model guesses no hidden words: leave whole_words out.")
    return {}


def _listed(documents: Any) -> Any:
    """Documents that can be read twice: those of an iterator as a list."""
    if isinstance(documents, str | os.PathLike):
        raise UserError(
            "Expected documents, got one string: give Documents([path]) for a file, or "
            "TokenCorpus.open(path) for a corpus."
        )
    return list(documents) if isinstance(documents, Iterator) else documents


def _new_model(
    task: Any,
    shape: EncoderConfig,
    checkpoint: Checkpoint | None,
    tokenizer: Any,
    dtype: Any,
    settings: dict[str, Any],
) -> CorpusTrained:
    if checkpoint is not None:
        most = min(shape.max_length, checkpoint.config.max_length)
        given = {"tokenizer": tokenizer, "max_length": most, "new_heads": True, **settings}
        return task.from_checkpoint(checkpoint, dtype=dtype, **given)
    config: Any = dataclasses.replace(shape, vocab_size=tokenizer.vocab_size)
    if task is CausalLanguageModel:
        given = {name: getattr(config, name) for name in _OF_DECODERS}
        given |= {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id}
        config = DecoderConfig(**given)
    return task(task.ENCODERS[0](config, dtype=dtype), tokenizer, dtype=dtype, **settings)


def _task(objective: str | None, checkpoint: Checkpoint | None) -> type[CorpusTrained]:
    """The task of an objective; by default what a published model has heads for."""
    if checkpoint is None:
        return OBJECTIVES[objective or "bert"]
    if objective is None and isinstance(checkpoint.config, DecoderConfig):
        return CausalLanguageModel
    has_both = set(PretrainingModel.HEADS) <= set(checkpoint.heads)
    task = OBJECTIVES[objective or ("bert" if has_both else "masked")]
    checkpoint.check_kind(task.ENCODERS[0])
    return task


def _divided(
    corpus: TokenCorpus, held_out: float, seed: int, least: int
) -> tuple[TokenCorpus, TokenCorpus | None]:
    """The documents to train on, and some to evaluate on; of either what an epoch takes at least.

    No more are held out than are evaluated on.
    """
    if not held_out:
        return corpus, None
    count = len(corpus)
    if count < 2 * least:
        raise UserError(
            f"The documents are {count}, and to hold some out takes {2 * least}: put a blank line "
            "between documents, give more files, or hold out a share of 0."
        )
    held = min(max(2, round(held_out * count)), _MOST_HELD, count - least)
    return corpus.divided(held / count, seed)


def _save(folder: Path, made: Pretrained, settings: dict[str, Any], corpus: TokenCorpus) -> None:
    """Writes the model, and all that led to it and what it is worth."""
    made.model.save_pretrained(folder)  # which holds the folder itself
    record = {
        "settings": {name: plain(value) for name, value in settings.items()},
        "corpus": {"documents": len(corpus), "tokens": corpus.token_count},
        "versions": versions(),
        "hardware": describe_hardware(),
        "history": {k: [float(v) for v in values] for k, values in made.history.history.items()},
        "milestones": made.milestones,
        "metrics": made.scores,
    }
    write_whole(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False))
    shutil.rmtree(folder / WORK, ignore_errors=True)
