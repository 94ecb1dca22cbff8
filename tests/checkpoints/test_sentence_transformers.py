"""Folders of sentence-transformers: what their files say, and what is refused."""

import json

import numpy as np
import pytest
import safetensors.numpy

from kerasformer.checkpoints.formats import sentence_transformers
from kerasformer.checkpoints.formats.sentence_layers import read_layers
from kerasformer.checkpoints.formats.sentence_transformers import read_modules
from kerasformer.errors import UserError

KINDS = {"Transformer": "", "Pooling": "1_Pooling", "Dense": "2_Dense", "Normalize": "3_Normalize"}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def write_modules(folder, *kinds):
    modules = [
        {"path": KINDS.get(k, k), "type": f"sentence_transformers.models.{k}"} for k in kinds
    ]
    write(folder / "modules.json", modules)


@pytest.fixture
def folder(tmp_path):
    write_modules(tmp_path, "Transformer", "Pooling")
    write(tmp_path / "1_Pooling/config.json", {"pooling_mode": "mean"})
    return tmp_path


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({}, ("mean",)),
        ({"pooling_mode": "cls"}, ("cls",)),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len",)),
        ({"pooling_mode_mean_tokens": False}, ("mean",)),
    ],
    ids=str,
)
def test_pooling(folder, config, modes):
    write(folder / "1_Pooling/config.json", config)
    assert read_modules(folder).pooling == modes


@pytest.mark.parametrize(
    ("settings", "tokenizer", "length"),
    [
        ({"max_seq_length": 256}, {"model_max_length": 512}, 256),
        ({"max_seq_length": None}, {"model_max_length": 512}, 512),
        ({}, {}, None),
        ({}, {"model_max_length": 10**30}, None),
        ({}, {"model_max_length": 1e30}, None),
    ],
    ids=str,
)
def test_maximum_length(folder, settings, tokenizer, length):
    write(folder / "sentence_bert_config.json", settings)
    write(folder / "tokenizer_config.json", tokenizer)
    assert read_modules(folder).max_length == length


@pytest.mark.parametrize(
    "name", ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"]
)
def test_a_link_to_nowhere_is_not_taken_for_a_folder_without_settings(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("../../blobs/gone")  # as in a cache of which a part was deleted
    with pytest.raises(UserError, match=f"There is no file .*{name}"):
        read_modules(folder)


@pytest.mark.parametrize("length", [0, -5, 2, "256", True, [3]], ids=str)
def test_a_maximum_length_without_sense(folder, length):
    write(folder / "sentence_bert_config.json", {"max_seq_length": length})
    with pytest.raises(UserError, match=r"sentence_bert_config.json has .* as the most tokens"):
        read_modules(folder)


def test_the_prompt_that_is_the_default(folder):
    path = folder / "config_sentence_transformers.json"
    write(path, {"prompts": {"query": "query: "}, "default_prompt_name": None})
    assert read_modules(folder).prompt == ""
    write(path, {"prompts": {"query": "query: "}, "default_prompt_name": "query"})
    assert read_modules(folder).prompt == "query: "
    assert read_modules(folder).prompts == {"query": "query: ", "document": ""}
    write(path, {"prompts": {}, "default_prompt_name": "search"})
    with pytest.raises(UserError, match="names the default prompt 'search', but has no such"):
        read_modules(folder)


def test_a_folder_without_modules_is_a_transformer(tmp_path):
    modules = read_modules(tmp_path)
    assert modules == sentence_transformers.SentenceModules(tmp_path)
    assert not sentence_transformers.is_here(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not valid JSON"),
        ("{}", "holds a JSON object: expected an array"),
        ("[1]", "is no list of sentence-transformers' modules"),
        ('[{"type": "Transformer"}]', "is no list of sentence-transformers' modules"),
        ("[" * 100_000, "is not valid JSON"),
        ("\xff", None),
        ('[{"type": "a.CLIPModel", "path": ""}]', "begins with a.CLIPModel"),
        ('[{"type": "Transformer", "path": "../.."}]', "names '../..': expected a folder below"),
        ('[{"type": "Transformer", "path": "/etc"}]', "names '/etc': expected a folder below"),
        ('[{"type": "Transformer", "path": "a\\\\..\\\\b"}]', "expected a folder below"),
        ('[{"type": "Transformer", "path": 7}]', "names 7: expected a folder below"),
    ],
    ids=["cut", "object", "number", "no-path", "deep", "latin", "clip", *"pqrs"],
)
def test_broken_modules_json(folder, text, message):
    (folder / "modules.json").write_bytes(text.encode("latin-1"))
    for read in (read_modules, sentence_transformers.open_path):
        with pytest.raises(UserError, match=message or "is not UTF-8 text"):
            read(folder)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["Transformer"], "the modules Transformer,"),
        (["Transformer", "Pooling", "LSTM"], "has a module 'LSTM'"),
        (["Transformer", "Normalize", "Pooling"], "the modules Transformer, Normalize, Pooling"),
        (["Transformer", "Dense"], "the modules Transformer, Dense"),
        (["Transformer", "Pooling", "WeightedLayerPooling"], "'WeightedLayerPooling'"),
    ],
    ids=str,
)
def test_other_modules_are_named(folder, kinds, message):
    write_modules(folder, *kinds)
    with pytest.raises(UserError, match=message):
        read_modules(folder)


