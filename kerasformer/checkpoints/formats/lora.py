"""LoRA adapters in PEFT's layout: a folder with `adapter_config.json` and safetensors.

Hu et al., https://arxiv.org/abs/2106.09685: an adapted matrix is the base model's and a product of
two small ones. They are added as the matrix is read. The layout's reference is PEFT's own reader:
https://github.com/huggingface/peft/tree/main/src/peft/tuners/lora
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasformer.checkpoints.formats.huggingface_config import read_integer, read_number
from kerasformer.checkpoints.formats.huggingface_names import (
    SEQUENCES,
    TOKENS,
    ModelType,
    table_names,
)
from kerasformer.checkpoints.io.safetensors_file import open_tensors
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.sources import PRESETS, resolve

CONFIG, _WEIGHTS, _PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_PREFIX = "base_model.model."
# What follows the kind's name in that of the class that is adapted, by task_type.
_CLASSES = {"SEQ_CLS": SEQUENCES, "TOKEN_CLS": TOKENS, "QUESTION_ANS": "ForQuestionAnswering"}
# Keys that change nothing of the sum, or are read here. PEFT ignores fan_in_fan_out for BERT's
# layers. Any other key that is set is another method.
_KNOWN = {
    *("peft_type", "task_type", "base_model_name_or_path", "revision", "auto_mapping"),
    *("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "bias", "modules_to_save"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
    *("lora_dropout", "fan_in_fan_out", "inference_mode", "init_lora_weights", "peft_version"),
    *("megatron_core", "qalora_group_size", "eva_config", "ensure_weight_tying"),
}
# The other first values of the matrices change the base model too.
_INITIAL = (None, True, False, "gaussian", "eva", "orthogonal")


def is_here(folder: Path) -> bool:
    """Whether a folder has an adapter."""
    return (folder / CONFIG).is_file()


def base_of(folder: Path) -> Path:
    """The folder of the model that an adapter is for.

    Raises:
        UserError: It names none that is here, or another adapter.
    """
    path = folder / CONFIG
    name = read_json(path).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise UserError(
            f"{path} has no base_model_name_or_path: write the base model's path there."
        )
    places = [folder / name, Path(os.path.expanduser(name))]
    # Not Path.is_dir, which raises for names that can be none.
    base = next((place for place in places if os.path.isdir(place)), None)
    if base is None and name in PRESETS:
        base = resolve(name)
    if base is None:
        raise UserError(
            f"{path} is for the base model {name[:200]!r}, which is no folder here: fetch it, and "
            "write its path as base_model_name_or_path."
        )
    if is_here(base):
        raise UserError(f"{path} is for {base}, which is an adapter itself: merge that one first.")
    return base


def adapt(folder: Path, kind: ModelType, values: dict, tensors: Tensors) -> tuple[dict, Tensors]:
    """The base model with the adapter.

    Args:
        folder: The adapter's folder.
        kind: The base model's kind.
        values: The values of its `config.json`.
        tensors: Its tensors.

    Returns:
        The values with the class that was adapted, and the tensors of that.

    Raises:
        UserError: It is no LoRA adapter, or one of another model; or a value is out of bounds.
    """
    path = folder / CONFIG
    config = read_json(path)
    _check(config, path)
    architecture = _architecture(config, kind, values)
    _, names = table_names(tensors, kind)
    if architecture is not None and values.get("architectures") != [architecture]:
        # A head of the base model is no part of another class.
        names = {name: file for name, file in names.items() if not name.startswith(kind.ignored)}
        values = {k: v for k, v in values.items() if k not in ("id2label", "problem_type")}
        values["architectures"] = [architecture]
    if (folder / _PICKLE).is_file() and not (folder / _WEIGHTS).is_file():
        raise UserError(
            f"{folder} has its weights as a pickle ({_PICKLE}), which can run any code and is not "
            "read: save the adapter again with a newer PEFT, which writes safetensors."
        )
    adapter = open_tensors(folder / _WEIGHTS)
    pairs, replaced = _sort(adapter, kind, folder)
    entries = {bare: _Entry(tensors, file) for bare, file in names.items()}
    entries |= {bare: _Entry(adapter, name) for bare, name in replaced.items()}
    for module, pair in pairs.items():
        entry = entries.get(f"{module}.weight")
        if entry is None:
            raise UserError(f"{folder} adapts {module!r}, which its base model does not have.")
        update = _Update(adapter, pair[0], pair[1], _scale(config, module, kind, path))
        update.check(entry.shape, config, path)
        entries[f"{module}.weight"] = entry._replace(update=update)
    return values, _AdaptedTensors(entries)


class _Update(NamedTuple):
    """What is added to a matrix."""

    adapter: Tensors
    first: str  # the names of the two matrices
    second: str
    scale: tuple[float, int]  # the factor, and the rank that it is for

    @property
    def is_embedding(self) -> bool:
        return "lora_embedding_" in self.first

    def check(self, shape: tuple[int, ...], config: dict, path: Path) -> None:
        first, second = self.adapter.shape(self.first), self.adapter.shape(self.second)
        outer = shape[::-1] if self.is_embedding else shape
        _, rank = self.scale
        if len(shape) != 2 or first != (rank, outer[1]) or second != (outer[0], rank):
            raise UserError(
                f"{self.first!r} and {self.second!r} are {list(first)} and {list(second)}, but "
                f"{path} has the rank {rank} and the base model's matrix is {list(shape)}."
            )

    def value(self) -> np.ndarray:
        first, second = (self.adapter.read_floats(name) for name in (self.first, self.second))
        product = second.astype("float32") @ first.astype("float32")
        return (product.T if self.is_embedding else product) * np.float32(self.scale[0])


class _Entry(NamedTuple):
    """A tensor of the base model or of the adapter, and what is added to it."""

    tensors: Tensors
    name: str
    update: _Update | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors.shape(self.name)

    @property
    def dtype(self) -> str:
        return self.tensors.dtype(self.name)

    @property
    def file(self) -> Path:
        return self.tensors.file(self.name)


class _AdaptedTensors(Tensors):
    """The tensors of a base model with an adapter."""

    def _read(self, name: str, entry: _Entry) -> np.ndarray:
        if entry.update is None:
            return entry.tensors[entry.name]
        return entry.tensors.read_floats(entry.name) + entry.update.value()


def _check(config: dict, path: Path) -> None:
    """Raises a UserError for a method other than plain LoRA."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise UserError(f"{path} is of the type {str(kind)[:80]!r}: only 'LORA' can be merged.")
    others = [key for key, value in config.items() if value and key not in _KNOWN]
    if config.get("init_lora_weights") not in _INITIAL:
        others.append("init_lora_weights")
    if others:
        value = str(config[others[0]])[:80]
        raise UserError(
            f"{path} has {others[0][:80]!r} set to {value!r}, and only plain LoRA can be merged: "
            "let PEFT merge it, by merge_and_unload() and save_pretrained()."
        )


