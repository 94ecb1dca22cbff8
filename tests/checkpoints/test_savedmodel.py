"""TF Hub's SavedModels, read without being run; see tests/parity for those of every kind."""

import shutil

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.layers import MaskedLMHead
from kerasformer.models import BertEncoder

from ..hub.golden_models import golden_arrays, unpack_golden
from . import tf_files

tf = pytest.importorskip("tensorflow")
SavedModel = pytest.importorskip("tensorflow.core.protobuf.saved_model_pb2").SavedModel
pytestmark = pytest.mark.backend("tensorflow")
INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    return unpack_golden(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="module")
def checkpoint(golden):
    return open_checkpoint(golden["encoder"])


@pytest.fixture
def copy(golden, tmp_path):
    """A copy of the SavedModel that a test may break."""
    return shutil.copytree(golden["encoder"], tmp_path / "encoder")


@pytest.fixture
def change_graph(copy):
    """A function that edits the copy's `saved_model.pb`, and gives the copy."""

    def change(edit):
        path = copy / "saved_model.pb"
        message = SavedModel.FromString(path.read_bytes())
        edit(message.meta_graphs[0])
        path.write_bytes(message.SerializeToString())
        return copy

    return change


def inputs(name):
    arrays = golden_arrays()
    return {key: arrays[f"{name}/{key}"] for key in INPUTS}, arrays


def refuses(path, *words):
    with pytest.raises(UserError) as error:
        open_checkpoint(path).load_encoder(BertEncoder)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 700
    for word in words:
        assert word in message


# What is read


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_output_is_that_of_the_savedmodel(golden, name):
    encoder = BertEncoder.from_pretrained(golden["encoder"])
    batch, arrays = inputs(name)
    outputs = encoder(batch)
    blocks = keras.ops.convert_to_numpy(keras.ops.stack(outputs["encoder_outputs"]))
    np.testing.assert_allclose(blocks, arrays[f"{name}/encoder_outputs"], atol=1e-5, rtol=0)
    for key in ("sequence_output", "pooled_output", "default"):
        np.testing.assert_allclose(outputs[key], arrays[f"{name}/{key}"], atol=1e-5, rtol=0)


def test_the_head_is_that_of_the_savedmodel(checkpoint):
    assert checkpoint.heads == ("masked_lm",)
    encoder, config = checkpoint.load_encoder(BertEncoder), checkpoint.config
    head = MaskedLMHead(config.vocab_size, config.embedding_size, config.activation)
    head.build((None, None, config.hidden_size))
    checkpoint.load_head("masked_lm", head)
    batch, arrays = inputs("two")
    table = encoder.embedding.word_embeddings.embeddings
    positions = arrays["two/masked_lm_positions"]
    logits = head(encoder(batch)["sequence_output"], table, positions)
    np.testing.assert_allclose(logits, arrays["two/mlm_logits"], atol=1e-5, rtol=0)


def test_what_it_is(checkpoint, golden):
    config = checkpoint.config
    assert (config.vocab_size, config.hidden_size, config.num_layers) == (64, 12, 2)
    assert (config.num_heads, config.intermediate_size, config.max_length) == (3, 20, 16)
    assert (config.type_vocab_size, config.embedding_size, config.pooler) == (2, 12, True)
    assert (config.activation, config.layer_norm_epsilon) == ("gelu_tanh", 1e-12)
    assert checkpoint.format == "TF Hub SavedModel"
    report = checkpoint.report()
    assert report.problems() == []
    assert any("predictions" in name for name in report.ignored)
    assert "transformer/layer_1/output/bias" in checkpoint.tensors  # the variables' own names


def test_the_tokenizer_is_that_of_its_assets(checkpoint):
    tokenizer = checkpoint.read_tokenizer()
    assert tokenizer.vocab_size == 64
    assert tokenizer.tokens(["A Good film!"]) == [["a", "good", "film", "!"]]


def test_its_graph_can_be_given(golden):
    path = golden["encoder"] / "saved_model.pb"
    assert open_checkpoint(path).path == golden["encoder"]


def test_nothing_is_run_or_loaded(golden, monkeypatch):
    monkeypatch.setattr(tf.saved_model, "load", None)
    monkeypatch.setattr(tf, "function", None)
    monkeypatch.setattr(tf, "load_op_library", None)
    open_checkpoint(golden["encoder"]).load_encoder(BertEncoder)


def test_a_savedmodel_without_a_pooler_or_a_head(golden, tmp_path):
    tensors = renamed(golden, lambda name: "pooler" not in name and "cls/" not in name)
    folder = save_objects(golden, tmp_path, tensors)
    checkpoint = open_checkpoint(folder)
    assert checkpoint.heads == ()
    assert not checkpoint.config.pooler
    assert "pooled_output" not in checkpoint.load_encoder(BertEncoder).available_outputs


