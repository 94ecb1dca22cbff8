"""The decoder by its laws; tests/parity/test_causal_language_model.py has transformers'."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.models import BertEncoder, CausalDecoder, DecoderConfig, EncoderConfig

SIZES = {"vocab_size": 30, "hidden_size": 12, "num_layers": 2, "num_heads": 3, "max_length": 11}
IDS = np.array([[5, 4, 3, 7, 0, 0], [6, 7, 3, 7, 3, 9]], "int32")
MASK = np.array([[1] * 4 + [0] * 2, [1] * 6], "int32")


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def make(dtype=None, **changes):
    keras.utils.set_random_seed(2)
    sizes = {**SIZES, "initializer_range": 0.4, **changes}
    return CausalDecoder(DecoderConfig(**sizes), dtype=dtype)


@pytest.fixture(scope="module", params=[True, False], ids=["pre-LN", "post-LN"])
def decoder(request):
    return make(norm_first=request.param)


def vectors(decoder, ids, mask=None):
    inputs = {"input_word_ids": ids} | ({} if mask is None else {"input_mask": mask})
    return array(decoder(inputs, outputs=["sequence_output"])["sequence_output"])


def test_padding_changes_no_real_token(decoder):
    padded = vectors(decoder, IDS, MASK)
    np.testing.assert_allclose(padded[:1, :4], vectors(decoder, IDS[:1, :4]), atol=1e-5)
    np.testing.assert_allclose(padded[0, :4], vectors(decoder, IDS)[0, :4], atol=1e-5)
    named = make(norm_first=decoder.config.norm_first, pad_token_id=0)
    named.set_weights(decoder.get_weights())
    np.testing.assert_allclose(vectors(named, IDS), padded, atol=1e-6)


def test_its_outputs(decoder):
    outputs = decoder(
        {"input_word_ids": IDS, "input_mask": MASK}, outputs=decoder.available_outputs
    )
    specs = decoder.compute_output_spec(IDS, outputs=decoder.available_outputs)
    keras.tree.assert_same_structure(outputs, specs)
    for one, spec in zip(keras.tree.flatten(outputs), keras.tree.flatten(specs), strict=True):
        assert (tuple(one.shape), one.dtype) == (spec.shape, spec.dtype)
    np.testing.assert_array_equal(
        array(outputs["encoder_outputs"][-1]), array(outputs["sequence_output"])
    )
    for scores in outputs["attention_scores"]:
        assert not np.triu(array(scores)[1], 1).any()  # of what comes later
        np.testing.assert_allclose(array(scores).sum(-1), 1, atol=1e-5)
    normal = array(outputs["sequence_output"])[1]
    if decoder.config.norm_first:
        assert decoder.final_layer_norm is not None
    np.testing.assert_allclose(normal.mean(-1), 0, atol=1e-5)  # LayerNorm comes last in both


@pytest.mark.parametrize("first", [1, 3, 5])
def test_extended_from_any_token_on(decoder, first):
    """Prompts of other lengths, padded, and a token at a time after them."""
    lengths = np.array([min(first, 3), first])
    mask = (np.arange(first) < lengths[:, None]).astype("int32")
    columns = np.concatenate([mask, np.ones((2, 3), "int32")], axis=1)
    cache = decoder.empty_cache(columns)
    ids = np.where(mask, IDS[:, :first], 0)
    found, cache = decoder.extend(ids, np.arange(first)[None], columns, cache, 0)
    rows = [ids[i, : lengths[i]].tolist() for i in range(2)]
    for step in range(3):
        for i, row in enumerate(rows):
            expected = vectors(decoder, np.array([row]))[0, -1]
            at = lengths[i] - 1 if step == 0 else 0
            np.testing.assert_allclose(array(found)[i, at], expected, atol=1e-5)
        new = np.array([[step + 4], [9 - step]])
        rows = [[*row, int(token)] for row, (token,) in zip(rows, new, strict=True)]
        at = (lengths + step)[:, None]
        found, cache = decoder.extend(new, at, columns, cache, first + step)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    exact, half = make(), make(policy)
    half.set_weights(exact.get_weights())
    np.testing.assert_allclose(vectors(half, IDS, MASK), vectors(exact, IDS, MASK), atol=0.2)
    found, _ = half.extend(IDS, np.arange(6)[None], MASK, half.empty_cache(MASK), 0)
    np.testing.assert_allclose(array(found)[1], vectors(exact, IDS, MASK)[1], atol=0.2)


def test_saved_and_reloaded(decoder, tmp_path):
    decoder.save(tmp_path / "decoder.keras")
    again = keras.saving.load_model(tmp_path / "decoder.keras")
    assert again.config == decoder.config
    np.testing.assert_array_equal(vectors(again, IDS, MASK), vectors(decoder, IDS, MASK))
    decoder.save_pretrained(tmp_path)
    read = CausalDecoder.from_pretrained(tmp_path)
    assert read.config == decoder.config
    np.testing.assert_array_equal(vectors(read, IDS, MASK), vectors(decoder, IDS, MASK))


# Of the published checkpoints; 124 M and 1.5 B in their model cards.
PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "openai-gpt": 116_534_784,
}


@pytest.mark.parametrize(("name", "expected"), PUBLISHED.items())
def test_parameters_of_the_published_models(name, expected):
    with keras.StatelessScope(initialize_variables=False):  # in no memory
        decoder = CausalDecoder(DecoderConfig.gpt(name))
    assert decoder.count_params() == expected


def test_changes_to_a_published_model():
    config = DecoderConfig.gpt("gpt2-medium", vocab_size=60, max_length=20)
    assert (config.num_layers, config.num_heads, config.intermediate_size) == (24, 16, 4096)
    assert (config.vocab_size, config.max_length, config.norm_first) == (60, 20, True)
    assert not DecoderConfig.gpt("openai-gpt").norm_first
    assert DecoderConfig.gpt() == DecoderConfig()
    with pytest.raises(ValueError, match="'gpt3' is not one of the models gpt2, gpt2-medium,"):
        DecoderConfig.gpt("gpt3")


def test_lora_of_its_blocks():
    decoder = make()
    before = vectors(decoder, IDS)
    decoder.enable_lora(2, targets="attention")
    assert len(decoder.trainable_weights) == 16
    decoder.merge_lora()
    np.testing.assert_allclose(vectors(decoder, IDS), before, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 13}, "is not a multiple of num_heads=3"),
        ({"num_layers": 0}, "num_layers=0 is not a positive integer"),
        ({"max_length": 1 << 31}, "max_length=2147483648 is above 2147483647"),
        ({"embedding_dropout": 1.0}, "embedding_dropout=1.0 is not a number from 0 up to"),
        ({"eos_token_id": 30}, "eos_token_id=30 is not one of the vocab_size=30 token ids"),
        ({"pad_token_id": -1}, "pad_token_id=-1 is not one of the vocab_size=30 token ids"),
        ({"activation": "spam"}, "'spam' is not a known activation"),
    ],
)
def test_what_a_configuration_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        DecoderConfig(**{**SIZES, **changes})


def test_configurations_of_the_other_kind():
    with pytest.raises(ValueError, match="expected a DecoderConfig or the dict of its attributes"):
        CausalDecoder(EncoderConfig.bert("tiny"))
    with pytest.raises(ValueError, match="expected an EncoderConfig or the dict of its attributes"):
        BertEncoder(DecoderConfig())
    with pytest.raises(ValueError, match="this model has sequence_output, encoder_outputs"):
        make()(IDS, outputs=["pooled_output"])
    with pytest.raises(ValueError, match="The input has 12 positions and the position table 11"):
        make()(np.ones((1, 12), "int32"))
