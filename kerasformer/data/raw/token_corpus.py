"""Documents as token ids, from which the examples of pretraining are made."""

import functools
import hashlib
from array import array
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from kerasformer.data.raw.sentences import split_sentences
from kerasformer.errors import UserError
from kerasformer.text import Tokenizer
from kerasformer.text.texts import check_iterable, check_text, check_texts

Document = str | list[str]  # of sentences


class TokenCorpus:
    """Documents of sentences as token ids, without special tokens: what pretraining reads.

    Args:
        tokens: The ids of all sentences, one after another, uint16 or int32 `[tokens]`.
        sentence_starts: Where each sentence begins there, int64 `[sentences + 1]`.
        documents: The first sentence of each document and the one behind its last, int64
            `[documents, 2]`.
        about: Of the tokenizer: its `tokenizer` fingerprint, `vocab_size`, and the `end_id` of the
            token that ends a text, or None.

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
    ):
        self.tokens, self.sentence_starts, self.documents = tokens, sentence_starts, documents
        self.about = about
        self.end_id: int | None = about["end_id"]
        self.vocab_size: int = about["vocab_size"]

    @classmethod
    def of(cls, texts: Iterable[Document], tokenizer: Tokenizer) -> Self:
        """Tokenizes documents in memory.

        Args:
            texts: The documents, each a text, which `split_sentences` divides, or its sentences.
            tokenizer: The tokenizer.

        Raises:
            UserError: A document is neither, or none has a token.
        """
        tokens, ends, starts = array("i"), array("q", [0]), array("q", [0])
        for text in check_iterable(texts, "texts"):
            for sentence in tokenizer.ids(sentences_of(text, f"texts[{len(starts) - 1}]")):
                if sentence:
                    tokens.extend(sentence)
                    ends.append(len(tokens))
            if len(ends) - 1 > starts[-1]:
                starts.append(len(ends) - 1)
        if not tokens:
            raise UserError("The texts have no token: give texts with words.")
        about = about_tokenizer(tokenizer)
        ids = np.array(tokens, token_dtype(about["vocab_size"]))
        return cls(ids, np.array(ends), spans(np.array(starts)), about)

    def __len__(self):
        return len(self.documents)

    def __repr__(self):
        return (
            f"TokenCorpus({len(self):,} documents, {self.sentence_count:,} sentences, "
            f"{self.token_count:,} tokens)"
        )

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
        return TokenCorpus(self.tokens, self.sentence_starts, chosen, self.about)

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


def sentences_of(document: Any, name: str) -> list[str]:
    """The sentences of a document, which is a text or has them already."""
    if isinstance(document, str):
        return split_sentences(check_text(document, name))
    return check_texts(document, name)


def token_dtype(vocab_size: int) -> str:
    """The smallest type that holds all ids."""
    return "uint16" if vocab_size <= 1 << 16 else "int32"


def spans(starts: np.ndarray) -> np.ndarray:
    """Where each part begins and ends, int64 `[parts, 2]`, of where each begins."""
    return np.stack([starts[:-1], starts[1:]], axis=1)


def about_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a corpus knows about its tokenizer."""
    roles = tokenizer.special_tokens
    end = next((roles[role] for role in ("eos_token", "sep_token") if role in roles), None)
    return {
        "tokenizer": fingerprint_of(tokenizer),
        "vocab_size": tokenizer.vocab_size,
        "end_id": None if end is None else tokenizer.backend.token_to_id(end),
    }


def fingerprint_of(tokenizer: Tokenizer) -> str:
    """The sha256 of all that a tokenizer's ids follow from."""
    return hashlib.sha256(tokenizer.to_json().encode()).hexdigest()
