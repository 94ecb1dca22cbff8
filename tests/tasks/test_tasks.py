"""What every model with a head on token ids promises."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kerasformer.models import BertEncoder, CausalDecoder, DecoderConfig, EncoderConfig
from kerasformer.tasks import (
    CausalLanguageModel,
    MaskedLanguageModel,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TokenClassifier,
)
from kerasformer.text import WordPieceTokenizer

EAGER = keras.backend.backend() != "jax"
TASKS = {
    task.__name__: task
    for task in (
        CausalLanguageModel,
        MaskedLanguageModel,
        NextSentencePredictor,
        PretrainingModel,
        QuestionAnswerer,
        TokenClassifier,
    )
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fine", "dull", "film"]
IDS = np.array([[2, 5, 4, 3, 0, 0], [2, 6, 7, 3, 7, 3]], "int32")
INPUTS = {
    "input_word_ids": IDS,
    "input_mask": (IDS != 0).astype("int32"),
    "input_type_ids": np.array([[0] * 6, [0, 0, 0, 0, 1, 1]], "int32"),
}
POSITIONS = np.array([[2, 0], [4, 4]], "int32")
CLASSES = ["O", "B-PER", "I-PER"]


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def make_encoder(dtype=None, **changes):
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 20}
    sizes |= {"vocab_size": len(WORDS), "max_length": 9, "initializer_range": 0.5}
    return BertEncoder(EncoderConfig(**{**sizes, **changes}), dtype=dtype)


def make_decoder(dtype=None, **changes):
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "pad_token_id": 0}
    sizes |= {"vocab_size": len(WORDS), "max_length": 9, "initializer_range": 0.5}
    return CausalDecoder(DecoderConfig(**{**sizes, **changes}), dtype=dtype)


def make_for(name, dtype=None, **changes):
    kind = make_decoder if name == "CausalLanguageModel" else make_encoder
    return kind(dtype, **changes)


def make(name, dtype=None, **options):
    names = {"class_names": CLASSES} if name == "TokenClassifier" else {}
    keras.utils.set_random_seed(5)
    encoder = options.pop("encoder", None) or make_for(name, dtype)
    return TASKS[name](**{"encoder": encoder, "dtype": dtype, **names, **options})


shared = functools.cache(make)  # for tests that change nothing of it


@pytest.fixture(params=TASKS)
def name(request):
    return request.param


def assert_same(ours, expected, atol=1e-6):
    keras.tree.assert_same_structure(ours, expected)
    for one, other in zip(keras.tree.flatten(ours), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(array(one), array(other), atol=atol)


def by_numpy(task, outputs):
    """The logits out of the encoder's outputs, for the heads that are one dense layer."""
    if isinstance(task, CausalLanguageModel):
        table = task.encoder.embedding.word_embeddings.embeddings
        return array(outputs["sequence_output"]) @ array(table.value).T
    tokens, pooled = (array(outputs[name]) for name in ("sequence_output", "pooled_output"))
    if isinstance(task, TokenClassifier):
        kernel, bias = task.token_classifier.weights
        return tokens @ array(kernel.value) + array(bias.value)
    if isinstance(task, QuestionAnswerer):
        kernel, bias = task.span.weights
        logits = tokens @ array(kernel.value) + array(bias.value)
        return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}
    table = task.encoder.embedding.word_embeddings.embeddings
    if isinstance(task, MaskedLanguageModel):
        return task.masked_lm(tokens, table.value)
    kernel, bias = task.next_sentence.weights
    follows = pooled @ array(kernel.value) + array(bias.value)
    if isinstance(task, NextSentencePredictor):
        return follows
    return {
        "mlm_logits": task.masked_lm(tokens, table.value),
        "next_sentence_logits": follows,
    }


def test_what_it_gives(name):
    task = shared(name)
    outputs = task(INPUTS)
    assert_same(outputs, by_numpy(task, task.encoder(INPUTS)), atol=1e-5)
    assert {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)} == {
        "float32"
    }


def test_the_ids_alone_are_enough(name):
    task = shared(name)
    expected = task({"input_word_ids": IDS, "input_mask": INPUTS["input_mask"]})
    assert_same(task(IDS), expected, atol=0)
    assert_same(task(IDS.astype("float32")), expected, atol=0)  # as keras.Input has it by default


