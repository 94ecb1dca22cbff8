"""Saving: what is read back gives the vectors of what was saved."""

import json

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.checkpoints.formats.sentence_layers import weighted_average
from kerasformer.embedder import TruncationWarning
from kerasformer.errors import UserError
from kerasformer.layers import LayerPooling
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s"]
TEXTS = ["The good films", "bad film", "", "the " * 30]
HIDDEN = 12


@pytest.fixture(scope="module")
def parts():
    keras.utils.set_random_seed(5)
    config = EncoderConfig(
        vocab_size=len(WORDS),
        hidden_size=HIDDEN,
        num_layers=3,
        num_heads=3,
        intermediate_size=7,
        max_length=20,
        initializer_range=0.5,
    )
    return BertEncoder(config), WordPieceTokenizer.from_vocabulary(WORDS, lowercase=True)


def scalar_mix(layers, mix, scale):
    pooling = LayerPooling(layers, "scalar_mix")
    pooling.build([(None, None, HIDDEN)] * 4)
    pooling.set_weights([np.array(mix), np.array(scale)])
    return pooling


def dense(inputs, outputs, activation, **options):
    keras.utils.set_random_seed(outputs)
    layer = keras.layers.Dense(outputs, activation, **options)
    layer.build((None, inputs))
    return layer


MIX = scalar_mix([0, 2, -1], [0.5, -2.0, 1.0], 1.0)


@pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning")
@pytest.mark.parametrize(
    ("settings", "modules"),
    [
        ({}, ["Transformer", "Pooling"]),
        ({"pooling": ["mean", "cls"], "normalize": True}, ["Transformer", "Pooling", "Normalize"]),
        ({"prompt": "the bad ", "include_prompt": False, "max_length": 9}, None),
        ({"dense": [dense(HIDDEN, 5, "gelu"), dense(5, 4, None, use_bias=False)]}, None),
        ({"layers": -2}, ["Transformer", "WeightedLayerPooling", "Pooling"]),
        ({"layers": "mean_first_last"}, ["Transformer", "WeightedLayerPooling", "Pooling"]),
        ({"layers": [1, 1, 2]}, ["Transformer", "WeightedLayerPooling", "Pooling"]),
        ({"layers": MIX}, ["Transformer", "WeightedLayerPooling", "Pooling"]),
        ({"layers": [3], "combine": "sum"}, ["Transformer", "Pooling"]),
        ({"pooling": "pooled"}, ["Transformer"]),
        ({"pooling": "pooled", "normalize": True}, ["Transformer", "Normalize"]),
        ({"layers": [1, 2], "combine": "last"}, None),
        ({"layers": "sum_all"}, ["Transformer", "LayerPooling", "Pooling"]),
        ({"layers": [0, -1], "combine": "concat"}, ["Transformer", "LayerPooling", "Pooling"]),
        ({"layers": "all", "combine": "stack"}, ["Transformer", "LayerPooling", "Pooling"]),
        ({"layers": scalar_mix("all", [1, 2, 3, 4], 0.7)}, None),
    ],
    ids=str,
)
def test_saved_and_read_again(parts, settings, modules, tmp_path):
    made = TextEmbedder(*parts, **settings)
    made.save_pretrained(tmp_path / "new" / "folder")
    again = TextEmbedder.from_pretrained(tmp_path / "new" / "folder")
    np.testing.assert_allclose(again.encode(TEXTS), made.encode(TEXTS), atol=1e-6)
    for name in ("pooling", "normalize", "max_length", "prompt", "include_prompt", "size"):
        assert getattr(again, name) == getattr(made, name)
    if not isinstance(made.layers, LayerPooling) and made.layers != [1, 1, 2]:
        assert not isinstance(again.layers, LayerPooling)  # plain data stays plain data
    if modules:
        listed = json.loads((tmp_path / "new" / "folder" / "modules.json").read_text())
        assert [entry["type"].rpartition(".")[2] for entry in listed] == modules


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"similarity": "maxsim"}, "similarity is 'maxsim', but must be one of cosine"),
        ({"normalize": True, "dimensions": 4}, "normalize=True with dimensions=4 cannot be"),
        (
            {"dense": [keras.layers.Activation("tanh")]},
            "The Activation layer .* cannot be saved: expected",
        ),
        ({"special_tokens": False}, "special_tokens=False cannot be saved, as sentence-tr"),
        (
            {"pooling": ["mean", "pooled"]},
            "pooling='pooled' cannot be saved beside others.*or some of cls, max, mean",
        ),
        (
            {"dense": [dense(HIDDEN, 2, "exponential")]},
            "has the activation 'exponential'",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_saved(parts, settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        TextEmbedder(*parts, **settings).save_pretrained(tmp_path)
    assert not any(tmp_path.iterdir())


def test_interrupted_save_leaves_no_wrong_model(parts, tmp_path, monkeypatch):
    embedder = TextEmbedder(*parts, "cls")
    (tmp_path / "1_Pooling").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"Cannot save to .*, where 1_Pooling is a file: remove it"):
        embedder.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1_Pooling"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": None}, "1_LayerPooling is not a valid LayerPooling: .* is neither a name"),
        ({"combine": "median"}, "'median' is not one of"),
        ({"num_hidden_layers": 7}, "1_LayerPooling is not a valid LayerPooling"),
        ({"num_hidden_layers": None}, "1_LayerPooling is not a valid LayerPooling"),
    ],
    ids=str,
)
def test_damaged_layer_pooling(parts, change, message, tmp_path):
    TextEmbedder(*parts, layers=scalar_mix("all", [1, 2, 3, 4], 0.7)).save_pretrained(tmp_path)
    path = tmp_path / "1_LayerPooling" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        TextEmbedder.from_pretrained(tmp_path)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -2.0], [0.0, 0.0], [np.nan, 1.0]], ids=str)
def test_weights_without_an_average(weights):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="expected 2 weights"):
        weighted_average([0, 1], np.array(weights), 3)


@pytest.mark.parametrize(("said", "kept"), [(9, 9), (500, 20), (None, 20)])
def test_a_folder_may_say_more_tokens_than_the_encoder_takes(parts, said, kept, tmp_path):
    TextEmbedder(*parts).save_pretrained(tmp_path)
    path = tmp_path / "sentence_bert_config.json"
    path.write_text(json.dumps({"max_seq_length": said}))
    embedder = TextEmbedder.from_pretrained(tmp_path)
    assert embedder.max_length == kept
    with pytest.warns(TruncationWarning):
        embedder.encode(["the " * 30])
    with pytest.raises(UserError, match="max_length is 500, but the encoder takes"):
        TextEmbedder.from_pretrained(tmp_path, max_length=500)
