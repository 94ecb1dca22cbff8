"""Calls of Keras' own that people make on classifiers, with texts for tensors."""

import contextlib
import itertools

import keras
import numpy as np
import pytest

from kerasformer.data.batches import TextBatches
from kerasformer.errors import UserError
from kerasformer.text import pack

pytestmark = pytest.mark.usefixtures("eager")

LOSS = keras.losses.SparseCategoricalCrossentropy
QUIET = {"verbose": 0}


def compiled(model, **changes):
    options = {"optimizer": keras.optimizers.SGD(0.1), "loss": LOSS(from_logits=True), **changes}
    model.compile(**options)
    return model


def test_one_batch_of_texts_is_one_of_their_ids(make, texts, ids, weights_of):
    ours, theirs = (compiled(make(), metrics=["accuracy"]) for _ in "12")
    inputs = TextBatches(ours.tokenize(texts), batch_size=6, in_order=True)[0][0]
    names = [["bad", "good"][i] for i in ids]
    weights = np.array([1, 2, 0, 1, 3, 1], "float32")
    for _ in range(2):
        got = ours.train_on_batch(texts, names, sample_weight=weights)
        np.testing.assert_allclose(got, theirs.train_on_batch(inputs, ids, weights), rtol=1e-5)
        got = ours.train_on_batch(texts, names, class_weight={"bad": 3.0}, return_dict=True)
        expected = theirs.train_on_batch(inputs, ids, class_weight={0: 3.0}, return_dict=True)
        assert got == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(weights_of(ours), weights_of(theirs), atol=1e-6)
    for model in (ours, theirs):
        model.reset_metrics()
    np.testing.assert_allclose(
        ours.test_on_batch(texts, ids), theirs.test_on_batch(inputs, ids), rtol=1e-5
    )
    np.testing.assert_allclose(
        ours.predict_on_batch(texts), theirs.predict_on_batch(inputs), atol=1e-6
    )
    np.testing.assert_allclose(ours.predict_on_batch(texts), ours.predict(texts), atol=1e-6)


def test_one_batch_is_refused_in_a_sentence(make, texts):
    model = make()
    with pytest.raises(ValueError, match="must call `compile"):
        model.train_on_batch(texts, [0] * 6)
    compiled(model)
    with pytest.raises(UserError, match="no labels"):
        model.train_on_batch(texts)
    with pytest.raises(UserError, match="no text to predict"):
        model.predict_on_batch([])
    with pytest.raises(UserError, match="got one string"):
        model.predict_on_batch("fine")


