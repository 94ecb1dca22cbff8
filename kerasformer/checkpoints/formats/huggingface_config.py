"""`config.json` in the Hugging Face layout, checked key by key, and written.

The keys and their defaults are those of transformers' `BertConfig`, `DistilBertConfig`,
`ElectraConfig`, `GPT2Config` and `OpenAIGPTConfig`:
https://github.com/huggingface/transformers/tree/main/src/transformers/models
"""

from pathlib import Path
from typing import Any

from kerasformer.errors import UserError
from kerasformer.models.config import ACTIVATIONS, AnyConfig, DecoderConfig, EncoderConfig

# The key of each attribute of the configuration, by model type. What a type has no key for is
# constant there: its default.
_BERT = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "activation": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "layer_norm_epsilon": "layer_norm_eps",
    "initializer_range": "initializer_range",
    "pad_token_id": "pad_token_id",
}
_GPT2 = {
    "vocab_size": "vocab_size",
    "hidden_size": "n_embd",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "intermediate_size": "n_inner",
    "max_length": "n_positions",
    "activation": "activation_function",
    "dropout": "resid_pdrop",
    "embedding_dropout": "embd_pdrop",
    "attention_dropout": "attn_pdrop",
    "layer_norm_epsilon": "layer_norm_epsilon",
    "initializer_range": "initializer_range",
    "pad_token_id": "pad_token_id",
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
}
_OPENAI = {a: key for a, key in _GPT2.items() if a != "intermediate_size"}
_KEYS = {
    "bert": _BERT,
    "distilbert": {
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "max_length": "max_position_embeddings",
        "activation": "activation",
        "dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "initializer_range": "initializer_range",
        "pad_token_id": "pad_token_id",
    },
    "electra": {**_BERT, "embedding_size": "embedding_size"},
    "gpt2": _GPT2,
    "openai-gpt": {**_OPENAI, "activation": "afn"},
}
# What transformers takes for a key that is left out.
_DEFAULTS = {
    "bert": EncoderConfig(),
    "distilbert": EncoderConfig(num_layers=6),
    "electra": EncoderConfig(
        embedding_size=128, hidden_size=256, num_heads=4, intermediate_size=1024
    ),
    "gpt2": DecoderConfig(),
    "openai-gpt": DecoderConfig.gpt("openai-gpt"),
}
# The largest size that is believed. The loader then compares with the weights.
_SIZES = {
    "vocab_size": 10**8,
    "hidden_size": 10**6,
    "num_layers": 1000,
    "num_heads": 10**6,
    "intermediate_size": 10**7,
    "max_length": 10**7,
    "type_vocab_size": 10**6,
    "embedding_size": 10**6,
}
# The lowest and the highest; null is the default too.
_NUMBERS = {
    "layer_norm_epsilon": (1e-30, 0.1),
    "initializer_range": (0.0, 10.0),
    "dropout": (0.0, 0.999),
    "embedding_dropout": (0.0, 0.999),
    "attention_dropout": (0.0, 0.999),
}
# Our name for the tanh variant, and the one that every version of transformers knows.
_OUR_GELU, _THEIR_GELU = "gelu_tanh", "gelu_new"
# The layout's names, and ours. Most mean the same in `kerasformer.layers.get_activation`; others of
# transformers' are of another formula there (leaky_relu), or of none.
_ACTIVATIONS = {
    **{name: name for name in ACTIVATIONS if name != _OUR_GELU},
    "gelu_python": "gelu",
    "gelu_python_tanh": _OUR_GELU,
    "gelu_accurate": _OUR_GELU,
}
# Those of the OpenAI transformer, whose "gelu" is the tanh variant.
_OPENAI_ACTIVATIONS = {
    **{name: name for name in ("relu", "silu", "swish", _THEIR_GELU)},
    "gelu": _THEIR_GELU,
}
# key: the one value with which the model computes what ours computes. A decoder's tokens attend to
# those before them alone.
_FIXED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
_DECODERS = ("is_decoder", "add_cross_attention")  # which DistilBERT is not, whatever they say
_FIXED_GPT2 = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}


# What follows from another value, or matters to new texts alone.
_ENDS = {"gpt2": 50256, "openai-gpt": None}
_END_KEYS = ("bos_token_id", "eos_token_id")
_DERIVED = ("n_inner", *_END_KEYS)


def size_keys(model_type: str) -> set[str]:
    """The keys that make a `config.json` known as one of a type that it does not name."""
    sizes = _SIZES.keys() - {"type_vocab_size"}  # which the first BERT models lack
    keys = {key for attribute, key in _KEYS[model_type].items() if attribute in sizes}
    return keys.difference(_DERIVED)


def default_values(values: dict) -> dict:
    """The keys that a `config.json`, with its `model_type`, leaves out, and what is taken.

    `NaN` as the `initializer_range` and -1 as the `pad_token_id` are no values either: both matter
    to new weights alone.
    """
    model_type = values["model_type"]
    return {
        key: getattr(_DEFAULTS[model_type], attribute)
        for attribute, key in _KEYS[model_type].items()
        if (key not in values and key not in _DERIVED)
        or (attribute == "initializer_range" and values[key] != values[key])
        or (attribute == "pad_token_id" and _is(int, values[key]) and values[key] == -1)
    }


