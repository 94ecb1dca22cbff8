"""Models in the Hugging Face layout: a folder with `config.json` and safetensors.

The layout's reference is transformers' own reader, and its BERT, DistilBERT, ELECTRA and GPT-2:
https://github.com/huggingface/transformers/tree/main/src/transformers/models
"""

import dataclasses
import re
from pathlib import Path

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats import lora
from kerasformer.checkpoints.formats.huggingface_config import (
    default_values,
    encoder_config,
    size_keys,
)
from kerasformer.checkpoints.formats.huggingface_heads import find_heads
from kerasformer.checkpoints.formats.huggingface_names import MODEL_TYPES, table_names
from kerasformer.checkpoints.io.safetensors_file import (
    SAVE_ID,
    SHARD_INDEX,
    WEIGHTS,
    SafetensorsTensors,
    open_tensors,
)
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.text import Tokenizer, WordPieceTokenizer

# Weights in Python's pickle, which can hold any code.
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")


def is_here(path: Path) -> bool:
    """Whether the path has a file of this layout, or is one."""
    if path.is_file():
        return path.suffix == ".safetensors"
    if _has_any(path, (WEIGHTS, SHARD_INDEX, lora.CONFIG)):
        return True
    # Without weights it is claimed to say so, but where another format has some.
    others = [*path.glob("*.index"), *path.glob("saved_model.pb")]
    return (path / "config.json").is_file() and not others


def open_path(folder: Path) -> Checkpoint:
    """Opens a folder with `config.json` and safetensors, or a LoRA adapter of such a one.

    The encoder's weights are those of a `BertModel` (`DistilBertModel`, `ElectraModel`), or those
    under `bert.` in a model with a head; a decoder's those of a `GPT2Model` or `OpenAIGPTModel`.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file: give the folder with it and its config.json.")
    base = lora.base_of(folder) if lora.is_here(folder) else folder
    path = base / "config.json"
    values = read_json(path)
    if values.get("model_type") is None:
        values["model_type"] = _infer_model_type(values, _open_weights(base), path)
    config = encoder_config(values, path)
    kind = MODEL_TYPES[values["model_type"]]
    weights = _open_weights(base)
    _check_same_save(values, weights, base)
    tensors: Tensors = weights
    if base is not folder:
        values, tensors = lora.adapt(folder, kind, values, tensors)
    words = folder if _has_any(folder, _TOKENIZER_FILES) else base
    prefix, names = table_names(tensors, kind)
    found = find_heads(values, path, config, {n: tensors.shape(f) for n, f in names.items()})
    # Where the file has no pooler, one made of random weights would pass for a trained one.
    if not kind.is_decoder:
        config = dataclasses.replace(config, pooler=found.pooler is not None)
    table = dataclasses.replace(kind.table, heads=found.heads)
    if found.pooler is not None:
        config = dataclasses.replace(config, pooler_activation=found.pooler.activation)
        table = dataclasses.replace(table, pooler=found.pooler.lines)
    reader = Tokenizer if kind.is_decoder else WordPieceTokenizer
    return Checkpoint(
        path=folder,
        format="Hugging Face",
        architecture=found.architecture,
        config=config,
        table=table,
        tensors=tensors,
        names=names,
        read_tokenizer=lambda: reader.from_pretrained(words),
        has_tokenizer=_has_any(words, _TOKENIZER_FILES),
        ignored=kind.ignored_names(config.num_layers),
        class_names=found.class_names,
        refused=found.refused,
        settings=found.settings,
        prefix=prefix,
        defaults=default_values(values),
    )


def _has_any(folder: Path, names) -> bool:
    return any((folder / name).is_file() for name in names)


def _open_weights(folder: Path) -> SafetensorsTensors:
    if _has_any(folder, _PICKLES) and not _has_any(folder, (WEIGHTS, SHARD_INDEX)):
        raise UserError(
            f"{folder} has its weights as a pickle ({_PICKLES[0]}), which can run any code and is "
            "not read: if you trust it, let transformers save them as safetensors, by "
            f"AutoModel.from_pretrained({str(folder)!r}).save_pretrained('converted')."
        )
    return open_tensors(folder)


def _check_same_save(values: dict, tensors: SafetensorsTensors, folder: Path):
    """transformers hands on our id in config.json, and writes none into the weights."""
    save_id = values.get(SAVE_ID)
    if save_id is not None and tensors.save_ids - {str(save_id)}:
        raise UserError(
            f"{folder} holds config.json and weights of two different saves: copy or save the "
            "whole model again."
        )


def _infer_model_type(values: dict, tensors: Tensors, path: Path) -> str:
    """The type of a model whose `config.json` lacks it, by its keys and the tensors' names."""
    architectures = values.get("architectures")
    # An ELECTRA has all that a BERT has.
    for model_type in ("electra", "distilbert", "bert", "gpt2", "openai-gpt"):
        kind = MODEL_TYPES[model_type]
        prefix, names = table_names(tensors, kind)
        block = (weight.within("", kind.table.block_name.format(0)) for weight in kind.table.block)
        if isinstance(architectures, list) and architectures:
            models = r"\w*Model" if kind.is_decoder else "Model"
            pattern = rf"{kind.class_name}({models}|For\w+)"
            is_it = re.fullmatch(pattern, str(architectures[0])) is not None
        else:
            # RoBERTa has BERT's names, but counts positions from its padding id, 1.
            is_it = kind.is_decoder or bool(prefix) or not values.get("pad_token_id")
        has_names = all(weight.theirs in names for weight in (*kind.table.embeddings, *block))
        if is_it and has_names and size_keys(model_type) <= values.keys():
            return model_type
    raise UserError(
        f"{path} has no model_type, and neither its keys nor the tensors show a model that can be "
        'read: if it is one, add "model_type": "bert", "distilbert", "electra", "gpt2" or '
        '"openai-gpt" to the file.'
    )
