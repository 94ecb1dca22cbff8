"""The best of several choices, on a pretrained encoder."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.layers.arguments import check_rank
from kerasformer.models import BertEncoder
from kerasformer.models.config import input_dict
from kerasformer.tasks.choosing.choice_loss import NO_CHOICE, SparseChoiceCrossentropy
from kerasformer.tasks.choosing.choices import (
    EXAMPLE,
    ChoiceBatches,
    ChoiceFeatureBatches,
    hold_choices,
    read_choices,
)
from kerasformer.tasks.examples import Examples, gather_tuples
from kerasformer.tasks.heads import new_head
from kerasformer.tasks.prediction import check_answers, predict_each, softmax
from kerasformer.tasks.pretraining.text_task import PooledTask
from kerasformer.tasks.texts.problems import warn_untrained
from kerasformer.tasks.texts.segments import segmented
from kerasformer.text.texts import check_text, check_texts
from kerasformer.training import Recipe


@dataclasses.dataclass(frozen=True)
class Choice:
    """The best of several choices.

    Attributes:
        index: Which one it is.
        choice: The choice itself.
        scores: The probability of each choice, in the order of the choices.
    """

    index: int
    choice: str
    scores: tuple[float, ...]


@keras.saving.register_keras_serializable(package="kerasformer")
class MultipleChoice(PooledTask):
    """Which of several choices goes with a text: an answer, an ending.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 4.4: each choice is a pair of segments,
    the text and the choice; its pooled vector, dropout, one dense layer that gives its score. It is
    transformers' `BertForMultipleChoice`.

    `fit` takes examples `(text, choices)` and the index of the right choice of each; one may have
    more choices than another. `predict` gives the scores, float32 `[n, choices]`, -1e9 for choices
    that an example lacks beside others. As in the paper `fit` trains for 3 epochs in batches of 16
    at a learning rate of 2e-5, or 1e-4 where the encoder is less than 512 wide (Turc et al.,
    https://arxiv.org/abs/1908.08962); with a frozen encoder for 10 epochs in batches of 128 at
    3e-3; without a tokenizer for 5 epochs in batches of 32 at 1e-3. `from_pretrained` of a source
    without such a head makes a new one, to be trained.

    Args:
        encoder: A `BertEncoder` with a pooler.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, or its `to_json()`. Without
            one `fit` learns a vocabulary from its training texts.
        dropout: Share of the vectors dropped in training; by default the encoder's.
        max_length: The most tokens of a text and a choice; of longer ones whichever is longer loses
            its end. By default as many as tokenizer and encoder take.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.

    Call arguments:
        inputs: The encoder's dict, but of int `[batch, choices, seq]` tensors, or the ids alone. A
            choice of padding alone is none.
        training: Whether dropout is on.

    Returns:
        Logits, float32 `[batch, choices]`.

    Raises:
        ValueError: `encoder` is of another kind, or has no pooler.

    Example:

    >>> from kerasformer.models import BertEncoder, EncoderConfig
    >>> model = MultipleChoice(BertEncoder(EncoderConfig.bert("tiny", vocab_size=100)))
    >>> examples = [("He sat", ["down", "under"]), ("She ran", ["fast", "red", "table"])]
    >>> history = model.fit(examples, [0, 0], epochs=1, verbose=0)
    >>> model.choose("He ran", ["fast", "under"]).choice in ("fast", "under")
    True
    """

    HEADS = ("multiple_choice",)
    RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=2e-5)

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Any = None,
        dropout: float | None = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.dropout = encoder.config.dropout if dropout is None else dropout
        self.dropout_layer = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.multiple_choice = new_head(encoder, 1, "multiple_choice")
        self.build()

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """Its head; or none, for a new one, where the source has none."""
        if not {"multiple_choice"} & {*checkpoint.heads, *checkpoint.refused}:
            return {}, {}
        _, settings = super()._heads_to_read(checkpoint, kwargs)
        return {"multiple_choice": 1}, {**settings, "dropout": checkpoint.settings.get("dropout")}

    @property
    def head(self) -> keras.layers.Dense:
        """The layer that scores."""
        return self.multiple_choice

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        if isinstance(inputs, dict) and "features" in inputs:
            x, is_choice = inputs["features"], ops.cast(inputs["choice_mask"], "bool")
        else:
            inputs = input_dict(inputs, type(self).__name__)
            for name, tensor in inputs.items():
                check_rank(name, tensor, "[batch, choices, seq]")
            _, choices, length = ops.shape(inputs["input_word_ids"])
            rows = {name: ops.reshape(tensor, (-1, length)) for name, tensor in inputs.items()}
            mask = ops.cast(self.encoder.padding_mask(rows), "bool")
            is_choice = ops.reshape(ops.any(mask, axis=-1), (-1, choices))
            x = self._vectors(rows, training)
            x = ops.reshape(x, (-1, choices, self.encoder.config.hidden_size))
        scores = self.multiple_choice(self.dropout_layer(x, training=training))[..., 0]
        return ops.where(is_choice, scores, NO_CHOICE)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        if isinstance(inputs, dict) and "features" in inputs:
            return keras.KerasTensor(inputs["features"].shape[:2], "float32")
        ids = input_dict(inputs, type(self).__name__)["input_word_ids"]
        check_rank("input_word_ids", ids, "[batch, choices, seq]")
        return keras.KerasTensor(ids.shape[:2], "float32")

    def _holds(self, x: Any) -> bool:
        return hold_choices(x)

    def _gathered(self, x: Any) -> Any:
        return gather_tuples(x, f"examples, each {EXAMPLE}", "labels")

    def _read(self, *args: Any, **kwargs: Any) -> Examples:
        return read_choices(*args, **kwargs)

    def _rows(self, examples: Examples) -> tuple[Any, list[int]]:
        """The texts with each of their choices, tokenized, and the number of choices of each."""
        pairs: Any = examples.texts
        texts = [text for text, choices in pairs for _ in choices]
        choices = list(itertools.chain.from_iterable(choices for _, choices in pairs))
        tokenizer = self._known_tokenizer()
        tokenized = tokenizer.tokenize(texts, choices, max_length=self.max_length)
        return segmented(tokenized, self.encoder), [len(choices) for _, choices in pairs]

    def _columns(
        self, examples: Examples, labelled: bool, class_weight: Any
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        if class_weight is not None:
            raise UserError("class_weight is of classes, and choices are none: leave it out.")
        if not labelled:
            return None, None
        if not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        if examples.labels is None:
            raise UserError(
                f"Got {len(examples.texts):,} texts with choices and no labels: give the index of "
                "the right choice of each."
            )
        return examples.labels, examples.sample_weight

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> ChoiceBatches:
        labels, weights = self._columns(examples, labelled, class_weight)
        order |= {"batch_size": batch_size, "max_length": self.max_length}
        return ChoiceBatches(*self._rows(examples), labels, weights, **order)

    def _feature_batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> ChoiceFeatureBatches:
        columns = self._columns(examples, True, class_weight)
        tokenized, counts = self._rows(examples)
        order |= {"batch_size": batch_size, "max_length": self.max_length}
        return ChoiceFeatureBatches(self._pooled(tokenized), tokenized, counts, *columns, **order)

    def _loss_for(self, data: Batches) -> Any:
        return SparseChoiceCrossentropy(from_logits=True)

    def _outputs(self, data: Any, verbose: Any, told: Any, event: str = "predict") -> np.ndarray:
        most = int(data.counts.max(initial=0))
        outputs = np.full((len(data.counts), most), NO_CHOICE, "float32")

        def keep(rows, scores):
            outputs[rows, : scores.shape[1]] = scores

        predict_each(self, data, keep, verbose, told, event)
        return outputs

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        probabilities = softmax(check_answers(outputs)).astype("float64")
        right = probabilities[np.arange(len(data.labels)), data.labels]
        losses = -np.log(np.maximum(right, np.finfo("float32").tiny))
        hits = probabilities.argmax(axis=-1) == data.labels
        columns = {"loss": losses, "accuracy": hits}
        weights = data.sample_weight
        return {n: float(np.average(column, weights=weights)) for n, column in columns.items()}

    def choose(self, text: str, choices: Sequence[str]) -> Choice:
        """The choice that goes best with a text.

        Args:
            text: The text.
            choices: Two choices at least.

        Returns:
            A `Choice`: its index, itself, and the probabilities of all.

        Raises:
            UserError: A text is not a string, or the model has no vocabulary yet.
        """
        if isinstance(text, list | tuple):
            raise UserError("choose takes one text: call it for each, or predict for all of them.")
        text, choices = check_text(text, "text"), check_texts(choices, "choices")
        if len(choices) < 2:
            raise UserError(f"There must be two choices at least, not {len(choices)}.")
        if not self.compiled:
            warn_untrained(self)
        scores = softmax(check_answers(self.predict([(text, choices)], verbose=0)))[0]
        best = int(scores.argmax())
        return Choice(best, choices[best], tuple(scores.tolist()))

    def _description(self) -> dict[str, Any]:
        return {**super()._description(), "dropout": self.dropout}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dropout": self.dropout}
