"""The tasks by the names that commands and data sets have for them."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasformer.errors import UserError
from kerasformer.models.problems import REGRESSION, SINGLE_LABEL
from kerasformer.tasks.trainable import Trainable


@dataclass(frozen=True)
class Kind:
    """A task, by the name of what `load_dataset` reads for it.

    Attributes:
        key: The `task` of `kerasformer.load_dataset`.
        title: What the task is, for a person.
        model: The class in `kerasformer.tasks` that is trained for it.
    """

    key: str
    title: str
    model: str

    def new_model(self, dataset: Any, pretrained: Any = None, **options: Any) -> Trainable:
        """A model to be trained on a data set.

        Args:
            dataset: What `kerasformer.load_dataset(task=key)` gave.
            pretrained: A source of a pretrained encoder; None for a model from scratch.
            **options: Arguments of the class.

        Raises:
            UserError: There is no such source.
        """
        task: Any = pkgutil.resolve_name(f"kerasformer.tasks:{self.model}")
        names = getattr(dataset, "class_names", None) or getattr(dataset, "tag_names", None)
        if names is not None:
            options["class_names"] = names
        problem = getattr(dataset, "problem_type", SINGLE_LABEL)
        if problem != SINGLE_LABEL:
            options["problem_type"] = problem
        if pretrained is None:
            return task.from_scratch(**options)
        if names is not None:
            options["new_head"] = True
        return task.from_pretrained(pretrained, **options)


_ROWS = (
    Kind("classification", "classes of texts", "TextClassifier"),
    Kind("pairs", "classes of pairs of texts", "TextClassifier"),
    Kind("tagging", "tags of words, such as entities", "TokenClassifier"),
    Kind("answering", "answers to questions about texts", "QuestionAnswerer"),
)
KINDS = {kind.key: kind for kind in _ROWS}


def kind_of(key: str) -> Kind:
    """The kind of a name.

    Raises:
        UserError: There is none.

    Example:

    >>> kind_of("tagging").model
    'TokenClassifier'
    """
    if key not in KINDS:
        raise UserError(f"There is no task {key!r}: give one of {', '.join(KINDS)}.")
    return KINDS[key]


def main_metric(scores: Mapping[str, Any], problem_type: str = SINGLE_LABEL) -> str:
    """The metric of `evaluate` that a model of its task is chosen by.

    Example:

    >>> main_metric({"loss": 0.1, "exact": 0.6, "f1": 0.7})
    'f1'
    """
    if problem_type == REGRESSION:
        return "spearman"
    is_classifier = "confusion_matrix" in scores
    order = ("accuracy",) if is_classifier else ("f1", "micro_f1", "accuracy", "loss")
    return next(name for name in order if name in scores)