@pytest.mark.parametrize("kind", ["MaskedLanguageModel", "PretrainingModel"])
@settings(settings.get_profile("layers"))
@given(positions=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_positions_pick_from_the_full_logits(kind, positions):
    task = shared(kind)
    positions = np.array([positions, positions[::-1]], "int32")
    full, picked = task(INPUTS), task({**INPUTS, "masked_lm_positions": positions})
    if kind == "PretrainingModel":
        assert_same(picked["next_sentence_logits"], full["next_sentence_logits"])
        full, picked = full["mlm_logits"], picked["mlm_logits"]
    expected = np.take_along_axis(array(full), positions[..., None], axis=1)
    np.testing.assert_allclose(array(picked), expected, atol=1e-5)


@settings(settings.get_profile("layers"))
@given(length=st.integers(1, 6), padding=st.integers(1, 3), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", TASKS)
def test_padding_changes_no_real_token(kind, length, padding, seed):
    task = shared(kind)
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, len(WORDS), (2, length))
    padded = np.concatenate([ids, rng.integers(0, len(WORDS), (2, padding))], axis=1)
    mask = np.repeat([[1] * length + [0] * padding], 2, axis=0)
    ours = task({"input_word_ids": padded, "input_mask": mask})
    for one, other in zip(keras.tree.flatten(ours), keras.tree.flatten(task(ids)), strict=True):
        # The second axis is that of the tokens, or the two answers about the whole sequence.
        np.testing.assert_allclose(array(one)[:, : other.shape[1]], array(other), atol=1e-4)


def with_positions(name):
    has = name in ("MaskedLanguageModel", "PretrainingModel")
    return {**INPUTS, "masked_lm_positions": POSITIONS} if has else INPUTS


def test_in_a_functional_model(name):
    task, inputs = shared(name), with_positions(name)
    symbols = {key: keras.Input((None,), dtype="int32", name=key) for key in inputs}
    model = keras.Model(symbols, task(symbols))
    assert_same(model(inputs), task(inputs))
    for symbol, actual in zip(
        keras.tree.flatten(model.output), keras.tree.flatten(task(inputs)), strict=True
    ):
        assert symbol.dtype == "float32"
        assert len(symbol.shape) == len(actual.shape)
        assert symbol.shape[-1] in (None, actual.shape[-1])


def test_compiled_by_xla(name):
    task, inputs = make(name), with_positions(name)
    expected = keras.tree.map_structure(array, task(inputs))
    task.compile(jit_compile=True)
    # Weights of 0.5 amplify rounding: without XLA a graph differs by half as much.
    assert_same(task.predict_on_batch(inputs), expected, atol=3e-5)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_float16", 0.1), ("mixed_bfloat16", 0.8)])
def test_mixed_precision(name, policy, tolerance):
    exact, half = shared(name), make(name, policy)
    half.set_weights(exact.get_weights())
    outputs = half(INPUTS)
    for one in keras.tree.flatten(outputs):
        assert keras.backend.standardize_dtype(one.dtype) == "float32"
        assert np.isfinite(array(one)).all()
    assert_same(outputs, exact(INPUTS), atol=tolerance)


def targets(task, inputs, seed=0):
    """Labels of the shape of the logits, without their last axis."""
    rng = np.random.default_rng(seed)

    def labels(path, logits):
        of_positions = path and path[0] in ("start_logits", "end_logits")
        shape = logits.shape[:1] if of_positions else logits.shape[:-1]
        return rng.integers(0, logits.shape[-1], tuple(shape))

    outputs = task(inputs)
    if isinstance(outputs, dict):
        return {key: labels((key,), logits) for key, logits in outputs.items()}
    return labels((), outputs)


def compile_for(task, inputs, **options):
    def loss():
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    outputs = task(inputs)
    losses = {key: loss() for key in outputs} if isinstance(outputs, dict) else loss()
    task.compile(keras.optimizers.Adam(0.005), losses, **options)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_it_trains_and_every_weight_moves(name, policy, recwarn):
    # So little dropout that it hides no progress in a few steps.
    encoder = make_for(name, policy, dropout=0.01, attention_dropout=0.01)
    task, inputs = make(name, policy, encoder=encoder), with_positions(name)
    compile_for(task, inputs, run_eagerly=EAGER, auto_scale_loss=False)
    before = {w.path: array(w.value) for w in task.trainable_weights}
    y = targets(task, inputs)
    loss = task.evaluate(inputs, y, verbose=0, return_dict=True)["loss"]
    task.fit(inputs, y, epochs=3, verbose=0)
    assert task.evaluate(inputs, y, verbose=0, return_dict=True)["loss"] < loss
    for weight in task.trainable_weights:
        if "key/bias" not in weight.path:  # cancels in the softmax
            assert np.abs(array(weight.value) - before[weight.path]).max() > 0, weight.path
    assert not [w for w in recwarn if "Gradients do not exist" in str(w.message)]
    heads = {w.path for layer in task.heads.values() for w in layer.weights}
    assert bool(heads) is (name != "CausalLanguageModel")  # whose head is the embeddings
    assert heads <= set(before)


def test_the_pooler_is_left_alone_where_it_is_not_used(name):
    task = shared(name)
    trained = any("pooler" in w.path for w in task.trainable_weights)
    assert trained is TASKS[name].NEEDS_POOLER


def test_a_frozen_encoder_has_no_dropout(name):
    task = make(name, **({"dropout": 0.0} if name == "TokenClassifier" else {}))
    assert_differ(task(INPUTS, training=True), task(INPUTS))
    task.encoder.trainable = False
    assert_same(task(INPUTS, training=True), task(INPUTS))


def assert_differ(ours, others):
    pairs = zip(keras.tree.flatten(ours), keras.tree.flatten(others), strict=True)
    assert all(np.abs(array(one) - array(other)).max() > 1e-3 for one, other in pairs)


def test_the_token_classifiers_own_dropout():
    encoder = make_encoder(dropout=0.0, attention_dropout=0.0)
    assert_same(
        *(TokenClassifier(2, encoder, dropout=0.0)(INPUTS, training=t) for t in (True, False)), 9
    )
    task = TokenClassifier(2, encoder, dropout=0.5)
    assert_differ(task(INPUTS, training=True), task(INPUTS))
    assert TokenClassifier(2, make_encoder(dropout=0.25)).dropout == 0.25


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saved_and_reloaded(name, policy, tmp_path):
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    task = make(name, policy, tokenizer=tokenizer)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert type(again) is TASKS[name]
    assert again.get_config() == task.get_config()
    assert again.tokenizer.to_json() == tokenizer.to_json()
    assert again.dtype_policy.name == policy
    assert_same(again(INPUTS), task(INPUTS), atol=0)


LOAD = """
import sys
import numpy as np
import keras
import kerasformer.tasks
given = dict(np.load(sys.argv[1] + "/arrays.npz"))
inputs = {k.removeprefix("in/"): given.pop(k) for k in list(given) if k.startswith("in/")}
for name in sys.argv[2:]:
    task = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras")
    assert type(task).__name__ == name
    for i, output in enumerate(keras.tree.flatten(task(inputs))):
        np.testing.assert_allclose(np.array(output), given.pop(f"{name}/{i}"), atol=1e-6)
assert not given
print("same outputs")
"""


def test_reloaded_in_a_fresh_process(tmp_path):
    arrays = {f"in/{key}": value for key, value in INPUTS.items()}
    for kind in TASKS:
        task = shared(kind)
        task.save(tmp_path / f"{kind}.keras")
        outputs = enumerate(keras.tree.flatten(task(INPUTS)))
        arrays |= {f"{kind}/{i}": array(output) for i, output in outputs}
    np.savez(tmp_path / "arrays.npz", **arrays)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path, *TASKS],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same outputs"