def test_names_below_others(golden, tmp_path):
    tensors = {f"bert_encoder/{name}": array for name, array in renamed(golden).items()}
    checkpoint = open_checkpoint(save_objects(golden, tmp_path, tensors))
    assert checkpoint.prefix == "bert_encoder/"
    assert checkpoint.heads == ("masked_lm",)
    batch, arrays = inputs("one")
    outputs = checkpoint.load_encoder(BertEncoder)(batch)
    np.testing.assert_allclose(
        outputs["sequence_output"], arrays["one/sequence_output"], atol=1e-5, rtol=0
    )


def renamed(golden, keep=lambda name: True):
    """The weights of the golden SavedModel by their variables' names."""
    tensors = open_checkpoint(golden["encoder"]).tensors
    return {
        name: tensors[name] for name in tensors if "/" in name and "." not in name and keep(name)
    }


def save_objects(golden, folder, tensors):
    """A SavedModel like the golden one, with other variables."""
    folder = shutil.copytree(golden["encoder"], folder / "other")
    root = tf.train.Checkpoint()
    root.variables = [tf.Variable(array, name=name) for name, array in tensors.items()]
    shutil.rmtree(folder / "variables")
    root.write(str(folder / "variables" / "variables"))
    return folder


# What the graph tells


@pytest.mark.parametrize(
    ("operation", "activation"),
    [("Erf", "gelu"), ("Erfc", "gelu"), ("Relu", "relu"), ("Sigmoid", "silu")],
)
def test_the_activation_is_that_of_the_graph(change_graph, operation, activation):
    def edit(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Pow":
                    node.op = operation

    assert open_checkpoint(change_graph(edit)).config.activation == activation


def edit_constants(graph, number):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.name.endswith("batchnorm/add/y"):
                node.attr["value"].tensor.float_val[:] = [number]


def test_the_epsilon_is_that_of_the_graph(change_graph):
    folder = change_graph(lambda graph: edit_constants(graph, 1e-6))
    assert open_checkpoint(folder).config.layer_norm_epsilon == 1e-6


@pytest.mark.parametrize("number", [0.0, -1e-12, float("nan")])
def test_an_epsilon_that_cannot_be(change_graph, number):
    refuses(change_graph(lambda graph: edit_constants(graph, number)), "epsilon")


def test_a_graph_that_does_not_tell(change_graph):
    def edit(graph):
        del graph.graph_def.library.function[:]

    refuses(change_graph(edit), "has a graph with not one activation", "HubEncoder")


def test_two_activations(change_graph):
    def edit(graph):
        graph.graph_def.library.function[0].node_def.add(name="x", op="Relu")

    refuses(change_graph(edit), "activation", "gelu_tanh", "relu", "HubEncoder")


def test_norm_first(change_graph):
    def edit(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Einsum" and "self_attention/query" in node.name:
                    name = node.name.partition("/self_attention/")[0]
                    node.input[0] = f"{name}/self_attention_layer_norm/batchnorm/add_1:z:0"

    refuses(change_graph(edit), "norm_first", "HubEncoder")


# What is refused


def test_a_preprocessor(golden):
    refuses(golden["preprocessor"], "preprocessor", "kerasformer.hub.HubPreprocessor")


def test_a_savedmodel_of_tensorflow_1(change_graph):
    refuses(change_graph(lambda graph: graph.ClearField("object_graph_def")), "TensorFlow 1")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["transformer/self_attention/query/kernel", "word_embeddings/embeddings"], "an ALBERT"),
        (["electra/embeddings/word_embeddings"], "an ELECTRA"),
        (["bert_model/word_embeddings/embeddings"], "a BERT of TF Hub's first versions"),
        (["EncoderDNN/DNN/ResidualHidden_0/dense/kernel/part_0"], "no BERT encoder of"),
    ],
)
def test_other_encoders(golden, tmp_path, names, words):
    tensors = dict.fromkeys(names, np.ones((3, 4), "float32"))
    refuses(save_objects(golden, tmp_path, tensors), words, "kerasformer.hub.HubEncoder")


def test_a_missing_weight_is_named(golden, tmp_path):
    name = "transformer/layer_0/self_attention/key/bias"
    for missing in (name, name.replace("0", "1"), "embeddings/layer_norm/beta"):
        tensors = renamed(golden, lambda held, missing=missing: held != missing)
        refuses(save_objects(golden, tmp_path / missing, tensors), missing)


