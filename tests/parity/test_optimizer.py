"""AdamW against PyTorch's."""

import keras
import numpy as np
import pytest

from kerasformer.training import AdamW

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
