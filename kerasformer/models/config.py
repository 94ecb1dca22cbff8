"""The sizes and constants of a BERT encoder, and of a GPT decoder."""

import dataclasses
from collections.abc import Iterable
from typing import Any

_SIZES = (
    *("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size"),
    *("max_length", "type_vocab_size", "embedding_size"),
)
_DECODER_SIZES = _SIZES[:6]  # it has neither segments nor embeddings of another width
_LARGEST = 2**31 - 1  # backends index in int32
# The layers' own checks need Keras, which takes seconds to import; reading a checkpoint's
# configuration does not. Those of these names that checkpoints have are known without it.
ACTIVATIONS = (
    *("gelu", "gelu_tanh", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"),
    *("relu", "silu", "swish", "tanh", "sigmoid"),
)


# The inputs of every encoder, by TF Hub's names.
INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


def input_dict(inputs: Any, owner: str) -> dict[str, Any]:
    """The dict of an encoder's inputs, given that or the ids alone.

    Raises:
        ValueError: It is a dict without ids, or with other names than `INPUTS`.
    """
    if not isinstance(inputs, dict):
        inputs = {"input_word_ids": inputs}
    if "input_word_ids" not in inputs or not inputs.keys() <= set(INPUTS):
        raise ValueError(
            f"{owner} takes a dict with input_word_ids and possibly {INPUTS[1]} and {INPUTS[2]}, "
            f"not one with {', '.join(sorted(map(str, inputs))) or 'nothing'}."
        )
    return inputs


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """What defines a BERT encoder; the defaults are BERT base's, uncased.

    Devlin et al., https://arxiv.org/abs/1810.04805, section 3; the smaller sizes are those of Turc
    et al., "Well-Read Students Learn Better", https://arxiv.org/abs/1908.08962, table 1.

    Attributes:
        vocab_size: Number of token ids.
        hidden_size: Width of every layer's output; a multiple of `num_heads`.
        num_layers: Number of transformer blocks.
        num_heads: Number of attention heads in each block.
        intermediate_size: Width of the feed-forward network's inner layer.
        max_length: Number of positions, the longest input in tokens.
        type_vocab_size: Number of segment ids.
        activation: Feed-forward activation: `"gelu"` (erf), `"gelu_tanh"`, `"relu"`...
        dropout: Dropout of the embeddings and of each block's two outputs.
        attention_dropout: Dropout of the attention probabilities.
        layer_norm_epsilon: Added to the variance in LayerNorm.
        initializer_range: Standard deviation of the truncated normal that weights start from; 0 for
            zeros, where they are to be overwritten.
        pad_token_id: The id that is padding where no mask is given.
        pooler: Whether there is a dense layer over the first token.
        embedding_size: Width of the embeddings, `hidden_size` where None; where the two differ, as
            in ELECTRA small, https://arxiv.org/abs/2003.10555, a dense layer leads from one to the
            other.
        pooler_activation: The pooler's activation, where it is not BERT's.

    Raises:
        ValueError: A size that is no positive integer, a `hidden_size` that is no multiple of
            `num_heads`, a rate outside [0, 1), an epsilon that is not above 0 or a range below, a
            `pad_token_id` that is no id, or an unknown activation.

    Example:

    >>> EncoderConfig.bert("tiny").hidden_size
    128
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    max_length: int = 512
    type_vocab_size: int = 2
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    layer_norm_epsilon: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int = 0
    pooler: bool = True
    embedding_size: int | None = None
    pooler_activation: str = "tanh"

    def __post_init__(self):
        """Checks every value."""
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size)  # frozen
        check_config(self, _SIZES)
        for activation in {self.activation, self.pooler_activation} - {*ACTIVATIONS}:
            _check_activation(activation)

    @classmethod
    def bert(cls, size: str = "base", **changes: Any) -> "EncoderConfig":
        """A published size: tiny, mini, small, medium, base or large.

        Args:
            size: The size's name.
            **changes: Further attributes, such as `vocab_size=29024`.

        Raises:
            ValueError: The size is not a published one.
        """
        if size not in _PUBLISHED:
            raise ValueError(f"{size!r} is not one of the sizes {', '.join(_PUBLISHED)}.")
        num_layers, hidden_size, num_heads = _PUBLISHED[size]
        sizes: dict[str, Any] = {
            "num_layers": num_layers,
            "hidden_size": hidden_size,
            "num_heads": num_heads,
            "intermediate_size": 4 * hidden_size,
        }
        return cls(**{**sizes, **changes})


# Layers, hidden size, heads; the feed-forward network is four times as wide.
_PUBLISHED = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """What defines a decoder-only transformer; the defaults are those of GPT-2's smallest.

    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.3; and
    "Improving Language Understanding by Generative Pre-Training", 2018, section 4.1. `gpt` gives
    the published ones by name.

    Attributes:
        vocab_size, hidden_size, num_layers, num_heads, intermediate_size: As of `EncoderConfig`.
        max_length: Number of positions, the longest input in tokens.
        activation: Feed-forward activation.
        dropout: Dropout of each block's two outputs.
        embedding_dropout: Dropout of the embeddings, `dropout` where None.
        attention_dropout: Dropout of the attention probabilities.
        layer_norm_epsilon: Added to the variance in LayerNorm.
        initializer_range: Standard deviation of the normal distribution that weights start from; 0
            for zeros, where they are to be overwritten.
        norm_first: Whether LayerNorm comes before each part of a block, and once more after the
            last one (pre-LN), or after the residuals alone (post-LN).
        pad_token_id: The id that is padding where no mask is given; None where all are tokens.
        bos_token_id: The id of the token before a text, None where there is none.
        eos_token_id: The id of the token that ends a text, None where there is none.

    Raises:
        ValueError: As of `EncoderConfig`.

    Example:

    >>> DecoderConfig.gpt("gpt2-medium").intermediate_size
    4096
    """

    vocab_size: int = 50257
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int | None = None
    max_length: int = 1024
    activation: str = "gelu_new"
    dropout: float = 0.1
    embedding_dropout: float | None = None
    attention_dropout: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    norm_first: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    def __post_init__(self):
        """Checks every value."""
        if self.intermediate_size is None:
            object.__setattr__(self, "intermediate_size", 4 * self.hidden_size)  # frozen
        if self.embedding_dropout is None:
            object.__setattr__(self, "embedding_dropout", self.dropout)
        check_config(self, _DECODER_SIZES, ("dropout", "attention_dropout", "embedding_dropout"))
        if self.activation not in ACTIVATIONS:
            _check_activation(self.activation)

    @classmethod
    def gpt(cls, name: str = "gpt2", **changes: Any) -> "DecoderConfig":
        """A published model's sizes: gpt2, gpt2-medium, gpt2-large, gpt2-xl, or openai-gpt.

        Args:
            name: The model's name; openai-gpt is the OpenAI transformer of 2018, which is post-LN.
            **changes: Further attributes, such as `vocab_size=8000`.

        Raises:
            ValueError: There is no such model.
        """
        if name not in _PUBLISHED_GPT:
            raise ValueError(f"{name!r} is not one of the models {', '.join(_PUBLISHED_GPT)}.")
        return cls(**{**_PUBLISHED_GPT[name], **changes})

    @property
    def embedding_size(self) -> int:
        """The width of the embeddings, `hidden_size`."""
        return self.hidden_size

    @property
    def pooler(self) -> bool:
        """Whether there is a dense layer over the first token: never."""
        return False


_PUBLISHED_GPT: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt2-medium": {"num_layers": 24, "hidden_size": 1024, "num_heads": 16},
    "gpt2-large": {"num_layers": 36, "hidden_size": 1280, "num_heads": 20},
    "gpt2-xl": {"num_layers": 48, "hidden_size": 1600, "num_heads": 25},
    "openai-gpt": {"vocab_size": 40478, "max_length": 512, "norm_first": False},
}

AnyConfig = EncoderConfig | DecoderConfig


def check_config(
    config: Any, sizes: Iterable[str], rates: Iterable[str] = ("dropout", "attention_dropout")
) -> None:
    """Raises a ValueError for the first value of a configuration that it cannot have.

    Args:
        config: The configuration.
        sizes: The names of its sizes.
        rates: The names of its dropout rates.
    """
    for name in sizes:
        size = getattr(config, name)
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise ValueError(f"{name}={size!r} is not a positive integer.")
        if size > _LARGEST:
            raise ValueError(f"{name}={size!r} is above {_LARGEST}, the largest there can be.")
    if config.hidden_size % config.num_heads:
        raise ValueError(
            f"hidden_size={config.hidden_size} is not a multiple of num_heads={config.num_heads}: "
            "every head has hidden_size / num_heads dimensions."
        )
    for name in rates:
        _check_number(config, name, "from 0 up to, not including, 1", lambda x: 0 <= x < 1)
    _check_number(config, "layer_norm_epsilon", "above 0", lambda x: x > 0)
    _check_number(config, "initializer_range", "of 0 or above", lambda x: x >= 0)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        token_id = getattr(config, name, None)
        is_missing = token_id is None and isinstance(config, DecoderConfig)
        if hasattr(config, name) and not is_missing and token_id not in range(config.vocab_size):
            raise ValueError(
                f"{name}={token_id!r} is not one of the vocab_size={config.vocab_size} token ids."
            )


def _check_number(config, name, bounds, is_within):
    number = getattr(config, name)
    if isinstance(number, bool) or not isinstance(number, int | float) or not is_within(number):
        raise ValueError(f"{name}={number!r} is not a number {bounds}.")


def _check_activation(name):
    from kerasformer.layers.activations import get_activation

    get_activation(name)
