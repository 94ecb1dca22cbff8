"""Encoders and classifiers that are quantized or have LoRA: near float32, saved, never stale."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.checkpoints import open_checkpoint
from kerasformer.embedder import TextEmbedder
from kerasformer.errors import UserError
from kerasformer.layers import SelfAttention, TokenAndPositionEmbedding, TransformerBlock
from kerasformer.layers.kernels import embedding_table
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MaskedLanguageModel, TextClassifier
from kerasformer.text import WordPieceTokenizer, pack

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fine", "dull", "film", "a", "very"]
TEXTS = ["fine film", "a very fine film", "fine", "dull film", "a very dull film", "dull"]
LABELS = ["good"] * 3 + ["bad"] * 3
IDS = np.array([[2, 5, 7, 3, 0, 0], [2, 8, 9, 6, 7, 3]], "int32")
CONFIG = EncoderConfig(
    vocab_size=len(WORDS), hidden_size=32, num_layers=2, num_heads=4, intermediate_size=64,
    max_length=16, initializer_range=0.2, dropout=0.0, attention_dropout=0.0,
)  # fmt: skip


def make(dtype=None):
    keras.utils.set_random_seed(0)
    return BertEncoder(CONFIG, dtype=dtype)


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def vectors(encoder):
    return array(encoder(IDS)["sequence_output"])


def cosines(one, other):
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(-1) / lengths


def adapt(encoder, scale=0.3):
    """LoRA on a projection, a feed-forward layer and the word embeddings, trained a little."""
    block, rng = encoder.blocks[0], np.random.default_rng(3)
    for layer in (
        *(block.self_attention.value_dense, block.self_attention.output_dense),
        *(block.intermediate, encoder.embedding.word_embeddings),
    ):
        layer.enable_lora(2, lora_alpha=4)
    for weight in encoder.weights:
        if "lora" in weight.path:
            weight.assign(rng.normal(scale=scale, size=weight.shape))
    return encoder


def change(encoder, how):
    return adapt(encoder) if how == "lora" else encoder.quantize(how)


@pytest.mark.parametrize(("mode", "least"), [("int8", 0.99), ("float8", 0.99), ("int4", 0.95)])
def test_a_quantized_encoder_stays_near_float32(mode, least):
    encoder = make()
    before = vectors(encoder)
    encoder.quantize(mode)
    assert least < cosines(vectors(encoder), before).min() < 1 - 1e-6


@pytest.mark.parametrize("how", ["int8", "int4", "float8", "lora"])
def test_an_encoder_comes_back_from_its_file(how, tmp_path):
    encoder = make()
    change(encoder, how)
    expected = vectors(encoder)
    for _ in range(2):  # what has come back can be saved, too
        encoder.save(tmp_path / "encoder.keras")
        encoder = keras.saving.load_model(tmp_path / "encoder.keras")
        np.testing.assert_allclose(vectors(encoder), expected, atol=1e-5)
    mode = encoder.blocks[1].self_attention.query_dense.quantization_mode
    assert mode == (None if how == "lora" else how)
    encoder.save_weights(tmp_path / "encoder.weights.h5")
    again = BertEncoder.from_config(encoder.get_config())
    again.load_weights(tmp_path / "encoder.weights.h5")
    np.testing.assert_allclose(vectors(again), expected, atol=1e-5)


def test_blocks_of_int4_come_back(tmp_path):
    encoder = make()
    encoder.quantize(config=keras.quantizers.Int4QuantizationConfig(block_size=16))
    expected = vectors(encoder)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_allclose(vectors(again), expected, atol=1e-5)


def test_layers_of_a_functional_model_come_back(tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    x = TokenAndPositionEmbedding(len(WORDS), 9, 16)(inputs)
    model = keras.Model(inputs, SelfAttention(2, 8)(TransformerBlock(16, 2, 32)(x)))
    model.quantize("int8")
    expected = array(model(IDS))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(again(IDS)), expected, atol=1e-6)


def test_part_of_an_encoder_may_be_quantized(tmp_path):
    encoder = make()
    encoder.quantize("int8", filters="intermediate")
    assert encoder.get_config()["quantized"] == {
        "layer_0/intermediate": "int8",
        "layer_1/intermediate": "int8",
    }
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(vectors(again), vectors(encoder))


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    encoder = make()
    weights_alone = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    encoder.quantize(config=weights_alone)
    with pytest.raises(ValueError, match=r"quantized to int8 with settings that no file can hold"):
        encoder.save(tmp_path / "encoder.keras")


@pytest.mark.parametrize(
    ("quantized", "message"),
    [
        ({"pooler": "int8"}, "no layer 'pooler'"),
        ({"layer_0/intermediate": "int7"}, "'int7' is not"),
    ],
)
def test_a_configuration_with_no_such_layer_or_mode(quantized, message):
    with pytest.raises(ValueError, match=message):
        BertEncoder(CONFIG, quantized=quantized)


def test_lora_is_merged_by_save_pretrained(tmp_path, tokenizer):
    encoder = adapt(make())
    expected = vectors(encoder)
    assert cosines(expected, vectors(make())).min() < 0.99
    encoder.save_pretrained(tmp_path, tokenizer)
    merged = BertEncoder.from_pretrained(tmp_path)
    np.testing.assert_allclose(vectors(merged), expected, atol=1e-5)
    assert len(merged.weights) == len(make().weights)


def test_lora_is_merged_in_float32_under_mixed_precision(tmp_path):
    encoder = adapt(make("mixed_bfloat16"))
    dense = encoder.blocks[0].intermediate
    product = array(dense.lora_kernel_a) @ array(dense.lora_kernel_b)
    encoder.save_pretrained(tmp_path)
    merged = BertEncoder.from_pretrained(tmp_path).blocks[0].intermediate.kernel
    np.testing.assert_allclose(array(merged), array(dense._kernel) + 2 * product, atol=1e-6)


def test_formats_of_others_refuse_what_is_quantized(tmp_path, tokenizer):
    encoder = make()
    encoder.quantize("int8")
    with pytest.raises(UserError, match=r"is quantized to int8, .* as a \.keras file"):
        encoder.save_pretrained(tmp_path / "folder")
    encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(UserError, match=r"holds a quantized BertEncoder"):
        open_checkpoint(tmp_path / "encoder.keras")
    dense = keras.layers.Dense(4)
    dense.build((None, 32))
    dense.quantize("int8")
    embedder = TextEmbedder(make(), tokenizer, dense=[dense])
    with pytest.raises(UserError, match=r"dense layer .* is quantized to int8"):
        embedder.save_pretrained(tmp_path / "embedder")


@pytest.mark.parametrize("how", ["int8", "int4", "lora"])
def test_the_tied_decoder_has_the_table_of_the_embeddings(how):
    encoder = make()
    model = MaskedLanguageModel(encoder)
    change(encoder, how)
    table = array(encoder.embedding.word_embeddings(np.arange(len(WORDS))))
    np.testing.assert_allclose(
        array(embedding_table(encoder.embedding.word_embeddings)), table, atol=1e-6
    )
    expected = model.masked_lm(encoder(IDS)["sequence_output"], table)
    np.testing.assert_allclose(array(model(IDS)), array(expected), atol=1e-4)


@pytest.mark.parametrize("how", ["int8", "lora"])
def test_an_embedder_follows_its_encoder(how, tokenizer):
    embedder = TextEmbedder(make(), tokenizer)
    before = embedder.encode(TEXTS)
    change(embedder.encoder, how)
    after = embedder.encode(TEXTS)
    assert cosines(after, before).min() < 1 - 1e-5
    np.testing.assert_allclose(
        after, TextEmbedder(embedder.encoder, tokenizer).encode(TEXTS), atol=1e-6
    )


@pytest.fixture(scope="module")
def classifier(tokenizer):
    keras.utils.set_random_seed(0)
    model = TextClassifier(["bad", "good"], make(), tokenizer, dropout=0.0)
    model.fit(TEXTS, LABELS, epochs=40, batch_size=6, learning_rate=2e-3, verbose=0)
    assert model.classify(TEXTS) == LABELS
    return model


def test_a_quantized_classifier_keeps_its_answers_and_comes_back(classifier, tmp_path):
    classifier.save(tmp_path / "whole.keras")
    model = keras.saving.load_model(tmp_path / "whole.keras")
    before = model.predict(TEXTS)
    model.encoder.quantize("int8")  # of which Keras tells the encoder alone
    model.head.quantize("int8")
    after = model.predict(TEXTS)
    assert 1e-5 < np.abs(after - before).max() < 0.1 * np.abs(before).max()
    assert model.classify(TEXTS) == LABELS
    model.save(tmp_path / "int8.keras")
    again = keras.saving.load_model(tmp_path / "int8.keras")
    np.testing.assert_allclose(again.predict(TEXTS), after, atol=1e-5)
    with pytest.raises(UserError, match=r"is quantized to int8, .* as a \.keras file"):
        model.save_pretrained(tmp_path / "folder")


def test_predict_evaluate_and_fit_follow_lora(classifier, tokenizer, tmp_path):
    model = TextClassifier(["bad", "good"], make(), tokenizer, dropout=0.0)
    for ours, theirs in zip(model.weights, classifier.weights, strict=True):
        ours.assign(theirs)
    options = {"epochs": 1, "batch_size": 6, "learning_rate": 0.01, "verbose": 0}
    model.fit(TEXTS, LABELS, **options)
    before = model.predict(TEXTS)
    adapt(model.encoder)
    dense = model.encoder.blocks[0].intermediate
    kernel, adapter = array(dense._kernel), array(dense.lora_kernel_b)
    after = model.predict(TEXTS)
    assert np.abs(after - before).max() > 1e-3
    model.fit(TEXTS, LABELS, **options)
    np.testing.assert_array_equal(array(dense._kernel), kernel)
    assert np.abs(array(dense.lora_kernel_b) - adapter).max() > 0
    trained = model.predict(TEXTS)
    assert np.abs(trained - after).max() > 1e-4
    model.save_pretrained(tmp_path)
    np.testing.assert_allclose(
        TextClassifier.from_pretrained(tmp_path).predict(TEXTS), trained, atol=1e-4
    )


@pytest.mark.parametrize("how", ["int8", "lora"])
def test_evaluate_follows_what_is_done_to_the_encoder(classifier, tokenizer, how):
    """On texts and on arrays, of a model that `evaluate` has already traced."""
    model = TextClassifier(["bad", "good"], make(), tokenizer, dropout=0.0)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for ours, theirs in zip(model.weights, classifier.weights, strict=True):
        ours.assign(theirs)
    labels = [model.class_names.index(label) for label in LABELS]
    inputs = pack(model.tokenize(TEXTS))

    def losses():
        arrays = model.evaluate(inputs, np.array(labels), verbose=0)
        return [model.evaluate(TEXTS, LABELS, verbose=0), arrays]

    before = losses()
    change(model.encoder, how)
    logits = array(model(inputs))
    expected = float(np.mean(model.loss(np.array(labels), logits)))
    np.testing.assert_allclose(losses(), [expected] * 2, rtol=2e-3)
    assert min(np.abs(np.subtract(before, expected))) > 1e-6


def test_an_optimizer_of_ones_own_is_not_asked_for_what_it_did_not_begin_with(tokenizer):
    model = TextClassifier(["bad", "good"], make(), tokenizer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(TEXTS, LABELS, verbose=0)
    model.encoder.blocks[0].intermediate.enable_lora(2)
    for train in (model.train_on_batch, model.fit):
        with pytest.raises(UserError, match=r"lora_kernel_a .* compile the model again") as error:
            train(TEXTS, LABELS)
        assert "\n" not in str(error.value)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(TEXTS, LABELS, verbose=0)
