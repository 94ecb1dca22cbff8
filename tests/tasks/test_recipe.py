"""What the fields of a recipe do in `fit`."""

import csv

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.tasks import TransformerClassifier

pytestmark = pytest.mark.usefixtures("eager")


def fitted(model, texts, ids, **changes):
    options = {key: changes.pop(key) for key in ("validation_data", "callbacks") if key in changes}
    recipe = model.recipe.change(learning_rate=0.01, **changes)
    return model.fit(texts, ids, recipe=recipe, shuffle=False, verbose=0, **options).history


def weights_of_steps(model):
    """All weights but the keys' biases, whose gradient is rounding, which Adam divides by."""
    kept = [w for w in model.weights if not w.path.endswith("key/bias")]
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in kept])


@pytest.mark.parametrize("epochs", [1, 3])
def test_accumulated_batches_are_one_large_batch(make, texts, ids, epochs):
    """With 6 texts the second group of 4 is incomplete, and each has the weight of a whole one."""
    one, many = make(dropout=0.0), make(dropout=0.0)
    fitted(one, texts, ids, epochs=epochs, batch_size=4)
    fitted(many, texts, ids, epochs=epochs, batch_size=1, accumulate=4)
    np.testing.assert_allclose(weights_of_steps(many), weights_of_steps(one), atol=1e-4)
    assert np.abs(weights_of_steps(one) - weights_of_steps(make())).max() > 0.01
    assert int(many.optimizer.iterations) == int(one.optimizer.iterations) == 2 * epochs
    final = float(many.optimizer.learning_rate)
    assert final == pytest.approx(float(one.optimizer.learning_rate)) == 0.0


def test_accumulation_in_a_graph(make, texts, ids):
    if make.kind != "scratch" or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)
    one, many = make(dropout=0.0), make(dropout=0.0)
    fitted(one, texts, ids, epochs=2, batch_size=4)
    fitted(many, texts, ids, epochs=2, batch_size=2, accumulate=2)
    np.testing.assert_allclose(weights_of_steps(many), weights_of_steps(one), atol=1e-4)


def test_accumulation_in_mixed_precision(make, texts, ids):
    model = make(dtype="mixed_float16", dropout=0.0)
    loss = fitted(model, texts, ids, epochs=3, batch_size=2, accumulate=2)["loss"]
    assert np.isfinite(loss).all()


def test_another_accumulation_makes_another_optimizer(make, texts, ids):
    model = make()
    fitted(model, texts, ids, epochs=1, batch_size=2)
    fitted(model, texts, ids, epochs=1, batch_size=2)
    assert int(model.optimizer.iterations) == 6
    fitted(model, texts, ids, epochs=1, batch_size=2, accumulate=2)
    assert int(model.optimizer.iterations) == 2
    fitted(model, texts, ids, epochs=1, batch_size=2, accumulate=2)
    assert int(model.optimizer.iterations) == 4


OPTIONS = {
    "accumulation": {"accumulate": 2},
    "smoothing": {"label_smoothing": 0.2},
    "layers": {"layer_decay": 0.7, "schedule": "cosine"},
    "memory": {"remat": True},
    "best": {"monitor": "val_f1", "patience": 1},
}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_one_seed_repeats_a_run_to_the_bit(make, texts, ids, weights_of, option):
    if make.kind != "scratch":
        return
    trained = []
    for number in range(2):
        model = make(dropout=0.3)
        keras.utils.set_random_seed(number)
        recipe = model.recipe.change(epochs=2, batch_size=2, **option)
        model.fit(texts, ids, validation_data=(texts, ids), recipe=recipe, seed=5, verbose=0)
        trained.append(weights_of(model))
    np.testing.assert_array_equal(*trained)


class Rising(keras.callbacks.Callback):
    """Gives an epoch a metric, and keeps the weights after it."""

    def __init__(self, name, values):
        super().__init__()
        self.name, self.values, self.weights = name, list(values), []

    def on_epoch_end(self, epoch, logs):
        logs[self.name] = self.values[epoch]
        self.weights.append(self.model.head.get_weights())


