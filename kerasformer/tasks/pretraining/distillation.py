"""A small encoder that learns from a large one."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from kerasformer.checkpoints import Checkpoint, open_checkpoint
from kerasformer.data.batches import Batches, TextBatches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.depth import copy_weights, shallower, spread
from kerasformer.models.partial import constant
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.prediction import predict_rows
from kerasformer.tasks.pretraining.distillation_losses import (
    OUTPUTS,
    check_parts,
    layer_distance,
    logits_divergence,
    weighted_mean,
)
from kerasformer.tasks.pretraining.guess_scores import check_guessed
from kerasformer.tasks.pretraining.masked_batches import StudentBatches
from kerasformer.tasks.pretraining.masked_language_model import MaskedLanguageModel
from kerasformer.tasks.pretraining.masked_words import MaskedWords, split_positions
from kerasformer.tasks.pretraining.teachers import check_teacher, encoder_of
from kerasformer.tasks.pretraining.text_task import UnlabelledTask
from kerasformer.tasks.texts.reading import columns
from kerasformer.text import Tokenizer
from kerasformer.text.masking import TokenMasking
from kerasformer.training import Recipe


@keras.saving.register_keras_serializable(package="kerasformer")
class Distillation(UnlabelledTask, MaskedWords):
    """An encoder, the student, that learns from texts alone to compute what its teacher computes.

    Jiao et al., "TinyBERT", https://arxiv.org/abs/1909.10351, section 3: the student's embeddings
    and each of its blocks follow those of the teacher at the same share of the depth, by the mean
    squared error of their hidden states (equations 8 and 9) and, where both have as many heads, by
    the divergence of their attention, as in MiniLM (Wang et al., https://arxiv.org/abs/2002.10957,
    equation 4). Narrower hidden states go through a linear layer, which is not kept.

    Of a teacher that guesses masked words the student learns its guesses too, as DistilBERT does
    (Sanh et al., https://arxiv.org/abs/1910.01108, section 2): tokens are hidden as by a
    `MaskedLanguageModel`, others in each epoch, and both give their logits of these; see
    `kerasformer.tasks.pretraining.distillation_losses.logits_divergence`. Whatever else it follows
    is then of texts with tokens hidden, and the loss a mean over the tokens hidden. The student's
    head starts as its teacher's where sizes agree.

    The model's output, which `fit` makes small, is how far the student is from its teacher; the
    student itself is the attribute `encoder`, for any task. A classifier learns from a teacher's
    answers by `student.fit(texts, teacher.predict_proba(texts))`.

    Args:
        encoder: The student, a `BertEncoder` such as `kerasformer.models.shallower(teacher, 3)`.
        teacher: A `BertEncoder` of the same vocabulary, or a `MaskedLanguageModel` on one, which is
            not trained. There must be one: to `from_pretrained` and `from_scratch`, which make the
            student, it is given by name.
        tokenizer: That of both, or its `to_json()`; by default that of a `MaskedLanguageModel`.
        max_length: The most tokens of a text; by default as many as all three take.
        parts: What the student follows, of `"hidden_states"`, `"attention"`, which takes as many
            heads, and `"logits"`, which takes a `MaskedLanguageModel`; by default all that it can.
        **kwargs: `trained_blocks`, and Keras arguments of the model.

    Call arguments:
        inputs: The dict of int `[batch, seq]` tensors that encoders take, or the ids alone. It may
            also have `masked_lm_positions`, int `[batch, predictions]`: the tokens whose logits are
            compared, by default all; 0 is none.
        training: Whether the student's dropout is on; the teacher's never is.

    Returns:
        Float32 `[batch, 1]`, not negative: the mean over tokens of the squared error of a hidden
        state's components, and of the divergence of a head's attention in nats, summed over layers;
        and the mean over the tokens compared of the divergence of their logits.

    Raises:
        UserError: There is no teacher.
        ValueError: `encoder` or `teacher` is of another kind, they have other vocabularies, a part
            is unknown, or one that these two cannot be compared in; the student is the teacher's
            own encoder, or the teacher's head is quantized or has LoRA.

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
    >>> guessing = MaskedLanguageModel(teacher, tokenizer)
    >>> model = Distillation(shallower(teacher, 2), guessing, parts=["logits"])
    >>> type(model.student).__name__, model.student.encoder is model.encoder
    ('MaskedLanguageModel', True)
    """

    RECIPE = Recipe(learning_rate=3e-4)
    SCORES_VALIDATION = True  # what Keras would tell is no mean over the tokens hidden
    FIT_METRICS: ClassVar[dict[str, Any]] = {"metrics": []}

    def __init__(
        self,
        encoder: BertEncoder,
        teacher: BertEncoder | MaskedLanguageModel | None = None,
        tokenizer: Any = None,
        max_length: int | None = None,
        parts: Sequence[str] | None = None,
        **kwargs: Any,
    ):
        head_is_read = kwargs.pop("head_is_read", False)  # after this, and is not the teacher's
        if tokenizer is None and isinstance(teacher, MaskedLanguageModel):
            tokenizer = teacher.tokenizer
        super().__init__(encoder, tokenizer, max_length, **kwargs)
        self.teacher = check_teacher(teacher, encoder, type(self).__name__)
        mine, its = encoder.config, encoder_of(teacher).config
        self.parts = check_parts(parts, mine, its, isinstance(teacher, MaskedLanguageModel))
        self.max_length = min(self.max_length, its.max_length)
        self._teachers = spread(mine.num_layers, its.num_layers)  # blocks, of the student's
        self.projection: Any = None
        if "hidden_states" in self.parts and mine.hidden_size != its.hidden_size:
            self.projection = keras.layers.Dense(
                its.hidden_size, use_bias=False, dtype=self.dtype_policy, name="projection"
            )
        self.masked_lm = self._masked_lm_head() if "logits" in self.parts else None
        self.build()
        sizes = [(config.hidden_size, config.embedding_size) for config in (mine, its)]
        if self.masked_lm is not None and sizes[0] == sizes[1] and not head_is_read:
            copy_weights(self.masked_lm, self.teacher.masked_lm, "teacher")
            self.head_is_new = self.teacher.head_is_new

    @classmethod
    def from_teacher(
        cls,
        source: Any,
        blocks: int | Iterable[int] | None = None,
        *,
        parts: Sequence[str] | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Self:
        """A student that starts as some of a published teacher's own blocks.

        Args:
            source: The teacher; see `kerasformer.resolve`.
            blocks: Which blocks or how many, as of `kerasformer.models.shallower`; by default half.
            parts: As of the class; only with `"logits"` the teacher's head is read.
            dtype: Keras dtype policy of both.
            **kwargs: Further arguments of the class.

        Raises:
            UserError: There is no such source, or it is no BERT encoder with a tokenizer; or it has
                no masked-LM head, which `parts` with `"logits"` takes.
        """
        checkpoint = open_checkpoint(source)
        tokenizer, teacher = checkpoint.read_tokenizer(), None
        if "logits" in (parts or ()):
            options = {"tokenizer": tokenizer, "dtype": dtype}
            teacher = MaskedLanguageModel.from_checkpoint(checkpoint, **options)
        encoder = teacher.encoder if teacher else checkpoint.load_encoder(BertEncoder, dtype=dtype)
        half = max(1, encoder.config.num_layers // 2)
        student = shallower(encoder, half if blocks is None else blocks)
        return cls(student, teacher or encoder, tokenizer, parts=parts, dtype=dtype, **kwargs)

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """The student's own, where it is to have one."""
        follows = "logits" in (kwargs.get("parts") or OUTPUTS)
        is_read = follows and isinstance(kwargs.get("teacher"), MaskedLanguageModel)
        if not is_read or "masked_lm" not in checkpoint.heads:
            return {}, {}
        return {"masked_lm": 2}, {"head_is_read": True}

    @property
    def heads(self) -> dict[str, keras.layers.Layer]:
        """The student's masked-LM head, if it has one."""
        return {} if self.masked_lm is None else {"masked_lm": self.masked_lm}

    @property
    def student(self) -> MaskedLanguageModel | None:
        """The student with its masked-LM head, where logits are distilled; else None."""
        if self.masked_lm is None:
            return None
        # By this name it knows which layers of the head are quantized.
        options = {"masked_lm": self.masked_lm, "dtype": self.dtype_policy, "name": self.name}
        student = MaskedLanguageModel(self.encoder, self.tokenizer, **options)
        student.head_is_new = self.head_is_new
        return student

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        small = self.encoder.config.hidden_size < 512  # which take larger steps
        return self.RECIPE.change(learning_rate=1e-3 if small else None)

    @property
    def untrained_layers(self) -> list[keras.layers.Layer]:
        """The layers whose variables training leaves as they are, the teacher among them."""
        return [*super().untrained_layers, self.teacher]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """See the class."""
        inputs, positions = split_positions(inputs)
        names = [name for part in self.parts for name in OUTPUTS[part]]
        student = self._encode(inputs, names, training)
        teacher = encoder_of(self.teacher)(inputs, outputs=names, training=False)
        teacher = dict(keras.tree.map_structure(constant, teacher))
        for name in teacher.keys() & {"encoder_outputs", "attention_scores"}:
            teacher[name] = [teacher[name][block] for block in self._teachers]
        token_weights = ops.cast(self.encoder.padding_mask(inputs), "float32")
        distance = layer_distance(student, teacher, self.projection)
        distance = weighted_mean(distance, token_weights)
        if self.masked_lm is not None:
            both = (self, student), (self.teacher, teacher)
            logits = (model.logits(own["sequence_output"], positions) for model, own in both)
            if positions is not None:
                token_weights = ops.cast(positions > 0, "float32")
            distance += weighted_mean(logits_divergence(*logits), token_weights)
        return distance

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape and dtype of what a call returns."""
        return keras.KerasTensor((self._lead(split_positions(inputs)[0])[0], 1), "float32")

    def build(self, input_shape: Any = None) -> None:
        """Creates the variables of the head and the linear layer; all else has its own already."""
        if self.projection is not None:
            self.projection.build((None, None, self.encoder.config.hidden_size))
        super().build(input_shape)

    def _whole_device(self, batch_size: int | None, steps: int | None = None) -> dict[str, Any]:
        # Logits are of all tokens of the vocabulary, and fill the memory sooner.
        return {} if self.masked_lm is not None else super()._whole_device(batch_size, steps)

    def _loss_for(self, data: Batches) -> Any:
        # Of distances to nought: their mean.
        is_of_tokens = isinstance(data, StudentBatches)
        reduction = "mean_with_sample_weight" if is_of_tokens else "sum_over_batch_size"
        return keras.losses.MeanAbsoluteError(reduction)

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
        texts, tokenizer = columns(examples.texts), self._known_tokenizer()
        tokenized = tokenizer.tokenize(*texts, max_length=self.max_length)
        order |= {"sample_weight": examples.sample_weight, "max_length": self.max_length}
        order["batch_size"] = batch_size
        if self.masked_lm is not None:
            return StudentBatches(tokenized, TokenMasking.of(tokenizer), **order)
        zeros = np.zeros((len(examples.texts), 1), "float32") if labelled else None
        return TextBatches(tokenized, zeros, **order)

    def _new_tokenizer(self, texts: list[str]) -> Tokenizer:
        raise UserError(f"A {type(self).__name__} has no tokenizer: make it with its teacher's.")

    def _outputs(
        self, data: Batches, verbose: Any, told: Any, event: str = "predict"
    ) -> np.ndarray:
        return predict_rows(self, data, 1, verbose, told, event)

    def _evaluate(
        self, examples: Examples, data: Any, verbose: Any = 0, told: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        outputs, weights = self._outputs(data, verbose, told, "test"), data.sample_weight
        if isinstance(data, StudentBatches):
            check_guessed((weights := data.weights).sum())
        scores = logs = {"loss": float(np.average(outputs[:, 0], weights=weights))}
        if self.compiled:
            logs = self._compiled_metrics(data.labels, outputs, weights)
        return scores | logs, logs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        teacher = keras.saving.serialize_keras_object(self.teacher)
        return {**super().get_config(), "teacher": teacher, "parts": list(self.parts)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model, both encoders included, from `get_config`'s dict."""
        teacher = keras.saving.deserialize_keras_object(config["teacher"])
        config = {**config, "teacher": teacher, "head_is_read": True}
        return super().from_config(config, custom_objects)