def test_in_and_out_of_the_hugging_face_layout(name, tmp_path):
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    task = make(name, tokenizer=tokenizer)
    for folder in ("one", "one", "two"):  # the second over the first
        task.save_pretrained(tmp_path / folder)
        again = TASKS[name].from_pretrained(tmp_path / folder)
        assert_same(again(INPUTS), task(INPUTS), atol=0)
        assert again.tokenizer.to_json() == tokenizer.to_json()
        task = again
    names = {"TokenClassifier": CLASSES, "NextSentencePredictor": ["follows", "random"]}
    assert list(getattr(task, "class_names", [])) == names.get(name, [])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_without_a_tokenizer(name, tmp_path):
    task = shared(name)
    task.save_pretrained(tmp_path)
    again = TASKS[name].from_pretrained(tmp_path, dtype="mixed_bfloat16")
    assert again.tokenizer is None
    assert again.dtype_policy.name == again.encoder.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("kind", ["NextSentencePredictor", "PretrainingModel"])
def test_a_pooler_is_needed(kind):
    with pytest.raises(ValueError, match=f"{kind} needs a pooler, which this encoder lacks"):
        TASKS[kind](make_encoder(pooler=False))


def test_an_encoder_of_another_kind(name):
    kind = TASKS[name].ENCODERS[0].__name__
    with pytest.raises(ValueError, match=f"Expected encoder to be a {kind}, got 'tiny'"):
        make(name, encoder="tiny")


def test_unknown_inputs(name):
    with pytest.raises(ValueError, match="not one with attention_mask, input_word_ids"):
        shared(name)({"input_word_ids": IDS, "attention_mask": IDS})


@pytest.mark.parametrize("class_names", [1, [], ["a"], ["a", "a"], "ab", [1, 2], True, 2.5])
def test_class_names_are_checked(class_names):
    with pytest.raises(ValueError, match="class_names="):
        TokenClassifier(class_names, make_encoder())


def test_the_decoder_is_the_embeddings():
    """One weight: what changes the embeddings changes the logits, and there is no other copy."""
    task = make("MaskedLanguageModel")
    shape = (len(WORDS), 12)
    assert [tuple(w.shape) for w in task.weights].count(shape) == 1
    table = task.encoder.embedding.word_embeddings.embeddings
    before = array(task(INPUTS))
    table.assign(np.concatenate([array(table.value)[:-1], np.zeros((1, 12))]))
    changed = array(task({**INPUTS, "input_word_ids": IDS * (IDS != 7)}))
    assert np.abs(changed[..., 7] - array(task.masked_lm.bias.value)[7]).max() < 1e-5
    assert np.abs(before[..., 7]).max() > 1e-3
