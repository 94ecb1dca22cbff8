"""sentence-transformers' StaticEmbedding: a vector for each token, of which a text takes the mean.

Also in the layout of model2vec, which sentence-transformers reads in the same place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kerasformer.checkpoints.io.safetensors_file import WEIGHTS, open_tensors
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.text.static import StaticTokenizer

KIND = "StaticEmbedding"
TABLE = "embedding.weight"
# model2vec's: a row for each group of tokens, the group of each token, and the token's weight.
_ROWS, _GROUPS, _FACTORS = "embeddings", "mapping", "weights"


def read_tokenizer(folder: Path) -> StaticTokenizer:
    """The tokenizer of the module's folder; a UserError where it is not sound."""
    return StaticTokenizer.from_file(folder / "tokenizer.json")


def open_table(folder: Path) -> Tensors:
    """The tensors of the module's folder; a UserError where they are not a table's."""
    tensors = open_tensors(folder)
    expected = {TABLE} if TABLE in tensors else {_ROWS}
    optional = set() if TABLE in tensors else {_GROUPS, _FACTORS}
    if not expected <= set(tensors) <= expected | optional:
        raise UserError(
            f"{folder / WEIGHTS} holds {', '.join(sorted(tensors))[:80]}: expected {TABLE!r}, or "
            f"model2vec's {_ROWS!r} with {_GROUPS!r} and {_FACTORS!r}."
        )
    (name,) = expected
    if len(tensors.shape(name)) != 2 or 0 in tensors.shape(name):
        raise UserError(
            f"{folder / WEIGHTS} has {name!r} of shape {list(tensors.shape(name))}: expected a "
            "vector for each token."
        )
    return tensors


def table_shape(tensors: Tensors) -> tuple[int, int]:
    """The number of tokens, and the width of their vectors."""
    rows, width = tensors.shape(TABLE if TABLE in tensors else _ROWS)
    if _GROUPS in tensors:
        rows = int(np.prod(tensors.shape(_GROUPS)))
    return rows, width


def read_table(folder: Path) -> np.ndarray:
    """The tokens' vectors, float32 `[tokens, width]`; a UserError where they are not sound."""
    tensors = open_table(folder)
    name = TABLE if TABLE in tensors else _ROWS
    table = tensors.read_floats(name, "float32").astype("float32")
    if _GROUPS in tensors:
        groups = tensors[_GROUPS]
        is_sound = groups.ndim == 1 and groups.dtype.kind in "iu" and groups.size
        if not is_sound or groups.min() < 0 or groups.max() >= len(table):
            raise UserError(f"{folder / WEIGHTS} has a {_GROUPS!r} to rows that are not there.")
        table = table[groups]
    if _FACTORS in tensors:
        factors = tensors.read_floats(_FACTORS, "float32").astype("float32")
        if factors.shape != table.shape[:1]:
            raise UserError(f"{folder / WEIGHTS} has not one of the {_FACTORS!r} for each token.")
        table = table * factors[:, None]
    return table