@pytest.mark.parametrize("modes", ["last", ["mean", "median"], [], 7, [["mean"]]], ids=str)
def test_other_poolings_are_named(folder, modes):
    write(folder / "1_Pooling/config.json", {"pooling_mode": modes})
    with pytest.raises(UserError, match=r"1_Pooling.config.json asks for the pooling"):
        read_modules(folder)


def test_a_module_without_its_file(folder):
    (folder / "1_Pooling/config.json").unlink()
    with pytest.raises(UserError, match=r"There is no file .*1_Pooling.config.json"):
        read_modules(folder)


DENSE = {
    "in_features": 4,
    "out_features": 3,
    "bias": True,
    "activation_function": "torch.nn.modules.activation.GELU",
}


@pytest.fixture
def dense(folder, rng):
    write_modules(folder, "Transformer", "Pooling", "Dense", "Normalize")
    write(folder / "2_Dense/config.json", DENSE)
    arrays = {"linear.weight": rng.normal(size=(3, 4)), "linear.bias": rng.normal(size=3)}
    safetensors.numpy.save_file(arrays, folder / "2_Dense/model.safetensors")
    return folder


def test_dense(dense):
    modules = read_modules(dense)
    assert modules.normalize
    (module,) = modules.dense
    assert (module.inputs, module.outputs, module.activation) == (4, 3, "gelu")
    assert [weight.shape for weight in module.read_weights()] == [(4, 3), (3,)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in_features": "4"}, "in_features is '4' in"),
        ({"out_features": 10**12}, "out_features is 1000000000000 in"),
        ({"activation_function": "os.system"}, "has the activation_function 'os.system'"),
        ({"activation_function": "torch.nn.LeakyReLU"}, "'torch.nn.LeakyReLU': expected"),
        ({"use_residual": True}, "asks for use_residual"),
    ],
    ids=str,
)
def test_broken_dense(dense, change, message):
    write(dense / "2_Dense/config.json", {**DENSE, **change})
    with pytest.raises(UserError, match=message):
        read_modules(dense)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_not_finite(dense, value):
    weights = {"linear.weight": np.full((3, 4), value), "linear.bias": np.zeros(3)}
    safetensors.numpy.save_file(weights, dense / "2_Dense/model.safetensors")
    with pytest.raises(UserError, match=r"NaN or infinite values in 'linear.weight'"):
        read_modules(dense).dense[0].read_weights()


def test_weights_that_the_configuration_does_not_explain(dense):
    write(dense / "2_Dense/config.json", DENSE | {"bias": False})
    with pytest.raises(UserError, match=r"has a tensor 'linear.bias', which its config.json"):
        read_modules(dense).dense[0].read_weights()


def test_dense_weights_of_another_shape_or_none_at_all(dense):
    write(dense / "2_Dense/config.json", {**DENSE, "out_features": 5})
    with pytest.raises(UserError, match=r"'linear.weight' of shape \[3, 4\]"):
        read_modules(dense).dense[0].read_weights()
    path = dense / "2_Dense/model.safetensors"
    safetensors.numpy.save_file({"linear.weight": np.zeros((5, 4))}, path)
    with pytest.raises(UserError, match=r"'linear.bias' of shape None"):
        read_modules(dense).dense[0].read_weights()
    path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(UserError, match=r"2_Dense has no model.safetensors"):
        read_modules(dense).dense[0].read_weights()