def test_an_unexpected_weight_is_named(golden, tmp_path):
    tensors = renamed(golden) | {"transformer/layer_0/adapter/bias": np.zeros(3, "float32")}
    refuses(save_objects(golden, tmp_path, tensors), "'transformer/layer_0/adapter/bias'")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("transformer/layer_0/self_attention/query/kernel", (12, 12)),
        ("transformer/layer_0/self_attention/query/kernel", (12, 4, 3)),
        ("transformer/layer_0/self_attention/query/kernel", (12, 5, 5)),
        ("transformer/layer_0/self_attention/query/kernel", (0, 0, 0)),
        ("transformer/layer_1/output/kernel", (12, 20)),
        ("word_embeddings/embeddings", (64,)),
        ("word_embeddings/embeddings", (64, 7)),
        ("word_embeddings/embeddings", (0, 12)),
        ("embeddings/layer_norm/gamma", ()),
    ],
)
def test_a_wrong_shape_is_named(golden, tmp_path, name, shape):
    tensors = renamed(golden) | {name: np.ones(shape, "float32")}
    folder = save_objects(golden, tmp_path, tensors)
    with pytest.raises(UserError) as error:
        open_checkpoint(folder).load_encoder(BertEncoder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_named(golden, tmp_path, value):
    tensors = renamed(golden)
    tensors["pooler_transform/bias"] = np.full(12, value, "float32")
    folder = save_objects(golden, tmp_path, tensors)
    with pytest.raises(UserError, match=r"'pooler_transform/bias' in .*data-00000.*NaN"):
        open_checkpoint(folder).load_encoder(BertEncoder)


def test_a_value_that_becomes_infinite_is_named(golden, tmp_path):
    tensors = renamed(golden) | {"pooler_transform/bias": np.full(12, 1e300, "float64")}
    folder = save_objects(golden, tmp_path, tensors)
    with pytest.raises(UserError, match=r"'pooler_transform/bias' in .* is infinite in float32"):
        open_checkpoint(folder).load_encoder(BertEncoder)


def test_damaged_data_is_named(copy):
    path = copy / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"'\S+' in .*data-00000-of-00001 is damaged"):
        open_checkpoint(copy).load_encoder(BertEncoder)


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [
        ("saved_model.pb", b"\xff\xff", "saved_model.pb"),
        ("saved_model.pb", b"", "saved_model.pb"),
        ("variables/variables.index", b"", "variables.index"),
        ("variables/variables.index", None, "variables.index"),
        ("variables/variables.data-00000-of-00001", b"", "variables.data"),
        ("variables/variables.data-00000-of-00001", None, "variables.data"),
    ],
)
def test_broken_files_are_named(copy, file, content, word):
    (copy / file).unlink()
    if content is not None:
        (copy / file).write_bytes(content)
    refuses(copy, word)


def test_a_graph_beyond_all_measure(copy):
    with open(copy / "saved_model.pb", "wb") as stream:
        stream.truncate(10**12)
    refuses(copy, "saved_model.pb", "bytes")


def test_members_that_are_nowhere(change_graph):
    def edit(graph):
        graph.object_graph_def.nodes[0].children.add(node_id=10**6, local_name="x")

    refuses(change_graph(edit), "saved_model.pb")


def vocab_file(graph):
    return graph.asset_file_def[0]


@pytest.mark.parametrize("name", ["../vocab.txt", "/etc/passwd", "", ".", "a/b", "..", "a\\b"])
def test_assets_elsewhere(change_graph, name):
    folder = change_graph(lambda graph: setattr(vocab_file(graph), "filename", name))
    with pytest.raises(UserError, match="vocabulary"):
        open_checkpoint(folder).read_tokenizer()


def test_no_vocabulary(change_graph, copy):
    (copy / "assets" / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"vocab\.txt"):
        open_checkpoint(copy).read_tokenizer()

    def edit(graph):
        for child in graph.object_graph_def.nodes[0].children:
            if child.local_name == "vocab_file":
                child.local_name = "other"

    folder = change_graph(edit)
    with pytest.raises(UserError, match=r"no vocab_file.*HubPreprocessor"):
        open_checkpoint(folder).read_tokenizer()


def test_whether_to_lower_case(golden, tmp_path):
    """By the variable; where there is none, by the vocabulary."""
    key = "do_lower_case/.ATTRIBUTES/VARIABLE_VALUE"
    for i, (lower, word) in enumerate([(True, "Good"), (False, "Good"), (None, "good")]):
        folder = save_objects(golden, tmp_path / str(i), renamed(golden))
        prefix = folder / "variables" / "variables"
        if lower is not None:
            tensors = open_checkpoint(folder).tensors
            held = {name: tensors[name] for name in tensors if "." not in name and "/" in name}
            for path in prefix.parent.iterdir():
                path.unlink()
            tf_files.save(prefix, held | {key: np.array(lower)})
        vocabulary = folder / "assets" / "vocab.txt"
        vocabulary.write_text(vocabulary.read_text().replace("\ngood\n", f"\n{word}\n"))
        found = open_checkpoint(folder).read_tokenizer().tokens(["Good"])
        assert (found == [["Good"]]) is (lower is False), (lower, found)


def test_a_do_lower_case_that_is_no_boolean(golden, tmp_path):
    folder = save_objects(golden, tmp_path, renamed(golden))
    prefix = folder / "variables" / "variables"
    tensors = open_checkpoint(folder).tensors
    held = {name: tensors[name] for name in tensors if "." not in name and "/" in name}
    key = "do_lower_case/.ATTRIBUTES/VARIABLE_VALUE"
    for path in prefix.parent.iterdir():
        path.unlink()
    tf_files.save(prefix, held | {key: np.array([True, False])})
    with pytest.raises(UserError, match="do_lower_case"):
        open_checkpoint(folder).read_tokenizer()
