"""A model that takes strings: how they become the tensors that it computes with."""

from collections.abc import Callable, Iterable
from typing import Any

from kerasformer.data.batches import Batches, TextBatches
from kerasformer.errors import UserError
from kerasformer.models.problems import SINGLE_LABEL
from kerasformer.tasks import problems
from kerasformer.tasks.examples import Examples, gather, hold_strings, read_examples
from kerasformer.tasks.labels import check_class_names, label_ids, sample_weights
from kerasformer.tasks.task import Task
from kerasformer.text import Tokenized
from kerasformer.training.losses import labels_for


class StringModel(Task):
    """A Keras model with its tokenizer and class names, so that strings go in.

    Keras' methods on one batch, `train_on_batch`, `test_on_batch` and `predict_on_batch`, take
    texts too, and labels as `fit` does.

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

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """As `keras.Model.train_on_batch`, of texts or tensors, once the model is compiled."""
        if self.compiled and hold_strings(x := gather(x)):
            x, y, sample_weight = self._one_batch(x, y, sample_weight, class_weight)
            class_weight = None
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """As `keras.Model.test_on_batch`, of texts or tensors, once the model is compiled."""
        if self.compiled and hold_strings(x := gather(x)):
            x, y, sample_weight = self._one_batch(x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, of texts or tensors."""
        if hold_strings(x := gather(x)):
            texts = read_examples(x).texts
            if not texts:
                raise UserError("There is no text to predict; give at least one.")
            x = self._inputs(texts, batch_size=len(texts), in_order=True)[0][0]
        return super().predict_on_batch(x)

    def _one_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> tuple:
        examples = read_examples(x, y, sample_weight)
        size = max(1, len(examples.texts))
        data = self._batches(examples, self.loss, size, class_weight=class_weight, in_order=True)
        return (*data[0], None)[:3]

    def _batches(
        self,
        examples: Examples,
        loss: Any,
        batch_size: int,
        *,
        class_weight: Any = None,
        make: Callable[..., Batches] | None = None,
        **options: Any,
    ) -> Batches:
        """The batches of labelled texts, of which there is one at least, for a loss or for any."""
        problems.refuse_to_train(self.problem_type)
        if examples.labels is None:
            raise UserError(f"Got {len(examples.texts):,} texts and no labels: give one for each.")
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        labels = label_ids(examples.labels, self.class_names)
        labels = labels_for(loss, labels, len(self.class_names))
        weights = sample_weights(labels, self.class_names, class_weight, examples.sample_weight)
        return (make or self._inputs)(examples.texts, labels, weights, batch_size, **options)

    def _training_inputs(self, *args: Any, **options: Any) -> Batches:
        """As `_inputs`, of texts that several epochs see."""
        return self._inputs(*args, **options)

    def _inputs(self, texts, labels=None, sample_weight=None, batch_size=32, **options) -> Batches:
        """The batches of texts as `call` takes them."""
        options["max_length"] = self.max_length
        return TextBatches(self.tokenize(texts), labels, sample_weight, batch_size, **options)

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

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"class_names": list(self.class_names), "max_length": self.max_length}
        return super().get_config() | own | {"problem_type": self.problem_type}
