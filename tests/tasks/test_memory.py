"""Training one model after another leaves nothing of them in memory."""

import gc

import keras
import pytest

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier


def living_graphs():
    gc.collect()
    return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("options", [{"freeze_encoder": True}, {"trained_blocks": 1}])
def test_no_graph_outlives_its_model(options):
    """TensorFlow keeps what makes variables, and the gradients that Keras sums over one device."""
    sizes = {"vocab_size": 40, "hidden_size": 4, "num_layers": 1, "num_heads": 1}
    config = EncoderConfig(**sizes, max_length=8, intermediate_size=4)

    def train():
        model = TextClassifier(2, BertEncoder(config), **options)
        model.fit(["fine", "dull"], [1, 0], epochs=1, verbose=0)

    keras.utils.set_random_seed(0)
    before = living_graphs()
    train()
    assert living_graphs() <= before  # of other tests' models some are freed only now
