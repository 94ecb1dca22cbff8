"""An encoder and its tokenizer as TF Hub's SavedModels: what plain TensorFlow finds in them."""

import os
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.checkpoints.export.tfhub import export_tfhub
from kerasformer.errors import UserError
from kerasformer.layers.heads import MaskedLMHead
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer, pack

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.backend("tensorflow")

WORDS = [
    "[MASK]",
    "[PAD]",
    "a",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "good",
    "bad",
    "film",
    "##s",
    "##é",
    ".",
]
TEXTS = ["Good films.", "", "a bad film. " * 9, "café good"]
MAX_LENGTH = 16


def make_encoder(**changes):
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 20}
    sizes |= {"vocab_size": len(WORDS), "max_length": MAX_LENGTH, "dropout": 0.5}
    encoder = BertEncoder(EncoderConfig(**{**sizes, **changes}))
    rng = np.random.default_rng(3)
    for weight in encoder.weights:
        weight.assign(rng.normal(0.1, 0.3, weight.shape))
    return encoder


@pytest.mark.usefixtures("without_preprocessor")
def test_a_full_disk_is_one_sentence_and_leaves_the_old_models(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = WordPieceTokenizer.from_vocabulary(tmp_path / "vocab.txt", lowercase=True)
    hub = tmp_path / "hub"
    export_tfhub(make_encoder(), tokenizer, hub, seq_length=8)
    before = {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"^Cannot save to .*File too large.*with room\.$"):
            export_tfhub(make_encoder(), tokenizer, hub, seq_length=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in hub.rglob("*") if path.is_file()} == before


def random_batch(seed, length):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, 3)
    return {
        "input_word_ids": tf.constant(rng.integers(0, len(WORDS), (3, length)), tf.int32),
        "input_mask": tf.constant(np.arange(length) < lengths[:, None], tf.int32),
        "input_type_ids": tf.constant(rng.integers(0, 2, (3, length)), tf.int32),
    }


def assert_same(outputs, expected, tolerance=1e-5):
    for name, value in expected.items():
        for number, (ours, theirs) in enumerate(
            zip(tf.nest.flatten(outputs[name]), tf.nest.flatten(value), strict=True)
        ):
            np.testing.assert_allclose(ours, theirs, atol=tolerance, err_msg=f"{name} {number}")


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def head():
    head = MaskedLMHead(len(WORDS), 12, activation="gelu_tanh")
    head.build((None, None, 12))
    rng = np.random.default_rng(4)
    for weight in head.weights:
        weight.assign(rng.normal(0.1, 0.3, weight.shape))
    return head


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


