"""The answers that a model's start and end logits give, as transformers chooses them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer found in a context.

    Args:
        text: The answer, `context[start:end]`; empty where there is none.
        start: Where it begins in the context, in characters; 0 where there is none.
        end: Where it ends, exclusive; 0 where there is none.
        score: Its probability among the answers that were considered.

    Example:

    >>> answer = Answer("Rome", start=9, end=13, score=0.9)
    >>> "He is in Rome."[answer.start : answer.end]
    'Rome'
    """

    text: str
    start: int
    end: int
    score: float
