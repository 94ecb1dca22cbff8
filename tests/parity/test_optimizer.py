"""AdamW against PyTorch's."""

import keras
import numpy as np
import pytest

from kerasformer.training import AdamW, WarmupDecay
from kerasformer.training.losses import smoothed

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_update_equals_that_of_torch(torch, rng, decay):
    start = rng.normal(size=(5, 3)).astype("float32")
    gradients = rng.normal(size=(20, 5, 3)).astype("float32")
    ours = keras.Variable(start)
    # Keras adds epsilon before the bias is corrected, PyTorch after: a small one does not show.
    optimizer = AdamW(0.01, weight_decay=decay, epsilon=1e-12, beta_2=0.99)
    optimizer.build([ours])
    theirs = torch.nn.Parameter(torch.tensor(start))
    options = {"lr": 0.01, "weight_decay": decay, "eps": 1e-12, "betas": (0.9, 0.99)}
    reference = torch.optim.AdamW([theirs], **options)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [ours])
        theirs.grad = torch.tensor(gradient)
        reference.step()
    values = keras.ops.convert_to_numpy(ours)
    np.testing.assert_allclose(values, theirs.detach().numpy(), atol=2e-6)
    assert np.abs(values - start).max() > 0.05


@pytest.mark.backend("tensorflow")
def test_a_token_that_occurs_twice_is_updated_as_in_torch(torch, rng):
    """Keras on TensorFlow squares the gradient of each occurrence, and sums the squares."""
    start = rng.normal(size=(6, 3)).astype("float32")
    ids = [np.array(row) for row in ([0, 0, 1], [1, 1, 1], [2, 0, 0])] * 4
    table = torch.nn.Embedding(6, 3)
    table.weight.data = torch.tensor(start)
    reference = torch.optim.AdamW(table.parameters(), lr=0.01, weight_decay=0.0, eps=1e-12)

    def trained(optimizer):
        layer = keras.layers.Embedding(6, 3)
        layer.build()
        layer.embeddings.assign(start)
        model = keras.Sequential([layer])
        model.compile(optimizer, lambda y, values: keras.ops.sum(values * y))
        for row in ids:
            model.train_on_batch(row[None], directions[None])
        return keras.ops.convert_to_numpy(layer.embeddings)

    directions = rng.normal(size=(3, 3)).astype("float32")
    for row in ids:
        reference.zero_grad()
        (table(torch.tensor(row)) * torch.tensor(directions)).sum().backward()
        reference.step()
    expected = table.weight.detach().numpy()
    options = {"learning_rate": 0.01, "weight_decay": 0.0, "epsilon": 1e-12}
    np.testing.assert_allclose(trained(AdamW(**options)), expected, atol=5e-6)
    assert np.abs(trained(keras.optimizers.AdamW(**options)) - expected).max() > 1e-3


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 7, 30])
def test_schedules_are_those_of_transformers(torch, transformers, decay, warmup):
    name = {"constant": "constant_with_warmup"}.get(decay, decay)
    theirs = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = transformers.get_scheduler(name, theirs, warmup, 30)
    ours = WarmupDecay(2.0, 30, warmup, decay)
    for step in range(30):
        assert float(ours(step)) == pytest.approx(schedule.get_last_lr()[0], abs=1e-6)
        theirs.step()
        schedule.step()


@pytest.mark.parametrize("compiled", [False, True])
def test_layer_decay_is_that_of_parameter_groups(torch, rng, compiled):
    """A learning rate for each group, which its weight decay is multiplied by too."""
    starts = [rng.normal(size=shape).astype("float32") for shape in [(4, 3), (3, 2), (2,)]]
    rates = [0.25, 0.5, 1.0]
    variables = [keras.Variable(s, name=n) for s, n in zip(starts, "abc", strict=True)]
    factors = {v.path: rate for v, rate in zip(variables, rates, strict=True)}
    ours = AdamW(0.01, weight_decay=0.1, epsilon=1e-12, global_clipnorm=1.0, rate_factors=factors)
    ours.build(variables)
    theirs = [torch.nn.Parameter(torch.tensor(start)) for start in starts]
    groups = [{"params": [p], "lr": 0.01 * r} for p, r in zip(theirs, rates, strict=True)]
    reference = torch.optim.AdamW(groups, weight_decay=0.1, eps=1e-12)
    step = ours.apply
    if compiled and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(lambda gradients: ours.apply(gradients))
    for _ in range(9):
        gradients = [rng.normal(size=s.shape).astype("float32") for s in starts]
        step([keras.ops.convert_to_tensor(g) for g in gradients])
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        reference.step()
    for variable, parameter in zip(variables, theirs, strict=True):
        found = keras.ops.convert_to_numpy(variable)
        np.testing.assert_allclose(found, parameter.detach().numpy(), atol=5e-6)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_that_of_torch(torch, rng, smoothing):
    logits = rng.normal(size=(6, 4)).astype("float32") * 3
    labels = np.array([0, 3, -100, 1, 1, 2])
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), label_smoothing=smoothing
    )
    ours = smoothed(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100), smoothing
    )
    assert float(ours(labels, logits)) == pytest.approx(float(theirs), rel=1e-5)
