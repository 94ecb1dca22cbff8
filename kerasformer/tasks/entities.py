"""The entities that a model's logits of tokens give, as transformers groups them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Entity:
    """An entity found in a text.

    Args:
        text: Its words, `text[start:end]` of the whole text.
        start: Where it begins, in characters.
        end: Where it ends, exclusive.
        label: Its kind, such as `"PER"`.
        score: Its probability.

    Example:

    >>> entity = Entity("Rome", start=9, end=13, label="LOC", score=0.9)
    >>> "He is in Rome."[entity.start : entity.end]
    'Rome'
    """

    text: str
    start: int
    end: int
    label: str
    score: float
