"""What the scratch and the pretrained classifier share: classes of texts."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from kerasformer.data import LabeledDataset, Split
from kerasformer.data.batches import Batches, TextBatches
from kerasformer.data.dataset import Dataset
from kerasformer.data.dataset import Examples as DataExamples
from kerasformer.errors import UserError
from kerasformer.models import StaticVectors
from kerasformer.models.problems import REGRESSION, SINGLE_LABEL
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.prediction import predict_rows
from kerasformer.tasks.texts.labels import check_class_names, in_order_of
from kerasformer.tasks.texts.problems import Problem, kind_of, warn_untrained
from kerasformer.tasks.texts.reading import columns, read_texts
from kerasformer.tasks.trainable import Trainable
from kerasformer.text import Tokenized

NO_VOCABULARY = "The model has no vocabulary yet: train it with fit on texts first."


class StringClassifier(Trainable):
    """A Keras classifier with its tokenizer and class names, so that strings go in.

    A child builds its layers, and returns logits for the dict that `kerasformer.text.pack` makes.

    Args:
        class_names: The names of the classes, in order, or their number.
        max_length: Texts are truncated to this many tokens.
        problem_type: What the logits are of, by transformers' names: one class of many, as by
            default; `"multi_label_classification"`, each class by itself, trained with the binary
            cross-entropy; or `"regression"`, numbers, trained with the mean squared error.
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
        self.class_names = check_class_names(class_names, kind_of(problem_type).least_outputs)
        self.max_length = max_length
        self.problem_type = problem_type
        self._first_vectors: tuple[StaticVectors, int | None] | None = (
            None  # until there is a vocabulary
        )

    @property
    def word_embeddings(self) -> keras.layers.Embedding:
        """The layer with a vector for each token."""
        raise NotImplementedError

    def start_from(self, vectors: StaticVectors, seed: int | None = 0) -> None:
        """Has the embeddings of tokens start from static vectors, and be trained from there.

        Those of tokens that have no vector are random ones of the same size. Where `fit` learns the
        vocabulary, this is done once it has; until then the model cannot be saved.

        Args:
            vectors: The static vectors.
            seed: Of the random ones; None for zeros instead.

        Raises:
            UserError: No token has a vector, or the tokenizer has more tokens than the embeddings.
            ValueError: The vectors are not as wide as the embeddings.

        Example:

        >>> from kerasformer.tasks import TransformerClassifier
        >>> vectors = StaticVectors(["fine", "dull"], np.eye(2))
        >>> model = TransformerClassifier(2, 9, 4, hidden_size=2, tokenizer=vectors.tokenizer)
        >>> model.start_from(vectors)
        >>> rows = keras.ops.convert_to_numpy(model.word_embeddings.embeddings)
        >>> rows[2:4].tolist()  # after [PAD] and [UNK]
        [[1.0, 0.0], [0.0, 1.0]]
        """
        table = self.word_embeddings
        if vectors.width != (width := table.output_dim):
            fewer = f", or give vectors.reduced({width})" * (vectors.width > width)
            raise ValueError(
                f"The static vectors are {vectors.width} wide and the embeddings {width}: make the "
                f"model with hidden_size={vectors.width}{fewer}."
            )
        if self.tokenizer is None:
            self._first_vectors = vectors, seed
            return
        if (tokens := self.tokenizer.vocab_size) > table.input_dim:
            raise UserError(
                f"The tokenizer has {tokens:,} tokens and the embeddings {table.input_dim:,}: make "
                f"the model with vocab_size={tokens}."
            )
        self._first_vectors = None
        rows = vectors.table(self.tokenizer.vocabulary(), seed)
        whole = np.array(keras.ops.convert_to_numpy(keras.ops.cast(table.embeddings, "float32")))
        whole[: len(rows)] = rows
        table.embeddings.assign(whole)

    def _prepare(self, examples: Examples) -> None:
        super()._prepare(examples)
        if self._first_vectors is not None:
            self.start_from(*self._first_vectors)

    @property
    def _problem(self) -> Problem:
        return kind_of(self.problem_type)(self.class_names)

    def tokenize(self, texts: Iterable[Any]) -> Tokenized:
        """Turns texts into the token ids that the model takes.

        Args:
            texts: A sequence of strings, or of pairs of strings.

        Raises:
            UserError: A text is no string, or the model has no tokenizer yet.
        """
        if self.tokenizer is None:
            raise UserError(NO_VOCABULARY)
        return self.tokenizer.tokenize(*columns(read_texts(texts)), max_length=self.max_length)

    def _in_own_classes(self, dataset: Dataset, split: DataExamples) -> DataExamples:
        if not isinstance(dataset, LabeledDataset) or not isinstance(split, Split):
            return split
        if dataset.problem_type != self.problem_type:
            raise UserError(
                f"The data set {dataset.name} is of problem_type={dataset.problem_type!r}, and "
                f"this model of {self.problem_type!r}: make the model with that of the data set."
            )
        is_regression = self.problem_type == REGRESSION
        labels = in_order_of(split.labels, dataset.class_names, self.class_names, is_regression)
        return Split(split.texts, labels)

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
        labels = self._labels(examples, loss, class_weight) if labelled else (None, None)
        order["max_length"] = self.max_length
        return TextBatches(self.tokenize(examples.texts), *labels, batch_size, **order)

    def _labels(
        self, examples: Examples, loss: Any, class_weight: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The labels for a loss, or for any, and the weights of the examples."""
        if examples.labels is None:
            raise UserError(f"Got {len(examples.texts):,} texts and no labels: give one for each.")
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        labels = self._problem.labels(examples.labels, loss)
        return labels, self._problem.weights(labels, class_weight, examples.sample_weight, loss)

    def _loss_for(self, data: Batches) -> Any:
        return self._problem.loss(data)

    def _outputs(
        self, data: Batches, verbose: Any, told: Any, event: str = "predict"
    ) -> np.ndarray:
        return predict_rows(self, data, len(self.class_names), verbose, told, event)

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        return self._problem.scores(data, outputs)

    def predict_proba(self, texts: Any, **kwargs: Any) -> np.ndarray:
        """Class probabilities, float32 `[n, classes]`: the softmax of the logits of `predict`.

        With several labels the sigmoid of each; of a regression's numbers there are none, which is
        a UserError.

        Args:
            texts: As `predict` takes them.
            **kwargs: Further arguments of `predict`.
        """
        warn_untrained(self)
        return self._problem.probabilities(self.predict(texts, **kwargs))

    def classify(self, texts: Any, *, threshold: Any = None, **kwargs: Any) -> list:
        """The name of the most probable class of each text.

        With several labels the list of those that are probable enough.

        Args:
            texts: As `predict` takes them.
            threshold: The least probability of a label, or one for each class; by default a half.
                Of several labels only.
            **kwargs: Further arguments of `predict`.

        Raises:
            UserError: The model returns numbers (regression), or a threshold that is none.
        """
        warn_untrained(self)
        return self._problem.names(self.predict(texts, **kwargs), threshold)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments.

        Raises:
            UserError: Static vectors wait for the vocabulary: a model made anew would lack them.
        """
        if self._first_vectors is not None:
            raise UserError(
                "The static vectors wait for a vocabulary, and would be lost: train the model with "
                "fit on texts, or make it with a tokenizer, before it is saved."
            )
        own = {"class_names": list(self.class_names), "max_length": self.max_length}
        return super().get_config() | own | {"problem_type": self.problem_type}
