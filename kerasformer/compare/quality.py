"""What is measured of each task, and by which metric its arms are ranked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerasformer.data.tagging import mark_entities
from kerasformer.training.metrics.entities import f1_of_counts


@dataclass(frozen=True)
class Metric:
    """A metric of quality, between 0 and 1.

    Example:

    >>> Metric("exact", "Exact match", "exact %").within_text
    'exact match'
    """

    key: str  # its name in a run's `metrics`
    title: str
    short: str = ""  # its heading in the terminal, which has no room for the others

    @property
    def within_text(self) -> str:
        """The title within a sentence."""
        return self.title if self.title[1:2].isdigit() else self.title[0].lower() + self.title[1:]


@dataclass(frozen=True)
class Quality:
    """The metrics of a task, the one that ranks its arms first.

    The `scores` of a run are a row for each example of the test split, in its order; the main
    metric follows from them.

    Attributes:
        metrics: The main metric, the one that decides where two arms are equal in it, and others.
        examples: What the examples are, in the plural.
        explanation: What the metrics mean, in a sentence or two.
        score: The main metric from sums of counts over examples, `[..., counts]` to `[...]`; None
            where it is the mean of one number for each example.
        has_classes: Whether an example has one of a few classes, so that a run has a confusion
            matrix.
        caution: What the intervals over examples leave out, in a sentence, if anything.
        groups: What examples are of that are alike, in the plural; chance draws and swaps these.

    Example:

    >>> QUALITY["tagging"].main, QUALITY["tagging"].title, QUALITY["tagging"].example
    ('f1', 'Entity F1', 'sentence')
    >>> float(QUALITY["tagging"].score([3, 4, 4]))
    0.75
    """

    metrics: tuple[Metric, ...]
    examples: str
    explanation: str
    score: Callable[[np.ndarray], np.ndarray] | None = None
    has_classes: bool = False
    caution: str = ""
    groups: str = ""

    @property
    def main(self) -> str:
        """The key of the metric that ranks arms."""
        return self.metrics[0].key

    @property
    def title(self) -> str:
        """The title of the metric that ranks arms."""
        return self.metrics[0].title

    @property
    def example(self) -> str:
        """What an example is, in the singular."""
        return self.examples.removesuffix("s")

    @property
    def drawn(self) -> str:
        """What chance draws anew and swaps as a whole, in the plural."""
        return self.groups or self.examples

    @property
    def pairing(self) -> str:
        """How two arms are compared, such as "text by text"."""
        one = self.drawn.removesuffix("s")
        return f"{one} by {one}"


def share(sums: npt.ArrayLike) -> np.ndarray:
    """A mean, from a sum and how many it is of, such as right and all words, `[..., 2]`."""
    total, count = np.moveaxis(np.asarray(sums, "float64"), -1, 0)
    return total / np.maximum(count, 1)


_OF_CLASSES = (
    Metric("accuracy", "Accuracy", "accuracy %"),
    Metric("f1", "Macro F1", "macro F1 %"),
    Metric("precision", "Macro precision"),
    Metric("recall", "Macro recall"),
)
_MACRO = (
    "Macro precision, recall and F1 are plain averages over {classes}, so that a rare one counts "
    "as much as a frequent one. Where nothing is predicted as one, its precision counts as 0."
)
_BY_CLASS = _MACRO.format(classes="classes")
QUALITY = {
    "classification": Quality(_OF_CLASSES, "texts", _BY_CLASS, has_classes=True),
    "pairs": Quality(_OF_CLASSES, "pairs", _BY_CLASS, has_classes=True),
    "tagging": Quality(  # a sentence's scores: its right, its predicted and its true entities
        (
            Metric("f1", "Entity F1", "entity F1 %"),
            Metric("macro_f1", "Macro F1", "macro F1 %"),
            Metric("precision", "Entity precision"),
            Metric("recall", "Entity recall"),
            Metric("accuracy", "Accuracy of words"),
        ),
        "sentences",
        "An entity is right where all of its words are found, no others, and its type. Entity "
        "precision, recall and F1 count all entities alike; macro F1 is the plain average of the "
        "types' F1, so that a rare type counts as much as a frequent one.",
        f1_of_counts,
    ),
    "answering": Quality(
        (Metric("f1", "F1", "F1 %"), Metric("exact", "Exact match", "exact %")),
        "questions",
        "F1 is that of the words of the given and of a right answer, averaged over questions; "
        "exact match is the share of equal answers. Case, punctuation and articles do not count, "
        "and of several right answers the nearest does, as in the scripts of SQuAD.",
    ),
}
# Of tags that mark no entities, such as parts of speech: a sentence's scores are its right words
# and its words.
_OF_WORDS = Quality(_OF_CLASSES, "sentences", _MACRO.format(classes="tags"), share)


def quality_of(task: str, tag_names: Iterable[str] = ()) -> Quality:
    """What is measured of a task on data with these tags, of which only tagging has any.

    Example:

    >>> quality_of("tagging", ["O", "B-person"]).title, quality_of("tagging", ["NOUN"]).title
    ('Entity F1', 'Accuracy')
    """
    if task == "tagging" and not mark_entities(list(tag_names)):
        return _OF_WORDS
    return QUALITY[task]
