"""The learning rate over the steps of training, and over the layers of a model."""

import keras
import numpy as np
import pytest

from kerasformer.tasks import TransformerClassifier
from kerasformer.training import AdamW, Recipe, WarmupDecay, WarmupLinearDecay


def test_a_file_with_the_old_name_loads():
    """What version 0.3 wrote, when there was no other decay."""
    config = {"peak": 2.0, "total_steps": 30, "warmup_steps": 7}
    written = {"module": "kerasformer.training.optimizer", "class_name": "WarmupLinearDecay"}
    written |= {"config": config, "registered_name": "kerasformer>WarmupLinearDecay"}
    schedule = keras.saving.deserialize_keras_object(written)
    assert isinstance(schedule, WarmupDecay)
    assert isinstance(schedule, WarmupLinearDecay)
    assert float(schedule(20)) == pytest.approx(2.0 * 10 / 23)


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
def test_a_schedule_comes_back_from_its_config(decay):
    schedule = WarmupDecay(1.0, 10, 2, decay)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    for step in range(14):
        assert float(copy(step)) == float(schedule(step))
    assert float(schedule(12)) == (1.0 if decay == "constant" else 0.0)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="'sine' is no schedule: take one of linear, cosine, con"):
        Recipe(schedule="sine")


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_schedule_counts_updates(accumulate):
    """Keras' own optimizers give it the number of batches."""
    optimizer = AdamW(
        WarmupDecay(1.0, 10, 5), gradient_accumulation_steps=accumulate if accumulate > 1 else None
    )
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer.build([variable])
    rates = []
    for _ in range(4 * accumulate):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([keras.ops.ones(2)], [variable])
    assert rates == pytest.approx(np.repeat([0, 0.2, 0.4, 0.6], accumulate))


def test_layer_decay_is_lowest_at_the_embeddings():
    """Clark et al.: the head has the learning rate, each layer below it a share of that above."""
    model = TransformerClassifier(2, 9, 4, 4, num_layers=2, num_heads=1)
    optimizer = Recipe(layer_decay=0.5).optimizer(model)
    optimizer.build(model.trainable_variables)
    found = {
        part: {optimizer.rate_factors.get(v.path, 1.0) for v in layer.trainable_variables}
        for part, layer in [
            ("embedding", model.embedding),
            ("first", model.blocks[0]),
            ("second", model.blocks[1]),
            ("head", model.head),
        ]
    }
    assert found == {"embedding": {0.125}, "first": {0.25}, "second": {0.5}, "head": {1.0}}


def test_layer_decay_and_what_does_not_decay_come_back_from_the_config():
    model = TransformerClassifier(2, 9, 4, 4, num_heads=1)
    optimizer = Recipe(layer_decay=0.5).optimizer(model)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    copy.build(model.trainable_variables)
    assert copy.rate_factors == optimizer.rate_factors
    assert not copy.has_weight_decay(model.head.bias)
    assert copy.has_weight_decay(model.head.kernel)
    gradients = [keras.ops.ones(v.shape) for v in model.trainable_variables]
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    copy.weight_decay = 0.0
    copy.apply(gradients, model.trainable_variables)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        # The first step of Adam is the learning rate, whatever the gradient.
        step = copy.rate_factors.get(variable.path, 1.0) * 5e-5
        moved = old - keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(moved, step, rtol=2e-2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"accumulate": 0}, "accumulate=0 is not an integer of at least 1"),
        ({"accumulate": 10**21}, "accumulate=1000000000000000000000 is above 2147483647"),
        ({"max_steps": 1 << 31}, "max_steps=2147483648 is above 2147483647"),
        ({"layer_decay": 0.0}, "layer_decay=0.0 is not a number above 0"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0 is not a number from 0 up to, not"),
        ({"warmup_ratio": 1.5}, "warmup_ratio=1.5 is not a number from 0 to 1"),
        ({"head_epochs": -1}, "head_epochs=-1 is not an integer"),
        ({"patience": 2}, "patience=2 waits for a better epoch: name the metric"),
        ({"patience": -1, "monitor": "loss"}, "patience=-1 is not an integer"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message) as error:
        Recipe(**wrong)
    assert "\n" not in str(error.value)
