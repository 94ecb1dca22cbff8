"""Google's checkpoints of 2018 against `modeling.py`, and tf-models-official's against their model.

The oracles of the first are `reference`, which is google-research/bert's modeling.py line by line
in NumPy, and transformers' `BertModel` with the same weights and `hidden_act="gelu_new"`.
"""

import json

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.formats.huggingface_names import MODEL_TYPES
from kerasformer.checkpoints.formats.tf_names import GOOGLE
from kerasformer.layers import MaskedLMHead
from kerasformer.models import BertEncoder

from . import tfhub

pytestmark = [pytest.mark.oracle, pytest.mark.backend("tensorflow")]

TOLERANCE = 1e-5
LENGTHS = (1, 2, 3, 8, 20, 40, 41)
CONFIG = tfhub.AWKWARD | {"hidden_act": "gelu"}
SMALLEST = {
    "vocab_size": 11,
    "hidden_size": 15,
    "num_hidden_layers": 1,
    "num_attention_heads": 5,
    "intermediate_size": 7,
    "max_position_embeddings": 9,
    "type_vocab_size": 1,
    "hidden_act": "gelu",
}


def google_tensors(config, seed=5):
    """Random variables with the names and shapes of modeling.py and run_pretraining.py."""
    hidden, inner, vocab = (
        config[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    shapes = {
        "bert/embeddings/word_embeddings": (vocab, hidden),
        "bert/embeddings/token_type_embeddings": (config["type_vocab_size"], hidden),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], hidden),
        "bert/embeddings/LayerNorm/beta": (hidden,),
        "bert/embeddings/LayerNorm/gamma": (hidden,),
        "bert/pooler/dense/kernel": (hidden, hidden),
        "bert/pooler/dense/bias": (hidden,),
        "cls/predictions/transform/dense/kernel": (hidden, hidden),
        "cls/predictions/transform/dense/bias": (hidden,),
        "cls/predictions/transform/LayerNorm/beta": (hidden,),
        "cls/predictions/transform/LayerNorm/gamma": (hidden,),
        "cls/predictions/output_bias": (vocab,),
        "cls/seq_relationship/output_weights": (2, hidden),
        "cls/seq_relationship/output_bias": (2,),
    }
    for i in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{i}"
        for name in ("query", "key", "value"):
            shapes[f"{layer}/attention/self/{name}/kernel"] = (hidden, hidden)
            shapes[f"{layer}/attention/self/{name}/bias"] = (hidden,)
        for name, (inputs, outputs) in {
            "attention/output/dense": (hidden, hidden),
            "intermediate/dense": (hidden, inner),
            "output/dense": (inner, hidden),
        }.items():
            shapes[f"{layer}/{name}/kernel"] = (inputs, outputs)
            shapes[f"{layer}/{name}/bias"] = (outputs,)
        for name in ("attention/output/LayerNorm", "output/LayerNorm"):
            shapes[f"{layer}/{name}/beta"] = shapes[f"{layer}/{name}/gamma"] = (hidden,)
    rng = np.random.default_rng(seed)
    scale = 0.15
    return {
        name: (rng.normal(size=shape, scale=scale) + ("gamma" in name)).astype("float32")
        for name, shape in shapes.items()
    }


def gelu(x):
    return x * 0.5 * (1.0 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * np.power(x, 3))))


def dense(v, name, x):
    return x @ v[f"{name}/kernel"] + v[f"{name}/bias"]


