import contextlib
import dataclasses
import functools
import json
import tempfile
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from kerasformer.checkpoints import LoadReport
from kerasformer.checkpoints.formats.huggingface_config import encoder_config
from kerasformer.checkpoints.formats.huggingface_names import BERT
from kerasformer.checkpoints.inspect import inspect
from kerasformer.cli import main
from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models import encoder as encoder_module

CONFIG = {
    "model_type": "bert",
    "vocab_size": 977,
    "hidden_size": 36,
    "num_hidden_layers": 5,
    "num_attention_heads": 3,
    "intermediate_size": 52,
    "max_position_embeddings": 19,
    "type_vocab_size": 3,
    "hidden_act": "gelu",
}
LAST_BIAS = "encoder.layer.4.output.dense.bias"


def random_tensors(config=CONFIG, pooler=True):
    """The tensors of a BertModel, spelled out here rather than taken from the table under test."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for i in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{i}"
        for dense, (outputs, inputs) in {
            "attention.self.query": (hidden, hidden),
            "attention.self.key": (hidden, hidden),
            "attention.self.value": (hidden, hidden),
            "attention.output.dense": (hidden, hidden),
            "intermediate.dense": (inner, hidden),
            "output.dense": (hidden, inner),
        }.items():
            shapes[f"{block}.{dense}.weight"] = (outputs, inputs)
            shapes[f"{block}.{dense}.bias"] = (outputs,)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{block}.{norm}.weight"] = shapes[f"{block}.{norm}.bias"] = (hidden,)
    if pooler:
        shapes |= {"pooler.dense.weight": (hidden, hidden), "pooler.dense.bias": (hidden,)}
    rng = np.random.default_rng(3)
    return {name: rng.normal(size=s, scale=0.3).astype("float32") for name, s in shapes.items()}


@pytest.fixture(scope="module")
def tensors():
    return random_tensors()


def write_model(folder, tensors, **changes):
    """Writes a model's folder; a config value of `...` leaves the key out."""
    values = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture
def write(tmp_path):
    return functools.partial(write_model, tmp_path)


def read_config(folder):
    return encoder_config(read_json(folder / "config.json"), folder / "config.json")


def inputs():
    rng = np.random.default_rng(5)
    mask = (np.arange(19) < np.array([[19], [1], [8]])).astype("int32")
    return {
        "input_word_ids": rng.integers(1, 977, mask.shape, dtype="int32") * mask,
        "input_mask": mask,
        "input_type_ids": rng.integers(0, 3, mask.shape, dtype="int32"),
    }


def values(encoder):
    to_numpy = keras.ops.convert_to_numpy
    return {v.path.removeprefix(f"{encoder.path}/"): to_numpy(v) for v in encoder.weights}


@pytest.fixture(scope="module")
def plain(tensors, tmp_path_factory):
    """The encoder of `tensors` under their own names, which others are compared with."""
    return BertEncoder.from_pretrained(write_model(tmp_path_factory.mktemp("plain"), tensors))


def assert_same_weights(one, other):
    one, other = values(one), values(other)
    assert one.keys() == other.keys()
    for path in one:
        np.testing.assert_array_equal(one[path], other[path], err_msg=path)


# What is read


def test_every_block_equals_transformers(tmp_path):
    golden = np.load(Path(__file__).with_name("golden_bert.npz"))
    prefix = "weights/"
    weights = {n.removeprefix(prefix): golden[n] for n in golden.files if n.startswith(prefix)}
    save_file(weights, tmp_path / "model.safetensors")
    config = json.loads(str(golden["config"]))
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = BertEncoder.from_pretrained(tmp_path)
    batch = {name: golden[name] for name in ("input_word_ids", "input_mask", "input_type_ids")}

    outputs = encoder(batch, outputs=encoder.available_outputs)
    ours = [outputs["embedding_output"], *outputs["encoder_outputs"]]
    assert len(ours) == len(golden["hidden_states"]) == 4
    for layer, (mine, theirs) in enumerate(zip(ours, golden["hidden_states"], strict=True)):
        np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=0, err_msg=f"layer {layer}")
    for mine, theirs in zip(outputs["attention_scores"], golden["attention_scores"], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=0)
    np.testing.assert_allclose(outputs["pooled_output"], golden["pooled_output"], atol=1e-5, rtol=0)

    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu_new"}))
    mine = BertEncoder.from_pretrained(tmp_path)(batch)["sequence_output"]
    theirs = golden["gelu_new_sequence_output"]
    np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=0)
    assert np.abs(theirs - golden["hidden_states"][-1]).max() > 1e-4  # the variants do differ


