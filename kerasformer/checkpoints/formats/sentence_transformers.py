"""Models of sentence-transformers: a folder whose `modules.json` lists what a text goes through.

The layout's reference is sentence-transformers' own reader:
https://github.com/huggingface/sentence-transformers/tree/main/sentence_transformers/base
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tokenizers import normalizers

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.formats import huggingface, sentence_layers, static_embedding
from kerasformer.checkpoints.formats.sentence_settings import (
    MODEL_SETTINGS,
    PROMPTS,
    TransformerSettings,
    check_keys,
    read_model_settings,
    read_transformer_settings,
    refusal,
    tokenizer_length,
)
from kerasformer.checkpoints.formats.sentence_vectors import (
    READERS,
    NormalizeModule,
    VectorModule,
    read_pooling,
)
from kerasformer.errors import UserError
from kerasformer.files import read_json, read_optional_json

if TYPE_CHECKING:
    from kerasformer.layers import LayerPooling  # imported when needed: Keras takes seconds

MODULES = "modules.json"
_CROSS = "CrossEncoder"
_ENTRY = ("idx", "name", "path", "type", "kwargs")  # they run in the list's order, not in idx'
# Another package's class may have the same name and do anything.
_PACKAGES = ("sentence_transformers.", "kerasformer.")


@dataclasses.dataclass(frozen=True)
class SentenceModules:
    """What a sentence-transformers folder does with a text, besides its Transformer.

    Attributes:
        transformer: The folder of the Transformer, or of the StaticEmbedding in its place.
        pooling: Names of `SequencePooling`, whose vectors are concatenated; or `"pooled"`.
        layers: The layers whose combination is pooled; None for the last one.
        dense: The modules over the pooled vector, in order.
        normalize: Whether the vector is scaled to length 1 at the end.
        max_length: The most tokens of a text, special tokens included; None where nothing says.
        prompts: The prompts by their names.
        prompt: What is put before every text by default.
        include_prompt: Whether the prompt's tokens are pooled too.
        dimensions: How many of the first dimensions are kept, at the very end; None for all.
        similarity: By which measure the vectors are meant to be compared.
        is_static: Whether there is a StaticEmbedding in place of a Transformer.
    """

    transformer: Path
    pooling: tuple[str, ...] = ("mean",)
    layers: LayerPooling | None = None
    dense: tuple[VectorModule, ...] = ()
    normalize: bool = False
    max_length: int | None = None
    prompts: Mapping[str, str] = dataclasses.field(default_factory=PROMPTS.copy)
    prompt: str = ""
    include_prompt: bool = True
    dimensions: int | None = None
    similarity: str = "cosine"
    is_static: bool = False


def is_here(path: Path) -> bool:
    """Whether the path is such a folder."""
    return os.path.lexists(path / MODULES)  # reading a link to nowhere is an error


def open_path(folder: Path) -> Checkpoint:
    """Opens the Transformer of such a folder; what follows it does not matter here."""
    modules = _list_modules(folder)
    transformer = _transformer(modules, folder)
    checkpoint = huggingface.open_path(transformer)
    is_cross_encoder = read_optional_json(folder / MODEL_SETTINGS).get("model_type") == _CROSS
    if is_cross_encoder and len(modules) == 1:
        return checkpoint  # a classifier of pairs, all of which stands in transformers' files

    def read_tokenizer():
        tokenizer = checkpoint.read_tokenizer()
        if read_transformer_settings(transformer).lowercase:
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
        return SentenceModules(folder, max_length=tokenizer_length(folder))
    modules = _list_modules(folder)
    if static := _static(modules):
        max_length = static_embedding.read_tokenizer(static).max_length
        return _complete(modules, folder, static, max_length=max_length, is_static=True)
    transformer = _transformer(modules, folder)
    settings = read_transformer_settings(transformer)
    pooling: tuple[str, ...] = ("pooled",)
    include_prompt, layers = True, None
    if not settings.pooled:
        layers = _read_layers(modules, settings)
        if len(modules) < 2 or modules[1][0] != "Pooling":
            raise _other_modules(modules, folder)
        pooling, include_prompt = read_pooling(modules.pop(1)[1])
    return _complete(
        modules,
        folder,
        transformer,
        pooling=pooling,
        layers=layers,
        max_length=settings.max_length,
        include_prompt=include_prompt,
    )


def find_static(folder: Path) -> Path | None:
    """The folder of the StaticEmbedding with which a folder's modules begin; None for others."""
    return _static(_list_modules(folder)) if is_here(folder) else None