def _architecture(config: dict, kind: ModelType, values: dict) -> str | None:
    """The class that was adapted, where the adapter says so."""
    suffix = _CLASSES.get(str(config.get("task_type")))
    if suffix is not None:
        return kind.class_name + suffix
    mapping = config.get("auto_mapping")
    name = mapping.get("base_model_class") if isinstance(mapping, dict) else None
    return name if isinstance(name, str) else None


def _sort(
    adapter: Tensors, kind: ModelType, folder: Path
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The two matrices of each adapted layer, and the tensors that replace others."""
    pairs: dict[str, list[str]] = {}
    replaced: dict[str, str] = {}
    for name in sorted(adapter):
        bare = name.removeprefix(_PREFIX).removeprefix(kind.prefix)
        match = re.fullmatch(r"(.+)\.lora_(?:[AB]\.weight|embedding_[AB])", bare)
        if match:
            pairs.setdefault(match[1], []).append(name)
        elif name.startswith(_PREFIX) and "lora_" not in bare:
            replaced[bare.replace(".base_layer.", ".")] = name
        else:
            raise UserError(f"{folder} has the tensor {name[:200]!r}, which is no part of LoRA.")
    for module, pair in pairs.items():
        if len(pair) != 2:
            raise UserError(f"{folder} has one matrix for {module!r}, {pair[0]!r}: LoRA has two.")
    return pairs, replaced


def _scale(config: dict, module: str, kind: ModelType, path: Path) -> tuple[float, int]:
    """The factor of a layer's product, and its rank."""
    found: dict[str, Any] = {"r": config.get("r", 8), "lora_alpha": config.get("lora_alpha", 8)}
    for key, patterns in (("r", "rank_pattern"), ("lora_alpha", "alpha_pattern")):
        found[key] = _matching(config.get(patterns) or {}, module, kind, path, found[key])
    rank = read_integer(found, "r", path, 1, 10**6)
    alpha = read_number(found, "lora_alpha", path, 8, -1e6, 1e6)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank), rank


def _matching(patterns: Mapping, module: str, kind: ModelType, path: Path, default: Any) -> Any:
    """The value of the first pattern that is the end of the layer's name."""
    if not isinstance(patterns, dict):
        raise UserError(f"{path} has a pattern that is no object: save the adapter again.")
    for pattern, value in patterns.items():
        # They are regular expressions to PEFT; one out of a file can take for ever.
        if not re.fullmatch(r"[\w.]+", pattern):
            raise UserError(f"{path} has the pattern {pattern[:80]!r}: only names can be read.")
        if f".{kind.prefix}{module}".endswith(f".{pattern}"):
            return value
    return default
