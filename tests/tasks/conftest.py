"""One small classifier of each kind, on the same few texts."""

import keras
import numpy as np
import pytest

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier, TransformerClassifier
from kerasformer.text import WordPieceTokenizer, WordTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "acting", "so", "truly"]
NAMES = ["bad", "good"]


@pytest.fixture(scope="session")
def texts():
    return ["a fine film", "so dull", "fine", "truly dull acting", "fine acting", "dull film"]


@pytest.fixture(scope="session")
def ids():
    """The classes of `texts`."""
    return np.array([1, 0] * 3)


@pytest.fixture(params=["frozen", "tuned", "scratch"])
def make(request, texts):
    """A function that makes an untrained classifier of one kind, always with the same weights."""

    def make(blocks=1, **options):
        keras.utils.set_random_seed(0)
        if request.param == "scratch":
            tokenizer = WordTokenizer.train(texts, vocab_size=60)
            sizes = {"vocab_size": 60, "max_length": 8, "hidden_size": 8}
            return TransformerClassifier(NAMES, **sizes, tokenizer=tokenizer, **options)
        sizes = {"hidden_size": 12, "num_layers": blocks, "num_heads": 3, "intermediate_size": 8}
        sizes |= {"vocab_size": len(WORDS), "max_length": 16, "initializer_range": 0.3}
        rate = options.get("dropout", 0.1)
        config = EncoderConfig(dropout=rate, attention_dropout=rate, **sizes)
        encoder = BertEncoder(config, dtype=options.get("dtype"))
        options["freeze_encoder"] = request.param == "frozen"
        return TextClassifier(NAMES, encoder, WordPieceTokenizer.from_vocabulary(WORDS), **options)

    make.kind = request.param
    return make


@pytest.fixture
def weights_of():
    """A function: all weights of a model in one array."""
    return lambda model: np.concatenate(
        [np.ravel(keras.ops.convert_to_numpy(w)).astype("float64") for w in model.weights]
    )
