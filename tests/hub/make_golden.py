"""Writes golden/: tiny SavedModels in TF Hub's formats, and what they give for a few inputs.

Run by hand from the root, where tf-models-official is: `python -m tests.hub.make_golden`. The
tests of `kerasformer.hub` and of its readers then need no tf-models-official. What nothing reads
without Keras 2 is left out of the archive, as older SavedModels on TF Hub lack it too.
"""

import string
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as text

from ..parity import tfhub
from .golden_models import GOLDEN, unpack_golden

CONFIG = {
    "vocab_size": 64,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
VOCABULARY = [
    *tfhub.SPECIAL,
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
    *("good", "film", "un", "##ing", "!", "日", "##ed"),
]
FIRST = ["A good film!", "", "Ünseen 日本 filming it \u2026", "good " * 40]
SECOND = ["", "unfilmed", "A b c d e f g h i j k l m n o p", "bad!"]


def write_models(folder):
    """The models and their checkpoint, as `unpack_golden` gives them."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    checkpoint = tfhub.save_checkpoint(folder / "checkpoint", CONFIG, seed=3)
    tfhub.export_encoder(folder / "encoder", checkpoint, vocabulary, CONFIG)
    tfhub.export_preprocessor(folder / "preprocessor", vocabulary, default_seq_length=16)


def pack(folder):
    """One archive, the same for the same files."""

    def anonymous(entry):
        if entry.name.endswith("keras_metadata.pb"):
            return None
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
        return entry

    GOLDEN.mkdir(exist_ok=True)
    with tarfile.open(GOLDEN / "models.tar.xz", "w:xz", preset=9) as archive:
        for name in ("checkpoint", "encoder", "preprocessor"):
            archive.add(folder / name, name, filter=anonymous)


def outputs(models):
    """What the models give for a few inputs, by name."""
    encoder = tf.saved_model.load(models["encoder"])
    preprocessor = tf.saved_model.load(models["preprocessor"])
    first = preprocessor.tokenize(tf.constant(FIRST))
    second = preprocessor.tokenize(tf.constant(SECOND))
    one = preprocessor(tf.constant(FIRST))
    two = preprocessor.bert_pack_inputs([first, second], seq_length=tf.constant(11))
    arrays = {"first": np.array(FIRST), "second": np.array(SECOND)}
    for name, inputs in {"one": one, "two": two}.items():
        arrays |= {f"{name}/{key}": value.numpy() for key, value in inputs.items()}
        result = encoder(inputs)
        arrays[f"{name}/encoder_outputs"] = np.stack(result.pop("encoder_outputs"))
        arrays |= {f"{name}/{key}": value.numpy() for key, value in result.items()}
    positions = tf.constant([[0, 3, 7]] * len(FIRST))
    arrays["two/masked_lm_positions"] = positions.numpy()
    logits = encoder.mlm({**two, "masked_lm_positions": positions})["mlm_logits"]
    arrays["two/mlm_logits"] = logits.numpy()
    made_with = f"tensorflow {tf.__version__}, tensorflow-text {text.__version__}"
    return arrays | {"made_with": np.array(made_with)}


def main():
    """Writes both files."""
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        pack(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        np.savez_compressed(GOLDEN / "outputs.npz", **outputs(unpack_golden(folder)))


if __name__ == "__main__":
    main()
