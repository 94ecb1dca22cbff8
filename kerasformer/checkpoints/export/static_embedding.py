"""Writing a static model as a sentence-transformers folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import safetensors.numpy

from kerasformer.checkpoints.export.huggingface import saving_model
from kerasformer.checkpoints.export.merged_weights import merged_weights
from kerasformer.checkpoints.export.sentence_transformers import vector_modules, write_modules
from kerasformer.checkpoints.formats.sentence_transformers import MODULES
from kerasformer.checkpoints.formats.static_embedding import KIND, TABLE
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS
from kerasformer.files import parse_json, write_whole

if TYPE_CHECKING:
    from kerasformer.models.static import StaticEncoder
    from kerasformer.text.static import StaticTokenizer


def save_static_model(
    folder: Path,
    encoder: StaticEncoder,
    tokenizer: StaticTokenizer,
    *,
    max_length: int,
    dense=(),
    normalize: bool = False,
    **settings,
):
    """Writes a folder that sentence-transformers and `read_modules` read.

    The arguments and errors are those of `save_sentence_model`.
    """
    modules = vector_modules(dense, normalize)
    (table,) = merged_weights(encoder).values()
    content = {
        TABLE: np.ascontiguousarray(keras.ops.convert_to_numpy(keras.ops.cast(table, "float32")))
    }
    saved = parse_json(tokenizer.backend.to_str(), folder)
    if max_length < encoder.config.max_length:
        saved["truncation"] = {
            "direction": "Right",
            "max_length": max_length,
            "strategy": "LongestFirst",
            "stride": 0,
        }
    with saving_model(folder, with_tokenizer=True, last=MODULES) as new:
        write_whole(new / WEIGHTS, safetensors.numpy.save(content, metadata={"format": "pt"}))
        write_whole(new / "tokenizer.json", json.dumps(saved, ensure_ascii=False))
        write_modules(new, KIND, modules, **settings)
