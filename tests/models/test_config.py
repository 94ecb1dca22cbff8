"""EncoderConfig: the published sizes, and what it refuses."""

import dataclasses

import pytest

from kerasformer import EncoderConfig


def parameters(config):
    """The number of weights, by arithmetic."""
    hidden, inner = config.hidden_size, config.intermediate_size
    rows = config.vocab_size + config.max_length + config.type_vocab_size
    attention = 4 * (hidden * hidden + hidden)
    feed_forward = hidden * inner + inner + inner * hidden + hidden
    block = attention + feed_forward + 2 * 2 * hidden
    pooler = hidden * hidden + hidden if config.pooler else 0
    return rows * hidden + 2 * hidden + config.num_layers * block + pooler


# The exact numbers of the published checkpoints; rounded in Turc et al., table 1 and Devlin et al.
PUBLISHED = {
    "tiny": 4_385_920,
    "mini": 11_170_560,
    "small": 28_763_648,
    "medium": 41_373_184,
    "base": 109_482_240,
    "large": 335_141_888,
}


@pytest.mark.parametrize(("size", "expected"), PUBLISHED.items())
def test_published_sizes(size, expected):
    assert parameters(EncoderConfig.bert(size)) == expected


def test_the_default_is_base():
    assert EncoderConfig() == EncoderConfig.bert() == EncoderConfig.bert("base")


def test_changes_to_a_published_size():
    config = EncoderConfig.bert("tiny", vocab_size=29024, pooler=False, intermediate_size=100)
    assert (config.hidden_size, config.num_layers, config.num_heads) == (128, 2, 2)
    assert (config.vocab_size, config.pooler, config.intermediate_size) == (29024, False, 100)


def test_unknown_size_names_the_known_ones():
    with pytest.raises(ValueError, match="'huge' is not one of the sizes tiny, mini, small"):
        EncoderConfig.bert("huge")


def test_comes_back_from_its_dict():
    config = EncoderConfig.bert("mini", layer_norm_epsilon=1e-6)
    assert EncoderConfig(**dataclasses.asdict(config)) == config


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EncoderConfig().hidden_size = 3


SIZES = (
    "vocab_size",
    "hidden_size",
    "num_layers",
    "num_heads",
    "intermediate_size",
    "max_length",
    "type_vocab_size",
)
WRONG = [
    *[(name, value) for name in SIZES for value in (0, -1, 2.0, True, None, "8")],
    *[(n, v) for n in ("dropout", "attention_dropout") for v in (-0.1, 1.0, None, "0.1")],
    *[("layer_norm_epsilon", value) for value in (0, -1e-12, None, "1")],
    *[("initializer_range", value) for value in (-1e-12, None, "1")],
    *[("pad_token_id", value) for value in (-1, 30522, None, "0")],
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}=") as error:
        EncoderConfig(**{name: value})
    sentence = str(error.value)
    assert f"{name}={value!r} is not" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="hidden_size=768 is not a multiple of num_heads=7"):
        EncoderConfig(num_heads=7)


def test_unknown_activation():
    with pytest.raises(ValueError, match="'gleu' is not a known activation"):
        EncoderConfig(activation="gleu")
