"""What the scratch and the pretrained classifier share: classes of texts."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from kerasformer.data.batches import Batches, TextBatches
from kerasformer.errors import UserError
from kerasformer.models.problems import SINGLE_LABEL
from kerasformer.tasks import problems
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.labels import check_class_names, label_ids, sample_weights
from kerasformer.tasks.prediction import check_answers, predict_rows, softmax
from kerasformer.tasks.trainable import Trainable
from kerasformer.text import Tokenized
from kerasformer.training import classification_metrics
from kerasformer.training.losses import labels_for


class StringClassifier(Trainable):
    """A Keras classifier with its tokenizer and class names, so that strings go in.

    A child builds its layers, and returns logits for the dict that `kerasformer.text.pack` makes.

    Args:
        class_names: The names of the classes, in order, or their number.
        max_length: Texts are truncated to this many tokens.
        problem_type: What the logits are of, by transformers' names: one class of many, as by
            default, `"multi_label_classification"` or `"regression"`; the last two to predict with.
        **kwargs: `tokenizer`, and Keras arguments of the model.
    """

    def __init__(
        self,
        class_names: int | Iterable[str],
        max_length: int,
        problem_type: str = SINGLE_LABEL,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.class_names = check_class_names(class_names, problems.least_outputs(problem_type))
        self.max_length = max_length
        self.problem_type = problem_type

    def tokenize(self, texts: Iterable[str]) -> Tokenized:
        """Turns texts into the token ids that the model takes.

        Args:
            texts: A sequence of strings.

        Raises:
            UserError: A text is no string, or the model has no tokenizer yet.
        """
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit on texts first.")
        return self.tokenizer.tokenize(texts, max_length=self.max_length)

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> Batches:
        columns = self._labels(examples, loss, class_weight) if labelled else (None, None)
        order["max_length"] = self.max_length
        return TextBatches(self.tokenize(examples.texts), *columns, batch_size, **order)

    def _labels(
        self, examples: Examples, loss: Any, class_weight: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The labels for a loss, or for any, and the weights of the examples."""
        problems.refuse_to_train(self.problem_type)
        if examples.labels is None:
            raise UserError(f"Got {len(examples.texts):,} texts and no labels: give one for each.")
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        labels = label_ids(examples.labels, self.class_names)
        labels = labels_for(loss, labels, len(self.class_names))
        weights = sample_weights(labels, self.class_names, class_weight, examples.sample_weight)
        return labels, weights

    def _outputs(
        self, data: Batches, verbose: Any, told: Any, event: str = "predict"
    ) -> np.ndarray:
        return predict_rows(self, data, len(self.class_names), verbose, told, event)

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        logits = check_answers(outputs)
        ids = data.labels if data.labels.ndim == 1 else data.labels.argmax(axis=-1)
        return classification_metrics(ids, softmax(logits), self.class_names, data.sample_weight)

    def predict_proba(self, texts: Any, **kwargs: Any) -> np.ndarray:
        """Class probabilities, float32 `[n, classes]`: the softmax of the logits of `predict`.

        With several labels the sigmoid of each; of a regression's numbers there are none, which is
        a UserError.

        Args:
            texts: As `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        problems.warn_untrained(self)
        return problems.probabilities(self.predict(texts, **kwargs), self.problem_type)

    def classify(self, texts: Any, **kwargs: Any) -> list:
        """The name of the most probable class of each text.

        With several labels the list of those with a probability of a half or more.

        Args:
            texts: As `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        problems.warn_untrained(self)
        return problems.names_of(self.predict(texts, **kwargs), self.class_names, self.problem_type)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"class_names": list(self.class_names), "max_length": self.max_length}
        return super().get_config() | own | {"problem_type": self.problem_type}
