"""Which vectors of an encoder a classifier's head takes."""

from collections.abc import Sequence
from typing import Any

from kerasformer.layers import LayerPooling
from kerasformer.models import CausalDecoder

Layers = int | str | Sequence[int]
# The arguments that say what the head's vectors are.
VECTORS = ("pooling", "layers", "combine")
_POOLINGS = ("pooled", "cls", "mean", "lasttoken")


def default_layers(pooling: str, is_frozen: bool) -> Layers:
    """The layers that a new head takes: of a frozen encoder all, where the pooling can.

    A head alone can learn which of the layers tells its classes; training the encoder brings that
    to the last one.

    >>> default_layers("mean", is_frozen=True), default_layers("mean", is_frozen=False)
    ('all', 'last')
    """
    return "all" if is_frozen and pooling != "pooled" else "last"


def default_pooling(encoder: Any) -> str:
    """What makes one vector of a new head's texts: of a decoder the last token, which has seen all.

    Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018, 3.2.
    """
    return "lasttoken" if isinstance(encoder, CausalDecoder) else "mean"


def check_pooling(pooling: str, encoder: Any, indices: tuple[int, ...]) -> None:
    """Refuses an unknown pooling, and the pooler's vector where an encoder or layer has none."""
    if pooling not in _POOLINGS:
        raise ValueError(f"pooling={pooling!r} is not one of {', '.join(map(repr, _POOLINGS))}.")
    if pooling != "pooled":
        return
    if encoder.pooler is None:
        raise ValueError("pooling='pooled' needs a pooler, which this encoder lacks.")
    if indices != (encoder.config.num_layers,):
        raise ValueError("pooling='pooled' takes the last layer alone: use 'cls'.")


def pool_layers(layers: Layers, combine: str | None, dtype: Any = None) -> LayerPooling:
    """Of a list of layers, their concatenation, where nothing else is asked for."""
    is_named = isinstance(layers, str) and layers != "all"
    pooling = LayerPooling(layers, combine or (None if is_named else "concat"), dtype=dtype)
    if combine in ("stack", "scalar_mix"):
        raise ValueError(f"combine={combine!r} is not one of 'concat', 'sum', 'mean', 'last'.")
    return pooling


def other_vectors(trained: dict[str, Any], asked: dict[str, Any], count: int) -> str | None:
    """Says what vectors a head was trained on, where others are asked for."""
    if _vectors_of({**trained, **asked}, count) == _vectors_of(trained, count):
        return None
    return "was trained with " + ", ".join(f"{k}={trained[k]!r}" for k in VECTORS if k in trained)


def _vectors_of(arguments: dict[str, Any], count: int) -> tuple:
    """What the head's vectors are, by the arguments of the class, the same for the same vectors."""
    layers, combine = arguments.get("layers", "last"), arguments.get("combine")
    pooling = pool_layers(layers, combine)
    indices = pooling.indices(count)
    return arguments["pooling"], indices, len(indices) > 1 and pooling.combine