@pytest.fixture(scope="module")
def folder(encoder, tokenizer, head, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfhub") / "bert"
    export_tfhub(encoder, tokenizer, folder, seq_length=10, mlm_head=head)
    assert sorted(path.name for path in folder.iterdir()) == ["encoder", "preprocessor"]
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(folder / "encoder")


@pytest.fixture(scope="module")
def preprocessor(folder):
    return tf.saved_model.load(folder / "preprocessor")


@given(st.integers(1, MAX_LENGTH), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_outputs_are_the_encoders(encoder, loaded, length, seed):
    batch = random_batch(seed, length)
    outputs, expected = loaded(batch), encoder(batch)
    assert outputs.keys() == expected.keys()
    assert_same(outputs, expected)
    assert_same(loaded(batch, training=False, mask=None), expected)
    served = loaded.signatures["serving_default"](**batch)
    assert_same(served, {name: expected[name] for name in served})


def test_variables_by_name_are_the_weights(encoder, loaded):
    names = {variable.name: variable for variable in loaded.variables}
    assert len(names) == len(loaded.variables) == len(encoder.weights)
    assert [v.name for v in loaded.trainable_variables] == list(names)
    assert list(loaded.regularization_losses) == []
    paths = {
        "word_embeddings/embeddings": "embeddings/word_embeddings/embeddings",
        "position_embedding/embeddings": "embeddings/position_embedding/embeddings",
        "type_embeddings/embeddings": "embeddings/type_embeddings/embeddings",
        "embeddings/layer_norm/gamma": "embeddings/layer_norm/gamma",
        "pooler_transform/kernel": "pooler_transform/kernel",
        "transformer/layer_1/self_attention/query/kernel": "layer_1/self_attention/query/kernel",
        "transformer/layer_1/self_attention/attention_output/kernel": (
            "layer_1/self_attention/attention_output/kernel"
        ),
        "transformer/layer_0/output_layer_norm/beta": "layer_0/output_layer_norm/beta",
    }
    ours = {w.path.removeprefix(f"{encoder.path}/"): w for w in encoder.weights}
    for theirs, path in paths.items():
        np.testing.assert_array_equal(names[f"{theirs}:0"], ours[path])
    assert names["transformer/layer_0/self_attention/query/kernel:0"].shape == (12, 3, 4)


def test_the_weights_are_there_once(folder, encoder, head):
    saved = tf.train.list_variables(str(folder / "encoder" / "variables" / "variables"))
    weights = [np.prod(shape) for key, shape in saved if "variables/" in key]
    assert sum(weights) == encoder.count_params() + head.count_params()
    # Beside them only do_lower_case and the checkpoint's own description of itself.
    assert len(saved) == len(weights) + 2
    graph = (folder / "encoder" / "saved_model.pb").stat().st_size
    assert graph < 1_500_000  # no weights among its constants


def test_dropout_is_drawn_anew_in_training(loaded):
    batch = random_batch(1, 8)
    first, second = (loaded(batch, training=True)["sequence_output"] for _ in range(2))
    assert np.abs(first - second).max() > 0.1
    assert np.abs(first - loaded(batch)["sequence_output"]).max() > 0.1


def test_gradients_are_the_encoders(encoder, loaded):
    batch = random_batch(2, 9)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded(batch, training=False)["pooled_output"] ** 2)
    theirs = tape.gradient(loss, loaded.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(batch, training=False)["pooled_output"] ** 2)
    weights = [weight.value for weight in encoder.weights]
    ours = tape.gradient(loss, weights)
    for weight, our, their in zip(encoder.weights, ours, theirs, strict=True):
        our, their = tf.convert_to_tensor(our), tf.convert_to_tensor(their)
        np.testing.assert_allclose(our, their, rtol=1e-3, atol=1e-4, err_msg=weight.path)


def test_the_masked_lm_head(encoder, head, loaded):
    batch = random_batch(5, 11)
    positions = tf.constant([[0, 3], [10, 10], [1, 2]])
    outputs = loaded.mlm(batch | {"masked_lm_positions": positions})
    expected = encoder(batch)
    table = encoder.embedding.word_embeddings.embeddings
    expected["mlm_logits"] = head(expected["sequence_output"], table, positions)
    assert outputs.keys() == expected.keys()
    assert_same(outputs, expected)
    names = {variable.name for variable in loaded.mlm.variables}
    assert names - {variable.name for variable in loaded.variables} == {
        "bert/cls/predictions/transform/dense/kernel:0",
        "bert/cls/predictions/transform/dense/bias:0",
        "bert/cls/predictions/transform/LayerNorm/gamma:0",
        "bert/cls/predictions/transform/LayerNorm/beta:0",
        "bert/cls/predictions/output_bias/bias:0",
    }


def test_the_vocabulary_goes_with_both(loaded, preprocessor):
    for saved in (loaded, preprocessor):
        path = saved.vocab_file.asset_path.numpy().decode()
        assert os.path.basename(path) == "vocab.txt"
        with open(path, encoding="utf-8") as file:
            assert file.read().split("\n") == [*WORDS, ""]
        assert saved.do_lower_case.numpy()


def test_preprocessor_gives_the_tokenizers_ids(preprocessor, tokenizer):
    expected = pack(tokenizer.tokenize(TEXTS, max_length=10), pad_to=10)
    for inputs in (
        preprocessor(tf.constant(TEXTS)),
        preprocessor(tf.constant(TEXTS), training=True),
        preprocessor.signatures["serving_default"](sentences=tf.constant(TEXTS)),
    ):
        assert inputs.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(inputs[name], value)
            assert inputs[name].dtype == tf.int32


def test_preprocessors_parts(preprocessor, tokenizer):
    tokens = preprocessor.tokenize(tf.constant(["Good films.", ""]))
    assert tokens.to_list() == [[[6], [8, 9], [11]], []]
    specials = preprocessor.tokenize.get_special_tokens_dict()
    assert {name: int(value) for name, value in specials.items()} == {
        "start_of_sequence_id": 4,
        "end_of_segment_id": 5,
        "padding_id": 1,
        "mask_id": 0,
        "vocab_size": len(WORDS),
    }
    pair = [tokens, preprocessor.tokenize(tf.constant(["a bad film", "a"]))]
    flat = [segment.merge_dims(1, 2) for segment in pair]
    for segments in (pair, flat):
        packed = preprocessor.bert_pack_inputs(segments, seq_length=tf.constant(8))
        # Five tokens share the room in turns: the first text has three of its four.
        assert packed["input_word_ids"].numpy().tolist() == [
            [4, 6, 8, 9, 5, 2, 7, 5],
            [4, 5, 2, 5, 1, 1, 1, 1],
        ]
        assert packed["input_type_ids"].numpy()[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
        assert preprocessor.bert_pack_inputs(segments)["input_mask"].shape == (2, 10)
        alone = preprocessor.bert_pack_inputs(segments[:1], seq_length=tf.constant(4))
        assert alone["input_word_ids"].numpy().tolist() == [[4, 6, 8, 5], [4, 5, 1, 1]]


RUN = """
import sys
sys.modules["kerasformer"] = None
sys.modules["keras"] = sys.modules["tf_keras"] = None
import tensorflow as tf
encoder = tf.saved_model.load(sys.argv[1] + "/encoder")
names = ("input_word_ids", "input_mask", "input_type_ids")
ids = dict.fromkeys(names, tf.constant([[1, 1]]))
del sys.modules["keras"], sys.modules["tf_keras"]  # tensorflow-text itself imports Keras
import tensorflow_text
strings = tf.saved_model.load(sys.argv[1] + "/preprocessor")(tf.constant(["a film"]))
for inputs in (ids, strings):
    outputs = encoder(inputs)
    assert sorted(outputs) == ["default", "encoder_outputs", "pooled_output", "sequence_output"]
    assert outputs["pooled_output"].shape == (1, 12), outputs["pooled_output"].shape
"""


def test_runs_in_plain_tensorflow(folder):
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", RUN, str(folder)], check=True, env=quiet)


@pytest.mark.usefixtures("without_preprocessor")
def test_a_frozen_encoder_of_another_precision(tokenizer, tmp_path):
    policy = keras.DTypePolicy("mixed_bfloat16")
    config = EncoderConfig(**{**vars(make_encoder().config), "num_layers": 1})
    encoder = BertEncoder(config, dtype=policy)
    encoder.trainable = False
    folder = export_tfhub(encoder, tokenizer, tmp_path, seq_length=4)
    loaded = tf.saved_model.load(folder / "encoder")
    assert len(loaded.trainable_variables) == len(encoder.weights)
    batch = random_batch(6, 5)
    outputs = loaded(batch)
    assert {value.dtype for value in tf.nest.flatten(outputs)} == {tf.float32}
    expected = tf.nest.map_structure(lambda x: tf.cast(x, "float32"), encoder(batch))
    assert_same(outputs, expected, tolerance=0.03)


def test_mistakes(tokenizer, encoder, head, tmp_path):
    with pytest.raises(UserError, match="no pooler"):
        export_tfhub(make_encoder(pooler=False), tokenizer, tmp_path / "a")
    with pytest.raises(UserError, match="tokenizer has 12 tokens and the encoder 13"):
        export_tfhub(make_encoder(vocab_size=13), tokenizer, tmp_path / "a")
    with pytest.raises(UserError, match="mlm_head has 20 tokens and the encoder 12"):
        export_tfhub(
            encoder, tokenizer, tmp_path / "a", seq_length=9, mlm_head=MaskedLMHead(20, 12)
        )
    with pytest.raises(UserError, match="seq_length is 128, but must be from 3 to"):
        export_tfhub(encoder, tokenizer, tmp_path / "a")
    assert not list(tmp_path.iterdir())
    (tmp_path / "encoder").write_text("mine")
    with pytest.raises(UserError, match="exists and is no SavedModel"):
        export_tfhub(encoder, tokenizer, tmp_path, seq_length=9)
    assert (tmp_path / "encoder").read_text() == "mine"
