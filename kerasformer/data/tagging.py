"""Sentences whose words are tagged: entities, parts of speech, chunks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kerasformer.data.dataset import Dataset, Examples, rarest
from kerasformer.data.hashing import text_key

# A tag of the schemes BIO, IOBES, BILOU or BMES: where the word is in an entity, and of what type.
_OF_ENTITY = re.compile(r"[BIESLUM](?:-(.+))?", re.DOTALL)


@dataclass(frozen=True, eq=False)
class TaggedSplit(Examples):
    """Sentences in words, with a tag for each word.

    Attributes:
        words: The words of each sentence.
        tags: Their tags, such as "B-person" or "NOUN".
        texts: The texts that the words stand in, where the data has them.
        spans: Where each word stands in its text: (start, end) in characters.

    Example:

    >>> split = TaggedSplit([["Ada", "codes"], ["Hello"]], [["B-person", "O"], ["O"]])
    >>> split.take([0]).tags
    [['B-person', 'O']]
    """

    words: list[list[str]]
    tags: list[list[str]]
    texts: list[str] | None = None
    spans: list[list[tuple[int, int]]] | None = None

    def __post_init__(self):
        if (self.texts is None) != (self.spans is None):
            raise ValueError("A tagged split has both texts and spans, or neither.")
        for name in ("tags", "texts", "spans"):
            part = getattr(self, name)
            if part is not None and len(part) != len(self.words):
                raise ValueError(
                    f"A tagged split needs {name} for each sentence; got {len(part)} for "
                    f"{len(self.words)} sentences."
                )
            if part is None or name == "texts":
                continue
            for i in range(len(part)):
                if len(part[i]) != len(self.words[i]):
                    raise ValueError(
                        f"Sentence {i} has {len(self.words[i])} words and {len(part[i])} {name}; "
                        "expected as many."
                    )

    @cached_property
    def keys(self) -> list[bytes]:
        """The `text_key` of the words of each sentence: equal for duplicates."""
        return [text_key(" ".join(words)) for words in self.words]


@dataclass(frozen=True, eq=False, repr=False)
class TaggingDataset(Dataset[TaggedSplit]):
    """Sentences of tagged words in splits, which `load_dataset` reads.

    Attributes:
        name: What to call it.
        tag_names: The name of each tag, as `tag_order` has them.
        splits: Some of "train", "validation" and "test".
        provenance: What it was made from and how, ready for JSON.

    Example:

    >>> train = TaggedSplit([["Ada", "codes"], ["Hello"]], [["B-person", "O"], ["O"]])
    >>> TaggingDataset("tiny", ("O", "B-person"), {"train": train})
    <TaggingDataset tiny: 2 tags; train: 2>
    """

    name: str
    tag_names: tuple[str, ...]
    splits: dict[str, TaggedSplit]
    provenance: dict = field(default_factory=dict)

    noun = "sentences"
    _divided = "sentences"
    _hashed = ", and a sentence's its words with spaces between"

    def __repr__(self) -> str:
        return self._repr(f"{len(self.tag_names)} tags; ")

    def _strata(self, split):
        index = {name: position for position, name in enumerate(self.tag_names)}
        present = np.zeros((len(split), len(index)), bool)
        for row, tags in zip(present, split.tags, strict=True):
            row[[index[tag] for tag in set(tags)]] = True
        return rarest(present)

    def _head(self):
        return self.tag_names

    def _content(self, split: TaggedSplit) -> Iterator[bytes]:
        for i in range(len(split)):
            yield len(split.words[i]).to_bytes(8, "little")
            for part in (*split.words[i], *split.tags[i]):
                yield part.encode()
            if split.texts is not None and split.spans is not None:
                yield split.texts[i].encode()
                yield np.array(split.spans[i], "<i8").tobytes()

    def _classes(self):
        return {"tag_names": list(self.tag_names)}

    def _counts(self, split: TaggedSplit) -> dict[str, Any]:
        counts = dict.fromkeys(self.tag_names, 0)
        for tags in split.tags:
            for tag in tags:
                counts[tag] += 1
        return {"words": sum(counts.values()), "tag_counts": list(counts.values())}


def tag_order(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their usual order: "O" first, then by what they mark, and each of it by its prefix.

    >>> tag_order({"I-person", "O", "B-place", "B-person"})
    ('O', 'B-person', 'I-person', 'B-place')
    """
    return tuple(sorted(set(tags), key=lambda tag: (tag != "O", marked(tag), tag)))


def marked(tag: str) -> str:
    """What a tag marks, without the place of the word in it.

    >>> marked("B-person"), marked("I-person"), marked("NOUN")
    ('person', 'person', 'NOUN')
    """
    found = _OF_ENTITY.fullmatch(tag)
    return found[1] if found and found[1] else tag


def mark_entities(tag_names: Sequence[str]) -> bool:
    """Whether tags mark entities, such as `B-PER`, and not words, such as `NOUN`.

    Those of entities do not have to be all, only most: with one that is mistyped they mark entities
    still, of which `tag_spans` reads it as one more, as seqeval does. `strange_tags` finds it.

    Args:
        tag_names: All tags, each once.

    Example:

    >>> mark_entities(["O", "B-PER", "I-PER"]), mark_entities(["O", "NOUN"])
    (True, False)
    >>> mark_entities(["O", "B", "I"])  # of one type
    True
    """
    inside = [tag for tag in tag_names if tag != "O"]
    of_entities = [tag for tag in inside if _OF_ENTITY.fullmatch(tag)]
    typed = any("-" in tag for tag in of_entities) or {"O", "B"} <= set(tag_names)
    return typed and 2 * len(of_entities) >= len(inside)


def strange_tags(tag_names: Sequence[str]) -> list[str]:
    """The tags that mark no entities, where the others do.

    >>> strange_tags(["O", "B-PER", "I-PER", "B_PER"]), strange_tags(["NOUN", "VERB"])
    (['B_PER'], [])
    """
    if not mark_entities(tag_names):
        return []
    return [tag for tag in tag_names if tag != "O" and not _OF_ENTITY.fullmatch(tag)]
