"""What the tasks on a pretrained encoder share that have named classes."""

import warnings
from collections.abc import Iterable
from typing import Any, Self

from kerasformer.checkpoints import Checkpoint
from kerasformer.errors import UserError
from kerasformer.models.problems import SINGLE_LABEL
from kerasformer.tasks.encoder_task import EncoderTask
from kerasformer.tasks.texts.labels import check_class_names
from kerasformer.tasks.texts.problems import kind_of


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
        new_head: bool = False,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Reads a published classifier, or puts a new head on a published encoder.

        A head is read where the source has one and the arguments given, such as `pooling` and
        `layers` of a `TextClassifier`, are those that it was trained with. Where it has one that
        is not read, a warning says why.

        Args:
            source: A folder or file, a preset's name such as `"all-MiniLM-L6-v2"`, or
                `"hf://owner/name"`; see `kerasformer.resolve`.
            class_names: The names of the classes, in order, or their number. For a source with a
                head: other names for its classes.
            new_head: Whether to put a new head on the encoder, whatever the source has.
            dtype: Keras dtype policy, such as `"mixed_bfloat16"`.
            **kwargs: Further arguments of the class.

        Returns:
            The classifier; with a new head, to be trained.

        Raises:
            UserError: There is no such source, it lacks a tokenizer that is needed, its head is
                damaged or of another number of classes, or it has none and there are no class
                names for a new one.
        """
        kwargs |= {"class_names": class_names, "new_head": new_head}
        return super().from_pretrained(source, dtype=dtype, **kwargs)

    @classmethod
    def _heads_to_read(
        cls, checkpoint: Checkpoint, kwargs: dict[str, Any]
    ) -> tuple[dict[str, int], dict[str, Any]]:
        (head,) = cls.HEADS
        reason = "is not asked for" if kwargs.pop("new_head", False) else None
        has_one, is_wanted = head in checkpoint.heads, reason is not None
        reason = reason or cls._why_new(checkpoint, kwargs)
        if has_one and reason is None:
            given, problem = (
                kwargs.pop("class_names", None),
                checkpoint.settings.get("problem_type"),
            )
            names = _choose_class_names(checkpoint, head, given, problem)
            dropout = checkpoint.settings.get("dropout")
            return {head: len(names)}, {"class_names": names, "dropout": dropout}
        if kwargs.get("class_names") is None:
            _refuse_without_names(checkpoint, head, reason)
        if not is_wanted and (has_one or head in checkpoint.refused):
            reason = reason if has_one else f"cannot be read: {checkpoint.refused[head]}"
            warnings.warn(
                f"The {head.replace('_', ' ')} head of {checkpoint.path} {reason}. The new head "
                "in its place must be trained; new_head=True says that it is wanted.",
                stacklevel=4,
            )
        return {}, {}

    @classmethod
    def _why_new(cls, checkpoint: Checkpoint, kwargs: dict[str, Any]) -> str | None:
        """Why the source's head, which can be read, is not the one that the arguments describe."""
        return None

    def _description(self) -> dict[str, Any]:
        return {"class_names": self.class_names, "dropout": self.dropout}


def _refuse_without_names(checkpoint: Checkpoint, head: str, reason: str | None) -> None:
    """Says why the source's head is not read, and what a new one needs."""
    if head in checkpoint.heads:
        raise UserError(
            f"The classifier of {checkpoint.path} {reason}: ask for the same, or give class_names "
            "for a new head."
        )
    try:
        checkpoint.check_head(head)
    except UserError as error:
        message = f"{str(error).rstrip('.')}; for a new head, give class_names."
        raise UserError(message) from None


def _choose_class_names(
    checkpoint: Checkpoint, head: str, class_names: Any, problem: Any
) -> tuple[str, ...]:
    """The names for a classifier that is read: those given, or else the source's.

    Raises:
        UserError: There are not as many given as the classifier has, or none where the source has
            none either.
    """
    least = kind_of(problem or SINGLE_LABEL).least_outputs
    given = None if class_names is None else check_class_names(class_names, least)
    names, count = given or checkpoint.class_names, checkpoint.num_classes(head)
    if names is None:
        raise UserError(
            f"{checkpoint.path} does not name the {count} classes of its classifier, each in its "
            "own way: give class_names."
        )
    if len(names) != count:
        raise UserError(
            f"{checkpoint.path} has a classifier of {count} classes, and class_names has "
            f"{len(names)}: give as many, which then rename them, or new_head=True."
        )
    return names
