"""Native encoders read from TF Hub's SavedModels against these SavedModels, block by block.

The SavedModels are written by tf-models-official's own exporter from random weights.
"""

import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.formats.tf_names import TF_MODELS
from kerasformer.errors import UserError
from kerasformer.layers import MaskedLMHead
from kerasformer.models import BertEncoder

from . import tfhub

pytestmark = [pytest.mark.oracle, pytest.mark.backend("tensorflow")]
official = pytest.importorskip("official.nlp.tools.export_tfhub_lib")
tf = pytest.importorskip("tensorflow")

# The promise is 1e-4; random models are tiny and differ by some 2e-6.
TOLERANCE = 1e-5

SMALLEST = {
    "vocab_size": 130,
    "hidden_size": 15,
    "num_hidden_layers": 1,
    "num_attention_heads": 5,
    "intermediate_size": 7,
    "max_position_embeddings": 9,
    "type_vocab_size": 1,
}
ONE_HEAD = tfhub.AWKWARD | {"num_attention_heads": 1, "intermediate_size": 13, "type_vocab_size": 4}
NARROW = tfhub.AWKWARD | {"embedding_size": 10}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A function that writes an encoder of some sizes, with its head, and gives its folder."""

    def export(config):
        folder = tmp_path_factory.mktemp("export")
        vocabulary = tfhub.write_vocabulary(folder / "vocabulary", config["vocab_size"])
        checkpoint = tfhub.save_checkpoint(folder / "checkpoint", config)
        return tfhub.export_encoder(folder / "encoder", checkpoint, vocabulary, config)

    return export


@pytest.fixture(scope="module")
def awkward(tfhub_models):
    """The SavedModel, loaded by TensorFlow, and the native encoder read from it."""
    folder = tfhub_models["encoder_mlm"]
    return tf.saved_model.load(folder), open_checkpoint(folder), BertEncoder.from_pretrained(folder)


def random_inputs(config, length, segments=True):
    """Five rows: random real tokens anywhere after the first, then rows padded at the end."""
    rng = np.random.default_rng(length)
    mask = rng.integers(0, 2, (5, length), dtype="int32")
    mask[2:] = np.arange(length) < rng.integers(1, length + 1, (3, 1))
    mask[-1] = mask[:, 0] = 1
    types = config.type_vocab_size if segments else 1
    return {
        "input_word_ids": rng.integers(0, config.vocab_size, mask.shape, dtype="int32"),
        "input_mask": mask,
        "input_type_ids": rng.integers(0, types, mask.shape, dtype="int32"),
    }


def tensors(batch):
    return {name: tf.constant(array) for name, array in batch.items()}


def assert_equal(theirs, ours, names=("sequence_output", "pooled_output", "default")):
    for i, pair in enumerate(zip(theirs["encoder_outputs"], ours["encoder_outputs"], strict=True)):
        np.testing.assert_allclose(*pair, atol=TOLERANCE, rtol=0, err_msg=f"block {i}")
    for name in names:
        np.testing.assert_allclose(theirs[name], ours[name], atol=TOLERANCE, rtol=0, err_msg=name)


@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 8, 20, 40, 41])
def test_every_block_at_many_lengths(awkward, length, segments):
    theirs, _, ours = awkward
    batch = random_inputs(ours.config, length, segments)
    assert_equal(theirs(tensors(batch)), ours(batch))


@pytest.mark.parametrize("config", [SMALLEST, ONE_HEAD, NARROW], ids=["small", "head", "narrow"])
def test_other_sizes(export, config):
    folder = export(config)
    theirs, ours = tf.saved_model.load(folder), BertEncoder.from_pretrained(folder)
    sizes = ours.config
    assert sizes.num_heads == config["num_attention_heads"]
    assert sizes.embedding_size == config.get("embedding_size", config["hidden_size"])
    longest = config["max_position_embeddings"]
    for length in (1, longest // 2, longest):
        batch = random_inputs(sizes, length)
        assert_equal(theirs(tensors(batch)), ours(batch))


def masked_lm(checkpoint, encoder):
    config = encoder.config
    head = MaskedLMHead(config.vocab_size, config.embedding_size, config.activation)
    head.build((None, None, config.hidden_size))
    checkpoint.load_head("masked_lm", head)
    table = encoder.embedding.word_embeddings.embeddings
    return lambda outputs, positions: head(outputs["sequence_output"], table, positions)


def test_the_scores_of_masked_words(awkward):
    theirs, checkpoint, ours = awkward
    batch = random_inputs(ours.config, 17)
    positions = np.array([[0, 3, 16]] * 5, "int32")
    expected = theirs.mlm(tensors({**batch, "masked_lm_positions": positions}))["mlm_logits"]
    logits = masked_lm(checkpoint, ours)(ours(batch), positions)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE, rtol=0)


def test_the_scores_of_masked_words_with_narrow_embeddings(export):
    folder = export(NARROW)
    theirs, checkpoint = tf.saved_model.load(folder), open_checkpoint(folder)
    ours = checkpoint.load_encoder(BertEncoder)
    batch = random_inputs(ours.config, 17)
    positions = np.array([[0, 3, 16]] * 5, "int32")
    expected = theirs.mlm(tensors({**batch, "masked_lm_positions": positions}))["mlm_logits"]
    logits = masked_lm(checkpoint, ours)(ours(batch), positions)
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE, rtol=0)


def test_the_gradient_of_every_weight(awkward):
    theirs, checkpoint, ours = awkward
    batch = random_inputs(ours.config, 17)
    rng = np.random.default_rng(1)
    towards = rng.normal(size=(5, 17, 36)).astype("float32")
    pooled_towards = rng.normal(size=(5, 36)).astype("float32")

    def loss(outputs):
        loss = tf.reduce_sum(outputs["sequence_output"] * towards)
        return loss + tf.reduce_sum(outputs["pooled_output"] * pooled_towards)

    def gradients(model, variables, inputs):
        with tf.GradientTape() as tape:
            value = loss(model(inputs, training=False))
        found = tape.gradient(value, variables)
        return [tf.convert_to_tensor(gradient).numpy() for gradient in found]

    expected = {
        variable.name.removesuffix(":0"): gradient
        for variable, gradient in zip(
            theirs.trainable_variables,
            gradients(theirs, theirs.trainable_variables, tensors(batch)),
            strict=True,
        )
    }
    values = [variable.value for variable in ours.weights]
    by_path = {
        variable.path.removeprefix(f"{ours.path}/"): gradient
        for variable, gradient in zip(ours.weights, gradients(ours, values, batch), strict=True)
    }
    assert len(by_path) == len(expected) == 5 + 3 * 16 + 2
    # A key's bias moves all scores of a row alike, so its gradient is rounding and nothing more.
    rounding = 1e-6 * max(np.linalg.norm(gradient) for gradient in expected.values())
    for weight in TF_MODELS.encoder_weights(checkpoint.config):
        reference = expected[weight.theirs]
        error = np.linalg.norm(weight.from_keras(by_path[weight.ours]) - reference)
        assert error <= 1e-3 * np.linalg.norm(reference) + rounding, weight.theirs


def build_encoder(**config):
    from official.nlp.configs import encoders

    sizes = {
        "vocab_size": 977,
        "hidden_size": 36,
        "num_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 52,
        "max_position_embeddings": 41,
    }
    kind = config.pop("kind", "bert")
    return encoders.EncoderConfig({"type": kind, kind: sizes | config})


@pytest.fixture
def export_config(tmp_path):
    """A function that exports an encoder of tf-models-official's own configuration."""

    def export(**config):
        from official.nlp.configs.encoders import build_encoder as build

        config = build_encoder(**config)
        encoder = build(config)
        encoder(encoder.inputs)
        rng = np.random.default_rng(2)
        for variable in encoder.variables:
            variable.assign_add(rng.normal(scale=0.15, size=variable.shape))
        checkpoint = tf.train.Checkpoint(model=encoder, encoder=encoder).save(tmp_path / "saved")
        official.export_model(
            str(tmp_path / "encoder"),
            encoder_config=config,
            model_checkpoint_path=checkpoint,
            with_mlm=False,
            vocab_file=str(tfhub.write_vocabulary(tmp_path / "vocabulary")),
            do_lower_case=True,
        )
        return tmp_path / "encoder"

    return export