def _static(modules) -> Path | None:
    return modules[0][1] if modules and modules[0][0] == static_embedding.KIND else None


def _complete(modules, folder: Path, first: Path, **settings) -> SentenceModules:
    """Adds the modules over the vector of a text, and the model's settings."""
    if any(kind not in READERS for kind, _ in modules[1:]):
        raise _other_modules(modules, folder)
    dense = [READERS[kind](path) for kind, path in modules[1:]]
    normalize = bool(dense) and isinstance(dense[-1], NormalizeModule)
    model = read_model_settings(folder)
    return SentenceModules(
        transformer=first,
        dense=tuple(dense[: len(dense) - normalize]),
        normalize=normalize,
        **vars(model),
        **settings,
    )


def _other_modules(modules: Sequence[tuple[str, Path]], folder: Path) -> UserError:
    kinds = [kind for kind, _ in modules]
    known = ("Transformer", static_embedding.KIND, "Pooling", *READERS)
    odd = next((kind for kind in kinds if kind not in known), None)
    problem = f"a module {odd!r}" if odd else f"the modules {', '.join(kinds)}"
    return UserError(
        f"{folder / MODULES} has {problem}, but only a Transformer, layer pooling if any, Pooling, "
        f"and any of {', '.join(READERS)}, in this order, can be read; or a "
        f"{static_embedding.KIND} in place of the first three."
    )


def _read_layers(
    modules: list[tuple[str, Path]], settings: TransformerSettings
) -> LayerPooling | None:
    """The combination of layers of a module that is taken off the list; None for the last one."""
    if len(modules) < 2 or modules[1][0] not in sentence_layers.KINDS:
        return None
    kind, folder = modules.pop(1)
    path = modules[0][1] / "config.json"
    handed_on = read_optional_json(path).get("output_hidden_states")
    all_layers = settings.hidden_states or handed_on is True
    if kind == "WeightedLayerPooling" and not all_layers:
        # sentence-transformers takes the last layer then, and says nothing.
        expected = "true, or WeightedLayerPooling has no layers to average"
        raise refusal(path, "output_hidden_states", False, expected)
    return sentence_layers.read_layers(kind, folder)


def _list_modules(folder: Path) -> list[tuple[str, Path]]:
    """The kind and the folder of each module, in order."""
    path = folder / MODULES
    modules = read_json(path, list)
    try:
        listed = [(str(module["type"]), module["path"]) for module in modules]
    except (KeyError, TypeError):
        raise UserError(
            f"{path} is no list of sentence-transformers' modules, each with its type and path: "
            "fetch or save it again."
        ) from None
    for module in modules:
        check_keys(module, path, _ENTRY)
        if module.get("kwargs"):
            raise refusal(path, "kwargs", module["kwargs"], "no such key")
    names = [str(module["name"]) for module in modules if "name" in module]
    if len(set(names)) < len(names):
        raise UserError(f"{path} has two modules of one name: give each its own.")
    for _, place in listed:
        parts = PurePosixPath(place).parts if isinstance(place, str) else ("..",)
        if ".." in parts or "\\" in place or PurePosixPath(place).is_absolute():
            raise UserError(f"{path} names {place!r}: expected a folder below its own.")
    return [(_kind(name), folder / place) for name, place in listed]


def _kind(name: str) -> str:
    """The name of a class of sentence-transformers or kerasformer; another's with its package."""
    return name.rpartition(".")[2] if name.startswith(_PACKAGES) else name[:80]


def _transformer(modules, folder: Path) -> Path:
    if _static(modules):
        raise UserError(
            f"{folder} is a {static_embedding.KIND}, a vector for each token without an encoder: "
            "use TextEmbedder.from_pretrained."
        )
    if not modules or modules[0][0] != "Transformer":
        found = modules[0][0] if modules else "nothing"
        raise UserError(
            f"{folder / MODULES} begins with {found}, and only models that begin with a "
            "Transformer can be read."
        )
    return modules[0][1]


def _lowercase(backend):
    """Puts lower-casing first, unless the tokenizer does it already; accents stay as they are."""
    normalizer = backend.normalizer
    if not getattr(normalizer, "lowercase", False):
        backend.normalizer = normalizers.Sequence(
            [normalizers.Lowercase(), *([normalizer] if normalizer else [])]
        )
