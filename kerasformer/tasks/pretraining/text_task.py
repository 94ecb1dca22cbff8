"""What the tasks share that BERT is pretrained with, or that choose."""

from typing import Any, ClassVar

import numpy as np

from kerasformer.checkpoints import Checkpoint
from kerasformer.data.batches import Batches, TextBatches
from kerasformer.errors import UserError
from kerasformer.models.length import choose_max_length
from kerasformer.models.transformer import Transformer
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.frozen_vectors import FrozenVectors
from kerasformer.tasks.prediction import inference_sizes, predict_rows
from kerasformer.tasks.pretraining.masked_batches import MaskedBatches
from kerasformer.tasks.settings import read_settings, settings_of
from kerasformer.tasks.trainable import Trainable
from kerasformer.text import Tokenized


class TextTask(Trainable, EncoderTask):
    """An encoder's task on texts; without a tokenizer `fit` learns a vocabulary from them.

    Args:
        encoder: A `BertEncoder`, or of what `ENCODERS` has.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, its `to_json()`, or None.
        max_length: The most tokens of a text; by default as many as tokenizer and encoder take.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.
    """

    # The arguments that a folder keeps.
    SETTINGS: ClassVar[tuple[str, ...]] = ("max_length", "freeze_encoder", "trained_blocks")

    def __init__(
        self,
        encoder: Transformer,
        tokenizer: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder=encoder, tokenizer=tokenizer, **kwargs)
        positions = encoder.config.max_length
        self.max_length = choose_max_length(max_length, self.tokenizer, positions)

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        heads, settings = super()._heads_to_read(checkpoint, kwargs)
        own = read_settings(checkpoint, cls.SETTINGS)
        return heads, own | settings if heads else settings

    def _description(self) -> dict[str, Any]:
        return super()._description() | {"settings": settings_of(self, self.SETTINGS)}

    def _known_tokenizer(self) -> Any:
        """The tokenizer; a UserError where there is none yet."""
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit on texts first.")
        return self.tokenizer

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "max_length": self.max_length}


class UnlabelledTask(TextTask):
    """A task that learns from texts alone."""

    def _read(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Examples:
        if y is not None:
            raise UserError(
                f"A {type(self).__name__} takes texts without labels, from which alone it learns: "
                "leave y out."
            )
        return super()._read(x, None, *args, **kwargs)

    def _check_class_weight(self, class_weight: Any) -> None:
        if class_weight is not None:
            raise UserError("class_weight is of classes, which texts have none of: leave it out.")

    def _training_batches(self, examples: Examples, batch_size: int, **options: Any) -> Batches:
        data = super()._training_batches(examples, batch_size, **options)
        if isinstance(data, MaskedBatches):
            data.check_trained()
        return data

    def _split(self, train: Examples, data: Any, *options: Any) -> tuple[Examples, Examples | None]:
        is_texts = isinstance(data, list | tuple) and all(isinstance(one, str) for one in data)
        return super()._split(train, (list(data),) if is_texts else data, *options)


class PooledTask(FrozenVectors, TextTask):
    """A task on the vector of its encoder's pooler."""

    NEEDS_POOLER = True

    def _vectors(self, inputs: Any, training: bool | None = None) -> Any:
        return self._encode(inputs, ["pooled_output"], training)["pooled_output"]

    def _pooled(self, tokenized: Tokenized) -> np.ndarray:
        """The vectors of texts that a frozen encoder gives, float32 `[n, hidden_size]`."""

        def compute():
            data = TextBatches(tokenized, **inference_sizes(self.max_length))
            return predict_rows(
                self._vectors_model, data, self.encoder.config.hidden_size, verbose=0
            )

        rows = zip(tokenized.ids, tokenized.type_ids, strict=True)
        return self._kept(self.feature_cache, compute, map(str, rows))
