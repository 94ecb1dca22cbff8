"""Models in the Hugging Face layout: a folder with `config.json` and safetensors.

The layout's reference is transformers' own reader, `BertConfig` and `BertModel`:
https://github.com/huggingface/transformers/tree/main/src/transformers/models/bert
"""

import dataclasses
from pathlib import Path

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.huggingface_config import read_config
from kerasformer.checkpoints.huggingface_names import BERT
from kerasformer.checkpoints.tensor_file import SHARD_INDEX, WEIGHTS, open_tensors
from kerasformer.errors import UserError
from kerasformer.text import WordPieceTokenizer

_PREFIX = "bert."
# The first versions of the layout kept TensorFlow's names of the LayerNorm's weights.
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Not the encoder's: constants that older versions of transformers saved, and the heads.
_IGNORED = (
    *("embeddings.position_ids", "embeddings.token_type_ids"),
    *("cls.", "classifier.", "qa_outputs.", "dropout."),
)


def is_here(path: Path) -> bool:
    """Whether the path has a file of this layout, or is one."""
    if path.is_file():
        return path.suffix == ".safetensors"
    return any((path / name).is_file() for name in ("config.json", WEIGHTS, SHARD_INDEX))


def open_checkpoint(folder: Path) -> Checkpoint:
    """Opens a folder with `config.json` and safetensors.

    The encoder's weights are those of a `BertModel`, or those under `bert.` in a model with a head.

    Args:
        folder: The folder.

    Raises:
        UserError: A file is missing or not sound, or the model is no BERT.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file: give the folder that holds it and its config.json.")
    config = read_config(folder)
    tensors = open_tensors(folder)
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors) else ""
    names = _by_table_name(tensors, prefix)
    # Where the file has no pooler, one made of random weights would pass for a trained one.
    has_pooler = any(weight.theirs in names for weight in BERT.pooler)
    return Checkpoint(
        path=folder,
        format="Hugging Face",
        architecture="BertModel",
        config=dataclasses.replace(config, pooler=has_pooler),
        layout=BERT,
        tensors=tensors,
        names=names,
        read_tokenizer=lambda: WordPieceTokenizer.from_pretrained(folder),
        ignored=_IGNORED,
        prefix=prefix,
    )


def _by_table_name(tensors, prefix: str) -> dict[str, str]:
    """The file's names by their names in the table."""
    named = {}
    for name in tensors:
        bare = name.removeprefix(prefix)
        for old, new in _OLD_NAMES.items():
            bare = bare.removesuffix(old) + new if bare.endswith(old) else bare
        named.setdefault(bare, name)
    return named
