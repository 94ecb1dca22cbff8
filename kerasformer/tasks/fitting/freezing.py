"""Which of an encoder's layers a task leaves as they are."""

from typing import Any

import keras

from kerasformer.models.transformer import Transformer


def check_trained_blocks(count: Any, encoder: Transformer, freeze_encoder: bool) -> None:
    """Raises a ValueError for blocks that the encoder does not have, or that are frozen."""
    blocks = encoder.config.num_layers
    if count not in range(blocks + 1):
        raise ValueError(
            f"trained_blocks={count!r} is not a number of the encoder's blocks, from 0 to {blocks}."
        )
    if freeze_encoder and count:
        raise ValueError(
            f"freeze_encoder=True freezes the trained_blocks={count} too: give one of the two."
        )


def stages(encoder: Transformer) -> list[list[keras.layers.Layer]]:
    """The layers below a head, from the embeddings up; the pooler counts as a head."""
    found = [[encoder.embedding, encoder.embedding_projection]]
    found += [[block] for block in encoder.blocks]
    found[-1].append(encoder.final_layer_norm)
    return [[layer for layer in stage if layer] for stage in found]


def frozen_blocks(task: Any) -> int | None:
    """How many blocks are frozen with the embeddings below them; None: neither is."""
    if task.trained_blocks is None:
        return None
    return task.encoder.config.num_layers - task.trained_blocks


def untrained_layers(task: Any) -> list[keras.layers.Layer]:
    """The encoder's layers that a task does not train."""
    encoder = task.encoder
    layers = [encoder] if task.freeze_encoder or task.head_alone else []
    if (frozen := frozen_blocks(task)) is not None:
        layers += [layer for stage in stages(encoder)[: frozen + 1] for layer in stage]
    # What no gradient reaches.
    if encoder.pooler is not None and not task.uses_pooler:
        layers.append(encoder.pooler)
    return layers + [layer for stage in stages(encoder)[task.last_block + 1 :] for layer in stage]


def untrained(task: Any) -> set[int]:
    """The ids of the variables that a task does not train."""
    return {id(variable) for layer in task.untrained_layers for variable in layer.variables}
