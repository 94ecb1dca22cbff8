"""What a source is and holds, from its small files and the headers of its large ones."""

import math
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats import (
    open_checkpoint,
    sentence_transformers,
    static_embedding,
)
from kerasformer.checkpoints.formats.sentence_vectors import DenseModule
from kerasformer.checkpoints.source_files import list_files, read_licence
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.sources.presets import PRESETS
from kerasformer.sources.resolve import resolve
from kerasformer.text import Tokenizer


def inspect(source: str | os.PathLike) -> dict:
    """Describes a source: nothing of it is run, and no tensor is read.

    Args:
        source: The folder or file, a preset's name or a handle; see `kerasformer.resolve`.

    Returns:
        What JSON can hold. Always there: `source`, `path`, `format`, `problems` (what is wrong
        with it, as sentences), `files` (each with `name`, `size` in bytes, `sha256`), `licence`
        and `tokenizer`, or None for either. Of a model that can be opened also `architecture`,
        `config` (its attributes), `defaults` (the keys that the configuration's file leaves out,
        with the values taken), `parameters` (their numbers by part), `types` (the number of tensors
        of each type), `heads`, `refused_heads` (those that cannot be read, with the reason),
        `class_names`, and `loading`: the `missing`, `misshapen`, `unexpected` and `ignored` of a
        `LoadReport`. Of a sentence-transformers folder also `modules`. Of a data set
        `description`.

    Raises:
        UserError: There is no such source, or nothing is known of what it holds.

    Example:

    >>> inspect("all-MiniLM-L6-v2")["parameters"]["total"]  # doctest: +SKIP
    22713216
    """
    preset = PRESETS.get(source) if isinstance(source, str) else None
    path = resolve(source)
    problems: list[str] = []
    found: dict[str, Any] = {"source": str(source), "path": str(path), "problems": problems}
    if preset and preset.kind == "data":
        found |= {"format": "data set", "description": preset.description, "tokenizer": None}
    else:
        found |= _describe(path, problems)
    licence = {"name": preset.licence, "source": "the preset"} if preset else read_licence(path)
    return found | {"licence": licence, "files": list_files(path)}


def _describe(path: Path, problems: list[str]) -> dict:
    """What the model and its tokenizer are; adds to the problems."""
    checkpoint: Checkpoint | None = None
    found: dict[str, Any] = {}
    try:
        if static := sentence_transformers.find_static(path):
            return _describe_static(path, static, problems)
        checkpoint = open_checkpoint(path)
        found = _describe_model(checkpoint)
        problems += checkpoint.report().problems()
    except UserError as error:
        problems.append(str(error))
    tokenizer, notes = None, []
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            if checkpoint is None:
                tokenizer = find_tokenizer(path)
            elif checkpoint.has_tokenizer:
                tokenizer = checkpoint.read_tokenizer()
    except UserError as error:
        problems.append(str(error))
    if checkpoint is None:
        foreign = _foreign(path)
        if foreign is None and tokenizer is None:
            raise UserError(problems[-1])
        found = {"format": foreign or "tokenizer"}
        if foreign is None:
            problems.clear()  # a tokenizer alone is whole
    elif tokenizer is not None and tokenizer.vocab_size > checkpoint.config.vocab_size:
        problems.append(
            f"the tokenizer has {tokenizer.vocab_size:,} entries, and the model "
            f"{checkpoint.config.vocab_size:,}"
        )
    if sentence_transformers.is_here(path):
        found["modules"] = _describe_modules(path, problems)
    described = tokenizer and _describe_tokenizer(tokenizer)
    if described:
        described["notes"] = [str(note.message) for note in notes]
    return found | {"tokenizer": described}


def _describe_static(path: Path, folder: Path, problems: list[str]) -> dict:
    """What a StaticEmbedding and its tokenizer are."""
    tensors = static_embedding.open_table(folder)
    rows, width = static_embedding.table_shape(tensors)
    tokenizer = static_embedding.read_tokenizer(folder)
    if tokenizer.vocab_size > rows:
        problems.append(
            f"the tokenizer has {tokenizer.vocab_size:,} entries, and the table {rows:,}"
        )
    return {
        "format": f"sentence-transformers, {static_embedding.KIND} of {width} dimensions",
        "parameters": {"total": rows * width},
        "modules": _describe_modules(path, problems),
        "tokenizer": _describe_tokenizer(tokenizer) | {"notes": []},
    }


