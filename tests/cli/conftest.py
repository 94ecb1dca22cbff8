"""A tiny model that the commands are given."""

import json

import numpy as np
import pytest
import safetensors.numpy

from kerasformer import EncoderConfig
from kerasformer.checkpoints.formats.huggingface_names import BERT

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s"),
    *("cafe", "שלום", "[X]", "!", ".", "\u200d"),
]
CONFIG = EncoderConfig(
    vocab_size=len(WORDS),
    hidden_size=12,
    num_layers=2,
    num_heads=3,
    intermediate_size=7,
    max_length=20,
)
VALUES = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 7,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
# Of the encoder: 38 embeddings, two blocks, a pooler; the embeddings' LayerNorm and each block's.
EMBEDDINGS = (len(WORDS) + 20 + 2 + 2) * 12
BLOCKS = 2 * (4 * (12 * 12 + 12) + 2 * 12 * 7 + 7 + 12 + 4 * 12)
POOLER = 12 * 12 + 12


def random_tensors(*heads, num_classes=3):
    """Tensors of BERT with heads, by their names in safetensors files."""
    rng = np.random.default_rng(2)
    lines = list(BERT.encoder_weights(CONFIG))
    names = {line.theirs: line.shape for line in lines}
    for head in heads:
        lines = BERT.head_weights(head, CONFIG, num_classes)
        names |= {line.theirs: line.shape for line in lines}
    if heads:
        encoder = ("embeddings.", "encoder.", "pooler.")
        names = {("bert." * n.startswith(encoder)) + n: shape for n, shape in names.items()}
    return {name: rng.normal(size=shape).astype("float32") for name, shape in names.items()}


def write_model(folder, *heads, tensors=None, **config):
    """Writes a folder in the Hugging Face layout."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**VALUES, **config}))
    tensors = random_tensors(*heads) if tensors is None else tensors
    safetensors.numpy.save_file(tensors, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny BERT without a head."""
    return write_model(tmp_path / "model")


@pytest.fixture
def make_model(tmp_path):
    """`write_model` into a folder of the test's."""
    return lambda *heads, **kwargs: write_model(tmp_path / "made", *heads, **kwargs)


@pytest.fixture
def random_tensors_of():
    return random_tensors
