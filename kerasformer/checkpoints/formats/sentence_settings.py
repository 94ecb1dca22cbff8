"""What a sentence-transformers folder says beside its modules: prompts, dimensions, lengths.

Every key is read, or is in a table of those that change no vector. Any other is refused, because
what it does to the vectors is unknown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.formats.huggingface_config import read_integer
from kerasformer.errors import UserError
from kerasformer.files import read_optional_json
from kerasformer.text.files import check_max_length, read_max_length

MODEL_SETTINGS = "config_sentence_transformers.json"
SETTINGS = "sentence_bert_config.json"
# The first of these that is there and not empty counts, whatever the model's type.
_SETTINGS = [
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
]
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
# Prompts that every model of sentence-transformers has.
PROMPTS = {"query": "", "document": ""}

# Keys that change no vector, and why.
_HARMLESS_OF_MODELS = {
    "__version__": "the versions that wrote the folder",
    "requirements": "the versions of packages that sentence-transformers needs",
}
_HARMLESS_OF_TRANSFORMERS = {"unpad_inputs": "whether torch computes padding"}
_HARMLESS_ARGUMENTS = {
    "trust_remote_code": "sentence-transformers ignores it in a file, too",
    "torch_dtype": "the precision in which torch computes: the argument dtype says ours",
    "dtype": "the same in newer versions",
    "attn_implementation": "how attention is computed, not what it is",
    "add_pooling_layer": "whether there is a pooler: the weights say",
    "use_fast": "which code tokenizes, with the same tokens",
}
# Arguments that the file gives to the model, the configuration and the tokenizer: the newer name,
# the older one, and the argument that is read.
_ARGUMENTS = {
    "model_kwargs": ("model_args", ""),
    "config_kwargs": ("config_args", "output_hidden_states"),
    "processor_kwargs": ("tokenizer_args", "model_max_length"),
}
# The one value with which a Transformer computes what ours does.
_ONLY = {
    "transformer_task": "feature-extraction",
    "tokenizer_name_or_path": None,
    "processing_kwargs": None,
    "query_length": None,
    "document_length": None,
    "query_expansion": None,
}
# What a Transformer hands on: the tokens' vectors to a Pooling, or the pooler's instead of one.
MODALITIES = {
    ("last_hidden_state", "token_embeddings"): False,
    ("pooler_output", "sentence_embedding"): True,
}


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """What `config_sentence_transformers.json` says.

    Attributes:
        prompts: The prompts by their names.
        prompt: The one that is put before every text by default.
        dimensions: How many of the first dimensions of the vector are kept; None for all.
        similarity: One of `SIMILARITIES`, by which the vectors are meant to be compared.
    """

    prompts: Mapping[str, str] = dataclasses.field(default_factory=PROMPTS.copy)
    prompt: str = ""
    dimensions: int | None = None
    similarity: str = "cosine"


@dataclasses.dataclass(frozen=True)
class TransformerSettings:
    """What a Transformer's `sentence_bert_config.json`, and its tokenizer's file, say.

    Attributes:
        max_length: The most tokens of a text, special tokens included; None where nothing says.
        lowercase: Whether texts are lower-cased before all else.
        pooled: Whether the pooler's vector is the text's.
        hidden_states: Whether all layers are handed on.
    """

    max_length: int | None = None
    lowercase: bool = False
    pooled: bool = False
    hidden_states: bool = False


def check_keys(values: Mapping[str, Any], path: Path, known: Collection[str]):
    """Raises a UserError that names the first key, and its value, that is not a known one."""
    for key in sorted(values.keys() - set(known)):
        raise refusal(path, key, values[key], f"no such key, only {', '.join(map(repr, known))}")


def refusal(path: Path, key: str, value: Any, expected: str) -> UserError:
    """The error of a key whose value cannot be read."""
    return UserError(f"{path} has {key[:80]!r}: {str(value)[:80]!r}; expected {expected}.")


def read_bool(values: Mapping[str, Any], key: str, path: Path, default: bool) -> bool:
    """The value of a key that is true or false."""
    value = values.get(key)
    if value is not None and not isinstance(value, bool):
        raise refusal(path, key, value, "true or false")
    return default if value is None else value


def read_model_settings(folder: Path) -> ModelSettings:
    """Reads `config_sentence_transformers.json`; a UserError where it is not sound."""
    path = folder / MODEL_SETTINGS
    values = read_optional_json(path)
    read = ("prompts", "default_prompt_name", "truncate_dim", "similarity_fn_name", "model_type")
    check_keys(values, path, (*read, *_HARMLESS_OF_MODELS))
    if values.get("model_type") not in (None, "SentenceTransformer"):
        raise refusal(path, "model_type", values["model_type"], "'SentenceTransformer'")
    similarity = values.get("similarity_fn_name") or "cosine"
    if similarity not in SIMILARITIES:
        raise refusal(path, "similarity_fn_name", similarity, f"one of {', '.join(SIMILARITIES)}")
    dimensions = None
    if values.get("truncate_dim") is not None:
        dimensions = read_integer(values, "truncate_dim", path, 1, 10**6)
    prompts = _read_prompts(values, path)
    name = values.get("default_prompt_name")
    if name is not None and not (isinstance(name, str) and name in prompts):
        raise UserError(
            f"{path} names the default prompt {str(name)[:80]!r}, but has no such prompt."
        )
    return ModelSettings(prompts, prompts[name] if name else "", dimensions, similarity)


def _read_prompts(values, path):
    given = values.get("prompts")
    if given is None:
        given = {}
    is_sound = isinstance(given, dict) and all(isinstance(p, str | None) for p in given.values())
    if not is_sound:
        raise refusal(path, "prompts", given, "an object of texts")
    return PROMPTS | {name: prompt or "" for name, prompt in given.items()}


def read_transformer_settings(folder: Path) -> TransformerSettings:
    """Reads what a Transformer's folder says; a UserError where that is not sound."""
    path, values = folder / SETTINGS, {}
    for name in _SETTINGS:
        if values := read_optional_json(folder / name):
            path = folder / name
            break
    read = ("max_seq_length", "do_lower_case", "modality_config", "module_output_name", *_ONLY)
    names = [name for key, (older, _) in _ARGUMENTS.items() for name in (older, key)]
    check_keys(values, path, (*read, *names, *_HARMLESS_OF_TRANSFORMERS))
    for key, only in _ONLY.items():
        if values.get(key) not in (None, {}, only):
            raise refusal(path, key, values[key], "no such key" if only is None else repr(only))
    arguments: dict[str, Any] = {}
    for key, (older, argument) in _ARGUMENTS.items():
        arguments |= _read_arguments(values, older if older in values else key, argument, path)
    length = arguments.get("model_max_length", values.get("max_seq_length"))
    return TransformerSettings(
        max_length=tokenizer_length(folder) if length is None else check_max_length(length, path),
        lowercase=read_bool(values, "do_lower_case", path, default=False),
        pooled=_is_pooled(values, path),
        hidden_states=read_bool(arguments, "output_hidden_states", path, default=False),
    )


def _read_arguments(values, key, argument, path):
    """The arguments under a key, of which one is read."""
    arguments = values.get(key)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise refusal(path, key, arguments, "an object")
    check_keys(arguments, path, (*([argument] if argument else []), *_HARMLESS_ARGUMENTS))
    return {name: value for name, value in arguments.items() if name == argument}


def _is_pooled(values, path):
    """Whether the Transformer hands on the pooler's vector."""
    modalities = values.get("modality_config")
    if modalities is None:  # of older versions; these ignore module_output_name
        return False
    text = modalities.get("text") if isinstance(modalities, dict) else None
    text = text if isinstance(text, dict) else {}
    output = (str(text.get("method_output_name")), str(values.get("module_output_name")))
    if text.get("method") != "forward" or output not in MODALITIES:
        expected = " or ".join(f"{ours} as {theirs}" for ours, theirs in MODALITIES)
        raise refusal(path, "modality_config", modalities, f"of a text's forward {expected}")
    return MODALITIES[output]


def tokenizer_length(folder: Path) -> int | None:
    """The most tokens of a text after `tokenizer_config.json`; None where that does not say."""
    path = folder / "tokenizer_config.json"
    return read_max_length(read_optional_json(path), path)
