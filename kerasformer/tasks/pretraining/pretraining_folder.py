"""The folder of a pretraining: what is needed to go on, and the text as token ids."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.vocabulary import read_or_learnt
from kerasformer.errors import UserError
from kerasformer.files import only_writer, read_json, refuse_used, write_whole, writing
from kerasformer.text import Tokenizer
from kerasformer.training.checkpoint import CheckpointFolder

WORK, CHECKPOINTS, CORPUS = ".pretraining", "checkpoints", "corpus"  # what is needed to go on
_TEXT = "text.json"  # what was tokenized, written once all of it is


def is_begun(folder: str | os.PathLike) -> bool:
    """Whether a folder has a pretraining that can go on.

    >>> is_begun("no-such-folder")
    False
    """
    return Path(folder, WORK, _TEXT).exists()


@dataclasses.dataclass(frozen=True)
class SourceText:
    """What the token ids of a corpus follow from."""

    sources: Any
    pretrained: Any
    vocabulary: Any
    vocab_size: int | None
    corpus: str | None  # the fingerprint of one that is tokenized already

    @classmethod
    def of(cls, documents: Any, pretrained: Any, vocabulary: Any, vocab_size: int | None) -> Self:
        """Of the arguments of `pretrain`; a UserError where they exclude each other."""
        if isinstance(documents, TokenCorpus):
            if vocabulary is not None or vocab_size is not None:
                raise UserError(
                    "The corpus is tokenized, with a vocabulary of its own: leave the other "
                    "vocabulary or its size out, or give the text."
                )
            return cls(None, pretrained, None, None, documents.fingerprint)
        if pretrained is not None and vocabulary is not None:
            raise UserError(
                "A published model has its own vocabulary: leave the other one out, or train a "
                "new model."
            )
        if vocab_size is not None and (pretrained is not None or vocabulary is not None):
            raise UserError(
                f"vocab_size={vocab_size} is of a vocabulary that is learnt, and one is given: "
                "leave it out."
            )
        return cls(getattr(documents, "sources", None), pretrained, vocabulary, vocab_size, None)

    def settings(self) -> dict[str, Any]:
        """Its attributes, ready for JSON."""
        return {name: plain(value) for name, value in dataclasses.asdict(self).items()}


def plain(value: Any) -> Any:
    """A setting as JSON has it.

    >>> plain([Path("a"), 1.5])
    ['a', 1.5]
    """
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return value if value is None or isinstance(value, int | float) else str(value)


@contextmanager
def writing_model(folder: Path, resume: bool):
    """Holds the folder, new or with what was interrupted."""
    begun = is_begun(folder)
    if resume and not begun:
        raise UserError(f"{folder} has no interrupted pretraining: leave resume out.")
    if not resume:
        remedy = ", or resume the pretraining in it" * begun
        refuse_used(folder, remedy, leftovers=[] if begun else [WORK])
    with only_writer(folder, "pretraining"):
        try:
            yield
        except UserError:
            work = folder / WORK
            if not _has_steps(work / CHECKPOINTS):  # so what is given next may be something else
                tokenized_here = (work / CORPUS).exists()  # which may have taken hours
                shutil.rmtree(work / CHECKPOINTS if tokenized_here else work, ignore_errors=True)
            raise
        except KeyboardInterrupt:
            if is_begun(folder):
                raise KeyboardInterrupt(f"the training so far is in {folder}") from None
            raise


def _has_steps(checkpoints: Path) -> bool:
    """Whether training has got anywhere; it may have where its checkpoints cannot be read."""
    try:
        newest = CheckpointFolder(checkpoints).newest()
    except FileNotFoundError:
        return False
    except (UserError, OSError):
        return True
    return newest is not None and (newest.state.epoch, newest.state.step) > (0, 0)


def tokenized(
    documents: Any,
    text: SourceText,
    checkpoint: Checkpoint | None,
    work: Path,
    resume: bool,
    check: Callable[[Tokenizer], object],
    verbose: str | int,
) -> tuple[TokenCorpus, Tokenizer]:
    """The token ids of the documents, which may be a corpus already, and the model's tokenizer.

    `check` refuses a tokenizer that the model cannot be trained with, before all text is tokenized.
    """
    about, made = work / _TEXT, work / CORPUS
    corpus = documents if text.corpus else None
    if resume:
        if read_json(about) != text.settings():
            raise UserError(
                f"{work.parent} holds a pretraining on other text, or with another vocabulary: "
                "give the same, or another folder."
            )
        corpus = TokenCorpus.open(made) if corpus is None else corpus
    else:
        shutil.rmtree(work, ignore_errors=True)
    if checkpoint is not None:
        tokenizer = checkpoint.read_tokenizer()
    elif corpus is not None:
        tokenizer = corpus.tokenizer
    else:
        tokenizer = read_or_learnt(text.vocabulary, documents, text.vocab_size, verbose != 0)
    check(tokenizer)
    if corpus is None:
        corpus = TokenCorpus.write(documents, tokenizer, made, verbose=verbose != 0)
    corpus.check(tokenizer)
    if not resume:
        with writing(work):
            work.mkdir(exist_ok=True)
            write_whole(about, json.dumps(text.settings()))
    return corpus, tokenizer
