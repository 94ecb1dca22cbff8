"""An encoder of some of another one's blocks."""

import dataclasses
from collections.abc import Iterable

import keras

from kerasformer.models.encoder import BertEncoder


def shallower(encoder: BertEncoder, blocks: int | Iterable[int]) -> BertEncoder:
    """A new encoder with a part of another one's blocks, and all else of it: copied weights.

    Where a student starts in DistilBERT (Sanh et al., https://arxiv.org/abs/1910.01108, section 3),
    and a smaller model that is only fine-tuned (Sajjad et al., https://arxiv.org/abs/2004.03844).

    Args:
        encoder: The other one.
        blocks: Which blocks, from 0, in order; or how many, then spread evenly up to the last.

    Raises:
        ValueError: The encoder has no such block, or none is asked for; or it is quantized or has
            LoRA.

    Example:

    >>> from kerasformer.models import EncoderConfig
    >>> encoder = BertEncoder(EncoderConfig.bert("mini", vocab_size=100))
    >>> shallower(encoder, 2).config.num_layers  # the second and the fourth of four
    2
    """
    count = encoder.config.num_layers
    if isinstance(blocks, int):
        blocks = spread(blocks, count) if 0 <= blocks <= count else [blocks]
    chosen = list(blocks)
    if not chosen or any(block not in range(count) for block in chosen):
        raise ValueError(
            f"blocks={chosen} are not blocks of the encoder, which has {count}: give some from 0 "
            f"to {count - 1}."
        )
    config = dataclasses.replace(encoder.config, num_layers=len(chosen))
    student = BertEncoder(config, dtype=encoder.dtype_policy)
    pairs = [
        (student.embedding, encoder.embedding),
        (student.embedding_projection, encoder.embedding_projection),
        (student.pooler, encoder.pooler),
        *zip(student.blocks, (encoder.blocks[block] for block in chosen), strict=True),
    ]
    for new, old in pairs:
        if new is not None:
            copy_weights(new, old, "encoder")
    return student


def spread(count: int, among: int) -> list[int]:
    """So many of the numbers from 0, evenly spread, with the last one.

    >>> spread(3, 12)
    [3, 7, 11]
    """
    return [(number + 1) * among // count - 1 for number in range(count)]


def copy_weights(new: keras.layers.Layer, old: keras.layers.Layer, owner: str) -> None:
    """Gives a layer the weights of another one of the same sizes.

    Args:
        new: The layer.
        old: The other one.
        owner: What to call the model that has it.

    Raises:
        ValueError: The other one is quantized or has LoRA.
    """
    if [weight.shape for weight in new.weights] != [weight.shape for weight in old.weights]:
        raise ValueError(
            f"{old.name} of the {owner} is quantized or has LoRA: merge it, or take the {owner} "
            "before that."
        )
    for weight, value in zip(new.weights, old.weights, strict=True):
        weight.assign(keras.ops.copy(value))  # on JAX training gives a buffer away
