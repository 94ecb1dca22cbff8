"""What int8 costs: vectors of an ONNX model beside those of the same one in float32."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kerasformer.errors import UserError
from kerasformer.progress import Bars
from kerasformer.text import Tokenized, pack
from kerasformer.text.texts import check_texts

_LEAST_TEXTS, _MOST_TEXTS = 16, 512
_BATCH_TOKENS = 1024  # in calibration the inputs of all products of a batch are in memory at once


@dataclasses.dataclass(frozen=True)
class Int8Cost:
    """How near the vectors of int8 are to those of float32, on texts not calibrated on.

    An encoder's vectors are the means of its tokens' vectors; another model's are its outputs.

    Attributes:
        texts: How many texts.
        smallest_cosine: Of a text's vectors in int8 and float32, the smallest cosine.
        mean_cosine: The mean cosine.
        spearman: The rank correlation of the cosines of all pairs of texts, int8 to float32.

    Example:

    >>> print(Int8Cost(128, 0.9971, 0.9985, 0.998))
    int8 to float32, of 128 texts: cosines 0.9971 at least, 0.9985 on average; Spearman 0.9980.
    """

    texts: int
    smallest_cosine: float
    mean_cosine: float
    spearman: float

    def __str__(self):
        return (
            f"int8 to float32, of {self.texts} texts: cosines {self.smallest_cosine:.4f} at least, "
            f"{self.mean_cosine:.4f} on average; Spearman {self.spearman:.4f}."
        )


def held_out(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The texts to calibrate on, and every fourth, to measure the cost on.

    Of many texts some hundreds are taken, from all over.

    Raises:
        UserError: There are fewer than 16 different texts, or one is no str or too long.
    """
    unique = list(dict.fromkeys(check_texts(texts, "int8")))
    if len(unique) < _LEAST_TEXTS:
        raise UserError(
            f"int8 has {len(unique)} different texts, but must have at least {_LEAST_TEXTS} to "
            "calibrate on: give some hundreds such as the model is to read."
        )
    places = np.linspace(0, len(unique) - 1, min(len(unique), _MOST_TEXTS)).astype(int)
    chosen = [unique[place] for place in places]
    return [text for i, text in enumerate(chosen) if i % 4 != 3], chosen[3::4]


def batches_of(tokenized: Tokenized) -> Iterator[dict[str, np.ndarray]]:
    """Batches of texts of similar lengths."""
    order = np.argsort(tokenized.lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        longer = tokenized.lengths[order[min(end, len(order) - 1)]]
        if end == len(order) or (end + 1 - start) * longer > _BATCH_TOKENS:
            yield pack(tokenized, order[start:end])
            start = end


def vector_output(model: Any) -> str:
    """The output that a text's vector is taken from."""
    ranks = {
        each.name: len(each.type.tensor_type.shape.dim)
        for each in model.graph.output
        if each.type.tensor_type.shape.dim and each.type.tensor_type.shape.dim[-1].dim_value
    }
    for name in ("sequence_output", "outputs"):
        if ranks.get(name) in (2, 3):
            return name
    raise UserError(
        "The model has no output with a vector for each text or token, by which to tell what int8 "
        "costs: export its encoder."
    )


def session_of(model: Any) -> Any:
    """The model in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # not its warnings of constants that it has no use for
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def vectors_of(
    model: Any, output: str, batches: list[dict[str, np.ndarray]], bars: Bars
) -> np.ndarray:
    """A vector for each text, of length 1."""
    session, parts = session_of(model), []
    for batch in batches:
        values = session.run([output], batch)[0]
        if values.ndim == 3:
            mask = batch["input_mask"][..., None].astype("float32")
            values = (values * mask).sum(axis=1) / mask.sum(axis=1)
        parts.append(values)
        bars.update(advance=1)
    vectors = np.concatenate(parts)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def cost_of(exact: np.ndarray, ours: np.ndarray) -> Int8Cost:
    """What the vectors of int8 differ by from the exact ones, all of length 1."""
    from scipy.stats import spearmanr

    cosines = (exact * ours).sum(axis=1)
    pairs = np.triu_indices(len(exact), 1)
    ranks = spearmanr(*((vectors @ vectors.T)[pairs] for vectors in (exact, ours))).statistic
    return Int8Cost(len(exact), float(cosines.min()), float(cosines.mean()), float(ranks))
