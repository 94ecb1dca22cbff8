"""Models of sentence-transformers: a folder whose `modules.json` lists what a text goes through.

The layout's reference is sentence-transformers' own reader:
https://github.com/huggingface/sentence-transformers/tree/main/sentence_transformers/base
"""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import normalizers

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats import huggingface, sentence_layers
from kerasformer.checkpoints.formats.huggingface_config import read_integer
from kerasformer.checkpoints.io.safetensors_file import WEIGHTS, open_tensors
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.text.files import read_max_length

if TYPE_CHECKING:
    from kerasformer.layers import LayerPooling  # imported when needed: Keras takes seconds

MODULES = "modules.json"
SETTINGS = "sentence_bert_config.json"
# The flags of older folders, in the order in which sentence-transformers concatenates.
POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Those that `SequencePooling` has, by its names.
POOLINGS = {"cls": "cls", "max": "max", "mean": "mean", "mean_sqrt_len_tokens": "mean_sqrt_len"}
# Classes of torch.nn by their Keras names.
ACTIVATIONS = {
    "Identity": "linear",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
}


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

    def read_weights(self) -> list[np.ndarray]:
        """The kernel `[inputs, outputs]`, and the bias `[outputs]` where there is one.

        Raises:
            UserError: There is no such file, or a tensor is missing or of another shape.
        """
        if not (self.folder / WEIGHTS).is_file():
            raise UserError(
                f"{self.folder} has no {WEIGHTS}: save the model again with a newer "
                "sentence-transformers, which writes one."
            )
        tensors = open_tensors(self.folder)
        shapes: dict[str, tuple[int, ...]] = {"linear.weight": (self.outputs, self.inputs)}
        if self.bias:
            shapes["linear.bias"] = (self.outputs,)
        for name, shape in shapes.items():
            found = tensors.shape(name) if name in tensors else None
            if found != shape:
                raise UserError(
                    f"{self.folder / WEIGHTS} has {name!r} of shape {found and list(found)}: "
                    f"expected {list(shape)}, as in its config.json."
                )
        return [tensors[name].T for name in shapes]


@dataclasses.dataclass(frozen=True)
class SentenceModules:
    """What a sentence-transformers folder does with a text, besides its Transformer.

    Attributes:
        transformer: The folder of the Transformer.
        pooling: Names of `SequencePooling`, whose vectors are concatenated.
        layers: The layers whose combination is pooled; None for the last one.
        dense: The dense layers over the pooled vector, in order.
        normalize: Whether the vector is scaled to length 1.
        max_length: The most tokens of a text, special tokens included; None where nothing says.
        prompt: What is put before every text.
        include_prompt: Whether the prompt's tokens are pooled too.
    """

    transformer: Path
    pooling: tuple[str, ...] = ("mean",)
    layers: LayerPooling | None = None
    dense: tuple[DenseModule, ...] = ()
    normalize: bool = False
    max_length: int | None = None
    prompt: str = ""
    include_prompt: bool = True


def is_here(path: Path) -> bool:
    """Whether the path is such a folder."""
    return (path / MODULES).is_file()


def open_path(folder: Path) -> Checkpoint:
    """Opens the Transformer of such a folder; what follows it does not matter here."""
    transformer = _transformer(_list_modules(folder), folder)
    checkpoint = huggingface.open_path(transformer)

    def read_tokenizer():
        tokenizer = checkpoint.read_tokenizer()
        if _read_settings(transformer)[1]:
            _lowercase(tokenizer.backend)
        return tokenizer

    return dataclasses.replace(
        checkpoint, format="sentence-transformers", read_tokenizer=read_tokenizer
    )


