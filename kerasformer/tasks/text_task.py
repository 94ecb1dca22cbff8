"""What the tasks share whose inputs are texts, and whose outputs are no classes of these."""

from typing import Any

from kerasformer.checkpoints import Checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.models.length import choose_max_length
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.trainable import Trainable
from kerasformer.text import WordPieceTokenizer

_SETTINGS = ("max_length", "freeze_encoder")


class TextTask(Trainable, EncoderTask):
    """An encoder's task on texts; without a tokenizer `fit` learns a vocabulary from them.

    Args:
        encoder: A `BertEncoder`.
        tokenizer: The encoder's `kerasformer.text.WordPieceTokenizer`, its `to_json()`, or None.
        max_length: The most tokens of a text; by default as many as tokenizer and encoder take.
        **kwargs: `freeze_encoder`, and Keras arguments of the model.
    """

    # A head alone takes large steps.

    def __init__(
        self,
        encoder: BertEncoder,
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
        own: dict[str, Any] = {
            n: checkpoint.settings[n] for n in _SETTINGS if n in checkpoint.settings
        }
        if "max_length" in own:  # a folder may say more than its encoder takes
            own["max_length"] = min(own["max_length"], checkpoint.config.max_length)
        return heads, own | settings if heads else settings

    def _description(self) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return super()._description() | {"settings": settings}

    def _known_tokenizer(self) -> Any:
        """The tokenizer; a UserError where there is none yet."""
        if self.tokenizer is None:
            raise UserError("The model has no vocabulary yet: train it with fit on texts first.")
        return self.tokenizer

    def _texts_of(self, examples: Examples) -> list[str]:
        """All texts of examples, of which a vocabulary is learnt."""
        return examples.texts

    def _prepare(self, examples: Examples) -> None:
        if self.tokenizer is None:
            size = self.encoder.config.vocab_size
            self.tokenizer = WordPieceTokenizer.train(self._texts_of(examples), size)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "max_length": self.max_length}
