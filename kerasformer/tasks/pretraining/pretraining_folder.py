"""The folder of a pretraining: what is needed to go on, and the text as token ids."""

import dataclasses
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw.vocabulary import VOCAB_SIZE, read_or_learnt
from kerasformer.errors import UserError
from kerasformer.files import only_writer, read_json, refuse_used, write_whole, writing
from kerasformer.text import Tokenizer
from kerasformer.text.masking import mask_id_of
from kerasformer.training.checkpoint import CheckpointFolder

WORK, CHECKPOINTS = ".pretraining", "checkpoints"  # what is needed to go on
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
        size = VOCAB_SIZE if vocab_size is None else vocab_size
        return cls(getattr(documents, "sources", None), pretrained, vocabulary, size, None)

    def settings(self) -> dict[str, Any]:
        """Its attributes, ready for JSON."""
        return {name: plain(value) for name, value in dataclasses.asdict(self).items()}


def plain(value: Any) -> Any:
    """A setting as JSON has it.

    >>> plain([Path("a"), 1])
    ['a', 1]
    """
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return value if value is None or isinstance(value, int) else str(value)


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
            checkpoints = folder / WORK / CHECKPOINTS
            if not _has_steps(checkpoints):  # so what is given next may be something else
                shutil.rmtree(checkpoints, ignore_errors=True)
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
    verbose: bool,
    hides: bool,
) -> TokenCorpus:
    """The token ids of the documents, which may be a corpus already; training hides some."""
    about, made = work / _TEXT, work / "corpus"
    if resume:
        if read_json(about) != text.settings():
            raise UserError(
                f"{work.parent} holds a pretraining on other text, or with another vocabulary: "
                "give the same, or another folder."
            )
        return documents if text.corpus else TokenCorpus.open(made)
    shutil.rmtree(work, ignore_errors=True)
    tokenizer = _tokenizer(documents, text, checkpoint, verbose)
    if hides:
        mask_id_of(tokenizer)  # refused before all text is tokenized
    if text.corpus:
        documents.check(tokenizer)
        corpus = documents
    else:
        corpus = TokenCorpus.write(documents, tokenizer, made, verbose=verbose)
    with writing(work):
        work.mkdir(exist_ok=True)
        write_whole(about, json.dumps(text.settings()))
    return corpus


def _tokenizer(
    documents: Any, text: SourceText, checkpoint: Checkpoint | None, verbose: bool
) -> Tokenizer:
    if checkpoint is not None:
        return checkpoint.read_tokenizer()
    if text.corpus:
        return documents.tokenizer
    return read_or_learnt(text.vocabulary, documents, text.vocab_size, verbose)