def layer_norm(v, name, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * v[f"{name}/gamma"] + v[f"{name}/beta"]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def attention(v, name, x, mask, heads):
    """`attention_layer`: without its output's dense layer, which is `attention/output`."""
    batch, length, hidden = x.shape

    def transpose_for_scores(x):
        return x.reshape(batch, length, heads, hidden // heads).transpose(0, 2, 1, 3)

    query = transpose_for_scores(dense(v, f"{name}/query", x))
    key = transpose_for_scores(dense(v, f"{name}/key", x))
    value = transpose_for_scores(dense(v, f"{name}/value", x))
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(hidden // heads)
    scores = scores + (1.0 - mask[:, None, None, :]) * -10000.0
    context = softmax(scores) @ value
    return context.transpose(0, 2, 1, 3).reshape(batch, length, hidden)


def reference(tensors, config, batch):
    """modeling.py's `BertModel` and run_pretraining.py's two heads, in float64.

    Returns:
        The embeddings' output and every layer's, the pooled output, and the scores of the masked
        words (at all positions) and of the next sentence.
    """
    v = {name: tensor.astype("float64") for name, tensor in tensors.items()}
    ids, types = batch["input_word_ids"], batch["input_type_ids"]
    x = (
        v["bert/embeddings/word_embeddings"][ids]
        + v["bert/embeddings/token_type_embeddings"][types]
    )
    x = x + v["bert/embeddings/position_embeddings"][: ids.shape[1]]
    x = layer_norm(v, "bert/embeddings/LayerNorm", x)
    layers = [x]
    for i in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{i}"
        context = attention(
            v, f"{layer}/attention/self", x, batch["input_mask"], config["num_attention_heads"]
        )
        output = dense(v, f"{layer}/attention/output/dense", context)
        attended = layer_norm(v, f"{layer}/attention/output/LayerNorm", output + x)
        inner = gelu(dense(v, f"{layer}/intermediate/dense", attended))
        output = dense(v, f"{layer}/output/dense", inner)
        x = layer_norm(v, f"{layer}/output/LayerNorm", output + attended)
        layers.append(x)
    pooled = np.tanh(dense(v, "bert/pooler/dense", x[:, 0]))
    transformed = gelu(dense(v, "cls/predictions/transform/dense", x))
    transformed = layer_norm(v, "cls/predictions/transform/LayerNorm", transformed)
    words = transformed @ v["bert/embeddings/word_embeddings"].T + v["cls/predictions/output_bias"]
    next_sentence = pooled @ v["cls/seq_relationship/output_weights"].T
    return layers, pooled, words, next_sentence + v["cls/seq_relationship/output_bias"]


@pytest.fixture
def write(tmp_path):
    """A function that writes a checkpoint as Google published them, and gives its tensors too."""

    def write(config):
        import tensorflow as tf

        tensors = google_tensors(config)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            for name, tensor in tensors.items():
                tf.compat.v1.get_variable(name, initializer=tensor)
            tf.compat.v1.train.get_or_create_global_step()
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(tmp_path / "bert_model.ckpt"))
        (tmp_path / "bert_config.json").write_text(json.dumps(config))
        return tmp_path / "bert_model.ckpt", tensors

    return write


def random_inputs(config, length, segments=True):
    """Five rows: random real tokens anywhere after the first, then rows padded at the end."""
    rng = np.random.default_rng(length)
    mask = rng.integers(0, 2, (5, length), dtype="int32")
    mask[2:] = np.arange(length) < rng.integers(1, length + 1, (3, 1))
    mask[-1] = mask[:, 0] = 1
    types = config["type_vocab_size"] if segments else 1
    return {
        "input_word_ids": rng.integers(0, config["vocab_size"], mask.shape, dtype="int32"),
        "input_mask": mask,
        "input_type_ids": rng.integers(0, types, mask.shape, dtype="int32"),
    }


def outputs(encoder, batch):
    names = ("embedding_output", "encoder_outputs", "pooled_output", "sequence_output")
    found = encoder(batch, outputs=names)
    return [found["embedding_output"], *found["encoder_outputs"]], found


@pytest.mark.parametrize("config", [CONFIG, SMALLEST], ids=["awkward", "smallest"])
def test_every_layer_of_googles_model(write, config):
    path, tensors = write(config)
    encoder = BertEncoder.from_pretrained(path)
    longest = config["max_position_embeddings"]
    for length in sorted({*LENGTHS, longest} & set(range(1, longest + 1))):
        for segments in (True, False):
            batch = random_inputs(config, length, segments)
            layers, pooled, *_ = reference(tensors, config, batch)
            mine, found = outputs(encoder, batch)
            for i, (our, their) in enumerate(zip(mine, layers, strict=True)):
                np.testing.assert_allclose(our, their, atol=TOLERANCE, rtol=0, err_msg=str(i))
            np.testing.assert_allclose(found["pooled_output"], pooled, atol=TOLERANCE, rtol=0)


def test_both_heads_of_googles_model(write):
    path, tensors = write(CONFIG)
    checkpoint = open_checkpoint(path)
    assert checkpoint.heads == ("masked_lm", "next_sentence")
    encoder = checkpoint.load_encoder(BertEncoder)
    batch = random_inputs(CONFIG, 23)
    *_, words, next_sentence = reference(tensors, CONFIG, batch)
    _, found = outputs(encoder, batch)
    head = MaskedLMHead(977, 36, encoder.config.activation)
    head.build((None, None, 36))
    checkpoint.load_head("masked_lm", head)
    table = encoder.embedding.word_embeddings.embeddings
    np.testing.assert_allclose(head(found["sequence_output"], table), words, atol=TOLERANCE, rtol=0)
    dense = keras.layers.Dense(2)
    dense.build((None, 36))
    checkpoint.load_head("next_sentence", dense)
    np.testing.assert_allclose(dense(found["pooled_output"]), next_sentence, atol=TOLERANCE, rtol=0)


def torch_model(torch, transformers, checkpoint, tensors, config):
    """transformers' `BertModel` with a Google checkpoint's weights, as its converter made it."""
    model = transformers.BertModel(
        transformers.BertConfig(
            **config | {"hidden_act": "gelu_new", "attn_implementation": "eager"}
        )
    )
    theirs = {weight.ours: weight for weight in GOOGLE.encoder_weights(checkpoint.config)}
    state = {}
    for weight in MODEL_TYPES["bert"].table.encoder_weights(checkpoint.config):
        tensor = tensors[theirs[weight.ours].theirs]
        state[weight.theirs] = torch.from_numpy(tensor.T.copy() if weight.transposed else tensor)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("position_ids" in name or "token_type_ids" in name for name in missing)
    return model.eval()


def test_every_block_and_gradient_of_transformers(write, torch, transformers):
    import tensorflow as tf

    path, tensors = write(CONFIG)
    checkpoint = open_checkpoint(path)
    encoder = checkpoint.load_encoder(BertEncoder)
    model = torch_model(torch, transformers, checkpoint, tensors, CONFIG)
    batch = random_inputs(CONFIG, 23)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    theirs = model(
        *(torch.from_numpy(batch[name]).long() for name in names), output_hidden_states=True
    )
    mine, found = outputs(encoder, batch)
    for i, (our, their) in enumerate(zip(mine, theirs.hidden_states, strict=True)):
        their = their.detach().numpy()
        np.testing.assert_allclose(our, their, atol=TOLERANCE, rtol=0, err_msg=str(i))

    rng = np.random.default_rng(1)
    towards = rng.normal(size=(5, 23, 36)).astype("float32")
    pooled_towards = rng.normal(size=(5, 36)).astype("float32")
    loss = (theirs.last_hidden_state * torch.from_numpy(towards)).sum()
    (loss + (theirs.pooler_output * torch.from_numpy(pooled_towards)).sum()).backward()
    expected = {name: p.grad.numpy() for name, p in model.named_parameters()}
    with tf.GradientTape() as tape:
        found = encoder(batch)
        our_loss = tf.reduce_sum(found["sequence_output"] * towards)
        our_loss += tf.reduce_sum(found["pooled_output"] * pooled_towards)
    gradients = tape.gradient(our_loss, [variable.value for variable in encoder.weights])
    by_path = {
        variable.path.removeprefix(f"{encoder.path}/"): tf.convert_to_tensor(gradient).numpy()
        for variable, gradient in zip(encoder.weights, gradients, strict=True)
    }
    # A key's bias moves all scores of a row alike, so its gradient is rounding and nothing more.
    rounding = 1e-6 * max(np.linalg.norm(gradient) for gradient in expected.values())
    for weight in MODEL_TYPES["bert"].table.encoder_weights(checkpoint.config):
        reference = expected[weight.theirs]
        error = np.linalg.norm(weight.from_keras(by_path[weight.ours]) - reference)
        assert error <= 1e-3 * np.linalg.norm(reference) + rounding, weight.theirs


@pytest.mark.parametrize("with_config", [True, False])
def test_checkpoints_of_tf_models_official(tfhub_models, tmp_path, with_config):
    """The same numbers as the SavedModel that was exported from the checkpoint."""
    import tensorflow as tf

    theirs, source = tf.saved_model.load(tfhub_models["encoder_mlm"]), tfhub_models["checkpoint"]
    if with_config:
        for file in source.parent.glob(f"{source.name}.*"):
            (tmp_path / file.name).symlink_to(file)
        (tmp_path / "bert_config.json").write_text(json.dumps(CONFIG))
        source = tmp_path
    encoder = BertEncoder.from_pretrained(source)
    for length in LENGTHS:
        batch = random_inputs(CONFIG, length)
        expected = theirs({name: tf.constant(array) for name, array in batch.items()})
        found = encoder(batch)
        for our, their in zip(found["encoder_outputs"], expected["encoder_outputs"], strict=True):
            np.testing.assert_allclose(our, their, atol=TOLERANCE, rtol=0)
        for name in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(found[name], expected[name], atol=TOLERANCE, rtol=0)


def save_object(kind, folder):
    """Saves an encoder of tf-models-official in one of the ways of its training scripts."""
    import tensorflow as tf
    import tf_keras
    from official.nlp.modeling import layers, models, networks

    sizes = {
        "vocab_size": 97,
        "hidden_size": 12,
        "num_layers": 2,
        "num_attention_heads": 3,
        "max_sequence_length": 16,
        "type_vocab_size": 2,
    }
    zeros = tf.zeros((1, 2), tf.int32)
    batch = dict.fromkeys(("input_word_ids", "input_mask", "input_type_ids"), zeros)
    if kind == "layer":
        encoder = networks.BertEncoderV2(**sizes, inner_dim=20, embedding_width=7)
    else:
        encoder = networks.BertEncoder(**sizes, intermediate_size=20, dict_outputs=True)
    encoder(batch)
    items = {"encoder": encoder}
    if kind == "pretrainer":
        head = layers.ClassificationHead(inner_dim=12, num_classes=2, name="next_sentence")
        model = models.BertPretrainerV2(encoder, classification_heads=[head])
        model({**batch, "masked_lm_positions": zeros})
        items = {"model": model, **model.checkpoint_items}
    elif kind == "classifier":
        model = models.BertClassifier(encoder, num_classes=3)
        items = {"model": model, "global_step": tf.Variable(7)}
    elif kind in ("optimizer", "legacy optimizer"):
        optimizers = tf_keras.optimizers
        optimizers = optimizers.legacy if kind.startswith("legacy") else optimizers
        items["optimizer"] = optimizers.Adam()
        weights = encoder.trainable_variables
        items["optimizer"].apply_gradients([(tf.ones_like(w), w) for w in weights])
    if kind == "weights":
        encoder.save_weights(str(folder / "bert_model.ckpt"))
    else:
        tf.train.Checkpoint(**items).write(str(folder / "bert_model.ckpt"))
    return encoder, sizes


@pytest.mark.parametrize(
    "kind",
    ["layer", "encoder", "pretrainer", "classifier", "optimizer", "legacy optimizer", "weights"],
)
def test_every_way_of_saving(tmp_path, kind):
    pytest.importorskip("official.nlp.modeling")
    import tensorflow as tf

    theirs, sizes = save_object(kind, tmp_path)
    ours = BertEncoder.from_pretrained(tmp_path)
    assert ours.config.embedding_size == (7 if kind == "layer" else 12)
    batch = random_inputs(sizes, 11)
    expected = theirs({name: tf.constant(array) for name, array in batch.items()})
    found = ours(batch)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(found[name], expected[name], atol=TOLERANCE, rtol=0)
