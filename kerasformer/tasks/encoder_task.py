"""What the tasks on a pretrained encoder share."""

import dataclasses
from typing import Any, Self

import keras

from kerasformer.checkpoints import Checkpoint, open_checkpoint
from kerasformer.checkpoints.export.huggingface import save_pretrained
from kerasformer.data.batches import Batches
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models.config import AnyConfig
from kerasformer.models.partial import constant
from kerasformer.models.transformer import Transformer, kind_for
from kerasformer.tasks.fitting import freezing
from kerasformer.tasks.fitting.head_first import HeadFirst
from kerasformer.tasks.task import Task
from kerasformer.text import Tokenizer, WordPieceTokenizer
from kerasformer.training import Recipe
from kerasformer.training.callbacks import as_callbacks

_FREEZING = {"freeze_encoder", "trained_blocks"}


class EncoderTask(Task):
    """An encoder or decoder with heads, on token ids.

    A child names its heads by the keys of `checkpoints`' tables, and has a layer for each under
    that name or in the property `heads`.

    Args:
        encoder: A `BertEncoder`, or of what `ENCODERS` has. The task leaves it as it is: several
            may share one.
        freeze_encoder: Whether the task trains its heads alone. Which of the encoder's weights are
            trained otherwise is the encoder's own `trainable`.
        trained_blocks: Of the encoder, only so many blocks, the last ones, are trained, and the
            pooler if the task uses it; 0 is `freeze_encoder=True`.
        **kwargs: `tokenizer`, which `fit` learns where it is None, and Keras arguments of the
            model.
    """

    HEADS: tuple[str, ...] = ()
    ENCODERS: tuple[type[Transformer], ...] = (BertEncoder,)  # the first is the default
    NEEDS_POOLER = NEEDS_TOKENIZER = False
    # Of an encoder that knows nothing yet: more to learn, and nothing that large steps could ruin.
    SCRATCH_RECIPE = Recipe(epochs=5, learning_rate=1e-3)
    # A linear model on fixed vectors is a convex problem: it takes large steps.
    FROZEN_RECIPE = Recipe(epochs=10, batch_size=128, learning_rate=3e-3)

    def __init__(
        self,
        encoder: Transformer,
        *,
        freeze_encoder: bool = False,
        trained_blocks: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(encoder, self.ENCODERS):
            names = " or ".join(kind.__name__ for kind in self.ENCODERS)
            raise ValueError(f"Expected encoder to be a {names}, got {encoder!r}.")
        if self.NEEDS_POOLER and encoder.pooler is None:
            raise ValueError(
                f"{type(self).__name__} needs a pooler, which this encoder lacks: give one with "
                "EncoderConfig(pooler=True)."
            )
        if trained_blocks is not None:
            freezing.check_trained_blocks(trained_blocks, encoder, freeze_encoder)
        self.encoder = encoder
        self.freeze_encoder = freeze_encoder or trained_blocks == 0
        self.trained_blocks = None if self.freeze_encoder else trained_blocks
        self.head_alone = False  # in the first epochs of `head_epochs`
        self.is_from_scratch = self.tokenizer is None  # the encoder is then new
        self.last_block = encoder.config.num_layers  # of those that the task uses
        self.autocast = False  # ids given as floats do not fit into float16

    @property
    def heads(self) -> dict[str, keras.layers.Layer]:
        """The layers of the heads, by their names in the tables of `checkpoints`."""
        return {name: getattr(self, name) for name in self.HEADS}

    @property
    def uses_pooler(self) -> bool:
        """Whether the encoder's pooler is part of what the task computes."""
        return self.NEEDS_POOLER

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether training changes nothing of the encoder."""
        if self.freeze_encoder or self.head_alone:
            return True
        return not self.encoder.trainable_weights

    @property
    def recipe(self) -> Recipe:
        """The hyperparameters that `fit` uses where its arguments do not say otherwise."""
        if self.encoder_is_frozen:
            return self.FROZEN_RECIPE
        if self.is_from_scratch:
            return self.SCRATCH_RECIPE
        small = self.encoder.config.hidden_size < 512  # which take larger steps
        return self.RECIPE.change(learning_rate=1e-4 if small else None)

    @property
    def stages(self) -> list[list[keras.layers.Layer]]:
        """The layers below the head, from the embeddings up; the pooler counts as a head."""
        return freezing.stages(self.encoder)

    @property
    def untrained_layers(self) -> list[keras.layers.Layer]:
        """The layers whose variables training leaves as they are."""
        return freezing.untrained_layers(self)

    @property
    def trainable_variables(self) -> list:
        """The variables that training changes."""
        kept = freezing.untrained(self)
        return [v for v in super().trainable_variables if id(v) not in kept]

    @property
    def trainable_weights(self) -> list:
        """The weights that training changes."""
        kept = freezing.untrained(self)
        return [w for w in super().trainable_weights if id(w) not in kept]

    @property
    def non_trainable_variables(self) -> list:
        """All other variables."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    @property
    def non_trainable_weights(self) -> list:
        """All other weights."""
        trained = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in trained]

    @classmethod
    def from_scratch(
        cls, *args: Any, config: AnyConfig | None = None, dtype: Any = None, **kwargs: Any
    ) -> Self:
        """A model whose encoder is new, and whose `fit` learns a vocabulary from its examples.

        Args:
            *args: What the class takes before the encoder, such as `class_names`.
            config: The encoder's sizes, of which `vocab_size` is the most tokens to learn; by
                default two blocks, 128 wide, and 8,000 tokens.
            dtype, **kwargs: Further arguments of the class.

        Returns:
            The model, to be trained.
        """
        config = config or cls._scratch_config()
        kwargs |= {"encoder": kind_for(config, cls.ENCODERS)(config, dtype=dtype), "dtype": dtype}
        return cls(*args, **{"tokenizer": None, **kwargs})

    @classmethod
    def _scratch_config(cls) -> AnyConfig:
        return EncoderConfig.bert("tiny", vocab_size=8000)

    @classmethod
    def from_pretrained(cls, source: Any, *, dtype: Any = None, **kwargs: Any) -> Self:
        """Reads a published model with its heads, from any format that has them.

        Args:
            source: A folder or file, a preset's name or a handle; see `kerasformer.resolve`.
            dtype: Keras dtype policy of the model, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            The model.

        Raises:
            UserError: There is no such source, or it holds no such head, or one that is damaged.
        """
        return cls.from_checkpoint(open_checkpoint(source), dtype=dtype, **kwargs)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, *, dtype: Any = None, **kwargs: Any) -> Self:
        """As `from_pretrained`, of a source that is open already."""
        try:
            heads, settings = cls._heads_to_read(checkpoint, kwargs)
            if kwargs.keys() & _FREEZING:  # what is asked for replaces all that was saved of it
                settings = {k: v for k, v in settings.items() if k not in _FREEZING}
            kwargs = {**settings, **kwargs}
            for head, num_classes in heads.items():
                checkpoint.check_head(head, num_classes)
            if "tokenizer" not in kwargs:
                has_one = cls.NEEDS_TOKENIZER or checkpoint.has_tokenizer
                kwargs["tokenizer"] = checkpoint.read_tokenizer() if has_one else None
            checkpoint.check_vocabulary(kwargs["tokenizer"])
            kind = kind_for(checkpoint.config, cls.ENCODERS)
            encoder = checkpoint.load_encoder(kind, dtype=dtype)
            model = cls(encoder=encoder, dtype=dtype, **kwargs)
            for head, num_classes in heads.items():
                checkpoint.load_head(head, model.heads[head], num_classes)
                model.head_is_new = False
            model.is_from_scratch = False  # though there may be no tokenizer
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{checkpoint.path} as a {cls.__name__}: {error}") from None
        return model

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        """The number of outputs of each head to read, and arguments that belong to them.

        A head that is not read starts anew.

        Args:
            checkpoint: The source.
            kwargs: The arguments given.
        """
        return dict.fromkeys(cls.HEADS, 2), {}

    def save_pretrained(self, folder: Any) -> None:
        """Writes the model in the Hugging Face layout; see `BertEncoder.save_pretrained`.

        Args:
            folder: Output folder, created if missing.

        Raises:
            UserError: The folder cannot be written to, transformers has no such model, or a weight
                is not finite.
        """
        described = {"tokenizer": self.tokenizer, **self._description()}
        save_pretrained(folder, self.encoder, **{"heads": self.heads, **described})

    def _description(self) -> dict[str, Any]:
        """What `save_pretrained` of `checkpoints` is to write beside the weights."""
        return {}

    def _new_tokenizer(self, texts: list[str]) -> Tokenizer:
        if self.is_from_scratch:
            return WordPieceTokenizer.train(texts, vocab_size=self.encoder.config.vocab_size)
        raise UserError(f"This {type(self).__name__} was read without its tokenizer: give it one.")

    def _encode(self, inputs: Any, outputs: list[str], training: bool | None = None) -> dict:
        if not self.encoder_is_frozen:
            frozen = freezing.frozen_blocks(self)
            return self.encoder(inputs, outputs=outputs, training=training, frozen_blocks=frozen)
        # As in inference, without dropout.
        outputs = self.encoder(inputs, outputs=outputs, training=False)
        return keras.tree.map_structure(constant, outputs)

    def _train(
        self,
        data: Batches,
        validation: Batches | None,
        recipe: Recipe,
        *,
        initial_epoch: int = 0,
        callbacks: Any = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """As of `Task`; where the recipe says so the head first and then all."""
        head_epochs, callbacks = min(recipe.head_epochs, recipe.epochs), as_callbacks(callbacks)
        recipe = dataclasses.replace(recipe, head_epochs=0)
        told = {"initial_epoch": initial_epoch, **options}
        if head_epochs <= initial_epoch or self._compiled_by_hand or self.encoder_is_frozen:
            return super()._train(data, validation, recipe, callbacks=callbacks, **told)
        head = recipe.change(learning_rate=self.FROZEN_RECIPE.learning_rate, schedule="constant")
        steps = recipe.steps(len(data), recipe.epochs - head_epochs)
        callbacks = [HeadFirst(recipe, head_epochs, steps), *callbacks]
        self.head_alone = True
        try:
            return super()._train(data, validation, head, callbacks=callbacks, **told)
        finally:
            self.head_alone = False

    def _lead(self, inputs: Any) -> tuple:
        """Batch and length of the encoder's inputs, checked, for `compute_output_spec`."""
        spec = self.encoder.compute_output_spec(inputs, ["sequence_output"])
        return spec["sequence_output"].shape[:2]

    def build(self, input_shape: Any = None) -> None:
        """Creates the heads' variables; the encoder has its own already, and a shared head."""
        for layer in self.heads.values():
            if not layer.built:
                layer.build((None, None, self.encoder.config.hidden_size))
        self._restore_quantized()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "freeze_encoder": self.freeze_encoder,
            "trained_blocks": self.trained_blocks,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model, its encoder included, from `get_config`'s dict."""
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