@pytest.mark.parametrize(
    ("name", "values", "patience", "best", "epochs"),
    [
        ("val_f1", [0.1, 0.5, 0.4, 0.6, 0.2], None, 3, 5),
        ("val_f1", [0.1, 0.5, 0.4, 0.3, 0.9], 2, 1, 4),
        ("val_my_loss", [0.9, 0.5, 0.7, 0.8, 0.1], 1, 1, 3),
        ("val_mse", [0.9, 0.95, 0.3, 0.8, 0.7], None, 2, 5),
    ],
)
def test_the_best_epoch_is_kept(texts, ids, name, values, patience, best, epochs):
    model = TransformerClassifier(2, 60, 8, 8, name="kept")
    metric = Rising(name, values)
    changes = {"epochs": 5, "monitor": name, "patience": patience}
    history = fitted(model, texts, ids, callbacks=[metric], validation_data=(texts, ids), **changes)
    assert len(history["loss"]) == epochs
    for one, other in zip(model.head.get_weights(), metric.weights[best], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_metric_of_the_field_can_be_monitored(make, texts, ids):
    if make.kind != "scratch":
        return
    history = fitted(make(), texts, ids, monitor="val_f1", validation_data=(texts, ids), epochs=2)
    assert len(history["val_f1"]) == len(history["val_accuracy"]) == 2


def test_a_metric_that_does_not_exist_is_named(make, texts, ids):
    if make.kind != "scratch":
        return
    model = make()
    with pytest.raises(UserError, match=r"monitor='val_auc' is no metric.*has accuracy, loss, v"):
        fitted(model, texts, ids, monitor="val_auc", validation_data=(texts, ids), epochs=1)
    with pytest.raises(UserError, match=r"monitor='f2' is no metric of this training, which has a"):
        fitted(model, texts, ids, monitor="f2", epochs=1)
    with pytest.raises(UserError, match="monitor='val_f1' is of examples to evaluate on"):
        fitted(model, texts, ids, monitor="val_f1", epochs=1)


def test_a_metric_that_does_not_exist_is_refused_before_training(make, texts, ids, tmp_path):
    if make.kind == "tuned":
        return
    model, run = make(), tmp_path / "run"
    weights = model.head.get_weights()
    given = {"validation_data": (texts, ids), "resume": run, "verbose": 0}
    recipe = model.recipe.change(epochs=1)
    for name in ("val_auc", "loss2"):
        with pytest.raises(UserError, match=f"monitor='{name}' is no metric of this training"):
            model.fit(texts, ids, recipe=recipe.change(monitor=name), **given)
    assert not run.exists()
    for one, other in zip(weights, model.head.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    history = model.fit(texts, ids, recipe=recipe.change(monitor="val_f1"), **given).history
    assert len(history["val_f1"]) == 1


def test_smoothed_labels_keep_the_loss_up(make, texts, ids):
    if make.kind != "scratch":
        return
    model = make(dropout=0.0)
    loss = fitted(model, texts, ids, epochs=25, batch_size=6, label_smoothing=0.2)["loss"]
    floor = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert floor - 1e-6 < loss[-1] < 0.5


def test_what_training_changes_can_be_printed(make):
    model = make(blocks=2)
    lines = model.describe_training(model.recipe.change(layer_decay=0.5)).splitlines()
    rows = {line.split()[0]: line.split()[-3:] for line in lines[1:]}
    assert list(rows) == [weight.path for weight in model.weights]
    assert rows[model.head.kernel.path] == ["yes", "1", "yes"]
    assert rows[model.head.bias.path] == ["yes", "1", "no"]
    if make.kind != "scratch":
        beta = model.encoder.embedding.layer_norm.beta.path
        assert rows[beta][-1] == "no"
        assert rows[beta] == ["yes", "0.125", "no"] or make.kind == "frozen"
        assert rows[model.encoder.pooler.kernel.path][-1] == "no"  # this task has none


def test_keras_loggers_log_all_that_fit_computes(make, texts, ids, tmp_path):
    if make.kind != "scratch" or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    loggers = [
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path / "board"),
    ]
    options = {"callbacks": loggers, "validation_data": (texts, ids), "monitor": "val_f1"}
    history = fitted(make(), texts, ids, epochs=2, **options)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {*rows[0]} == {"epoch", *history}
    found = {}
    for path in (tmp_path / "board").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                split = "val_" if path.parent.name == "validation" else ""
                name = split + value.tag.removeprefix("epoch_")
                found.setdefault(name, []).append(float(tf.make_ndarray(value.tensor)))
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values), name
        assert found[name] == pytest.approx(values, rel=1e-5), name
