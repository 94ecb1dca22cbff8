"""Which model makes a vector of a text, and how: its settings, and the model with them."""

import dataclasses
import os
import warnings
from typing import Any, NamedTuple

import numpy as np

from kerasformer.errors import UserError
from kerasformer.progress import stderr_to_nowhere

DTYPES = ("float32", "float16", "int8", "binary")
POLICIES = ("float32", "mixed_bfloat16", "bfloat16")
_OF_EMBEDDER = (
    *("layers", "combine", "pooling", "special_tokens", "max_length", "normalize", "prompt"),
    "include_prompt",
)
_OF_ENCODE = ("dtype", "dimensions", "long")


@dataclasses.dataclass(frozen=True)
class EmbeddingConfig:
    """A model and all settings of the vectors: plain data. None is what the model itself says.

    `model` is the source, as `TextEmbedder.from_pretrained` takes it, and `sha256` its
    `model_fingerprint`, or "" while unknown; `policy` is the Keras dtype policy of the encoder;
    `layers` to `include_prompt` are as in `TextEmbedder`; the others as in its `encode`.
    """

    model: str = "all-MiniLM-L6-v2"
    sha256: str = ""
    policy: str = "float32"
    layers: int | str | tuple[int, ...] | None = None
    combine: str | None = None
    pooling: str | tuple[str, ...] | None = None
    special_tokens: bool | None = None
    max_length: int | None = None
    normalize: bool | None = None
    prompt: str | None = None
    include_prompt: bool | None = None
    dtype: str = "float32"
    dimensions: int | None = None
    long: str = "truncate"

    def __post_init__(self):
        object.__setattr__(self, "model", os.fspath(self.model))
        for name, known in (("dtype", DTYPES), ("policy", POLICIES)):
            value = getattr(self, name)
            if value not in known:
                raise UserError(f"{name} is {value!r}: give one of {', '.join(known)}.")
        for name in ("layers", "pooling"):  # lists when read from JSON
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            elif not isinstance(value, int | str | tuple | None):
                raise UserError(f"{name} is a {type(value).__name__}: give numbers or names.")
        if self.combine == "stack":
            raise UserError(
                "combine='stack' makes several vectors a text: use sum, mean or concat."
            )


class Embedded(NamedTuple):
    """Vectors `[texts, width]`; how many texts were cut, and how many tokens they lost."""

    vectors: np.ndarray
    cut_texts: int
    cut_tokens: int


class ConfiguredEmbedder:
    """A model with its settings, which is loaded once and then makes vectors of texts.

    `config` is the given one, completed by the model's own settings and its fingerprint; a model
    that is another one than `sha256` says is a `UserError`. `advance` is called now and then with
    the number of texts done since the last call.
    """

    def __init__(self, config: EmbeddingConfig):
        with stderr_to_nowhere():  # TensorFlow's first messages heed no log level
            from kerasformer.embedder import TextEmbedder

        settings = _given(config, _OF_EMBEDDER)
        self.embedder = TextEmbedder.from_pretrained(config.model, dtype=config.policy, **settings)
        digest = model_fingerprint(self.embedder)
        if config.sha256 not in ("", digest):
            raise UserError(
                f"The model {config.model} has changed since the job was begun (weights, "
                "configuration or vocabulary): restore it, or embed into a new folder."
            )
        used: dict[str, Any] = {
            name: value
            for name in _OF_EMBEDDER
            # Else it is a trained mix of layers, which is a part of the model.
            if isinstance(value := getattr(self.embedder, name, None), int | str | tuple | list)
        }
        self.config = dataclasses.replace(config, sha256=digest, **used)
        self.advance = lambda count: None

    def __call__(self, texts: list[str]) -> Embedded:
        """Makes the vectors of texts, all in one call of `TextEmbedder.encode`."""
        from kerasformer.embedder import TruncationWarning

        settings = _given(self.config, _OF_ENCODE)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vectors = self.embedder.encode(texts, show_progress_bar=self.advance, **settings)
        cut_texts = cut_tokens = 0
        for warning in caught:
            message = warning.message
            if isinstance(message, TruncationWarning):
                cut_texts += int(message.texts)
                cut_tokens += int(message.tokens)
            else:
                warnings.warn_explicit(message, warning.category, warning.filename, warning.lineno)
        return Embedded(vectors, cut_texts, cut_tokens)


def _given(config, names):
    defaults = EmbeddingConfig()
    values = {name: getattr(config, name) for name in names}
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def model_fingerprint(embedder) -> str:
    """The sha256 of a `TextEmbedder`'s weights, configuration and tokenizer, in any format."""
    from kerasformer.models.fingerprint import fingerprint

    config = dataclasses.asdict(embedder.encoder.config)
    return fingerprint(config, embedder.weights, [embedder.tokenizer.to_json()])
