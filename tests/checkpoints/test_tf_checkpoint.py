"""TensorFlow checkpoints of BERT, written here by TensorFlow; see tests/parity for the numbers."""

import json
import shutil

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.io.tf_bundle import OBJECT_GRAPH
from kerasformer.errors import UserError
from kerasformer.layers import MaskedLMHead
from kerasformer.models import BertEncoder
from kerasformer.tasks import MaskedLanguageModel

from ..hub.golden_models import golden_arrays, unpack_golden
from . import tf_files

pytestmark = pytest.mark.backend("tensorflow")

CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.2,
    "hidden_size": 12,
    "initializer_range": 0.02,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 31,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"]
WORDS = [*SPECIAL, "good", "film", "##s", *"abcdefghijklmnopqrstuv"]


def random_tensors():
    """The variables of Google's pretraining, spelled out here rather than taken from the table."""
    hidden, inner, vocab = 12, 20, 31
    shapes = {
        "bert/embeddings/word_embeddings": (vocab, hidden),
        "bert/embeddings/token_type_embeddings": (2, hidden),
        "bert/embeddings/position_embeddings": (16, hidden),
        "bert/pooler/dense/kernel": (hidden, hidden),
        "bert/pooler/dense/bias": (hidden,),
        "cls/predictions/transform/dense/kernel": (hidden, hidden),
        "cls/predictions/transform/dense/bias": (hidden,),
        "cls/predictions/output_bias": (vocab,),
        "cls/seq_relationship/output_weights": (2, hidden),
        "cls/seq_relationship/output_bias": (2,),
    }
    norms = ["bert/embeddings/LayerNorm", "cls/predictions/transform/LayerNorm"]
    for i in range(2):
        block = f"bert/encoder/layer_{i}"
        for dense, (inputs, outputs) in {
            "attention/self/query": (hidden, hidden),
            "attention/self/key": (hidden, hidden),
            "attention/self/value": (hidden, hidden),
            "attention/output/dense": (hidden, hidden),
            "intermediate/dense": (hidden, inner),
            "output/dense": (inner, hidden),
        }.items():
            shapes[f"{block}/{dense}/kernel"] = (inputs, outputs)
            shapes[f"{block}/{dense}/bias"] = (outputs,)
        norms += [f"{block}/attention/output/LayerNorm", f"{block}/output/LayerNorm"]
    shapes |= {f"{norm}/{weight}": (hidden,) for norm in norms for weight in ("gamma", "beta")}
    rng = np.random.default_rng(3)
    return {
        name: rng.normal(size=shape, scale=0.3).astype("float32") for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def tensors():
    return random_tensors()


@pytest.fixture
def write(tmp_path):
    """A function that writes a checkpoint as Google published them, and gives its folder."""

    def write(tensors, name="bert_model.ckpt", words=WORDS, **changes):
        tf_files.save(tmp_path / name, tensors)
        values = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
        (tmp_path / "bert_config.json").write_text(json.dumps(values))
        (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """The prefix of a checkpoint of tf-models-official, without a bert_config.json."""
    return unpack_golden(tmp_path_factory.mktemp("golden"))["checkpoint"]


def values(encoder):
    return {
        variable.path.removeprefix(f"{encoder.path}/"): keras.ops.convert_to_numpy(variable)
        for variable in encoder.weights
    }


def refuses(path, *words):
    with pytest.raises(UserError) as error:
        open_checkpoint(path).load_encoder(BertEncoder)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 700
    for word in words:
        assert word in message


# Google's checkpoints


def test_weights_are_where_they_belong(write, tensors):
    encoder = BertEncoder.from_pretrained(write(tensors))
    by_path = values(encoder)
    assert len(by_path) == 5 + 2 * 16 + 2
    for ours, theirs in {
        "embeddings/word_embeddings/embeddings": "bert/embeddings/word_embeddings",
        "embeddings/position_embedding/embeddings": "bert/embeddings/position_embeddings",
        "embeddings/type_embeddings/embeddings": "bert/embeddings/token_type_embeddings",
        "embeddings/layer_norm/gamma": "bert/embeddings/LayerNorm/gamma",
        "layer_1/intermediate/kernel": "bert/encoder/layer_1/intermediate/dense/kernel",
        "layer_0/output/bias": "bert/encoder/layer_0/output/dense/bias",
        "layer_1/output_layer_norm/beta": "bert/encoder/layer_1/output/LayerNorm/beta",
        "pooler_transform/kernel": "bert/pooler/dense/kernel",
    }.items():
        np.testing.assert_array_equal(by_path[ours], tensors[theirs], err_msg=ours)
    query = tensors["bert/encoder/layer_1/attention/self/query/kernel"]
    kernel = by_path["layer_1/self_attention/query/kernel"]
    assert kernel.shape == (12, 3, 4)
    np.testing.assert_array_equal(kernel[5, 2], query[5, 8:12])
    merge = tensors["bert/encoder/layer_0/attention/output/dense/kernel"]
    kernel = by_path["layer_0/self_attention/attention_output/kernel"]
    np.testing.assert_array_equal(kernel[2, 3], merge[2 * 4 + 3])


def test_what_it_is(write, tensors):
    checkpoint = open_checkpoint(write(tensors))
    config = checkpoint.config
    assert (config.activation, config.layer_norm_epsilon) == ("gelu_tanh", 1e-12)
    assert config.dropout == 0.2
    assert (config.num_heads, config.vocab_size, config.max_length) == (3, 31, 16)
    assert checkpoint.heads == ("masked_lm", "next_sentence")
    assert checkpoint.report().problems() == []
    assert all(name.startswith("cls/") for name in checkpoint.report().ignored)


def test_by_its_prefix_and_by_its_files(write, tensors, monkeypatch):
    folder = write(tensors)
    write(tensors, name="bert_model.ckpt-900")
    for name in (
        "bert_model.ckpt",
        "bert_model.ckpt.index",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt-900",
    ):
        for source in (folder / name, str(folder / name)):
            BertEncoder.from_pretrained(source)
    monkeypatch.chdir(folder)
    assert open_checkpoint("./bert_model.ckpt").config.hidden_size == 12
    assert open_checkpoint("bert_model.ckpt").config.hidden_size == 12
    refuses(folder, "2 checkpoints", "bert_model.ckpt-900")
    refuses(folder / "bert_model", "no file or folder")


def test_what_training_left_is_skipped(write, tensors):
    slots = {f"{name}/adam_{i}": tensor for name, tensor in tensors.items() for i in "mv"}
    slots |= {"global_step": np.int64(1000000), "beta1_power": np.float32(0.9)}
    folder = write(tensors | slots)
    checkpoint = open_checkpoint(folder)
    assert checkpoint.report().problems() == []
    assert set(slots) <= set(checkpoint.report().ignored)
    plain = tensors["bert/pooler/dense/bias"]
    np.testing.assert_array_equal(
        values(checkpoint.load_encoder(BertEncoder))["pooler_transform/bias"], plain
    )


def test_the_heads(write, tensors):
    checkpoint = open_checkpoint(write(tensors))
    head = MaskedLMHead(31, 12, "gelu_tanh")
    head.build((None, None, 12))
    checkpoint.load_head("masked_lm", head)
    names = {
        "transform/kernel": "transform/dense/kernel",
        "transform/bias": "transform/dense/bias",
        "layer_norm/gamma": "transform/LayerNorm/gamma",
        "layer_norm/beta": "transform/LayerNorm/beta",
        "bias": "output_bias",
    }
    for path, value in values(head).items():
        np.testing.assert_array_equal(value, tensors[f"cls/predictions/{names[path]}"])
    dense = keras.layers.Dense(2)
    dense.build((None, 12))
    checkpoint.load_head("next_sentence", dense)
    kernel, bias = map(keras.ops.convert_to_numpy, dense.weights)
    np.testing.assert_array_equal(kernel, tensors["cls/seq_relationship/output_weights"].T)
    np.testing.assert_array_equal(bias, tensors["cls/seq_relationship/output_bias"])


def test_the_heads_of_fine_tuning(write, tensors):
    encoder = {name: tensor for name, tensor in tensors.items() if not name.startswith("cls/")}
    rng = np.random.default_rng(4)
    head = {"output_weights": rng.normal(size=(5, 12)), "output_bias": rng.normal(size=5)}
    squad = {f"cls/squad/{name}": value[:2] for name, value in head.items()}
    checkpoint = open_checkpoint(write(encoder | head | squad))
    assert checkpoint.heads == ("classifier", "span")
    assert checkpoint.report().problems() == []
    dense = keras.layers.Dense(5)
    dense.build((None, 12))
    checkpoint.load_head("classifier", dense, num_classes=5)
    np.testing.assert_allclose(dense.kernel, head["output_weights"].T, rtol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_files_of_other_floats(write, tensors, kind):
    other = {name: tensor.astype(kind) for name, tensor in tensors.items()}
    by_path = values(BertEncoder.from_pretrained(write(other)))
    bias = other["bert/pooler/dense/bias"].astype("float32")
    np.testing.assert_array_equal(by_path["pooler_transform/bias"], bias)


def test_without_a_pooler(write, tensors):
    held = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
    assert not open_checkpoint(write(held)).config.pooler


@pytest.mark.parametrize(
    ("act", "ours"), [("relu", "relu"), ("tanh", "tanh"), ("gelu_new", "gelu_new")]
)
def test_activations(write, tensors, act, ours):
    assert open_checkpoint(write(tensors, hidden_act=act)).config.activation == ours


# The tokenizer


def test_whether_to_lower_case(write, tensors):
    """By tokenizer_config.json; without one, by the vocabulary."""
    folder = write(tensors)
    assert open_checkpoint(folder).read_tokenizer().tokens(["Good Films"]) == [
        ["good", "film", "##s"]
    ]
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert open_checkpoint(folder).read_tokenizer().tokens(["Good"]) == [["[UNK]"]]
    write(tensors, words=[*WORDS[:-1], "Good"])
    assert open_checkpoint(folder).read_tokenizer().tokens(["Good"]) == [["Good"]]
    (folder / "tokenizer_config.json").unlink()
    assert open_checkpoint(folder).read_tokenizer().tokens(["Good"]) == [["Good"]]
    write(tensors, words=[*WORDS[:-1], "É"])
    assert open_checkpoint(folder).read_tokenizer().tokens(["É"]) == [["É"]]


def test_no_vocabulary(write, tensors):
    folder = write(tensors)
    assert open_checkpoint(folder).has_tokenizer
    (folder / "vocab.txt").unlink()
    checkpoint = open_checkpoint(folder)
    assert not checkpoint.has_tokenizer
    with pytest.raises(UserError, match=r"vocab\.txt"):
        checkpoint.read_tokenizer()


# Checkpoints of tf-models-official


@pytest.mark.parametrize("with_config", [True, False])
def test_every_output_is_that_of_the_savedmodel_with_the_same_weights(
    golden, tmp_path, with_config
):
    folder = shutil.copytree(golden.parent, tmp_path / "copy")
    if with_config:
        values = CONFIG | {"vocab_size": 64}
        (folder / "bert_config.json").write_text(json.dumps(values))
    checkpoint = open_checkpoint(folder / golden.name)
    encoder, arrays = checkpoint.load_encoder(BertEncoder), golden_arrays()
    assert encoder.config.activation == "gelu_tanh"
    assert encoder.config.dropout == (0.2 if with_config else 0.1)
    batch = {
        name: arrays[f"two/{name}"] for name in ("input_word_ids", "input_mask", "input_type_ids")
    }
    outputs = encoder(batch)
    blocks = keras.ops.convert_to_numpy(keras.ops.stack(outputs["encoder_outputs"]))
    np.testing.assert_allclose(blocks, arrays["two/encoder_outputs"], atol=1e-5, rtol=0)
    head = MaskedLMHead(64, 12, "gelu_tanh")
    head.build((None, None, 12))
    checkpoint.load_head("masked_lm", head)
    logits = head(
        outputs["sequence_output"],
        encoder.embedding.word_embeddings.embeddings,
        arrays["two/masked_lm_positions"],
    )
    np.testing.assert_allclose(logits, arrays["two/mlm_logits"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_attention_heads": 4},
        {"num_hidden_layers": 3},
        {"hidden_size": 24},
        {"vocab_size": 63},
    ],
    ids=str,
)
def test_another_configuration_beside_it_is_refused(golden, tmp_path, changes):
    folder = shutil.copytree(golden.parent, tmp_path / "copy")
    values = CONFIG | {"vocab_size": 64} | changes
    (folder / "bert_config.json").write_text(json.dumps(values))
    refuses(folder / golden.name, str(folder), "configuration")


# What is refused


def test_no_configuration(write, tensors):
    folder = write(tensors)
    (folder / "bert_config.json").unlink()
    refuses(folder, "bert_config.json", "heads")


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff\xfe"])
def test_a_configuration_that_is_none(write, tensors, content):
    folder = write(tensors)
    (folder / "bert_config.json").write_bytes(content.encode("latin-1"))
    refuses(folder, "bert_config.json")


@pytest.mark.parametrize("key", [key for key in CONFIG if key.endswith(("size", "heads"))])
@pytest.mark.parametrize("value", [0, -3, "12", 10**9, 10**400, 11.0])
def test_wrong_sizes_are_named(write, tensors, key, value):
    refuses(write(tensors, **{key: value}), key, "bert_config.json")


def test_a_size_left_out_is_the_default(write, tensors):
    refuses(write(tensors, hidden_size=...), "defaults of what it leaves out", "hidden_size 768")
    checkpoint = open_checkpoint(write(tensors, hidden_act=...))
    assert checkpoint.defaults["hidden_act"] == "gelu"
    assert checkpoint.config.activation == "gelu_tanh"  # as ever in a checkpoint of TensorFlow's


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_act", "linear"),
        ("hidden_dropout_prob", 2),
        ("num_attention_heads", 5),
        ("model_type", "albert"),
    ],
)
def test_wrong_values_are_named(write, tensors, key, value):
    name = "type 'albert'" if key == "model_type" else key
    refuses(write(tensors, **{key: value}), name, "bert_config.json")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bert/encoder/transformer/group_0/inner_group_0/ffn_1/kernel", "an ALBERT"),
        ("electra/embeddings/word_embeddings", "an ELECTRA"),
        ("generator/encoder/layer_0/output/dense/bias", "an ELECTRA"),
        ("model/layer1/conv/kernel", "no known BERT encoder"),
    ],
)
def test_other_models(write, name, words):
    refuses(write({name: np.ones((31, 12), "float32")}), words)