class Rates(keras.callbacks.Callback):
    """The learning rate at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def test_callbacks_set_the_learning_rate(make, texts, ids):
    """`LearningRateScheduler` and `ReduceLROnPlateau` in place of warmup and decay."""
    model, rates = make(), Rates()
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    options = {"epochs": 3, "learning_rate": 0.08, **QUIET}
    model.fit(texts, ids, callbacks=[halve, rates], **options)
    assert rates.seen == pytest.approx([0.04, 0.02, 0.01])
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=99)
    model.fit(texts, ids, callbacks=[rates, plateau], **options)
    assert rates.seen[3:] == pytest.approx([0.08, 0.08, 0.008])
    steps = int(model.optimizer.iterations)
    moments = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables[-2:]]
    model.fit(texts, ids, callbacks=[rates], **options)  # the recipe's schedule again
    assert rates.seen[-1] == pytest.approx(0.0, abs=1e-8)
    assert rates.seen[6] < 0.08
    model.fit(texts, ids, callbacks=[halve], **options, initial_epoch=3)  # and the callback's
    assert int(model.optimizer.iterations) == 2 * steps - 3 == 9
    assert any((m != 0).any() for m in moments)
    kept = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables[-2:]]
    assert all((m != 0).any() for m in kept)


def test_the_callbacks_rate_is_that_of_keras(make, texts, ids, weights_of):
    """The recipe with such a callback against AdamW with that rate, compiled by hand."""
    from kerasformer.training import adamw

    schedule = keras.callbacks.LearningRateScheduler([0.05, 0.01].__getitem__)
    one, other = make(), make()
    one.fit(texts, ids, epochs=2, callbacks=[schedule], **QUIET)
    compiled(other, optimizer=adamw(0.3))
    other.fit(texts, ids, epochs=2, batch_size=32, callbacks=[schedule], **QUIET)
    np.testing.assert_allclose(weights_of(one), weights_of(other), atol=1e-6)


def test_a_schedule_is_not_set_but_an_optimizer_is_replaced(make, texts, ids, weights_of):
    model = make()
    model.fit(texts, ids, epochs=1, **QUIET)
    with pytest.raises(TypeError, match=r"keras\.callbacks.LearningRateScheduler") as error:
        model.optimizer.learning_rate = 0.5
    assert "\n" not in str(error.value)
    before = weights_of(model)
    model.optimizer = keras.optimizers.SGD(0.0)
    model.fit(texts, ids, epochs=1, **QUIET)
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    np.testing.assert_array_equal(weights_of(model)[: len(before)], before)
    with pytest.raises(ValueError, match="give it to compile"):
        model.fit(texts, ids, learning_rate=0.1)
    model.optimizer.learning_rate = 0.5
    model.fit(texts, ids, epochs=1, **QUIET)
    assert np.abs(weights_of(model) - before).max() > 1e-3


def test_binary_cross_entropy_of_two_classes(make, texts, ids, weights_of):
    ours, theirs = (
        compiled(make(dropout=0.0), loss=keras.losses.BinaryCrossentropy(from_logits=True))
        for _ in "12"
    )
    options = {"epochs": 2, "batch_size": 6, **QUIET}
    history = ours.fit(texts, ids, validation_data=(texts, ids), **options).history
    inputs, one_hot = pack(theirs.tokenize(texts)), np.eye(2)[ids]
    expected = theirs.fit(inputs, one_hot, validation_data=(inputs, one_hot), **options).history
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(weights_of(ours), weights_of(theirs), atol=1e-5)
    np.testing.assert_allclose(
        ours.evaluate(texts, ids), theirs.evaluate(inputs, one_hot, **QUIET), rtol=1e-5
    )


def test_tensors_after_training_on_texts(make, texts, ids):
    model = make()
    model.fit(texts, ids, epochs=1, **QUIET)
    inputs = pack(model.tokenize(texts))
    on_texts = model.evaluate(texts, ids)
    np.testing.assert_allclose(model.evaluate(inputs, ids, **QUIET), on_texts, rtol=1e-5)
    np.testing.assert_allclose(model.predict(inputs, **QUIET), model.predict(texts), atol=1e-6)


def test_saving_after_compiling_by_hand_and_training(make, texts, ids, tmp_path):
    model = compiled(make(), optimizer="adam")
    model.fit(texts, ids, epochs=2, **QUIET)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(copy.predict(texts), model.predict(texts), atol=1e-6)
    assert int(copy.optimizer.iterations) == int(model.optimizer.iterations) == 2
    copy.fit(texts, ids, epochs=1, **QUIET)


def test_generators_of_texts(make, texts, ids):
    model = make()
    np.testing.assert_array_equal(model.predict(iter(texts)), model.predict(texts))
    assert model.predict(text for text in texts).shape == (6, 2)
    compiled(model)
    assert model.evaluate(iter(texts), ids) == model.evaluate(texts, ids)
    model.fit((text for text in texts), ids, epochs=1, **QUIET)
    inputs = pack(model.tokenize(texts))
    model.fit(((inputs, ids) for _ in range(2)), **QUIET)  # a generator of tensors is Keras'
    for pairs in (zip(texts, ids, strict=True), ((texts, ids) for _ in range(2))):
        with pytest.raises(UserError, match=r"a (zip|generator) of tuples: give a list of texts"):
            model.fit(pairs)
    for call in (model.predict, model.evaluate):
        with pytest.raises(UserError, match="got None"):
            call(None)


@pytest.mark.backend("tensorflow")
def test_endless_data_sets_have_steps(make, texts, ids, weights_of):
    """As in Keras, the steps are the data set's own batches."""
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((texts, ids)).batch(2)
    model, other = (compiled(make(dropout=0.0)) for _ in "12")
    options = {"epochs": 3, "shuffle": False, **QUIET}
    model.fit(pairs.repeat(), steps_per_epoch=2, **options)
    other.fit(texts, ids, batch_size=2, epochs=2, shuffle=False, **QUIET)
    np.testing.assert_allclose(weights_of(model), weights_of(other), atol=1e-6)
    for dataset in (pairs, pairs.repeat()):
        expected = model.evaluate(texts[:4], ids[:4])
        np.testing.assert_allclose(model.evaluate(dataset, steps=2), expected, rtol=1e-5)
        expected = model.predict(texts[:4])
        np.testing.assert_allclose(model.predict(dataset, steps=2), expected, atol=1e-6)
        validation = {"validation_data": dataset, "validation_steps": 2}
        history = model.fit(texts, ids, epochs=1, **validation, **QUIET).history
        np.testing.assert_allclose(
            history["val_loss"], model.evaluate(texts[:4], ids[:4]), rtol=1e-5
        )
    one_by_one = pairs.unbatch().repeat()
    assert model.predict(one_by_one, batch_size=8, steps=1).shape == (8, 2)
    with pytest.raises(ValueError, match="endless"):
        model.predict(pairs.repeat())


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return np.array(["fine", "dull"]), np.array([1, 0])


def test_endless_sequences_have_steps(make):
    model = compiled(make())
    model.fit(Endless(), steps_per_epoch=2, epochs=1, **QUIET)
    assert int(model.optimizer.iterations) == 2
    assert model.predict(Endless(), steps=3).shape == (6, 2)
    with pytest.raises(ValueError, match="endless"):
        model.evaluate(Endless())


