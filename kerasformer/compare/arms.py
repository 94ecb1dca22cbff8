"""The arms of a comparison: a new one takes a row here and the class that the row names."""

import pkgutil
from dataclasses import dataclass, replace
from typing import Any

from kerasformer.errors import UserError


@dataclass(frozen=True)
class Arm:
    """What is known of an arm before it runs."""

    key: str  # its name in commands and in the record
    title: str  # {pretrained} stands for the name of the pretrained model
    method: str  # the module in kerasformer.compare.methods and the class in it
    color: str  # of Okabe and Ito, and of Tol, who chose them for any colour vision
    marker: str
    learns: bool = True  # from the examples
    pretrained: bool = False
    deterministic: bool = False  # every seed gives the same result, so one run is enough
    has_epochs: bool = False  # as many as the settings say, where they do
    own_texts: bool = False  # learns from texts without labels first; runs where it is asked for

    def load(self) -> Any:
        """The class that runs the arm, imported now."""
        return pkgutil.resolve_name(f"kerasformer.compare.methods.{self.method}")


_FLOOR: dict[str, Any] = {"color": "#555555", "marker": "X", "deterministic": True}
_MAJORITY = Arm("majority", "Majority class", "classification:Majority", **_FLOOR, learns=False)
_TFIDF = Arm(
    *("tfidf", "TF-IDF + logistic regression", "classification:Tfidf", "#E69F00", "s"),
    deterministic=True,
)
_TAG = Arm("frequent_tag", "Most frequent tag of each word", "tagging:FrequentTag", **_FLOOR)
_WINDOW = Arm(
    *("sliding_window", "Sliding window of words", "answering:SlidingWindow"),
    **_FLOOR,
    learns=False,
)


def _transformers(scratch: str, frozen: str, fine_tuned: str) -> tuple[Arm, ...]:
    return (
        Arm("scratch", "Transformer from scratch", scratch, "#0072B2", "^", has_epochs=True),
        Arm("frozen", "Frozen {pretrained}", frozen, "#009E73", "D", pretrained=True),
        Arm(
            *("fine_tuned", "Fine-tuned {pretrained}", fine_tuned, "#D55E00", "o"),
            pretrained=True,
            has_epochs=True,
        ),
    )


_OF_CLASSES = "classification:Frozen", "classification:FineTuned"
_STATIC = Arm(*("static", "Static {pretrained}", "words:Static", "#56B4E9", "P"), pretrained=True)
_RECURRENT = Arm(
    *("lstm", "LSTM with attention", "words:Recurrent", "#CC79A7", "v"), has_epochs=True
)


_OWN_TEXTS: dict[str, Any] = {"own_texts": True, "has_epochs": True}
_LEARNING_FROM_TEXTS = (
    Arm(
        *("pretrained_here", "Transformer pretrained here", "own_texts:PretrainedHere"),
        *("#000000", "p"),
        **_OWN_TEXTS,
    ),
    Arm(
        *("causal_here", "Causal transformer pretrained here", "own_texts:CausalHere"),
        *("#999933", "h"),
        **_OWN_TEXTS,
    ),
)
_STUDENT = Arm(
    *("student", "Student of {pretrained}", "own_texts:Student", "#882255", "d"),
    **_OWN_TEXTS,
    pretrained=True,
)


def _of_texts() -> tuple[Arm, ...]:
    """From the bag of words over its vectors to what reads a text as a whole."""
    scratch, *pretrained = _transformers("words:Scratch", *_OF_CLASSES)
    words = _MAJORITY, _TFIDF, _STATIC, _RECURRENT
    return *words, scratch, *_LEARNING_FROM_TEXTS, _STUDENT, *pretrained


# From the simplest to the most costly, which is the order in which ties are broken.
_ROWS: dict[str, tuple[Arm, ...]] = {
    "classification": _of_texts(),
    "pairs": (
        _MAJORITY,
        replace(_TFIDF, method="classification:TfidfOfPairs"),
        *_transformers("classification:ScratchOfPairs", *_OF_CLASSES),
    ),
    "tagging": (
        _TAG,
        *_transformers("tagging:Scratch", "frozen_tagging:Frozen", "tagging:FineTuned"),
    ),
    "answering": (
        _WINDOW,
        *_transformers("answering:Scratch", "answering:Frozen", "answering:FineTuned"),
    ),
}


def arms_of(task: str) -> dict[str, Arm]:
    """The arms that are compared for a task, by their keys.

    Raises:
        UserError: There is no such task.

    Example:

    >>> list(arms_of("tagging"))
    ['frequent_tag', 'scratch', 'frozen', 'fine_tuned']
    """
    if task not in _ROWS:
        raise UserError(f"There is no task {task!r} to compare: give one of {', '.join(_ROWS)}.")
    return {arm.key: arm for arm in _ROWS[task]}
