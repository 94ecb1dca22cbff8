"""Presets that KerasHub writes: the outputs of its `BertBackbone` and the ids of its tokenizer."""

import keras
import numpy as np
import pytest

from kerasformer import BertEncoder
from kerasformer.checkpoints import open_checkpoint
from kerasformer.text import pack

pytestmark = pytest.mark.oracle

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s"),
    *("was", "is", "!", ".", ",", "é", "e"),
]
TEXTS = ["The good films.", "bad!", "the film was good, the film is bad", "unseen é É"]


@pytest.fixture(scope="module")
def keras_hub():
    return pytest.importorskip("keras_hub")


@pytest.mark.parametrize("blocks", [1, 3])
def test_backbone(keras_hub, tmp_path, blocks, rng):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=97,
        num_layers=blocks,
        num_heads=3,
        hidden_dim=36,
        intermediate_dim=20,
        max_sequence_length=41,
        num_segments=3,
    )
    for weight in backbone.weights:
        weight.assign_add(rng.normal(size=weight.shape) * 0.2)
    backbone.save_to_preset(tmp_path)
    encoder = BertEncoder.from_pretrained(tmp_path)
    for length in (1, 7, 41):
        mask = (np.arange(length) < rng.integers(1, length + 1, (5, 1))).astype("int32")
        ids, segments = rng.integers(0, 97, (5, length)), rng.integers(0, 3, (5, length))
        theirs = backbone({"token_ids": ids, "segment_ids": segments, "padding_mask": mask})
        ours = encoder({"input_word_ids": ids, "input_mask": mask, "input_type_ids": segments})
        for name in ("sequence_output", "pooled_output"):
            pair = [keras.ops.convert_to_numpy(outputs[name]) for outputs in (ours, theirs)]
            if name == "sequence_output":
                pair = [array[mask == 1] for array in pair]
            np.testing.assert_allclose(*pair, atol=1e-5, rtol=0)


@pytest.mark.parametrize("lowercase", [True, False])
def test_whole_preset_of_a_task(keras_hub, tmp_path, lowercase):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(WORDS),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=9,
        max_sequence_length=20,
    )
    tokenizer = keras_hub.models.BertTokenizer(WORDS, lowercase=lowercase)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=20)
    classifier = keras_hub.models.BertTextClassifier(
        backbone, num_classes=3, preprocessor=preprocessor
    )
    classifier.save_to_preset(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    inputs = pack(checkpoint.read_tokenizer().tokenize(TEXTS), pad_to=20)
    theirs = preprocessor(TEXTS)
    np.testing.assert_array_equal(inputs["input_word_ids"], theirs["token_ids"])
    np.testing.assert_allclose(
        checkpoint.load_encoder(BertEncoder)(inputs)["pooled_output"],
        backbone(theirs)["pooled_output"],
        atol=1e-5,
        rtol=0,
    )
