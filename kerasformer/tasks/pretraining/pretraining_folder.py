"""The folder of a pretraining: what is needed to go on, and the text as token ids."""

import dataclasses
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.files import only_writer, read_json, refuse_used, write_whole, writing
from kerasformer.progress import step
from kerasformer.text import Tokenizer, WordPieceTokenizer
from kerasformer.training.checkpoint import CheckpointFolder

WORK, CHECKPOINTS = ".pretraining", "checkpoints"  # what is needed to go on


def is_begun(folder: str | os.PathLike) -> bool:
    """Whether a folder has a pretraining that can go on.

    >>> is_begun("no-such-folder")
    False
    """
    return Path(folder, WORK, "corpus", "corpus.json").exists()


@dataclasses.dataclass(frozen=True)
class SourceText:
    """What the token ids of a corpus follow from."""

    sources: Any
    pretrained: Any
    vocabulary: Any
    vocab_size: int

    def __post_init__(self):
        if self.pretrained is not None and self.vocabulary is not None:
            raise UserError(
                "A published model has its own vocabulary: leave the other one out, or train a "
                "new model."
            )

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
) -> tuple[TokenCorpus, Tokenizer]:
    """The token ids of the documents, and the tokenizer that made them."""
    about, words = work / "text.json", work / "tokenizer"
    if resume:
        if read_json(about) != text.settings():
            raise UserError(
                f"{work.parent} holds a pretraining on other text, or with another vocabulary: "
                "give the same, or another folder."
            )
        return TokenCorpus.open(work / "corpus"), Tokenizer.from_pretrained(words)
    shutil.rmtree(work, ignore_errors=True)
    tokenizer = _tokenizer(documents, text, checkpoint, verbose)
    with writing(work):
        words.mkdir(parents=True)
        write_whole(about, json.dumps(text.settings()))
    tokenizer.save_pretrained(words)
    return TokenCorpus.write(documents, tokenizer, work / "corpus", verbose=verbose), tokenizer


def _tokenizer(
    documents: Any, text: SourceText, checkpoint: Checkpoint | None, verbose: bool
) -> Tokenizer:
    if checkpoint is not None:
        return checkpoint.read_tokenizer()
    if text.vocabulary is not None:
        return WordPieceTokenizer.from_pretrained(text.vocabulary)
    if not verbose:
        return WordPieceTokenizer.train(documents, text.vocab_size)
    with step("Learning the vocabulary"):
        return WordPieceTokenizer.train(documents, text.vocab_size)