@pytest.mark.parametrize(
    ("theirs", "ours"), [("relu", "relu"), ("swish", "silu"), ("gelu", "gelu_tanh")]
)
def test_other_activations(export_config, theirs, ours):
    folder = export_config(hidden_activation=theirs)
    encoder = BertEncoder.from_pretrained(folder)
    assert encoder.config.activation == ours
    batch = random_inputs(encoder.config, 23)
    assert_equal(tf.saved_model.load(folder)(tensors(batch)), encoder(batch))


@pytest.mark.parametrize(
    ("config", "words"),
    [({"kind": "albert", "embedding_width": 8}, "an ALBERT"), ({"norm_first": True}, "norm_first")],
)
def test_encoders_of_other_kinds_are_refused(export_config, config, words):
    with pytest.raises(UserError, match=rf"{words}.*kerasformer\.hub\.HubEncoder"):
        BertEncoder.from_pretrained(export_config(**config))


def test_preprocessors_are_refused(tfhub_models):
    with pytest.raises(UserError, match="HubPreprocessor"):
        BertEncoder.from_pretrained(tfhub_models["preprocessor"])


def test_the_tokenizer_is_that_of_the_preprocessor(tfhub_models):
    pytest.importorskip("tensorflow_text")
    preprocessor = tf.saved_model.load(tfhub_models["preprocessor"])
    tokenizer = open_checkpoint(tfhub_models["encoder"]).read_tokenizer()
    texts = ["A good film!", "Ünseen 日本 filming it", "", "the GOOD of bads..."]
    theirs = preprocessor.tokenize(tf.constant(texts)).merge_dims(1, 2).to_list()
    assert [ids[1:-1] for ids in tokenizer.tokenize(texts).ids] == theirs
