"""Questions about contexts, whose answers are parts of the contexts: SQuAD 1.1 and 2.0."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kerasformer.data.dataset import Dataset, Examples
from kerasformer.data.hashing import joint_key, text_key


@dataclass(frozen=True, eq=False)
class AnswerSplit(Examples):
    """Questions, the texts that answer them, and where.

    Attributes:
        questions: The questions.
        contexts: The text that each is asked about; the same object for all questions about it.
        answers: The accepted answers to each as (text, start), the start in characters of the
            context; none for a question that its context does not answer.
        ids: What each question is called in predictions.
        titles: The article of each context, where the data tells.

    Example:

    >>> split = AnswerSplit(["Who codes?"], ["Ada codes."], [[("Ada", 0)]], ["1"])
    >>> len(split), split.titles
    (1, None)
    """

    questions: list[str]
    contexts: list[str]
    answers: list[list[tuple[str, int]]]
    ids: list[str]
    titles: list[str] | None = None

    def __post_init__(self):
        for name in ("contexts", "answers", "ids", "titles"):
            part = getattr(self, name)
            if part is not None and len(part) != len(self.questions):
                raise ValueError(
                    f"An answer split needs {name} for each question; got {len(part)} for "
                    f"{len(self.questions)} questions."
                )

    @cached_property
    def context_keys(self) -> list[bytes]:
        """The `text_key` of each context."""
        known: dict[str, bytes] = {}
        for context in self.contexts:
            if context not in known:
                known[context] = text_key(context)
        return [known[context] for context in self.contexts]

    @cached_property
    def keys(self) -> list[bytes]:
        """A hash of each question with its context: equal for duplicates."""
        pairs = zip(map(text_key, self.questions), self.context_keys, strict=True)
        return [joint_key(pair) for pair in pairs]

    @cached_property
    def groups(self) -> list[bytes]:
        """The hash of each question's article, or of its context if there are no two articles.

        Articles that share a context are one, so that no context is on two sides of a split.
        """
        if self.titles is None:
            return self.context_keys
        root: dict[bytes, bytes] = {}

        def find(key: bytes) -> bytes:
            while root.setdefault(key, key) != key:
                key = root[key]
            return key

        titles = dict.fromkeys(self.titles)
        keys = {title: text_key(f"title: {title}") for title in titles if title.strip()}
        nodes = [
            keys.get(title, context)
            for title, context in zip(self.titles, self.context_keys, strict=True)
        ]
        for pair in set(zip(nodes, self.context_keys, strict=True)):
            first, second = sorted(map(find, pair))  # whatever the order of the questions
            root[second] = first
        articles = [find(node) for node in nodes]
        return articles if len(set(articles)) > 1 else self.context_keys


@dataclass(frozen=True, eq=False, repr=False)
class AnsweringDataset(Dataset[AnswerSplit]):
    """Questions about contexts in splits, which `load_dataset` reads.

    Attributes:
        name: What to call it.
        splits: Some of "train", "validation" and "test".
        provenance: What it was made from and how, ready for JSON.

    Example:

    >>> train = AnswerSplit(["Who codes?"], ["Ada codes."], [[("Ada", 0)]], ["1"])
    >>> AnsweringDataset("tiny", {"train": train})
    <AnsweringDataset tiny: train: 1>
    """

    name: str
    splits: dict[str, AnswerSplit]
    provenance: dict = field(default_factory=dict)

    noun = "questions"
    _divided = "articles or contexts"
    _hashed = ", that of the article's title, or of the context where there are no two titles"

    def __repr__(self) -> str:
        return self._repr("")

    @property
    def has_unanswerable(self) -> bool:
        """Whether there are questions that their contexts do not answer, as in SQuAD 2.0."""
        return any(not answers for split in self.splits.values() for answers in split.answers)

    def _strata(self, split):
        return np.array([bool(answers) for answers in split.answers], "int32")

    def _head(self):
        return "answering"

    def _content(self, split: AnswerSplit) -> Iterator[bytes]:
        for i in range(len(split)):
            yield split.ids[i].encode()
            yield split.questions[i].encode()
            yield split.contexts[i].encode()
            yield split.titles[i].encode() if split.titles else b""
            yield len(split.answers[i]).to_bytes(8, "little")
            for text, start in split.answers[i]:
                yield text.encode()
                yield start.to_bytes(8, "little")

    def _classes(self):
        return {"has_unanswerable": self.has_unanswerable}

    def _counts(self, split: AnswerSplit) -> dict[str, Any]:
        return {
            "contexts": len(set(split.context_keys)),
            "articles": len(set(split.groups)),
            "unanswerable": sum(not answers for answers in split.answers),
        }
