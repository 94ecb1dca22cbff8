"""`HubEncoder`: the SavedModel's own outputs and gradients, and what a Keras layer owes."""

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.hub import HubEncoder

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.backend("tensorflow")

NAMES = ("input_word_ids", "input_mask", "input_type_ids")


@pytest.fixture(scope="module")
def trainable(golden):
    """A layer whose weights no test changes."""
    return HubEncoder(golden["encoder"], trainable=True)


def inputs_of(arrays, case="two"):
    return {name: arrays[f"{case}/{name}"] for name in NAMES}


@pytest.mark.parametrize("case", ["one", "two"])
def test_outputs_are_the_saved_models(encoder, arrays, case):
    outputs = encoder(inputs_of(arrays, case))
    assert outputs.keys() == {"pooled_output", "sequence_output", "default", "encoder_outputs"}
    assert len(outputs["encoder_outputs"]) == 2
    for name, value in outputs.items():
        np.testing.assert_allclose(np.array(value), arrays[f"{case}/{name}"], atol=1e-5)


def test_left_out_inputs_are_the_default_ones(encoder, raw):
    ids = np.array([[2, 7, 9, 3, 0, 0], [2, 3, 0, 0, 0, 0]], "int32")
    expected = raw(dict(zip(NAMES, [ids, (ids != 0).astype("int32"), 0 * ids], strict=True)))
    for inputs in ids, {"input_word_ids": ids}, {"input_word_ids": ids.astype("float32")}:
        found = encoder(inputs)["sequence_output"]
        np.testing.assert_allclose(found, expected["sequence_output"], atol=1e-6)
    masked = encoder({"input_word_ids": ids, "input_mask": np.ones_like(ids)})["sequence_output"]
    assert np.abs(masked - expected["sequence_output"]).max() > 1e-2


