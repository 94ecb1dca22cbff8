"""LoRA by Keras' `enable_lora` against transformers with a low-rank path beside its layers."""

import keras
import numpy as np
import pytest

from kerasformer.models import BertEncoder

from .models import random_inputs, theirs_of

pytestmark = pytest.mark.oracle

LAYERS = {
    "attention.self.query": lambda block: block.self_attention.query_dense,
    "attention.self.key": lambda block: block.self_attention.key_dense,
    "attention.self.value": lambda block: block.self_attention.value_dense,
    "attention.output.dense": lambda block: block.self_attention.output_dense,
    "intermediate.dense": lambda block: block.intermediate,
    "output.dense": lambda block: block.output_dense,
}


def test_outputs_are_those_with_a_path_beside_each_layer(torch, random_model, rng):
    """`h = W x + alpha / r * B A x`; of query, key and value Keras has an A for each head."""
    model, folder = random_model()
    encoder = BertEncoder.from_pretrained(folder)
    encoder.enable_lora(3, alpha=12)
    for number, block in enumerate(encoder.blocks):
        for name, find in LAYERS.items():
            layer = find(block)
            first, second = layer.lora_kernel_a, layer.lora_kernel_b
            second.assign(rng.normal(size=second.shape) * 0.1)
            change = keras.ops.convert_to_numpy(keras.ops.matmul(first, second)) * 12 / 3
            linear = model.get_submodule(f"encoder.layer.{number}.{name}")
            path = torch.tensor(change.reshape(linear.in_features, linear.out_features))
            linear.register_forward_hook(lambda _, x, y, path=path: y + x[0] @ path)
    inputs = random_inputs(encoder.config, 9)
    expected = theirs_of(torch, model, inputs).pooler_output.numpy()
    found = keras.ops.convert_to_numpy(encoder(inputs)["pooled_output"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    plain = keras.ops.convert_to_numpy(BertEncoder.from_pretrained(folder)(inputs)["pooled_output"])
    assert np.abs(found - plain).max() > 0.01
