"""Documents as token ids, from which the examples of pretraining are made."""

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from kerasformer.data.raw import corpus_files as files
from kerasformer.data.raw.encoding import (
    Document,
    Encoder,
    about_tokenizer,
    encoded,
    fingerprint_of,
    no_tokens,
    spans,
)
from kerasformer.errors import UserError
from kerasformer.files import expanded
from kerasformer.text import Tokenizer
from kerasformer.text.texts import check_iterable


class TokenCorpus:
    """Documents of sentences as token ids, without special tokens: what pretraining reads.

    Args:
        tokens: The ids of all sentences, one after another, uint16 or int32 `[tokens]`.
        sentence_starts: Where each sentence begins there, int64 `[sentences + 1]`.
        documents: The first sentence of each document and the one behind its last, int64
            `[documents, 2]`.
        about: Of the tokenizer: its `tokenizer` fingerprint, `vocab_size`, and the `end_id` of the
            token that ends a text, or None.
        tokenizer: The tokenizer, or the folder that it is read from when it is asked for.

    Attributes:
        end_id, vocab_size: As in `about`.

    Example:

    >>> from kerasformer.text import WordPieceTokenizer
    >>> texts = ["The film is good. I like it.", "The film is bad."]
    >>> corpus = TokenCorpus.of(texts, WordPieceTokenizer.train(texts))
    >>> corpus
    TokenCorpus(2 documents, 3 sentences, 23 tokens)
    """

    def __init__(
        self,
        tokens: np.ndarray,
        sentence_starts: np.ndarray,
        documents: np.ndarray,
        about: dict[str, Any],
        tokenizer: Tokenizer | Path | None = None,
    ):
        self.tokens, self.sentence_starts, self.documents = tokens, sentence_starts, documents
        self.about, self._tokenizer = about, tokenizer
        self.end_id: int | None = about["end_id"]
        self.vocab_size: int = about["vocab_size"]

    @classmethod
    def of(cls, texts: Iterable[Document], tokenizer: Tokenizer) -> Self:
        """Tokenizes documents in memory.

        Args:
            texts: The documents, each a text, divided by its punctuation, or its sentences.
            tokenizer: The tokenizer.

        Raises:
            UserError: A document is neither, or none has a token.
        """
        parts = list(encoded(check_iterable(texts, "texts"), tokenizer))
        if not any(len(part.tokens) for part in parts):
            raise no_tokens()
        about = about_tokenizer(tokenizer)
        tokens, *counts = (np.concatenate(column) for column in zip(*parts, strict=True))
        sentences, documents = (np.append(0, np.cumsum(count)) for count in counts)
        return cls(tokens, sentences, spans(documents), about, tokenizer)

    @classmethod
    def write(
        cls,
        documents: Iterable[Document],
        tokenizer: Tokenizer,
        folder: str | os.PathLike,
        *,
        verbose: bool = True,
        encode: Encoder = encoded,
    ) -> Self:
        """Tokenizes documents into a folder, as they are read, in bounded memory.

        The tokenizer is there too, in `tokenizer/`. The folder is whole or, after an error or an
        interruption, holds nothing.

        Args:
            documents: As `texts` of `of`, such as `kerasformer.data.raw.Documents`.
            tokenizer: The tokenizer.
            folder: A new folder.
            verbose: Whether to show how many tokens there are so far, and how fast.
            encode: What tokenizes; by default all cores of this machine do, and
                `kerasformer.corpus.encoded_on_ray` has a Ray cluster do it, with the same result.

        Returns:
            The corpus, opened.

        Raises:
            UserError: As of `of`, or the folder is not empty or cannot be written to.

        Example:

        >>> from kerasformer.text import WordPieceTokenizer
        >>> texts, folder = ["The film is good.", "It is bad."], getfixture("tmp_path") / "corpus"
        >>> tokenizer = WordPieceTokenizer.train(texts)
        >>> len(TokenCorpus.write(texts, tokenizer, folder, verbose=False))
        2
        >>> TokenCorpus.open(folder)
        TokenCorpus(2 documents, 2 sentences, 20 tokens)
        """
        files.write(documents, tokenizer, expanded(folder), verbose, encode)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Self:
        """Opens a folder that `write` wrote; its arrays stay on the disk.

        Raises:
            UserError: It holds no corpus, or files of it are damaged.
        """
        return cls(*files.read(expanded(folder)))

    def __len__(self):
        return len(self.documents)

    def __repr__(self):
        return (
            f"TokenCorpus({len(self):,} documents, {self.sentence_count:,} sentences, "
            f"{self.token_count:,} tokens)"
        )

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made it.

        Raises:
            UserError: It is not in the folder of the corpus any more, or is another one.
        """
        if isinstance(self._tokenizer, Path):
            return files.read_tokenizer(self._tokenizer, self.about["tokenizer"])
        if self._tokenizer is None:
            raise UserError("The corpus was made without a tokenizer: make it with TokenCorpus.of.")
        return self._tokenizer

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """The tokens of each document, int64 `[documents]`."""
        first, last = self.documents.T
        return self.sentence_starts[last] - self.sentence_starts[first]

    @property
    def sentence_count(self) -> int:
        """The number of sentences."""
        return int((self.documents[:, 1] - self.documents[:, 0]).sum())

    @property
    def token_count(self) -> int:
        """The number of tokens."""
        return int(self.lengths.sum())

    @functools.cached_property
    def fingerprint(self) -> str:
        """The sha256 of all that examples follow from."""
        digest = hashlib.sha256(repr(sorted(self.about.items())).encode())
        for one in (self.tokens, self.sentence_starts, self.documents):
            digest.update(np.ascontiguousarray(one).data)
        return digest.hexdigest()

    def take(self, indices: Any) -> "TokenCorpus":
        """The corpus of some of the documents, in the order of their indices."""
        chosen = self.documents[np.asarray(indices, "int64")]
        own = self.tokens, self.sentence_starts, chosen, self.about, self._tokenizer
        return TokenCorpus(*own)

    def divided(self, share: float, seed: int = 0) -> tuple["TokenCorpus", "TokenCorpus"]:
        """Divides the documents at random into those to train on, and those held out.

        Args:
            share: The share of the documents that are held out: one at least, and not all.
            seed: Which ones follows from it.

        Raises:
            UserError: There is only one document, or `share` is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise UserError(f"The share to hold out is {share}: give one between 0 and 1.")
        if len(self) < 2:
            raise UserError(
                "The corpus is one document, of which none can be held out: put a blank line "
                "between its documents, or give more files."
            )
        order = np.random.default_rng(seed).permutation(len(self))
        held = min(max(1, round(share * len(self))), len(self) - 1)
        return self.take(np.sort(order[held:])), self.take(np.sort(order[:held]))

    def check(self, tokenizer: Tokenizer) -> None:
        """Raises a UserError where the corpus was made by another tokenizer."""
        if self.about["tokenizer"] != fingerprint_of(tokenizer):
            raise UserError(
                "The corpus was tokenized with another vocabulary than the model's: tokenize the "
                "texts again, or give the tokenizer that it was made with."
            )