NUMBERS = {
    "initial_epoch": ("3", -1, 1.5),
    "validation_freq": (0, "2", [0], 0.5),
    "steps_per_epoch": (0, "2"),
    "validation_steps": (0,),
    "validation_batch_size": (0, "2"),
    "seed": (-1, 0.5),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in NUMBERS.items() for v in values]
)
def test_numbers_that_cannot_be_are_one_sentence(make, texts, ids, name, value):
    if make.kind != "scratch":
        pytest.skip("the arguments are checked before anything differs")
    with pytest.raises(ValueError, match=f"^{name}=.* is not (a positive|an) integer") as error:
        make().fit(texts, ids, validation_data=(texts, ids), **{name: value}, **QUIET)
    assert "\n" not in str(error.value)


def test_steps_that_cannot_be(make, texts):
    for steps in (0, "2"):
        with pytest.raises(ValueError, match=r"steps=.* is not a positive integer"):
            make().predict(texts, steps=steps)


def test_epochs_to_validate_after_may_be_listed(make, texts, ids):
    history = make().fit(
        texts, ids, epochs=3, validation_data=(texts, ids), validation_freq=[1, 3], **QUIET
    )
    assert len(history.history["val_loss"]) == 2


BAD = [np.nan, np.inf, -1.0]


@pytest.mark.parametrize("bad", BAD)
def test_weights_that_cannot_be_are_refused(make, texts, ids, bad):
    model = compiled(make())
    one = [bad, 1, 1, 1, 1, 1]
    for call, given in itertools.product(
        (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch), (one, [0] * 6)
    ):
        with pytest.raises(UserError, match=r"sample_weight (has the value|is 0 for every text)"):
            call(texts, ids, sample_weight=given)
    for classes in ({0: bad}, {"bad": bad, "good": 1}, {0: 0, 1: 0}, {0: "heavy"}, {0: True}):
        for call in (model.fit, model.train_on_batch):
            with pytest.raises(UserError, match="class_weight"):
                call(texts, ids, class_weight=classes)
    with pytest.raises(UserError, match="class_weight is 0 for every text"):
        model.fit(["fine", "fine film"], [1, 1], class_weight={1: 0})
    before = [keras.ops.convert_to_numpy(w) for w in model.weights]
    with pytest.raises(UserError, match="sample_weight"):
        model.fit(texts, ids, validation_data=(texts, ids, one))
    after = [keras.ops.convert_to_numpy(w) for w in model.weights]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_callbacks_stop_training(make, texts, ids, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    model, path = make(), tmp_path / "epoch.keras"
    callbacks = [Stop(), keras.callbacks.ModelCheckpoint(path)]
    history = model.fit(texts, ids, epochs=9, callbacks=callbacks, **QUIET)
    assert history.epoch == [0, 1]
    copy = keras.saving.load_model(path)
    assert type(copy) is type(model)
    np.testing.assert_allclose(copy.predict(texts), model.predict(texts), atol=1e-6)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=99)
    stop.set_params({})
    history = model.fit(
        texts, ids, epochs=9, validation_split=0.5, callbacks=[stop], restart=True, **QUIET
    )
    assert len(history.epoch) == 2


class Seen(keras.metrics.Metric):
    """A metric of a person's own, which keeps the outputs that it is given."""

    def __init__(self):
        super().__init__()
        self.outputs = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        with contextlib.suppress(Exception):  # of a graph, whose outputs have no values
            self.outputs.append(keras.ops.convert_to_numpy(y_pred))

    def result(self):
        return keras.ops.convert_to_tensor(float(len(self.outputs)))


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_a_metric_sees_the_batches_of_data_and_nothing_else(make, texts, ids, run_eagerly):
    seen = Seen()
    model = compiled(make(), metrics=[seen], run_eagerly=run_eagerly)
    model.fit(texts, ids, batch_size=4, epochs=1, **QUIET)
    assert all(output.any() for output in seen.outputs)
    if run_eagerly:
        assert len(seen.outputs) == 2


@pytest.mark.backend("tensorflow")  # on JAX Keras itself computes all metrics on shapes first
def test_a_metric_that_computes_with_values_is_taken_in_an_eager_model(make, texts, ids):
    def share(y_true, y_pred):
        return np.mean(np.asarray(y_pred).argmax(axis=1) == np.asarray(y_true))

    model = compiled(make(), metrics=[share, "accuracy"], run_eagerly=True)
    history = model.fit(texts, ids, epochs=1, **QUIET).history
    assert history["share"] == pytest.approx(history["accuracy"])


@pytest.mark.backend("tensorflow")
def test_such_a_training_goes_on_after_an_interruption(make, texts, ids, tmp_path):
    def share(y_true, y_pred):
        return np.mean(np.asarray(y_pred).argmax(axis=1) == np.asarray(y_true))

    class Interrupted(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                raise KeyboardInterrupt

    def fit(model, **options):
        compiled(model, metrics=[share], run_eagerly=True)
        return model.fit(texts, ids, epochs=2, resume=tmp_path, **QUIET, **options)

    with pytest.raises(KeyboardInterrupt):
        fit(make(), callbacks=[Interrupted()])
    history = fit(make()).history
    assert len(history["share"]) == 2
