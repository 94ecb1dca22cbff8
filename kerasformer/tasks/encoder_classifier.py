"""What the tasks on a pretrained encoder share that have named classes."""

from collections.abc import Iterable
from typing import Any, Self

from kerasformer.checkpoints import Checkpoint
from kerasformer.errors import UserError
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.labels import check_class_names


class EncoderClassifier(EncoderTask):
    """A BERT encoder with one head, whose classes have names.

    A child sets `class_names` and `dropout`, the rate before its head.
    """

    class_names: tuple[str, ...]
    dropout: float

    @classmethod
    def from_pretrained(
        cls,
        source: Any,
        class_names: int | Iterable[str] | None = None,
        *,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Reads a published classifier, or puts a new head on a published encoder.

        A head is read where the source has one and the arguments given, such as `pooling` and
        `layers` of a `TextClassifier`, are those that it was trained with.

        Args:
            source: A folder or file, a preset's name such as `"all-MiniLM-L6-v2"`, or
                `"hf://owner/name"`; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number. For a source with a
                head: other names for its classes.
            dtype: Keras dtype policy, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            The classifier; with a new head, to be trained.

        Raises:
            UserError: There is no such source, it lacks a tokenizer that is needed, its head is
                damaged or of another number of classes, or it has none and there are no class
                names for a new one.
        """
        return super().from_pretrained(source, dtype=dtype, class_names=class_names, **kwargs)

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        (head,) = cls.HEADS
        if head in checkpoint.heads:
            names = _choose_class_names(checkpoint, head, kwargs.pop("class_names", None))
            dropout = checkpoint.settings.get("dropout")
            return {head: len(names)}, {"class_names": names, "dropout": dropout}
        if kwargs.get("class_names") is None:
            cls.refuse_without_names(checkpoint)
        return {}, {}

    @classmethod
    def refuse_without_names(cls, checkpoint: Checkpoint) -> None:
        """Says why the source's head is not read, and what a new one needs.

        Raises:
            UserError: The source's head cannot be read.
        """
        try:
            checkpoint.check_head(*cls.HEADS)
        except UserError as error:
            message = f"{str(error).rstrip('.')}; for a new head, give class_names."
            raise UserError(message) from None

    def _description(self) -> dict[str, Any]:
        return {"class_names": self.class_names, "dropout": self.dropout}


def _choose_class_names(checkpoint: Checkpoint, head: str, class_names: Any) -> tuple[str, ...]:
    """The names for a classifier that is read: those given, or else the source's.

    Raises:
        UserError: There are not as many given as the classifier has, or none where the source has
            none either.
    """
    names = checkpoint.class_names if class_names is None else check_class_names(class_names)
    count = checkpoint.num_classes(head)
    if names is None:
        raise UserError(
            f"{checkpoint.path} does not name the {count} classes of its classifier: give "
            "class_names."
        )
    if len(names) != count:
        raise UserError(
            f"{checkpoint.path} has a classifier of {count} classes, and class_names has "
            f"{len(names)}: give as many, which then rename them."
        )
    return names