def test_a_missing_weight_is_named(write, tensors):
    name = "bert/encoder/layer_1/output/dense/bias"
    refuses(write({n: t for n, t in tensors.items() if n != name}), f"'{name}' is missing")


@pytest.mark.parametrize("name", ["bert/encoder/layer_2/output/dense/bias", "bert/adapter/kernel"])
def test_an_unexpected_weight_is_named(write, tensors, name):
    refuses(write(tensors | {name: np.zeros(12, "float32")}), f"'{name}' is unexpected")


def test_a_wrong_shape_is_named(write, tensors):
    name = "bert/encoder/layer_0/intermediate/dense/kernel"
    refuses(write(tensors | {name: tensors[name].T}), f"'{name}' is [20, 12]", "[12, 20]")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_weight_that_is_not_finite_is_named(write, tensors, value):
    name = "bert/embeddings/LayerNorm/beta"
    refuses(write(tensors | {name: np.full(12, value, "float32")}), f"'{name}'", "NaN")


def test_integer_weights_are_refused(write, tensors):
    name = "bert/pooler/dense/bias"
    refuses(write(tensors | {name: np.zeros(12, "int32")}), f"'{name}'", "int32", "floats")


@pytest.mark.parametrize(
    "sizes", [{"hidden_size": 12 * 10**4, "num_attention_heads": 3}, {"num_hidden_layers": 1000}]
)
@pytest.mark.parametrize("strict", [True, False])
def test_sizes_beyond_the_file_are_refused(write, tensors, sizes, strict):
    with pytest.raises(UserError, match="configuration"):
        BertEncoder.from_pretrained(write(tensors, **sizes), strict=strict)


def test_an_empty_folder(tmp_path):
    refuses(tmp_path, "no model that can be read", "bert_model.ckpt.index")


def test_an_object_graph_is_no_weight(golden):
    assert OBJECT_GRAPH in open_checkpoint(golden).report().ignored


def test_a_value_that_becomes_infinite_is_named(write, tensors):
    name = "cls/predictions/output_bias"
    folder = write(tensors | {name: np.full(31, 1e6, "float32")})
    assert MaskedLanguageModel.from_pretrained(folder).weights[-1].dtype == "float32"
    with pytest.raises(UserError, match=f"'{name}' in .* has a value that is infinite in float16"):
        MaskedLanguageModel.from_pretrained(folder, dtype="float16")
