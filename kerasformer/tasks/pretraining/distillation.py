"""A small encoder that learns from a large one."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from kerasformer.checkpoints import open_checkpoint
from kerasformer.data.batches import Batches, TextBatches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.depth import shallower, spread
from kerasformer.models.partial import constant
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.prediction import predict_rows
from kerasformer.tasks.pretraining.text_task import UnlabelledTask
from kerasformer.tasks.texts.reading import columns
from kerasformer.training import Recipe

PARTS = ("hidden_states", "attention")
_LEAST_PROBABILITY = 1e-9  # whose logarithm is taken


@keras.saving.register_keras_serializable(package="kerasformer")
class Distillation(UnlabelledTask):
    """An encoder, the student, that learns from texts alone to compute what its teacher computes.

    Jiao et al., "TinyBERT", https://arxiv.org/abs/1909.10351, section 3: the student's embeddings
    and each of its blocks follow those of the teacher at the same share of the depth, by the mean
    squared error of their hidden states (equations 8 and 9) and, where both have as many heads, by
    the divergence of their attention, as in MiniLM (Wang et al., https://arxiv.org/abs/2002.10957,
    equation 4). Narrower hidden states go through a linear layer, which is not kept.

    The model's output, which `fit` makes small, is how far the student is from its teacher; the
    student itself is the attribute `encoder`, for any task. A classifier learns from a teacher's
    answers by `student.fit(texts, teacher.predict_proba(texts))`.

    Args:
        encoder: The student, a `BertEncoder` such as `kerasformer.models.shallower(teacher, 3)`.
        teacher: A `BertEncoder` of the same vocabulary, which is not trained. There must be one:
            to `from_pretrained` and `from_scratch`, which make the student, it is given by name.
        tokenizer: That of both, or its `to_json()`.
        max_length: The most tokens of a text; by default as many as all three take.
        parts: What the student follows, of `"hidden_states"` and `"attention"`; by default both, or
            the first alone where the numbers of heads differ.
        **kwargs: `trained_blocks`, and Keras arguments of the model.

    Call arguments:
        inputs: The dict of int `[batch, seq]` tensors that encoders take, or the ids alone.
        training: Whether the student's dropout is on; the teacher's never is.

    Returns:
        Float32 `[batch, 1]`, not negative: the mean over tokens of the squared error of a hidden
        state's components, and of the divergence of a head's attention in nats, summed over layers.

    Raises:
        UserError: There is no teacher.
        ValueError: `encoder` or `teacher` is of another kind, they have other vocabularies, a part
            is unknown, or `"attention"` is asked for of other numbers of heads.

    Example:

    >>> from kerasformer.models import EncoderConfig, shallower
    >>> from kerasformer.text import WordPieceTokenizer
    >>> texts = ["a fine film", "a bad film"]
    >>> tokenizer = WordPieceTokenizer.train(texts, vocab_size=40)
    >>> teacher = BertEncoder(EncoderConfig.bert("mini", vocab_size=40))
    >>> model = Distillation(shallower(teacher, 2), teacher, tokenizer)
    >>> history = model.fit(texts, epochs=1, verbose=0)
    >>> model.encoder.config.num_layers, model.predict(texts).shape
    (2, (2, 1))
    """

    RECIPE = Recipe(learning_rate=3e-4)
    FIT_METRICS: ClassVar[dict[str, Any]] = {"metrics": []}

    def __init__(
        self,
        encoder: BertEncoder,
        teacher: BertEncoder | None = None,
        tokenizer: Any = None,
        max_length: int | None = None,
        parts: Iterable[str] | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        if teacher is None:
            raise UserError(
                f"A {type(self).__name__} needs a teacher: make it by from_teacher, or give "
                "teacher=."
            )
        if not isinstance(teacher, BertEncoder):
            raise ValueError(f"Expected teacher to be a BertEncoder, got {teacher!r}.")
        mine, its = encoder.config, teacher.config
        if mine.vocab_size != its.vocab_size:
            raise ValueError(
                f"The student has {mine.vocab_size:,} tokens and its teacher {its.vocab_size:,}: "
                "they must share a vocabulary."
            )
        self.teacher = teacher
        self.max_length = min(self.max_length, its.max_length)
        self.parts = _check_parts(parts, mine.num_heads == its.num_heads)
        if mine.num_layers > its.num_layers:
            raise ValueError(
                f"The student has {mine.num_layers} blocks and its teacher {its.num_layers}: a "
                "student has no more blocks than its teacher."
            )
        self._teachers = spread(mine.num_layers, its.num_layers)  # blocks, of the student's
        self.projection: Any = None
        if "hidden_states" in self.parts and mine.hidden_size != its.hidden_size:
            self.projection = keras.layers.Dense(
                its.hidden_size, use_bias=False, dtype=self.dtype_policy, name="projection"
            )
        self.build()

    @classmethod
    def from_teacher(
        cls,
        source: Any,
        blocks: int | Iterable[int] | None = None,
        *,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Self:
        """A student that starts as some of a published teacher's own blocks.

        Args:
            source: The teacher; see `kerasformer.resolve`.
            blocks: Which blocks or how many, as of `kerasformer.models.shallower`; by default half.
            dtype: Keras dtype policy of both.
            **kwargs: Further arguments of the class.

        Raises:
            UserError: There is no such source, or it is no BERT encoder with a tokenizer.
        """
        checkpoint = open_checkpoint(source)
        teacher = checkpoint.load_encoder(BertEncoder, dtype=dtype)
        half = max(1, teacher.config.num_layers // 2)
        student = shallower(teacher, half if blocks is None else blocks)
        return cls(student, teacher, checkpoint.read_tokenizer(), dtype=dtype, **kwargs)

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        small = self.encoder.config.hidden_size < 512  # which take larger steps
        return self.RECIPE.change(learning_rate=1e-3 if small else None)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        names = ["embedding_output", "encoder_outputs", "attention_scores"]
        student = self._encode(inputs, names, training)
        teacher = self.teacher(inputs, outputs=names, training=False)
        teacher = keras.tree.map_structure(constant, teacher)
        mask = ops.cast(self.encoder.padding_mask(inputs), "float32")
        distance: Any = 0.0
        if "hidden_states" in self.parts:
            pairs = [(student["embedding_output"], teacher["embedding_output"])]
            pairs += self._pairs(student["encoder_outputs"], teacher["encoder_outputs"])
            distance += sum(self._squared_error(*pair) for pair in pairs)
        if "attention" in self.parts:
            pairs = self._pairs(student["attention_scores"], teacher["attention_scores"])
            distance += sum(_divergence(*pair) for pair in pairs)
        tokens = ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1)
        return ops.sum(distance * mask, axis=1, keepdims=True) / tokens

    def _pairs(self, student, teacher):
        return zip(student, (teacher[block] for block in self._teachers), strict=True)

    def _squared_error(self, student, teacher):
        """Of each token, `[batch, seq]`."""
        if self.projection is not None:
            student = self.projection(student)
        difference = ops.cast(student, "float32") - ops.cast(teacher, "float32")
        return ops.mean(ops.square(difference), axis=-1)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return keras.KerasTensor((self._lead(inputs)[0], 1), "float32")

    def build(self, input_shape: Any = None) -> None:
        """Creates the linear layer's variables; the encoders have their own already."""
        if self.projection is not None:
            self.projection.build((None, None, self.encoder.config.hidden_size))
        super().build(input_shape)

    def _loss_for(self, data: Batches) -> Any:
        return keras.losses.MeanAbsoluteError()  # of distances to nought: their mean

    def _batches(
        self,
        examples: Examples,
        batch_size: int,
        *,
        labelled: bool = True,
        loss: Any = None,
        class_weight: Any = None,
        **order: Any,
    ) -> TextBatches:
        self._check_class_weight(class_weight)
        if labelled and not examples.texts:
            raise UserError("There is no text to train or evaluate on; give at least one.")
        texts = columns(examples.texts)
        tokenized = self._known_tokenizer().tokenize(*texts, max_length=self.max_length)
        zeros = np.zeros((len(examples.texts), 1), "float32") if labelled else None
        order |= {"sample_weight": examples.sample_weight, "max_length": self.max_length}
        return TextBatches(tokenized, zeros, batch_size=batch_size, **order)

    def _outputs(
        self, data: Batches, verbose: Any, told: Any, event: str = "predict"
    ) -> np.ndarray:
        return predict_rows(self, data, 1, verbose, told, event)

    def _scores(self, examples: Examples, data: Batches, outputs: Any) -> dict[str, Any]:
        return {"loss": float(np.average(outputs[:, 0], weights=examples.sample_weight))}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        teacher = keras.saving.serialize_keras_object(self.teacher)
        return {**super().get_config(), "teacher": teacher, "parts": list(self.parts)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model, both encoders included, from `get_config`'s dict."""
        teacher = keras.saving.deserialize_keras_object(config["teacher"])
        return super().from_config({**config, "teacher": teacher}, custom_objects)


def _divergence(student, teacher):
    """The divergence of each token's attention, the mean of the heads, `[batch, seq]`."""
    both = (ops.cast(each, "float32") for each in (student, teacher))
    student, teacher = (ops.maximum(each, _LEAST_PROBABILITY) for each in both)
    return ops.mean(ops.sum(teacher * (ops.log(teacher) - ops.log(student)), axis=-1), axis=1)


def _check_parts(parts, as_many_heads):
    if parts is None:
        return PARTS if as_many_heads else PARTS[:1]
    parts = tuple([parts] if isinstance(parts, str) else parts)
    if not parts or any(part not in PARTS for part in parts):
        raise ValueError(f"parts={parts!r} has another name than {' and '.join(PARTS)}, or none.")
    if "attention" in parts and not as_many_heads:
        raise ValueError(
            "Student and teacher have different numbers of heads, whose attention cannot be "
            "compared: give parts=['hidden_states']."
        )
    return parts