def old_names(tensors):
    def old(name):
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        return name.replace("LayerNorm.bias", "LayerNorm.beta")

    return {old(name): tensor for name, tensor in tensors.items()}


def prefixed(tensors):
    return {f"bert.{name}": tensor for name, tensor in tensors.items()}


def with_head(tensors):
    table = tensors["embeddings.word_embeddings.weight"]
    head = {
        "cls.predictions.bias": np.zeros(977, "float32"),
        "cls.predictions.transform.LayerNorm.gamma": np.ones(36, "float32"),
        "cls.predictions.decoder.weight": table + 1,
        "cls.seq_relationship.weight": np.zeros((2, 36), "float32"),
        "classifier.weight": np.zeros((4, 36), "float32"),
        "qa_outputs.bias": np.zeros(2, "float32"),
    }
    return prefixed(tensors) | head


def with_constants(tensors):
    positions = np.arange(19)[None]
    return tensors | {
        "embeddings.position_ids": positions,
        "embeddings.token_type_ids": 0 * positions,
    }


@pytest.mark.parametrize(
    "variant",
    [
        old_names,
        prefixed,
        with_head,
        with_constants,
        lambda t: prefixed(with_constants(old_names(t))),
    ],
)
def test_naming_variants_give_the_same_encoder(write, tensors, plain, variant):
    named = BertEncoder.from_pretrained(write(variant(tensors)))
    assert_same_weights(named, plain)
    assert named.config == plain.config


def test_weights_are_where_they_belong(tensors, plain):
    by_path = values(plain)
    query = tensors["encoder.layer.1.attention.self.query.weight"]
    kernel = by_path["layer_1/self_attention/query/kernel"]
    assert kernel.shape == (36, 3, 12)
    np.testing.assert_array_equal(kernel[:, 2, 5], query[2 * 12 + 5])
    merge = tensors["encoder.layer.4.attention.output.dense.weight"]
    kernel = by_path["layer_4/self_attention/attention_output/kernel"]
    np.testing.assert_array_equal(kernel[2, 5], merge[:, 2 * 12 + 5])
    np.testing.assert_array_equal(
        by_path["layer_0/output/kernel"], tensors["encoder.layer.0.output.dense.weight"].T
    )


def test_the_table_names_every_variable_and_reads_in_both_directions(tensors, plain):
    by_path = values(plain)
    table = list(BERT.encoder_weights(plain.config))
    assert sorted(weight.ours for weight in table) == sorted(by_path)
    assert sorted(weight.theirs for weight in table) == sorted(tensors)
    for weight in table:
        written = weight.from_keras(by_path[weight.ours])
        np.testing.assert_array_equal(written, tensors[weight.theirs], err_msg=weight.theirs)


