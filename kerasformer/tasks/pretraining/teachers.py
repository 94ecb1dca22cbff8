"""The teacher of a distillation."""

from typing import Any

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.tasks.pretraining.masked_language_model import MaskedLanguageModel


def encoder_of(teacher: Any) -> BertEncoder:
    """The encoder of a teacher, which may be one itself."""
    return getattr(teacher, "encoder", teacher)


def check_teacher(teacher: Any, student: BertEncoder, task: str) -> Any:
    """A teacher, which can be that of a student.

    Args:
        teacher: What was given.
        student: The student's encoder.
        task: What to call the task.

    Raises:
        UserError: There is none.
        ValueError: It is of another kind, or the student itself.
    """
    if teacher is None:
        raise UserError(f"A {task} needs a teacher: make it by from_teacher, or give teacher=.")
    if not isinstance(teacher, BertEncoder | MaskedLanguageModel):
        raise ValueError(
            f"Expected teacher to be a BertEncoder or MaskedLanguageModel, got {teacher!r}."
        )
    if student is encoder_of(teacher):
        raise ValueError(
            "The student is the teacher's own encoder: give another one, such as "
            f"shallower(encoder, {max(1, student.config.num_layers // 2)})."
        )
    return teacher