def test_layers_behind_it_leave_out_the_padding(encoder):
    """As behind `BertEncoder`: Keras' own average is that of the real tokens, symbolically too."""
    ids = np.array([[2, 7, 9, 3, 0, 0], [2, 3, 0, 0, 0, 0]], "int32")
    given = (ids != 0) & (np.arange(6) != 1)
    average = keras.layers.GlobalAveragePooling1D()
    inputs = {name: keras.Input((None,), dtype="int32") for name in NAMES[:2]}
    model = keras.Model(inputs, average(encoder(inputs)["sequence_output"]))
    for mask, arguments in (
        (ids != 0, {"input_word_ids": ids}),
        (given, {"input_word_ids": ids, "input_mask": given.astype("int32")}),
    ):
        outputs = encoder(arguments)
        tokens = np.array(outputs["sequence_output"])
        expected = (tokens * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(average(outputs["sequence_output"]), expected, atol=1e-6)
        np.testing.assert_allclose(average(outputs["encoder_outputs"][-1]), expected, atol=1e-6)
        if len(arguments) == 2:
            np.testing.assert_allclose(model(arguments), expected, atol=1e-6)


def test_padding_id_comes_from_the_vocabulary(save_module, tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[MASK]\n[PAD]\n\u2028\nword\n", encoding="utf-8")

    @tf.function(input_signature=[dict.fromkeys(NAMES, tf.TensorSpec([None, None], tf.int32))])
    def mask(inputs):
        return {"pooled_output": tf.cast(inputs["input_mask"], tf.float32)}

    layer = HubEncoder(save_module(mask, vocab_file=tf.saved_model.Asset(str(vocabulary))))
    assert layer(np.array([[3, 0, 1]]))["default"].numpy().tolist() == [[1, 1, 0]]


def test_variables_are_the_saved_models_own(trainable):
    own = trainable.saved_model.trainable_variables
    assert len(own) == 5 + 16 * 2 + 2
    assert all(
        weight.value is variable for weight, variable in zip(trainable.weights, own, strict=True)
    )
    assert trainable.weights[0].name == "word_embeddings.embeddings"
    assert trainable.count_params() == sum(variable.shape.num_elements() for variable in own)


def test_trainable_is_switched(golden, arrays):
    layer = HubEncoder(golden["encoder"])
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, layer(ids)["default"])
    count = len(layer.weights)
    assert len(model.trainable_variables) == 0
    for on in (True, False, True):
        layer.trainable = on
        assert len(layer.trainable_weights) == len(model.trainable_variables) == count * on
        assert len(layer.non_trainable_weights) == count * (not on)
        found = layer(inputs_of(arrays), training=True)["pooled_output"]
        assert (np.abs(found - arrays["two/pooled_output"]).max() > 1e-2) == on


def test_gradients_are_the_saved_models(trainable, raw, arrays, rng):
    inputs = {name: tf.constant(value) for name, value in inputs_of(arrays).items()}
    direction = rng.normal(size=arrays["two/sequence_output"].shape).astype("float32")

    def gradients(call, variables):
        with tf.GradientTape() as tape:
            outputs = call(inputs)
            loss = tf.reduce_sum(outputs["sequence_output"] * direction)
            loss += tf.reduce_sum(outputs["pooled_output"])
        return tape.gradient(loss, variables)

    ours = gradients(trainable, [weight.value for weight in trainable.trainable_weights])
    theirs = gradients(raw, raw.trainable_variables)
    assert len(ours) == len(theirs) == 39
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = tf.convert_to_tensor(mine), tf.convert_to_tensor(other)
        assert np.abs(other).max() > 0 or np.abs(mine).max() == 0
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("on", [False, True])
def test_dropout_needs_training_of_a_trainable_layer(encoder, trainable, arrays, on):
    layer = trainable if on else encoder
    for training in (None, False, True):
        found = layer(inputs_of(arrays), training=training)["sequence_output"]
        difference = np.abs(found - arrays["two/sequence_output"]).max()
        assert (difference > 1e-2) == (on and training is True)


@pytest.mark.parametrize("shape", [(None, None), (None, 7), (3, 7)])
def test_symbolic_outputs_have_the_shapes_of_real_ones(encoder, shape):
    inputs = {
        name: keras.Input(batch_shape=shape, dtype="int32", name=name) for name in reversed(NAMES)
    }
    symbolic = encoder(inputs)
    assert tuple(symbolic["pooled_output"].shape) == (shape[0], 12)
    assert [tuple(block.shape) for block in symbolic["encoder_outputs"]] == [(*shape, 12)] * 2
    batch = {name: np.ones((3, 7), "int32") for name in NAMES}
    found = keras.Model(inputs, symbolic)(batch)
    expected = encoder(batch)
    keras.tree.assert_same_structure(found, expected)
    np.testing.assert_allclose(found["sequence_output"], expected["sequence_output"], atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_dtype_policies_cast_the_outputs_alone(golden, arrays, policy):
    layer = HubEncoder(golden["encoder"], dtype=policy)
    outputs = layer(inputs_of(arrays))
    dtype = policy.removeprefix("mixed_")
    assert {tensor.dtype.name for tensor in keras.tree.flatten(outputs)} == {dtype}
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    found = tf.cast(outputs["sequence_output"], "float32")
    np.testing.assert_allclose(found, arrays["two/sequence_output"], rtol=1e-2, atol=1e-2)


@pytest.mark.usefixtures("eager")
def test_trains_under_mixed_precision(golden, arrays):
    keras.utils.set_random_seed(1)  # of the dropout
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in NAMES}
    layer = HubEncoder(golden["encoder"], trainable=True, dtype="mixed_float16")
    logits = keras.layers.Dense(2, dtype="float32")(layer(inputs)["pooled_output"])
    model = keras.Model(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    before = layer.weights[0].numpy()
    history = model.fit(inputs_of(arrays), np.array([0, 1, 0, 1]), epochs=6, verbose=0).history
    assert min(history["loss"]) < history["loss"][0]  # its dropout is on: not each one falls
    assert np.abs(layer.weights[0].numpy() - before).max() > 1e-3


def test_wrong_inputs_are_named(encoder):
    ids = np.ones((2, 5), "int32")
    wrong = [
        ({"input_mask": ids}, "a dict with input_word_ids .* not one with input_mask"),
        ({}, "not one with nothing"),
        ({"input_word_ids": ids, "segment_ids": ids}, "not one with input_word_ids, segment_ids"),
        (ids[0], r"Expected input_word_ids of shape \[batch, seq\], got \(5,\)"),
        ({"input_word_ids": ids, "input_mask": ids[:, :3]}, r"input_mask has the shape \(2, 3\)"),
        (np.array([["a", "b"]]), "input_word_ids holds strings: expected ids, as from a HubP"),
        (np.ones((1, 17), "int32"), "The input has 17 positions and the position table 16"),
        (keras.Input((17,), dtype="int32"), "The input has 17 positions"),
        (keras.Input((), dtype="string"), "holds strings"),
    ]
    for inputs, message in wrong:
        with pytest.raises(ValueError, match=message):
            encoder(inputs)


def _save_list_encoder(save_module):
    """As TF Hub's first BERTs for TensorFlow 2: a list in, the pooled and the sequence output."""
    table = tf.Variable(np.arange(20, dtype="float32").reshape(10, 2), name="table")

    @tf.function(input_signature=[[tf.TensorSpec([None, None], tf.int32, name) for name in NAMES]])
    def call(inputs):
        ids, mask, types = inputs
        sequence = tf.gather(table, ids) * tf.cast(mask, tf.float32)[..., None]
        return [tf.reduce_sum(sequence, 1), sequence + tf.cast(types, tf.float32)[..., None]]

    return save_module(call, "list", table=table)


def test_list_in_and_out(save_module):
    layer = HubEncoder(_save_list_encoder(save_module), trainable=True)
    assert [weight.name for weight in layer.trainable_weights] == ["table"]
    ids = np.array([[1, 4, 0]])
    outputs = layer({"input_type_ids": np.array([[0, 1, 0]]), "input_word_ids": ids})
    assert outputs["pooled_output"].numpy().tolist() == [[10, 12]]
    assert outputs["default"].numpy().tolist() == [[10, 12]]
    assert outputs["sequence_output"].numpy().tolist() == [[[2, 3], [9, 10], [0, 0]]]
    symbolic = layer(keras.Input((3,), dtype="int32"))
    assert {name: value.shape for name, value in symbolic.items()} == {
        "pooled_output": (None, 2), "default": (None, 2), "sequence_output": (None, 3, 2)
    }  # fmt: skip
    assert layer.max_length is None


def test_text_embedding(save_module):
    weight = tf.Variable([[0.5, 2.0]], name="w/x")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def call(texts):
        return tf.cast(tf.strings.length(texts), tf.float32)[:, None] * weight

    layer = HubEncoder(save_module(call, weight=weight), trainable=True)
    assert layer.takes_text
    assert layer(["ab", ""])["default"].numpy().tolist() == [[1, 4], [0, 0]]
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, keras.layers.Dense(1)(layer(texts)["default"]))
    model.compile("sgd", "mse")
    model.fit(tf.constant(["a", "bb"]), np.zeros(2), verbose=0)
    assert [w.name for w in layer.trainable_weights] == ["w.x"]
    for wrong in (np.ones((2, 2)), [1, 2], "one text", tf.constant([["a"]])):
        with pytest.raises(ValueError, match=r"inputs.*(str|\[batch\])"):
            layer(wrong)


def test_no_text_encoder(save_module):
    @tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32)])
    def image(inputs):
        return inputs

    with pytest.raises(UserError, match=r"takes float32\[None, 224, 224, 3\], so it is no"):
        HubEncoder(save_module(image, "image"))
    tf.saved_model.save(tf.Module(), str(save_module(image, "other").with_name("plain")))
    with pytest.raises(UserError, match=r"takes nothing \(it cannot be called\)"):
        HubEncoder(save_module(image, "other").with_name("plain"))