def test_without_a_pooler_in_the_file_the_encoder_has_none(write, plain):
    encoder = BertEncoder.from_pretrained(write(random_tensors(pooler=False)))
    assert encoder.config == dataclasses.replace(plain.config, pooler=False)
    assert "pooled_output" not in encoder(inputs())
    assert values(plain).keys() - values(encoder).keys() == {
        "pooler_transform/kernel",
        "pooler_transform/bias",
    }


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_files_of_other_floats_fill_float32_variables(write, tensors, dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    other = {name: tensor.astype(kind) for name, tensor in tensors.items()}
    encoder = BertEncoder.from_pretrained(write(other))
    assert {v.dtype for v in encoder.weights} == {"float32"}
    by_path = values(encoder)
    for weight in BERT.encoder_weights(encoder.config):
        written = weight.from_keras(by_path[weight.ours])
        np.testing.assert_array_equal(written, other[weight.theirs].astype("float32"))


@pytest.mark.parametrize(
    ("source", "limit", "value", "dtype"),
    [
        ("float64", (2 - 2**-24) * 2.0**127, 1e300, "float32"),
        ("float32", 65520, 65520, "float16"),
        ("float32", 65520, 1e6, "mixed_float16"),
        ("float32", (2 - 2**-8) * 2.0**127, 3.4e38, "bfloat16"),
    ],
)
def test_a_value_that_becomes_infinite_is_refused(write, tensors, source, limit, value, dtype):
    wide = tensors | {LAST_BIAS: tensors[LAST_BIAS].astype(source)}
    wide[LAST_BIAS][3] = np.nextafter(wide[LAST_BIAS].dtype.type(limit), 0)
    values = BertEncoder.from_pretrained(write(wide), dtype=dtype).get_weights()
    assert all(np.isfinite(weight.astype("float64")).all() for weight in values)
    wide[LAST_BIAS][3] = -value
    with pytest.raises(UserError, match=rf"'{LAST_BIAS}' in .* has a value that is infinite in"):
        BertEncoder.from_pretrained(write(wide), dtype=dtype)
    assert BertEncoder.from_pretrained(write(wide), dtype="float64") is not None


def test_keras_arguments_reach_the_model(write, tensors, plain):
    encoder = BertEncoder.from_pretrained(write(tensors), dtype="mixed_bfloat16", name="reader")
    assert encoder.name == "reader"
    assert encoder.dtype_policy.name == "mixed_bfloat16"
    assert_same_weights(encoder, plain)
    output = encoder(inputs())["sequence_output"]
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"


def test_from_pretrained_reads_the_folder(write, tensors, plain):
    assert_same_weights(BertEncoder.from_pretrained(str(write(tensors))), plain)


def test_inside_another_layer_the_weights_are_found(write, tensors, plain):
    folder = write(tensors)

    class Wrapper(keras.layers.Layer):
        def build(self, input_shape):
            self.encoder = BertEncoder.from_pretrained(folder)

        def call(self, ids):
            return self.encoder(ids)["sequence_output"]

    ids = inputs()["input_word_ids"]
    np.testing.assert_array_equal(Wrapper()(ids), plain(ids)["sequence_output"])


def test_config_values_reach_the_encoder(write, tensors):
    config = read_config(
        write(
            tensors,
            hidden_act="gelu_pytorch_tanh",
            layer_norm_eps=1e-5,
            initializer_range=0.05,
            pad_token_id=7,
            hidden_dropout_prob=0.25,
            attention_probs_dropout_prob=0,
        )
    )
    assert config == EncoderConfig(
        vocab_size=977,
        hidden_size=36,
        num_layers=5,
        num_heads=3,
        intermediate_size=52,
        max_length=19,
        type_vocab_size=3,
        activation="gelu_pytorch_tanh",
        dropout=0.25,
        attention_dropout=0.0,
        layer_norm_epsilon=1e-5,
        initializer_range=0.05,
        pad_token_id=7,
        pooler=True,
    )


def test_numbers_left_out_are_the_layouts_defaults(write, tensors):
    config = read_config(write(tensors, pad_token_id=None, position_embedding_type=None))
    assert config.layer_norm_epsilon == 1e-12
    assert config.dropout == config.attention_dropout == 0.1
    assert config.pad_token_id == 0


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_size_left_out_is_the_default_which_the_tensors_must_have(write, tensors, key):
    with pytest.raises(UserError, match=rf"defaults of what it leaves out: .*{key} \d+.*\): '"):
        BertEncoder.from_pretrained(write(tensors, **{key: ...}))


def test_what_is_left_out_is_told(write, tensors, capsys):
    folder = write(tensors, hidden_act=..., pad_token_id=-1, initializer_range=float("nan"))
    taken = {"hidden_act": "gelu", "pad_token_id": 0, "initializer_range": 0.02}
    taken |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    assert inspect(folder)["defaults"] == taken | {"layer_norm_eps": 1e-12}
    assert read_config(folder).initializer_range == 0.02
    assert main(["inspect", str(folder)]) == 0
    assert "hidden_act gelu" in capsys.readouterr().out


# What is refused

SIZES = [key for key in CONFIG if key not in ("model_type", "hidden_act")]
WRONG = (None, 0, -3, 36.0, "36", True, [36], {}, 10**9, 10**400)


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
def test_wrong_sizes_are_refused(write, tensors, key, value):
    folder = write(tensors, **{key: value})
    with pytest.raises(UserError, match=rf"{key}.*integer from 1") as error:
        BertEncoder.from_pretrained(folder)
    assert "config.json" in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_norm_eps", 0),
        ("layer_norm_eps", -1e-12),
        ("layer_norm_eps", "1e-12"),
        ("layer_norm_eps", float("nan")),
        ("initializer_range", float("inf")),
        ("initializer_range", [0.02]),
        ("hidden_dropout_prob", 1.0),
        ("hidden_dropout_prob", True),
        ("attention_probs_dropout_prob", -0.1),
        ("pad_token_id", 977),
        ("pad_token_id", -2),
        ("pad_token_id", "0"),
        ("hidden_act", "gelu_9000"),
        ("hidden_act", "leaky_relu"),
        ("hidden_act", None),
        ("hidden_act", ["gelu"]),
        ("position_embedding_type", "relative_key_query"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("model_type", "roberta"),
        ("model_type", ["bert"]),
        ("num_attention_heads", 7),
    ],
)
def test_wrong_values_are_refused_by_name(write, tensors, key, value):
    folder = write(tensors, **{key: value})
    with pytest.raises(UserError) as error:
        BertEncoder.from_pretrained(folder)
    message = str(error.value)
    assert "config.json" in message
    assert ("type" if key == "model_type" else key) in message
    assert "\n" not in message


