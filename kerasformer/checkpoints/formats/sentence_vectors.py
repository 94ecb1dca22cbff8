"""The modules of a sentence-transformers folder that make, and change, the vector of a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerasformer.checkpoints.formats.huggingface_config import read_integer, read_number
from kerasformer.checkpoints.formats.sentence_settings import (
    check_keys,
    read_bool,
    refusal,
)
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS, open_tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json, read_optional_json

# The flags of older folders, in the order in which sentence-transformers concatenates.
POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Their names for those of `SequencePooling`.
POOLINGS = {mode: mode.removesuffix("_tokens") for mode in POOLING_FLAGS.values()}
# Classes of torch.nn by their Keras names: those that are equal with torch's default arguments.
ACTIVATIONS = {
    "Identity": "linear",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "SiLU": "silu",
    "ELU": "elu",
    "SELU": "selu",
    "CELU": "celu",
    "ReLU6": "relu6",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "LogSigmoid": "log_sigmoid",
    "Hardtanh": "hard_tanh",
    "Hardsigmoid": "hard_sigmoid",
    "Hardswish": "hard_silu",
    "Tanhshrink": "tanh_shrink",
    "Softshrink": "soft_shrink",
    "Hardshrink": "hard_shrink",
}
WIDTHS = ("embedding_dimension", "word_embedding_dimension")  # of the tokens, as the weights say
_PLACES = ("module_input_name", "module_output_name")
NORM_EPSILON = 1e-5  # torch's default, which the folder does not say


@dataclasses.dataclass(frozen=True)
class DenseModule:
    """A dense layer over the pooled vector.

    Attributes:
        folder: The module's folder, which holds its weights.
        inputs: The width of the pooled vector.
        outputs: The width of the result.
        activation: The activation's Keras name.
        bias: Whether there is a bias.
    """

    folder: Path
    inputs: int
    outputs: int
    activation: str
    bias: bool
    kind: ClassVar = "Dense"

    def read_weights(self) -> list[np.ndarray]:
        """The kernel `[inputs, outputs]`, and the bias `[outputs]` where there is one.

        Raises:
            UserError: There is no such file, or a tensor is missing, of another shape, or has NaN
                or infinite values.
        """
        shapes: dict[str, tuple[int, ...]] = {"linear.weight": (self.outputs, self.inputs)}
        if self.bias:
            shapes["linear.bias"] = (self.outputs,)
        return [tensor.T for tensor in _read_weights(self.folder, shapes)]


@dataclasses.dataclass(frozen=True)
class LayerNormModule:
    """Layer normalization of a vector of `size`; its weights are in the folder."""

    folder: Path
    size: int
    kind: ClassVar = "LayerNorm"

    def read_weights(self) -> list[np.ndarray]:
        """The scale and the offset, `[size]` each; the errors are those of a `DenseModule`."""
        return _read_weights(self.folder, dict.fromkeys(_NORM_WEIGHTS, (self.size,)))


_NORM_WEIGHTS = ("norm.weight", "norm.bias")


@dataclasses.dataclass(frozen=True)
class NormalizeModule:
    """Scales a vector to length 1."""

    kind: ClassVar = "Normalize"


@dataclasses.dataclass(frozen=True)
class DropoutModule:
    """Dropout at a rate, in training alone."""

    rate: float
    kind: ClassVar = "Dropout"


VectorModule = DenseModule | LayerNormModule | NormalizeModule | DropoutModule


def _read_weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(
            f"{folder} has no {WEIGHTS}: save the model again with a newer "
            "sentence-transformers, which writes one."
        )
    tensors, arrays = open_tensors(folder), []
    for name, shape in shapes.items():
        found = tensors.shape(name) if name in tensors else None
        if found != shape:
            raise UserError(
                f"{path} has {name!r} of shape {found and list(found)}: "
                f"expected {list(shape)}, as in its config.json."
            )
        with np.errstate(over="ignore"):  # said in the next lines
            array = tensors[name].astype("float32")
        if not np.isfinite(array).all():
            raise UserError(
                f"{path} has NaN or infinite values in {name!r}: fetch or save the model again."
            )
        arrays.append(array)
    for name in sorted(set(tensors) - set(shapes)):
        raise UserError(f"{path} has a tensor {name!r}, which its config.json does not explain.")
    return arrays


def read_pooling(folder: Path) -> tuple[tuple[str, ...], bool]:
    """The names of `SequencePooling` of a Pooling, and whether a prompt's tokens are pooled too."""
    path = folder / "config.json"
    config = read_json(path)
    check_keys(config, path, (*WIDTHS, "pooling_mode", "include_prompt", *POOLING_FLAGS))
    flags = [mode for flag, mode in POOLING_FLAGS.items() if read_bool(config, flag, path, False)]
    modes = config.get("pooling_mode")  # the flags do not count beside it
    if modes is None:
        modes = flags or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    is_known = isinstance(modes, list) and all(isinstance(m, str) and m in POOLINGS for m in modes)
    if not modes or not is_known:
        raise UserError(
            f"{path} asks for the pooling {str(modes)[:80]}: expected some of "
            f"{', '.join(POOLINGS)}."
        )
    include_prompt = read_bool(config, "include_prompt", path, default=True)
    return tuple(POOLINGS[mode] for mode in modes), include_prompt


def _read_dense(folder: Path) -> DenseModule:
    path = folder / "config.json"
    config = read_json(path)
    keys = ("in_features", "out_features", "bias", "activation_function", "use_residual")
    check_keys(config, path, (*keys, *_PLACES))
    _check_places(config, path)
    inputs, outputs = (read_integer(config, f"{n}_features", path, 1, 10**6) for n in ("in", "out"))
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    package, _, kind = name.rpartition(".")
    if not f"{package}.".startswith("torch.nn.") or kind not in ACTIVATIONS:
        raise UserError(
            f"{path} has the activation_function {name[:80]!r}: expected "
            f"{', '.join(ACTIVATIONS)} of torch.nn."
        )
    if read_bool(config, "use_residual", path, default=False):
        raise UserError(f"{path} asks for use_residual: expected a plain dense layer.")
    bias = read_bool(config, "bias", path, default=True)
    return DenseModule(folder, inputs, outputs, ACTIVATIONS[kind], bias)


def _check_places(config, path):
    """Refuses a module that changes the tokens' vectors, as those of ColBERT do."""
    for key in _PLACES:
        if config.get(key) not in (None, "sentence_embedding"):
            raise refusal(path, key, config[key], "'sentence_embedding'")


def _read_layer_norm(folder: Path) -> LayerNormModule:
    path = folder / "config.json"
    config = read_json(path)
    check_keys(config, path, ("dimension",))
    return LayerNormModule(folder, read_integer(config, "dimension", path, 1, 10**6))


def _read_normalize(folder: Path) -> NormalizeModule:
    path = folder / "config.json"  # newer versions alone write one
    config = read_optional_json(path)
    check_keys(config, path, _PLACES)
    _check_places(config, path)
    return NormalizeModule()


def _read_dropout(folder: Path) -> DropoutModule:
    path = folder / "config.json"
    config = read_json(path)
    check_keys(config, path, ("dropout",))
    return DropoutModule(read_number(config, "dropout", path, 0.2, 0.0, 1.0))


READERS: dict[str, Callable[[Path], VectorModule]] = {
    "Dense": _read_dense,
    "LayerNorm": _read_layer_norm,
    "Normalize": _read_normalize,
    "Dropout": _read_dropout,
}
