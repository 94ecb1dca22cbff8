"""TensorFlow's checkpoints of BERT: Google's of 2018, and those of tf-models-official.

The first have names as in https://github.com/google-research/bert/blob/master/modeling.py and need
the `bert_config.json` that came with them. The second were written by
`tf.train.Checkpoint(encoder=...)` or with the items of a `BertPretrainerV2`; without a
`bert_config.json`, the sizes follow from the shapes.
"""

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats.huggingface_config import default_values, encoder_config
from kerasformer.checkpoints.formats.tf_names import (
    GOOGLE,
    IGNORED,
    TF_MODELS,
    config_of_shapes,
    kind_of,
    names_of,
    prefix_of,
)
from kerasformer.checkpoints.io.tf_bundle import open_tensors
from kerasformer.checkpoints.names import NameTable
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.models.config import EncoderConfig
from kerasformer.text import WordPieceTokenizer, casing
from kerasformer.text.files import read_config

_CONFIG = "bert_config.json"
_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json")
# What is called "gelu" in both kinds of code is the tanh approximation.
_GELU = "gelu_tanh"


def is_here(path: Path) -> bool:
    """Whether the path is a checkpoint's prefix, one of its files, or a folder with one."""
    return bool(_prefixes(path))


def open_path(path: Path) -> Checkpoint:
    """Opens a checkpoint by its prefix, such as `.../bert_model.ckpt`, one of its files, or the
    folder of the only one.
    """
    prefix, *others = _prefixes(path)
    if others:
        found = ", ".join(p.name for p in [prefix, *others][:5])
        raise UserError(
            f"The folder {path} holds {len(others) + 1} checkpoints ({found}...): give the path of "
            "one, without its suffix (.index)."
        )
    tensors = open_tensors(prefix)
    table, before = _name_table(tensors, prefix)
    names, path = names_of(tensors, before), prefix.with_name(_CONFIG)
    return Checkpoint(
        path=prefix,
        format="TensorFlow checkpoint",
        architecture="BertModel" if table is GOOGLE else "BertEncoder",
        config=_read_config(prefix, table, tensors, names),
        table=table,
        tensors=tensors,
        names=names,
        read_tokenizer=functools.partial(_read_tokenizer, prefix.parent),
        has_tokenizer=any((prefix.parent / name).is_file() for name in _TOKENIZER_FILES),
        ignored=IGNORED,
        prefix=before,
        defaults=default_values(_read_values(path)) if path.is_file() else {},
    )


def _prefixes(path: Path) -> list[Path]:
    """The checkpoints that a path names, as their prefixes."""
    if path.is_dir():
        indexes = sorted(path.glob("*.index"))
        return [index.with_suffix("") for index in indexes if index.is_file()]
    match = re.fullmatch(r"(.+)\.(index|data-\d{5}-of-\d{5})", path.name)
    if match and path.is_file():
        return [path.with_name(match[1])]
    return [path] if path.with_name(f"{path.name}.index").is_file() else []


def _name_table(tensors: Tensors, prefix: Path) -> tuple[NameTable, str]:
    kind = kind_of(tensors)
    for table in (GOOGLE, TF_MODELS):
        before = prefix_of(tensors, table)
        if before is not None and kind is None:
            return table, before
    raise UserError(
        f"The checkpoint {prefix} holds {kind or 'no known BERT encoder'}, which cannot be read: "
        f"expected tensors like {GOOGLE.embeddings[0].theirs!r} or "
        f"{TF_MODELS.embeddings[0].theirs!r}."
    )


def _read_config(prefix: Path, table: NameTable, tensors: Tensors, names) -> EncoderConfig:
    path = prefix.with_name(_CONFIG)
    if not path.is_file():
        if table is GOOGLE:
            raise UserError(
                f"There is no {_CONFIG} beside {prefix}, which has the number of heads: add the "
                "one that came with the checkpoint."
            )
        return config_of_shapes(tensors, names, prefix, activation=_GELU)
    config = encoder_config(_read_values(path), path)
    changes: dict[str, Any] = {
        "activation": _GELU if config.activation == "gelu" else config.activation,
        "pooler": any(weight.theirs in names for weight in table.pooler),
    }
    if table.projection:
        changes["embedding_size"] = _width(tensors, names[table.embeddings[0].theirs], prefix)
    return dataclasses.replace(config, **changes)


def _read_values(path: Path) -> dict:
    return {"model_type": "bert", **read_json(path)}


def _width(tensors: Tensors, table: str, prefix: Path) -> int:
    """The width of the embeddings, of which Google's configuration has no key."""
    shape = tensors.shape(table)
    if len(shape) != 2 or not shape[1]:
        raise UserError(f"{table!r} in {prefix} has the shape {list(shape)}: expected a table.")
    return shape[1]


def _read_tokenizer(folder: Path) -> WordPieceTokenizer:
    vocabulary = folder / "vocab.txt"
    has_more = (folder / "tokenizer.json").is_file() or "do_lower_case" in read_config(folder)
    if has_more or not vocabulary.is_file():
        return WordPieceTokenizer.from_pretrained(folder)
    return WordPieceTokenizer.from_vocabulary(vocabulary, lowercase=casing.of_release(folder))