def test_a_missing_model_type_is_seen_by_keys_and_tensors(write, tensors, plain):
    for names in (tensors, {f"bert.{name}": tensor for name, tensor in tensors.items()}):
        found = BertEncoder.from_pretrained(write(names, model_type=...))
        for mine, other in zip(found.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"pad_token_id": 1},  # RoBERTa's
        {"architectures": ["RobertaModel"]},
        {"architectures": ["BertGenerationEncoder"]},
        {"hidden_size": ...},
        {"architectures": ["ElectraModel"]},  # has another key
    ],
    ids=str,
)
def test_a_missing_model_type_that_could_be_another(write, tensors, changes):
    with pytest.raises(
        UserError, match='add "model_type": "bert", "distilbert", "electra", "gpt2"'
    ):
        BertEncoder.from_pretrained(write(tensors, model_type=..., **changes))


def test_unknown_names_are_told_what_is_known(write, tensors):
    with pytest.raises(UserError, match=r"'roberta': expected 'bert'"):
        BertEncoder.from_pretrained(write(tensors, model_type="roberta"))
    with pytest.raises(UserError, match=r"quick_gelu.*gelu_new"):
        BertEncoder.from_pretrained(write(tensors, hidden_act="quick_gelu"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2]", b"null", b'"bert"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a": 1} b'],
    ids=lambda content: repr(content[:6]),
)
def test_a_config_that_is_no_json_object_is_refused(write, tensors, content):
    folder = write(tensors)
    (folder / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json"):
        BertEncoder.from_pretrained(folder)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*CONFIG, "layer_norm_eps", "pad_token_id", "is_decoder"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=3,
        ),
    )
)
def test_whatever_the_config_says_it_is_read_or_refused(changes):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(CONFIG | changes), encoding="utf-8")
        with contextlib.suppress(UserError):  # any other error is a defect
            config = read_config(Path(folder))
            assert config.hidden_size % config.num_heads == 0
            assert config.pad_token_id < config.vocab_size


def test_files_that_are_not_there(tmp_path, write, tensors):
    with pytest.raises(UserError, match="nowhere"):
        BertEncoder.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no model that can be read"):
        BertEncoder.from_pretrained(tmp_path)
    folder = write(tensors)
    with pytest.raises(UserError, match="is a file"):
        BertEncoder.from_pretrained(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        BertEncoder.from_pretrained(folder)


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_a_truncated_file_is_refused(write, tensors, keep):
    folder = write(tensors)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        BertEncoder.from_pretrained(folder)


@pytest.mark.parametrize("form", [dict, prefixed])
def test_a_missing_tensor_is_named(write, tensors, form):
    held = form({name: tensor for name, tensor in tensors.items() if name != LAST_BIAS})
    with pytest.raises(UserError, match=rf"'(bert\.)?{LAST_BIAS}' is missing") as error:
        BertEncoder.from_pretrained(write(held))
    assert str(write(held)) in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.5.output.dense.bias",
        "encoder.layer.0.attention.self.distance_embedding.weight",
        "encoder.layer.0.crossattention.self.query.weight",
        "embeddings.LayerNorm.gamma",  # beside embeddings.LayerNorm.weight
        "adapter.weight",
    ],
)
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_an_unexpected_tensor_is_named(write, tensors, name, prefix):
    held = {prefix + n: t for n, t in tensors.items()}
    with pytest.raises(UserError, match="is unexpected") as error:
        BertEncoder.from_pretrained(write(held | {prefix + name: np.zeros(36, "float32")}))
    stem = f"{prefix}embeddings.LayerNorm." if "LayerNorm" in name else prefix + name
    assert stem in str(error.value)


