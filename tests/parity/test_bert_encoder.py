"""`BertEncoder.from_pretrained` against transformers' `BertModel` in PyTorch, layer by layer."""

import keras
import numpy as np
import pytest

from kerasformer.checkpoints.formats.huggingface_names import BERT
from kerasformer.layers import SequencePooling
from kerasformer.models import BertEncoder
from kerasformer.sources.resolve import resolve

from .models import AWKWARD, random_inputs, theirs_of

pytestmark = pytest.mark.oracle

# Random models are tiny and differ by some 2e-6. The promise for published ones is 1e-4 at every
# real token (measured: 6e-6). At padding, whose vectors mean nothing, float32 is worse conditioned:
# all-MiniLM-L6-v2 in PyTorch's float32 is there up to 4e-4 away from its own float64.
TINY, PUBLISHED, PUBLISHED_PADDING = 1e-5, 1e-4, 2e-3

SMALLEST = {
    "vocab_size": 11,
    "hidden_size": 15,
    "num_hidden_layers": 1,
    "num_attention_heads": 5,
    "intermediate_size": 7,
    "max_position_embeddings": 9,
    "type_vocab_size": 1,
}
ONE_HEAD = AWKWARD | {"num_attention_heads": 1, "intermediate_size": 13, "type_vocab_size": 4}


def differences(torch, model, encoder, batch):
    """The absolute differences `[batch, seq, ...]` or `[batch, hidden]` by the output's name."""
    theirs = theirs_of(
        torch, model.base_model, batch, output_hidden_states=True, output_attentions=True
    )
    ours = encoder(batch, outputs=encoder.available_outputs)
    pairs = {"embedding_output": (ours["embedding_output"], theirs.hidden_states[0])}
    blocks = zip(ours["encoder_outputs"], theirs.hidden_states[1:], strict=True)
    pairs |= {f"block {i}": pair for i, pair in enumerate(blocks)}
    pairs["sequence_output"] = (ours["sequence_output"], theirs.last_hidden_state)
    for i, (mine, other) in enumerate(
        zip(ours["attention_scores"], theirs.attentions, strict=True)
    ):
        moved = keras.ops.transpose(mine, (0, 2, 1, 3)), other.transpose(1, 2)
        pairs[f"attention scores {i}"] = moved
    if encoder.pooler:
        pairs["pooled_output"] = (ours["pooled_output"], theirs.pooler_output)
    result = {}
    for name, (mine, other) in pairs.items():
        assert mine.shape == other.shape, name
        result[name] = np.abs(keras.ops.convert_to_numpy(mine) - other.numpy())
    return result


def assert_equal(torch, model, encoder, batch, tolerance=TINY, padding_tolerance=TINY):
    allowed = np.where(batch["input_mask"], tolerance, padding_tolerance)
    found = differences(torch, model, encoder, batch)
    pooled = found.pop("pooled_output", np.zeros(1))
    assert pooled.max() <= tolerance
    for name, difference in found.items():
        worst = difference.reshape(*allowed.shape, -1).max(axis=-1)
        assert (worst <= allowed).all(), (name, worst.max())  # a NaN fails too