def _describe_model(checkpoint: Checkpoint) -> dict:
    report = checkpoint.report()
    tensors = checkpoint.tensors
    types = Counter(map(tensors.dtype, tensors))
    return {
        "format": checkpoint.format,
        "architecture": checkpoint.architecture,
        "config": vars(checkpoint.config),
        "defaults": dict(checkpoint.defaults),
        "parameters": count_parameters(checkpoint),
        "types": dict(types.most_common()),
        "heads": list(checkpoint.heads),
        "refused_heads": refused_heads(checkpoint),
        "class_names": checkpoint.class_names and list(checkpoint.class_names),
        "loading": {
            "missing": list(report.missing),
            "misshapen": {
                name: [list(shape) for shape in shapes] for name, shapes in report.misshapen.items()
            },
            "unexpected": list(report.unexpected),
            "ignored": list(report.ignored),
        },
    }


def refused_heads(checkpoint: Checkpoint) -> dict[str, str]:
    """The heads of a model that cannot be read, with the reasons; none where another can."""
    has_none = checkpoint.architecture.endswith("Model")
    return {} if checkpoint.heads or has_none else dict(checkpoint.refused)


def count_parameters(checkpoint: Checkpoint) -> dict[str, int]:
    """The number of a model's parameters in its files by part, and in `total`.

    The parts are `embeddings`, `blocks`, `pooler`, and each head by its name and "head".
    """
    counts = {"embeddings": 0, "blocks": 0, "pooler": 0}
    for weight in checkpoint.table.encoder_weights(checkpoint.config):
        layer = weight.ours.partition("/")[0]
        names = {"pooler_transform": "pooler", "embedding_projection": "embeddings"}
        names["final_layer_norm"] = "blocks"
        part = "blocks" if layer.startswith("layer_") else names.get(layer, layer)
        counts[part] += _size(checkpoint, weight)
    for head in checkpoint.heads:
        weights = checkpoint.table.heads[head]
        counts[f"{head} head"] = sum(_size(checkpoint, weight) for weight in weights)
    return {**counts, "total": sum(counts.values())}


def _size(checkpoint, weight) -> int:
    name = checkpoint.names.get(weight.theirs)
    if weight.part:  # all of the tensor is counted with its first part
        return 0
    return 0 if name is None else math.prod(checkpoint.tensors.shape(name))


def find_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer in a folder without a model, `tokenizer.json` or a vocabulary's `.txt` file.

    None where there is none; a UserError where it is not sound.
    """
    is_file = path.suffix == ".txt" or path.name == "tokenizer.json"
    names = ("tokenizer.json", "vocab.txt", "vocab.json")
    files = [path] if is_file else [path / name for name in names]
    return Tokenizer.from_pretrained(path) if any(file.is_file() for file in files) else None


def _describe_tokenizer(tokenizer: Tokenizer) -> dict:
    normalizer = tokenizer.backend.normalizer
    special = set(tokenizer.special_tokens.values())
    added = tokenizer.backend.get_added_tokens_decoder().items()
    lowercase = getattr(normalizer, "lowercase", None)
    strips = getattr(normalizer, "strip_accents", None)
    return {
        "kind": type(tokenizer.backend.model).__name__,
        "vocab_size": tokenizer.vocab_size,
        "special_tokens": {
            role.removesuffix("_token"): {
                "token": token,
                "id": tokenizer.backend.token_to_id(token),
            }
            for role, token in tokenizer.special_tokens.items()
        },
        "added_tokens": {token.content: i for i, token in added if token.content not in special},
        "max_length": tokenizer.max_length,
        "lowercase": lowercase,
        "strip_accents": lowercase if strips is None else strips,
    }


def _describe_modules(path: Path, problems: list[str]) -> dict | None:
    try:
        modules = sentence_transformers.read_modules(path)
    except UserError as error:
        problems.append(str(error))
        return None
    return {
        "pooling": list(modules.pooling),
        "dense": [
            [module.inputs, module.outputs, module.activation]
            for module in modules.dense
            if isinstance(module, DenseModule)
        ],
        "modules": [module.kind for module in modules.dense],
        "normalize": modules.normalize,
        "max_length": modules.max_length,
        "prompt": modules.prompt,
        "prompts": dict(modules.prompts),
        "dimensions": modules.dimensions,
        "similarity": modules.similarity,
    }


def _foreign(path: Path) -> str | None:
    """What a source that cannot be opened seems to be."""
    if (path / "config.json").is_file():
        try:
            kind = read_json(path / "config.json").get("model_type")
        except UserError:
            kind = None
        return f"Hugging Face, {kind}" if isinstance(kind, str) else "a folder with config.json"
    if (path / "saved_model.pb").is_file():
        return "TensorFlow SavedModel"
    if sentence_transformers.is_here(path):
        return "sentence-transformers"
    suffixes = {
        ".safetensors": "safetensors",
        ".keras": "Keras",
        ".h5": "HDF5",
        ".index": "TensorFlow",
    }
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return next((f"{suffixes[f.suffix]} weights" for f in files if f.suffix in suffixes), None)