def test_half_a_pooler_is_refused(write):
    held = random_tensors()
    del held["pooler.dense.bias"]
    with pytest.raises(UserError, match=r"'pooler\.dense\.bias' is missing"):
        BertEncoder.from_pretrained(write(held))


def test_a_wrong_shape_is_named_with_both_shapes(write, tensors):
    wrong = tensors | {LAST_BIAS: np.zeros(35, "float32")}
    with pytest.raises(UserError, match=rf"'{LAST_BIAS}' is \[35\] in the file and \[36\]"):
        BertEncoder.from_pretrained(write(wrong))
    name = "encoder.layer.0.intermediate.dense.weight"
    wrong = tensors | {name: np.ascontiguousarray(tensors[name].T)}
    with pytest.raises(UserError, match=rf"'{name}' is \[36, 52\] in the file and \[52, 36\]"):
        BertEncoder.from_pretrained(write(wrong))


def test_many_problems_are_told_in_short(write, tensors):
    with pytest.raises(UserError, match="and 83 more") as error:
        BertEncoder.from_pretrained(write({"weight": np.zeros(3, "float32")}))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 999_999, "num_attention_heads": 9},
        {"vocab_size": 10**8},
        {"num_hidden_layers": 1000},
        {"max_position_embeddings": 10**7, "intermediate_size": 10**7},
    ],
    ids=lambda sizes: next(iter(sizes)),
)
def test_sizes_beyond_the_file_are_refused_before_any_variable(
    write, tensors, sizes, strict, monkeypatch
):
    monkeypatch.setattr(encoder_module, "BertEncoder", None)  # making one would fail
    with pytest.raises(UserError, match=r"configuration"):
        BertEncoder.from_pretrained(write(tensors, **sizes), strict=strict)


@pytest.mark.parametrize(
    ("value", "dtype"), [(np.nan, "float32"), (np.inf, "float16"), (-np.inf, "bfloat16")]
)
def test_weights_that_are_not_finite_are_refused(write, tensors, value, dtype):
    bad = tensors[LAST_BIAS].copy()
    bad[17] = value
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    with pytest.raises(UserError, match=f"'{LAST_BIAS}'.*NaN or infinite"):
        BertEncoder.from_pretrained(write(tensors | {LAST_BIAS: bad.astype(kind)}))


def test_integer_weights_are_refused(write, tensors):
    name = "encoder.layer.0.output.dense.weight"
    with pytest.raises(UserError, match=f"'{name}'.*int8.*floats"):
        BertEncoder.from_pretrained(write(tensors | {name: tensors[name].astype("int8")}))


# The report


def test_a_report_instead_of_an_error(write, tensors, plain):
    held = prefixed({n: t for n, t in tensors.items() if n != LAST_BIAS})
    held["bert.embeddings.LayerNorm.bias"] = np.zeros(35, "float32")
    held["bert.adapter.weight"] = held["classifier.bias"] = np.zeros(2, "float32")
    encoder, report = BertEncoder.from_pretrained(write(held), strict=False)
    assert report == LoadReport(
        missing=(f"bert.{LAST_BIAS}",),
        misshapen={"bert.embeddings.LayerNorm.bias": ((35,), (36,))},
        unexpected=("bert.adapter.weight",),
        ignored=("classifier.bias",),
    )
    assert len(report.problems()) == 3
    whole = values(plain)
    differing = {path for path, value in values(encoder).items() if (value != whole[path]).any()}
    assert differing == {"layer_4/output/bias", "embeddings/layer_norm/beta"}


def test_the_report_of_a_sound_file_is_empty(write, tensors, plain):
    encoder, report = BertEncoder.from_pretrained(write(tensors), strict=False)
    assert report.problems() == []
    assert dataclasses.asdict(report) == {
        "missing": (),
        "misshapen": {},
        "unexpected": (),
        "ignored": (),
    }
    assert_same_weights(encoder, plain)


def test_reading_changes_no_file(write, tensors):
    folder = write(tensors)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    BertEncoder.from_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert load_file(folder / "model.safetensors").keys() == tensors.keys()