@pytest.mark.parametrize("sizes", [AWKWARD, SMALLEST, ONE_HEAD])
@pytest.mark.parametrize("segments", [True, False])
def test_every_layer_at_many_lengths(torch, random_model, sizes, segments):
    model, folder = random_model(**sizes)
    encoder = BertEncoder.from_pretrained(folder)
    longest = sizes["max_position_embeddings"]
    for length in sorted({1, 2, 3, 8, longest // 2, longest - 1, longest} & set(range(1, 42))):
        batch = random_inputs(model.config, length, segments=segments)
        assert_equal(torch, model, encoder, batch)


@pytest.mark.parametrize(
    "activation", ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish"]
)
def test_activations(torch, random_model, activation):
    model, folder = random_model(hidden_act=activation)
    encoder = BertEncoder.from_pretrained(folder)
    assert_equal(torch, model, encoder, random_inputs(model.config, 23))


@pytest.mark.parametrize("epsilon", [1e-12, 1e-7, 1e-3])
def test_layer_norm_epsilons(torch, random_model, epsilon):
    model, folder = random_model(layer_norm_eps=epsilon)
    encoder = BertEncoder.from_pretrained(folder)
    assert encoder.config.layer_norm_epsilon == epsilon
    assert_equal(torch, model, encoder, random_inputs(model.config, 23))


@pytest.mark.parametrize(
    ("cls", "arguments", "pooler"),
    [
        ("BertModel", {"add_pooling_layer": False}, False),
        ("BertForMaskedLM", {}, False),
        ("BertForTokenClassification", {}, False),
        ("BertForQuestionAnswering", {}, False),
        ("BertForSequenceClassification", {}, True),
        ("BertForMultipleChoice", {}, True),
        ("BertForNextSentencePrediction", {}, True),
        ("BertForPreTraining", {}, True),
    ],
)
def test_models_with_a_head_and_without_a_pooler(torch, random_model, cls, arguments, pooler):
    model, folder = random_model(cls, arguments)
    encoder = BertEncoder.from_pretrained(folder)
    assert encoder.config.pooler is pooler
    assert_equal(torch, model, encoder, random_inputs(model.config, 17))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files(torch, random_model, dtype):
    model, folder = random_model()
    model = model.to(getattr(torch, dtype))
    model.save_pretrained(folder)
    encoder = BertEncoder.from_pretrained(folder)
    assert_equal(torch, model.float(), encoder, random_inputs(model.config, 17))


def test_a_file_in_shards(torch, random_model):
    model, folder = random_model()
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    encoder = BertEncoder.from_pretrained(folder)
    assert_equal(torch, model, encoder, random_inputs(model.config, 17))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes a GradientTape")
def test_the_gradient_of_every_weight(torch, random_model):
    import tensorflow as tf

    model, folder = random_model()
    encoder = BertEncoder.from_pretrained(folder)
    batch = random_inputs(model.config, 17)
    rng = np.random.default_rng(1)
    towards = rng.normal(size=(5, 17, 36)).astype("float32")
    pooled_towards = rng.normal(size=(5, 36)).astype("float32")

    theirs = model(*(torch.from_numpy(array).long() for array in batch.values()))
    loss = (theirs.last_hidden_state * torch.from_numpy(towards)).sum()
    loss = loss + (theirs.pooler_output * torch.from_numpy(pooled_towards)).sum()
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters()}

    with tf.GradientTape() as tape:
        outputs = encoder(batch)
        our_loss = tf.reduce_sum(outputs["sequence_output"] * towards)
        our_loss += tf.reduce_sum(outputs["pooled_output"] * pooled_towards)
    ours = tape.gradient(our_loss, [variable.value for variable in encoder.weights])
    by_path = {
        variable.path.removeprefix(f"{encoder.path}/"): tf.convert_to_tensor(gradient).numpy()
        for variable, gradient in zip(encoder.weights, ours, strict=True)
    }

    assert len(by_path) == len(gradients) == 5 + 3 * 16 + 2
    # A key's bias moves all scores of a row alike, so its gradient is rounding and nothing more.
    rounding = 1e-6 * max(np.linalg.norm(gradient) for gradient in gradients.values())
    for weight in BERT.encoder_weights(encoder.config):
        expected = gradients[weight.theirs]
        error = np.linalg.norm(weight.from_keras(by_path[weight.ours]) - expected)
        assert error <= 1e-3 * np.linalg.norm(expected) + rounding, weight.theirs


TEXTS = [
    "A surprisingly funny film, with a cast that clearly enjoys every minute of it.",
    "No.",
    "¿Dónde está la biblioteca? Quedé con mi hermana a las ocho, pero no llegó.",
    "Größenwahn, Übermut und ein viel zu langer zweiter Akt — trotzdem sehenswert!",
    "L'été dernier, nous avons marché jusqu'à l'océan ; c'était magnifique…",
    "Фильм оказался скучным, хотя актёры старались изо всех сил.",
    "这部电影非常好看,我已经看了三遍。",
    "映画館で見るべき作品です。音楽も素晴らしい。",
    "영화가 너무 길어서 중간에 잠들었어요.",
    "الفيلم طويل جدا ولكن النهاية كانت رائعة.",
    "फ़िल्म की कहानी कमज़ोर है, पर संगीत अच्छा है।",
    "emoji 🎬👍🏽 and ﬁne ligatures, ½ price, CAFÉ, naïve, e\u0301t\u00e9, 3.14159, don't",
    "",
    "The director takes his time, and then takes ours. " * 40,
]


@pytest.mark.network
@pytest.mark.parametrize("preset", ["all-MiniLM-L6-v2", "bert-tiny-mlm"])
def test_published_models_on_real_texts(torch, transformers, preset):
    folder = resolve(preset)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    encoder = BertEncoder.from_pretrained(preset)
    assert encoder.config.pooler is (preset == "all-MiniLM-L6-v2")
    second = [*TEXTS[1:], TEXTS[0]]
    for pairs in (None, second):
        encoded = tokenizer(
            TEXTS, pairs, padding=True, truncation=True, max_length=256, return_tensors="np"
        )
        batch = {
            "input_word_ids": encoded["input_ids"].astype("int32"),
            "input_mask": encoded["attention_mask"].astype("int32"),
            "input_type_ids": encoded["token_type_ids"].astype("int32"),
        }
        assert 0 in batch["input_mask"]
        assert (1 in batch["input_type_ids"]) is (pairs is not None)
        assert_equal(torch, model, encoder, batch, PUBLISHED, PUBLISHED_PADDING)


@pytest.mark.network
def test_mean_pooled_vectors_equal_sentence_transformers(sentence_transformers):
    folder = resolve("all-MiniLM-L6-v2")
    reference = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    theirs = reference.encode(TEXTS, batch_size=4)
    tokens = reference.tokenize(TEXTS)
    batch = {
        "input_word_ids": tokens["input_ids"].numpy().astype("int32"),
        "input_mask": tokens["attention_mask"].numpy().astype("int32"),
    }
    outputs = BertEncoder.from_pretrained(folder)(batch, outputs=["sequence_output"])
    pooled = SequencePooling("mean")(outputs["sequence_output"], padding_mask=batch["input_mask"])
    ours = keras.ops.convert_to_numpy(keras.ops.normalize(pooled, axis=-1))
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)
