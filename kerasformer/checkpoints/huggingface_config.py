"""`config.json` of a BERT model in the Hugging Face layout, checked key by key.

The keys and their defaults are those of transformers' `BertConfig`:
https://github.com/huggingface/transformers/blob/main/src/transformers/models/bert/configuration_bert.py
"""

import json
from pathlib import Path

from kerasformer.errors import UserError
from kerasformer.models.config import EncoderConfig

# key: our attribute, the largest size that is believed. The loader then compares with the weights.
_SIZES = {
    "vocab_size": ("vocab_size", 10**8),
    "hidden_size": ("hidden_size", 10**6),
    "num_hidden_layers": ("num_layers", 1000),
    "num_attention_heads": ("num_heads", 10**6),
    "intermediate_size": ("intermediate_size", 10**7),
    "max_position_embeddings": ("max_length", 10**7),
    "type_vocab_size": ("type_vocab_size", 10**6),
}
# key: our attribute, default, lowest, highest. These may be left out, as in the files of Google's
# own BERT models; what is then meant is the layout's default, not a guess.
_NUMBERS = {
    "layer_norm_eps": ("layer_norm_epsilon", 1e-12, 1e-30, 0.1),
    "initializer_range": ("initializer_range", 0.02, 0.0, 10.0),
    "hidden_dropout_prob": ("dropout", 0.1, 0.0, 0.999),
    "attention_probs_dropout_prob": ("attention_dropout", 0.1, 0.0, 0.999),
}
# Those that mean the same in the layout and in `kerasformer.layers.get_activation`.
_ACTIVATIONS = (
    *("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"),
    *("relu", "silu", "swish", "tanh", "sigmoid"),
)
# key: the one value with which the model computes what BertEncoder computes.
_FIXED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}


def read_config(folder: Path) -> EncoderConfig:
    """Reads the `config.json` of a BERT model.

    Args:
        folder: The folder that holds the file.

    Returns:
        The encoder's configuration, with a pooler: whether there is one, only the weights tell.

    Raises:
        UserError: The file is missing or no JSON object; the model is no BERT encoder; or a value
            is missing, of a wrong type or out of bounds.

    Example:

    >>> folder = getfixture("tmp_path")
    >>> sizes = {"vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 2}
    >>> sizes |= {"num_attention_heads": 2, "intermediate_size": 32}
    >>> sizes |= {"max_position_embeddings": 64, "type_vocab_size": 2}
    >>> text = json.dumps({"model_type": "bert", "hidden_act": "gelu_new", **sizes})
    >>> _ = (folder / "config.json").write_text(text)
    >>> read_config(folder).activation
    'gelu_new'
    """
    path = Path(folder) / "config.json"
    values = _read_json(path)
    if values.get("model_type") != "bert":
        raise UserError(
            f"{path} describes a model of type {values.get('model_type')!r}, and only BERT's, "
            "'bert', can be read."
        )
    for key, supported in _FIXED.items():
        if values.get(key) not in (None, supported):
            raise UserError(
                f"{key} is {values[key]!r} in {path}, and only models with {supported!r} can be "
                "read."
            )
    attributes = {name: _size(values, key, path) for key, (name, _) in _SIZES.items()}
    attributes |= {entry[0]: _number(values, key, path) for key, entry in _NUMBERS.items()}
    heads, hidden = attributes["num_heads"], attributes["hidden_size"]
    if hidden % heads:
        raise UserError(
            f"hidden_size is {hidden} in {path}, which is no multiple of num_attention_heads, "
            f"{heads}."
        )
    return EncoderConfig(
        **attributes,
        activation=_activation(values, path),
        pad_token_id=_pad_token_id(values, path),
    )


def _read_json(path: Path) -> dict:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"The folder {path.parent} holds no {path.name}: give the folder of a model in the "
            "Hugging Face layout."
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON file ({error}): fetch or write it again.") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} holds a JSON {type(values).__name__}, and not an object of keys.")
    return values


def _size(values: dict, key: str, path: Path) -> int:
    value, highest = values.get(key), _SIZES[key][1]
    if not _is(int, value) or not 1 <= value <= highest:
        raise _out_of_bounds(values, key, path, f"an integer from 1 to {highest:,}")
    return value


def _number(values: dict, key: str, path: Path) -> float:
    _, default, lowest, highest = _NUMBERS[key]
    value = default if values.get(key) is None else values[key]
    if not _is(int | float, value) or not lowest <= value <= highest:
        raise _out_of_bounds(values, key, path, f"a number from {lowest} to {highest}")
    return float(value)


def _activation(values: dict, path: Path) -> str:
    name = values.get("hidden_act")
    if name not in _ACTIVATIONS:
        raise _out_of_bounds(values, "hidden_act", path, "one of " + ", ".join(_ACTIVATIONS))
    return name


def _pad_token_id(values: dict, path: Path) -> int:
    value, highest = values.get("pad_token_id"), values["vocab_size"] - 1
    if value is None:
        return 0
    if not _is(int, value) or not 0 <= value <= highest:
        raise _out_of_bounds(values, "pad_token_id", path, f"an integer from 0 to {highest:,}")
    return value


def _is(kind, value) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # True is an int in Python


def _out_of_bounds(values: dict, key: str, path: Path, expected: str) -> UserError:
    if key not in values:
        return UserError(f"{path} has no {key}: expected {expected}.")
    return UserError(f"{key} is {str(values[key])[:80]} in {path}: expected {expected}.")
