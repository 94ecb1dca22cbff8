"""The vocabulary of a corpus where no published model has one."""

import contextlib
import os
from collections.abc import Iterable

from kerasformer.data.raw.encoding import Document
from kerasformer.progress import step
from kerasformer.text import WordPieceTokenizer

_VOCAB_SIZE = 8000  # tokens to learn at most, where nobody says how many


def read_or_learnt(
    vocabulary: str | os.PathLike | None,
    documents: Iterable[Document],
    vocab_size: int | None = None,
    verbose: bool = True,
) -> WordPieceTokenizer:
    """The tokenizer of a folder or vocab.txt; without one, a new one of the words of documents.

    >>> read_or_learnt(None, ["the film", "the films"], 20, verbose=False)
    WordPieceTokenizer(vocab_size=20)
    """
    if vocabulary is not None:
        return WordPieceTokenizer.from_pretrained(vocabulary)
    with step("Learning the vocabulary") if verbose else contextlib.nullcontext():
        size = _VOCAB_SIZE if vocab_size is None else vocab_size
        return WordPieceTokenizer.train(documents, size)
