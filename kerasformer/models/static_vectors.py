"""Vectors of words or tokens, whatever stands around them: read, reduced, written."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from kerasformer.errors import UserError
from kerasformer.text import Tokenizer, WordTokenizer


class StaticVectors:
    """One vector for each word, as there were before transformers.

    GloVe's and word2vec's are read from their files by `load`, and
    `kerasformer.models.distil_static` makes some of an encoder.

    Args:
        words: The words, or an encoder's tokens, all different.
        vectors: float `[words, width]`.
        tokenizer: What gives these words for a text; by default a `WordTokenizer` of them, which
            lower-cases texts where no word has a capital.

    Raises:
        UserError: There is no word, one is there twice, or the vectors are not one for each.

    Example:

    >>> vectors = StaticVectors(["fine", "dull"], [[1.0, 0.0], [-1.0, 0.5]])
    >>> vectors.width, vectors["dull"].tolist(), "film" in vectors
    (2, [-1.0, 0.5], False)
    """

    def __init__(self, words: Iterable[str], vectors: Any, tokenizer: Tokenizer | None = None):
        self.words = list(words)
        try:
            self.vectors = np.asarray(vectors, "float32")
        except (TypeError, ValueError):
            raise UserError(
                "The vectors are no array of numbers: give one for each word, all of one width."
            ) from None
        self._places = {word: place for place, word in enumerate(self.words)}
        if not self.words or len(self._places) < len(self.words):
            raise UserError("Static vectors need words, each of them once.")
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise UserError(
                f"There are {len(self.words):,} words and vectors of the shape "
                f"{self.vectors.shape}: give one vector for each word."
            )
        if not np.isfinite(self.vectors).all():
            raise UserError("A vector has a number that is not finite.")
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._places

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self._places[word]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} words, width={self.width})"

    @property
    def width(self) -> int:
        """The numbers of a vector."""
        return self.vectors.shape[1]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What gives the words of a text."""
        if self._tokenizer is not None:
            return self._tokenizer
        own = [word for word in self.words if word not in ("[PAD]", "[UNK]")]
        are_lower = all(word == word.lower() for word in own)
        return WordTokenizer.from_vocabulary(own, lowercase=are_lower)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        words: str | os.PathLike | Iterable[str] | None = None,
        keep: Callable[[str], bool] | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> Self:
        """Reads GloVe's or word2vec's files, text or binary, fastText's `.vec`, or a `.npy` array.

        Args:
            path: The file; which format it has its content says.
            words: The words of an array, or a file with one a line.
            keep: Which words to keep, such as `vocabulary.__contains__`; by default all.
            tokenizer: As of the class: no file holds it.

        Raises:
            UserError: The file is missing or damaged, or no word of it is kept.

        Example:

        >>> path = getfixture("tmp_path") / "vectors.txt"
        >>> StaticVectors(["fine"], [[1.0, 0.5]]).save(path)
        >>> StaticVectors.load(path)["fine"].tolist()
        [1.0, 0.5]
        """
        from kerasformer.checkpoints.io.word_vectors import read_word_vectors

        found = read_word_vectors(path, words, keep)
        if not found.words:
            raise UserError(f"{path} has no vector of any of the words that are wanted.")
        return cls(*found, tokenizer)

    def save(self, path: str | os.PathLike) -> None:
        """Writes word2vec's text format, which gensim and spaCy read too, as `load` reads it.

        It has no place for a tokenizer: that of an encoder, whose vectors were distilled, is saved
        by itself, and given to `load`.
        """
        from kerasformer.checkpoints.io.word_vectors import write_word_vectors

        write_word_vectors(path, self.words, self.vectors)

    def first(self, count: int) -> Self:
        """The vectors of the first words, in most files the most frequent ones.

        Args:
            count: The most words.

        Example:

        >>> StaticVectors(["the", "film"], [[1.0], [2.0]]).first(1).words
        ['the']
        """
        return type(self)(self.words[:count], self.vectors[:count], self._tokenizer)

    def reduced(self, width: int) -> Self:
        """The vectors with fewer dimensions, those in which they differ most (PCA).

        Args:
            width: The numbers that a vector shall have.

        Raises:
            UserError: There are not so many dimensions or words.

        Example:

        >>> vectors = StaticVectors("abc", [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
        >>> [round(float(number), 3) for number in vectors.reduced(1).vectors[:, 0]]
        [-1.886, -0.471, 2.357]
        """
        most = min(self.vectors.shape)
        if not 0 < width <= most:
            raise UserError(f"width is {width}: these vectors can have from 1 to {most}.")
        centred = self.vectors - self.vectors.mean(axis=0, dtype="float64")
        _, directions = np.linalg.eigh(centred.T @ centred)  # of rising variance
        directions = directions[:, ::-1][:, :width]
        # Of a direction's two signs the one whose largest part is positive, as in scikit-learn.
        largest = directions[np.abs(directions).argmax(axis=0), range(width)]
        return type(self)(self.words, centred @ (directions * np.sign(largest)), self._tokenizer)

    def table(self, tokens: Sequence[str], seed: int | None = None) -> np.ndarray:
        """The vectors of tokens, such as those of a vocabulary, float32 `[tokens, width]`.

        A token that is no word has the vector of the first word that it is but for capitals.

        Args:
            tokens: The tokens.
            seed: Of the vectors of the others, random ones of the same size, the standard deviation
                of all numbers; None leaves these at 0.

        Raises:
            UserError: No token has a vector.
        """
        lower: dict[str, int] = {}
        for word, place in self._places.items():
            lower.setdefault(word.lower(), place)
        places = np.array(
            [self._places.get(token, lower.get(token.lower(), -1)) for token in tokens]
        )
        if not (places >= 0).any():
            raise UserError(
                f"None of the {len(tokens):,} tokens has a static vector: give vectors of the same "
                "language and kind of tokens."
            )
        table = np.zeros((len(tokens), self.width), "float32")
        if seed is not None:
            table += np.random.default_rng(seed).normal(0, self.vectors.std(), table.shape)
        table[places >= 0] = self.vectors[places[places >= 0]]
        return table