MODEL, TRANSFORMER = "config_sentence_transformers.json", "sentence_bert_config.json"
POOLING, NORMALIZE = "1_Pooling/config.json", "3_Normalize/config.json"


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        (MODEL, "model_type", "SparseEncoder"),
        (MODEL, "truncate_dim", "64"),
        (MODEL, "truncate_dim", 0),
        (MODEL, "truncate_dim", -3),
        (MODEL, "similarity_fn_name", "maxsim"),
        (MODEL, "prompts", ["query: "]),
        (MODEL, "prompts", {"query": 7}),
        (MODEL, "pooling", "cls"),
        (TRANSFORMER, "do_lower_case", "yes"),
        (TRANSFORMER, "transformer_task", "fill-mask"),
        (TRANSFORMER, "tokenizer_name_or_path", "/elsewhere"),
        (TRANSFORMER, "processing_kwargs", {"text": {"padding_side": "left"}}),
        (TRANSFORMER, "query_length", 32),
        (TRANSFORMER, "document_length", 180),
        (TRANSFORMER, "query_expansion", {"length": 32}),
        (TRANSFORMER, "tokenizer_args", {"padding_side": "left"}),
        (TRANSFORMER, "model_args", {"num_hidden_layers": 1}),
        (TRANSFORMER, "config_args", {"hidden_act": "relu"}),
        (TRANSFORMER, "config_kwargs", 7),
        (TRANSFORMER, "modality_config", {"text": {"method": "get_text_features"}}),
        (TRANSFORMER, "modality_config", {"image": {}}),
        (TRANSFORMER, "max_length", 32),
        (POOLING, "include_prompt", "false"),
        (POOLING, "pooling_mode_cls_token", 1),
        (POOLING, "pooling_mode_median_tokens", True),
        ("2_Dense/config.json", "bias", "no"),
        ("2_Dense/config.json", "module_input_name", "token_embeddings"),
        ("2_Dense/config.json", "activation_args", {"slope": 2}),
        (NORMALIZE, "module_output_name", "token_embeddings"),
        (NORMALIZE, "p", 1),
    ],
    ids=str,
)
def test_each_key_is_read_or_refused(dense, file, key, value):
    path = dense / file
    write(path, (json.loads(path.read_text()) if path.exists() else {}) | {key: value})
    named = str(next(iter(value))) if isinstance(value, dict) and key.endswith("_args") else key
    with pytest.raises(UserError, match=f"{path.name}") as error:
        read_modules(dense)
    assert named in str(error.value)
    shown = str(value[named]) if named != key else str(value)
    assert shown in str(error.value)


def test_keys_that_change_no_vector(dense):
    before = read_modules(dense)
    write(dense / MODEL, {"__version__": {"pytorch": "9"}, "requirements": {"torch": ">=2"}})
    write(
        dense / TRANSFORMER,
        {
            "unpad_inputs": None,
            "query_length": None,
            "processing_kwargs": {},
            "model_args": {"attn_implementation": "eager", "torch_dtype": "float16"},
            "transformer_task": "feature-extraction",
        },
    )
    write(
        dense / POOLING,
        {"pooling_mode": "mean", "word_embedding_dimension": 4, "pooling_mode_cls_token": True},
    )
    assert read_modules(dense) == before


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "custom_code.Transformer"}, "begins with custom_code.Transformer"),
        ({"kwargs": ["task"]}, "has 'kwargs'"),
        ({"trust": True}, "has 'trust'"),
        ({"name": "1"}, "two modules of one name"),
    ],
    ids=str,
)
def test_entries_of_modules_json(folder, entry, message):
    first = {"name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    second = first | {"name": "1", "path": "1_Pooling", "type": "sentence_transformers.x.Pooling"}
    write(folder / "modules.json", [first | entry, second])
    with pytest.raises(UserError, match=message):
        read_modules(folder)


def test_weighted_layers_need_all_layers(folder):
    write_modules(folder, "Transformer", "WeightedLayerPooling", "Pooling")
    write(folder / "config.json", {})
    with pytest.raises(UserError, match=r"config.json has 'output_hidden_states': 'False'"):
        read_modules(folder)


WEIGHTED = {"word_embedding_dimension": 4, "layer_start": 1, "num_hidden_layers": 2}


@pytest.mark.parametrize(
    ("config", "weights", "message"),
    [
        ({"dim": 1}, [1, 1], "has 'dim': '1'"),
        ({"layer_start": 3}, [], "layer_start is 3"),
        ({"layer_start": "1"}, [1, 1], "layer_start is '1'"),
        ({"num_hidden_layers": 0}, [1, 1], "num_hidden_layers is 0"),
        ({}, [1], "expected 2 weights above 0"),
        ({}, [-1, 3], "expected 2 weights above 0"),
        ({}, [0, 0], "expected 2 weights above 0"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_broken_weights_of_layers(tmp_path, config, weights, message):
    write(tmp_path / "config.json", WEIGHTED | config)
    tensors = {"layer_weights": np.array(weights, "float32")}
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=message):
        read_layers("WeightedLayerPooling", tmp_path)


def test_layers_of_weights_have_their_defaults(tmp_path):
    write(tmp_path / "config.json", {"embedding_dimension": 4})
    tensors = {"layer_weights": np.ones(9, "float32")}
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    assert read_layers("WeightedLayerPooling", tmp_path).chosen == tuple(range(4, 13))
    write(tmp_path / "config.json", {"layers": [0], "combine": "sum", "more": 1})
    with pytest.raises(UserError, match="has 'more'"):
        read_layers("LayerPooling", tmp_path)
