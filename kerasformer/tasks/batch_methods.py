"""Keras' methods on one batch, of what a person has."""

import abc
import sys
from typing import Any

from kerasformer.data.batches import Batches
from kerasformer.data.dataset import Dataset
from kerasformer.data.dataset import Examples as DataExamples
from kerasformer.errors import UserError
from kerasformer.hardware import device_tokens
from kerasformer.models.data_parallel import whole_batches
from kerasformer.tasks.examples import Examples, gather, hold_strings
from kerasformer.tasks.task import Task
from kerasformer.tasks.texts.reading import read_examples

_ALL = sys.maxsize  # examples in a batch


class BatchMethods(Task, abc.ABC):
    """A task that takes what a person has, such as texts, besides tensors.

    A child says how examples are read and become batches; `train_on_batch`, `test_on_batch` and
    `predict_on_batch` then take them.
    """

    @abc.abstractmethod
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
        """The batches of examples, of which there is one at least if they are labelled.

        Args:
            examples: What `_read` gave.
            batch_size: Examples in a batch.
            labelled: Whether labels are needed.
            loss: What the labels are for; None for any.
            class_weight: As of `fit`.
            **order: `seed`, `in_order`, `steps` and `tokens` of `Batches`.
        """

    def _whole_device(self, batch_size: int | None, steps: int | None = None) -> dict[str, Any]:
        """The option of `Batches` by which a batch of inference is as large as suits the device.

        Empty where a person has said how many examples it has, or counts on it.
        """
        return {} if batch_size or steps else {"tokens": device_tokens()}

    def _holds(self, x: Any) -> bool:
        """Whether x has examples as a person has them, and not tensors; a UserError for neither."""
        return hold_strings(x)

    def _gathered(self, x: Any) -> Any:
        """An iterator of examples as a list, since it can be read only once; else x."""
        return gather(x)

    def _read(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        steps: int | None = None,
        batch_size: int = 32,
    ) -> Examples:
        """The examples of what `_holds`, of a data set no more than `steps` batches."""
        return read_examples(x, y, sample_weight, steps, batch_size)

    def _in_own_classes(self, dataset: Dataset, split: DataExamples) -> DataExamples:
        """A split of a data set, its labels those of the model, where the two number them."""
        return split

    def _chosen(self, x: Any, name: str) -> Any:
        """Of a data set of `kerasformer.data` the split of a name; of an iterator a list; else x.

        Raises:
            UserError: There is no such split.
        """
        if not isinstance(x, Dataset):
            return self._gathered(x)
        if name not in x.splits:
            raise UserError(
                f"The data set {x.name} has no {name} split: give another one of its splits, such "
                f"as dataset.{next(iter(x.splits))}."
            )
        return self._in_own_classes(x, x.splits[name])

    def _split(
        self, train: Examples, data: Any, share: float, steps: int | None, batch_size: int
    ) -> tuple[Examples, Examples | None]:
        """What is left to train on, and the examples to evaluate on, if any.

        Args:
            train: All examples.
            data: `validation_data` of `fit`.
            share: `validation_split` of `fit`.
            steps: The most batches to evaluate on.
            batch_size: Examples in each.
        """
        if data is None:
            if not share:
                return train, None
            train, held = train.split(share)
            return train, held.first(steps, batch_size)
        data = self._chosen(data, "validation")
        columns = list(data) if isinstance(data, list | tuple) else [data]
        if not 1 <= len(columns) <= 3 or not self._holds(columns[0]):
            raise UserError(
                "Expected validation_data to be (texts, labels) or (texts, labels, weights), or a "
                "data set of these."
            )
        x, y, sample_weight = [*columns, None, None][:3]
        held = self._read(x, y, sample_weight, steps, batch_size)
        return train, held.first(steps, batch_size)

    def _takes(self, x: Any) -> bool:
        """As `_holds`, for methods that need an x."""
        if x is None:
            raise UserError("Expected texts, got None.")
        return self._holds(x)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """As `keras.Model.train_on_batch`, of texts or tensors, once the model is compiled."""
        if self.compiled and self._holds(x := self._gathered(x)):
            x, y, sample_weight = self._one_batch(x, y, sample_weight, class_weight)
            with whole_batches(self):
                return super().train_on_batch(x, y, sample_weight, None, return_dict)
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """As `keras.Model.test_on_batch`, of texts or tensors, once the model is compiled."""
        if self.compiled and self._holds(x := self._gathered(x)):
            x, y, sample_weight = self._one_batch(x, y, sample_weight)
            with whole_batches(self):
                return super().test_on_batch(x, y, sample_weight, return_dict)
        return super().test_on_batch(x, y, sample_weight, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, of texts or tensors."""
        if self._holds(x := self._gathered(x)):
            examples = self._read(x)
            if not examples.texts:
                raise UserError("There is no text to predict; give at least one.")
            x = self._batches(examples, _ALL, labelled=False, in_order=True)[0][0]
        return super().predict_on_batch(x)

    def _one_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> tuple:
        examples = self._read(x, y, sample_weight)
        options: dict[str, Any] = {"loss": self.loss, "class_weight": class_weight}
        return (*self._batches(examples, _ALL, in_order=True, **options)[0], None)[:3]