def read_modules(folder: Path) -> SentenceModules:
    """Reads the modules of a folder.

    A folder without `modules.json` is a Transformer whose tokens' mean is taken, as in
    sentence-transformers.

    Raises:
        UserError: A file is missing or not sound, or a module cannot be read; the message names it.
    """
    if not is_here(folder):
        return SentenceModules(folder, max_length=_read_settings(folder)[0])
    modules = _list_modules(folder)
    transformer = _transformer(modules, folder)
    layers = None
    if len(modules) > 1 and modules[1][0] in sentence_layers.KINDS:
        layers = sentence_layers.read_layers(*modules.pop(1))
    kinds = [kind for kind, _ in modules]
    expected = ["Transformer", "Pooling", *(["Dense"] * kinds.count("Dense")), "Normalize"]
    if kinds not in (expected, expected[:-1]):
        odd = next((kind for kind in kinds if kind not in expected), None)
        problem = f"a module {odd!r}" if odd else f"the modules {', '.join(kinds)}"
        raise UserError(
            f"{folder / MODULES} has {problem}, but only a Transformer, layer pooling if any, "
            "Pooling, Dense modules and Normalize, in this order, can be read."
        )
    pooling, include_prompt = _read_pooling(modules[1][1])
    return SentenceModules(
        transformer=transformer,
        pooling=pooling,
        layers=layers,
        dense=tuple(_read_dense(path) for kind, path in modules if kind == "Dense"),
        normalize=kinds[-1] == "Normalize",
        max_length=_read_settings(transformer)[0],
        prompt=_read_prompt(folder),
        include_prompt=include_prompt,
    )


def _list_modules(folder: Path) -> list[tuple[str, Path]]:
    """The kind and the folder of each module, in order."""
    path = folder / MODULES
    try:
        modules = [(str(module["type"]), module["path"]) for module in read_json(path, list)]
    except (KeyError, TypeError):
        raise UserError(
            f"{path} is no list of sentence-transformers' modules, each with its type and path: "
            "fetch or save it again."
        ) from None
    for _, place in modules:
        parts = PurePosixPath(place).parts if isinstance(place, str) else ("..",)
        if ".." in parts or "\\" in place or PurePosixPath(place).is_absolute():
            raise UserError(f"{path} names {place!r}: expected a folder below its own.")
    return [(kind.rpartition(".")[2], folder / place) for kind, place in modules]


def _transformer(modules, folder: Path) -> Path:
    if not modules or modules[0][0] != "Transformer":
        found = modules[0][0] if modules else "nothing"
        raise UserError(
            f"{folder / MODULES} begins with {found}, and only models that begin with a "
            "Transformer can be read."
        )
    return modules[0][1]


def _read_settings(transformer: Path) -> tuple[int | None, bool]:
    """The most tokens of a text, and whether texts are lower-cased before all else."""
    path = transformer / SETTINGS
    settings = _read_optional(path)
    said = {"model_max_length": settings.get("max_seq_length")}
    if said["model_max_length"] is None:  # newer folders leave it to the tokenizer
        path = transformer / "tokenizer_config.json"
        said = _read_optional(path)
    return read_max_length(said, path), bool(settings.get("do_lower_case"))


def _read_optional(path: Path) -> dict:
    return read_json(path) if path.exists() else {}


def _lowercase(backend):
    """Puts lower-casing first, unless the tokenizer does it already; accents stay as they are."""
    normalizer = backend.normalizer
    if not getattr(normalizer, "lowercase", False):
        backend.normalizer = normalizers.Sequence(
            [normalizers.Lowercase(), *([normalizer] if normalizer else [])]
        )


def _read_pooling(folder: Path) -> tuple[tuple[str, ...], bool]:
    config = read_json(folder / "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not all(mode in POOLINGS for mode in modes):
        raise UserError(
            f"{folder / 'config.json'} asks for the pooling {modes}: expected some of "
            f"{', '.join(POOLINGS)}."
        )
    return tuple(POOLINGS[mode] for mode in modes), config.get("include_prompt") is not False


def _read_dense(folder: Path) -> DenseModule:
    path = folder / "config.json"
    config = read_json(path)
    inputs, outputs = (read_integer(config, f"{n}_features", path, 1, 10**6) for n in ("in", "out"))
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    package, _, kind = name.rpartition(".")
    if not package.startswith("torch.nn") or kind not in ACTIVATIONS:
        raise UserError(
            f"{path} has the activation_function {name!r}: expected "
            f"{', '.join(ACTIVATIONS)} of torch.nn."
        )
    if config.get("use_residual"):
        raise UserError(f"{path} asks for use_residual: expected a plain dense layer.")
    return DenseModule(folder, inputs, outputs, ACTIVATIONS[kind], config.get("bias") is not False)


def _read_prompt(folder: Path) -> str:
    """The prompt that sentence-transformers uses by default."""
    config = _read_optional(folder / "config_sentence_transformers.json")
    prompts, name = config.get("prompts"), config.get("default_prompt_name")
    if name is None:
        return ""
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not isinstance(prompt, str):
        raise UserError(
            f"{folder / 'config_sentence_transformers.json'} names the default prompt {name!r}, "
            "but has no such prompt."
        )
    return prompt
