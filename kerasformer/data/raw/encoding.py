"""Documents to token ids, many at a time."""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kerasformer.data.raw.sentences import split_paragraphs
from kerasformer.errors import UserError
from kerasformer.files import parse_json
from kerasformer.text import Tokenizer
from kerasformer.text.texts import check_text, check_texts

Document = str | list[str]  # of sentences
_CHARACTERS = 1_000_000  # tokenized at a time


class Encoded(NamedTuple):
    """The tokens of some documents, those of each sentence, and the sentences of each document."""

    tokens: np.ndarray
    sentences: np.ndarray  # int64
    documents: np.ndarray


Encoder = Callable[[Iterable[Document], Tokenizer], Iterator[Encoded]]


def encoded(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[Encoded]:
    """The tokens of documents, a few at a time, without sentences and documents that have none.

    Raises:
        UserError: A document is neither a text nor sentences.
    """
    for sentences, counts in parts_of(documents):
        yield encode(sentences, counts, tokenizer)


def parts_of(documents: Iterable[Document]) -> Iterator[tuple[list[str], list[int]]]:
    """The sentences of a few documents at a time, and how many each of these has."""
    sentences: list[str] = []
    counts: list[int] = []
    characters = 0
    for number, document in enumerate(documents):
        own = _sentences(document, f"texts[{number}]")
        sentences += own
        counts.append(len(own))
        characters += sum(map(len, own))
        if characters >= _CHARACTERS:
            yield sentences, counts
            sentences, counts, characters = [], [], 0
    if counts:
        yield sentences, counts


def encode(sentences: list[str], counts: list[int], tokenizer: Tokenizer) -> Encoded:
    """The tokens of what `parts_of` gives."""
    tokens, lengths = array("i"), array("q")
    for ids in tokenizer.ids(sentences):
        tokens.extend(ids)
        lengths.append(len(ids))
    sizes = np.array(lengths)
    own = np.repeat(np.arange(len(counts)), counts)
    of_documents = np.bincount(own[sizes > 0], minlength=len(counts))
    dtype = token_dtype(tokenizer.vocab_size)
    return Encoded(np.array(tokens).astype(dtype), sizes[sizes > 0], of_documents[of_documents > 0])


def _sentences(document: Document, name: str) -> list[str]:
    if isinstance(document, str):
        return split_paragraphs(check_text(document, name))
    return check_texts(document, name)


def no_tokens() -> UserError:
    """The error for documents without a token."""
    return UserError("The texts have no token: give texts with words.")


def token_dtype(vocab_size: int) -> str:
    """The smallest type that holds all ids."""
    return "uint16" if vocab_size <= 1 << 16 else "int32"


def spans(starts: np.ndarray) -> np.ndarray:
    """Where each part begins and ends, int64 `[parts, 2]`, of where each begins."""
    return np.stack([starts[:-1], starts[1:]], axis=1)


def about_tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a corpus knows about its tokenizer."""
    return {
        "tokenizer": fingerprint_of(tokenizer),
        "vocab_size": tokenizer.vocab_size,
        "end_id": getattr(tokenizer, "eos_id", None),  # which a WordTokenizer has not
    }


def fingerprint_of(tokenizer: Tokenizer) -> str:
    """The sha256 of all that a tokenizer's ids follow from."""
    saved = parse_json(tokenizer.to_json(), tokenizer)
    # No id does from these; those of a backend made by hand are others once it is read from a file.
    for name in ("post_processor", "decoder"):
        saved["tokenizer"].pop(name, None)
    return hashlib.sha256(json.dumps(saved, ensure_ascii=False).encode()).hexdigest()