def encoder_config(values: dict, path: Path) -> Any:
    """The configuration of an encoder or a decoder out of the values of a `config.json`.

    Args:
        values: The object in the file.
        path: The file, for messages.

    Returns:
        The configuration, with a pooler: whether there is one, only the weights show.

    Raises:
        UserError: The model is of another type; or a value is of a wrong type or out of bounds.
    """
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in _KEYS:
        raise UserError(
            f"{path} describes a model of type {str(model_type)[:80]!r}: expected "
            f"{' or '.join(map(repr, _KEYS))}."
        )
    is_decoder = isinstance(_DEFAULTS[model_type], DecoderConfig)
    for key, supported in (_FIXED_GPT2 if is_decoder else _FIXED).items():
        is_ignored = model_type == "distilbert" and key in _DECODERS
        if values.get(key) not in (None, supported) and not is_ignored:
            raise _out_of_bounds(values, key, path, repr(supported))
    keys, defaults = _KEYS[model_type], _DEFAULTS[model_type]
    values = values | default_values(values)
    names = _activations(model_type)
    attributes: dict[str, Any] = {
        "activation": _activation(values, keys["activation"], path, names)
    }
    if is_decoder:
        values = _with_derived(values, keys, path)
    for attribute, key in keys.items():
        if attribute in _SIZES:
            attributes[attribute] = read_integer(values, key, path, 1, _SIZES[attribute])
        elif attribute in _NUMBERS:
            default = getattr(defaults, attribute)
            attributes[attribute] = read_number(values, key, path, default, *_NUMBERS[attribute])
    heads, hidden = attributes["num_heads"], attributes["hidden_size"]
    if hidden % heads:
        raise UserError(
            f"{keys['hidden_size']} is {hidden} in {path}: expected a multiple of "
            f"{keys['num_heads']}, {heads}."
        )
    if values.get("pad_token_id") is not None:
        attributes["pad_token_id"] = read_integer(
            values, "pad_token_id", path, 0, values["vocab_size"] - 1
        )
    if not is_decoder:
        return EncoderConfig(**attributes)
    ends = {key: values[key] for key in _END_KEYS}
    return DecoderConfig(**attributes, **ends, norm_first=model_type == "gpt2")


def _with_derived(values: dict, keys: dict[str, str], path: Path) -> dict:
    """The values of a decoder, with those that follow from others."""
    values = dict(values)
    if values.get("n_inner") is None:
        hidden = read_integer(values, keys["hidden_size"], path, 1, _SIZES["hidden_size"])
        values["n_inner"] = 4 * hidden
    # transformers gives every small model the id that it has in GPT-2.
    vocab_size = read_integer(values, keys["vocab_size"], path, 1, _SIZES["vocab_size"])
    for key in _END_KEYS:
        end = values.get(key, _ENDS[values["model_type"]])
        values[key] = end if _is(int, end) and end in range(vocab_size) else None
    return values


def config_values(config: AnyConfig, model_type: str) -> dict:
    """The values of a `config.json`, the inverse of `encoder_config`.

    Raises:
        UserError: transformers has no such activation, or has another constant than a value.
    """
    known = _BERT if isinstance(config, EncoderConfig) else _GPT2
    for attribute in sorted(known.keys() - _KEYS[model_type].keys()):
        constant, value = (getattr(c, attribute) for c in (_DEFAULTS[model_type], config))
        if attribute == "intermediate_size":
            constant = 4 * config.hidden_size
        if value != constant:
            raise UserError(
                f"{attribute} is {constant} in every {model_type} of transformers, but {value} in "
                "this model: save it by its own save, as a .keras file."
            )
    values = {key: getattr(config, attribute) for attribute, key in _KEYS[model_type].items()}
    name = _THEIR_GELU if config.activation == _OUR_GELU else config.activation
    names = _activations(model_type)
    if name not in names:
        raise UserError(
            f"The activation {name!r} cannot be saved for transformers: expected one of "
            f"{', '.join((_OUR_GELU, *names))}."
        )
    theirs = "gelu" if (model_type, name) == ("openai-gpt", _THEIR_GELU) else name
    return {"model_type": model_type, **values, _KEYS[model_type]["activation"]: theirs}


def _activations(model_type: str) -> dict[str, str]:
    """The layout's names of activations, and ours."""
    return _OPENAI_ACTIVATIONS if model_type == "openai-gpt" else _ACTIVATIONS


def read_number(values: dict, key: str, path: Path, default, lowest, highest) -> float:
    """A number of a `config.json`, the default where it is null; as `read_integer` else."""
    value = default if values.get(key) is None else values[key]
    if not _is(int | float, value) or not lowest <= value <= highest:
        raise _out_of_bounds(values, key, path, f"a number from {lowest} to {highest}")
    return float(value)


def read_integer(values: dict, key: str, path: Path, lowest: int, highest: int) -> int:
    """An integer of a `config.json`; a UserError where it is missing or out of bounds."""
    value: Any = values.get(key)
    if not _is(int, value) or not lowest <= value <= highest:
        raise _out_of_bounds(values, key, path, f"an integer from {lowest} to {highest:,}")
    return value


def _activation(values: dict, key: str, path: Path, names: dict[str, str]) -> str:
    name = values[key]
    if not isinstance(name, str) or name not in names:
        raise _out_of_bounds(values, key, path, "one of " + ", ".join(names))
    return names[name]


def _is(kind, value) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # True is an int in Python


def _out_of_bounds(values: dict, key: str, path: Path, expected: str) -> UserError:
    if key not in values:
        return UserError(f"{path} has no {key}: expected {expected}.")
    return UserError(f"{key} is {repr(values[key])[:80]} in {path}: expected {expected}.")
