"""What a student may follow of its teacher, and how far it is from it, in float32."""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from kerasformer.formatting import listed
from kerasformer.models import EncoderConfig

# The parts that a student may follow, and which of an encoder's outputs each takes.
OUTPUTS = {
    "hidden_states": ("embedding_output", "encoder_outputs"),
    "attention": ("attention_scores",),
    "logits": ("sequence_output",),
}
_LEAST_PROBABILITY = 1e-9  # whose logarithm is taken
_TEMPERATURE = 2.0


def check_parts(
    parts: Sequence[str] | None, student: EncoderConfig, teacher: EncoderConfig, has_head: bool
) -> tuple[str, ...]:
    """The parts that a student is to follow; by default all that it can.

    Args:
        parts: The names of those asked for, if any.
        student, teacher: The configurations.
        has_head: Whether the teacher has a masked-LM head, which gives logits.

    Raises:
        ValueError: The student cannot follow the teacher, or not in these parts.
    """
    if student.vocab_size != teacher.vocab_size:
        raise ValueError(
            f"The student has {student.vocab_size:,} tokens and its teacher "
            f"{teacher.vocab_size:,}: they must share a vocabulary."
        )
    if student.num_layers > teacher.num_layers:
        raise ValueError(
            f"The student has {student.num_layers} blocks and its teacher {teacher.num_layers}: a "
            "student has no more blocks than its teacher."
        )
    as_many = student.num_heads == teacher.num_heads
    can = {"hidden_states": True, "attention": as_many, "logits": has_head}
    if parts is None:
        return tuple(part for part in OUTPUTS if can[part])
    parts = (parts,) if isinstance(parts, str) else tuple(parts)
    if not parts or any(part not in OUTPUTS for part in parts):
        raise ValueError(f"parts={parts!r} has another name than {listed(OUTPUTS)}, or none.")
    if "attention" in parts and not as_many:
        raise ValueError(
            "Student and teacher have different numbers of heads, whose attention cannot be "
            "compared: leave 'attention' out of parts."
        )
    if "logits" in parts and not has_head:
        raise ValueError(
            "A teacher without a masked-LM head has no logits to follow: give a "
            "MaskedLanguageModel as teacher, or leave 'logits' out of parts."
        )
    return parts


def squared_error(student: Any, teacher: Any) -> Any:
    """The mean squared error of the components of vectors `[..., size]`.

    Jiao et al., "TinyBERT", https://arxiv.org/abs/1909.10351, equations 8 and 9.

    >>> float(squared_error(np.zeros(2), np.array([1.0, 3.0])))
    5.0
    """
    student, teacher = (ops.cast(each, "float32") for each in (student, teacher))
    return ops.mean(ops.square(student - teacher), axis=-1)


def attention_divergence(student: Any, teacher: Any) -> Any:
    """The divergence of each token's attention, the mean of the heads, in nats: `[batch, seq]`.

    Wang et al., "MiniLM", https://arxiv.org/abs/2002.10957, equation 4.

    Args:
        student, teacher: Attention `[batch, heads, seq, seq]`.

    >>> float(attention_divergence(*[np.full((1, 1, 1, 2), 0.5)] * 2)[0, 0])
    0.0
    """
    both = (ops.cast(each, "float32") for each in (student, teacher))
    student, teacher = (ops.maximum(each, _LEAST_PROBABILITY) for each in both)
    return ops.mean(ops.sum(teacher * (ops.log(teacher) - ops.log(student)), axis=-1), axis=1)


def layer_distance(
    student: dict[str, Any], teacher: dict[str, Any], widen: Callable[[Any], Any] | None
) -> Any:
    """The sum of the distances of all layers, of each token: `[batch, seq]`; 0 without layers.

    Args:
        student, teacher: An encoder's outputs by their names, the teacher's of as many blocks.
        widen: Makes the student's hidden states as wide as the teacher's, where they are not.
    """
    distance: Any = 0.0
    if "encoder_outputs" in student:
        both = (student, teacher)
        own, its = ([one["embedding_output"], *one["encoder_outputs"]] for one in both)
        own = own if widen is None else list(map(widen, own))
        distance += sum(squared_error(*pair) for pair in zip(own, its, strict=True))
    if "attention_scores" in student:
        pairs = zip(student["attention_scores"], teacher["attention_scores"], strict=True)
        distance += sum(attention_divergence(*pair) for pair in pairs)
    return distance


def logits_divergence(student: Any, teacher: Any) -> Any:
    """The divergence of the probabilities of logits `[..., classes]`, softened, in nats.

    Hinton et al., https://arxiv.org/abs/1503.02531, section 2: logits are divided by a temperature,
    here 2, by which the unlikely classes count too, and the result is multiplied by its square,
    so that gradients are as large whatever it is.

    >>> float(logits_divergence(np.zeros(3), np.ones(3)))
    0.0
    """
    both = (ops.cast(each, "float32") / _TEMPERATURE for each in (student, teacher))
    student, teacher = (ops.log_softmax(each, axis=-1) for each in both)
    return _TEMPERATURE**2 * ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)


def weighted_mean(values: Any, weights: Any) -> Any:
    """The weighted mean of each row `[batch, n]`, 0 where nothing has a weight: `[batch, 1]`.

    >>> float(weighted_mean(np.array([[1.0, 3.0, 8.0]]), np.array([[1.0, 1.0, 0.0]]))[0, 0])
    2.0
    """
    total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)
    return ops.sum(values * weights, axis=1, keepdims=True) / total
