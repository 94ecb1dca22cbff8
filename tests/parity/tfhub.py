"""TF Hub's SavedModels, written by tf-models-official's own exporter from random weights.

What is published on TF Hub for BERT was written by these functions of `official`. They need
tf-models-official, whose layers are Keras 2's (`tf_keras`); it runs beside Keras 3 in one process,
as long as `TF_USE_LEGACY_KERAS` is not set. By hand, to look at: `python tfhub.py FOLDER`.
"""

import os
import string
import sys
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

AWKWARD = {  # the names of BERT's own bert_config.json
    "vocab_size": 977,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 52,
    "max_position_embeddings": 41,
    "type_vocab_size": 2,
}


def vocabulary(size=977, cased=False):
    """A small real WordPiece vocabulary, into which all ASCII text can be cut.

    Args:
        size: The number of entries; at least 120.
        cased: Whether it has capital letters too.

    Returns:
        The entries: special tokens, characters, `##` pieces, then made-up words.
    """
    letters = string.ascii_lowercase + "éüñßøж" + string.digits
    if cased:
        letters += string.ascii_uppercase + "ÉÜÑ"
    pieces = [*SPECIAL, *letters, *string.punctuation, *"一丁人日本語"]
    pieces += [f"##{letter}" for letter in letters]
    pieces += ["the", "of", "##ing", "##ed", "un", "film", "good", "bad", "##s"]
    if cased:
        pieces += ["The", "Good", "Film"]
    rng = np.random.default_rng(size)
    known = dict.fromkeys(pieces)
    while len(known) < size:
        word = "".join(rng.choice(list(string.ascii_lowercase), rng.integers(2, 7)))
        word = word.capitalize() if cased and rng.random() < 0.3 else word
        known[word if rng.random() < 0.7 else f"##{word.lower()}"] = None
    return list(known)[:size]


def write_vocabulary(folder, size=977, cased=False):
    """Writes `vocab.txt` into a folder, and gives its path."""
    path = Path(folder, "vocab.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(vocabulary(size, cased)) + "\n", encoding="utf-8")
    return path


def save_checkpoint(folder, config=None, seed=11):
    """Saves a random `BertPretrainerV2` as a TF2 object-based checkpoint.

    Args:
        folder: Where it goes; the checkpoint's prefix is `folder/bert`.
        config: The sizes, by the names of bert_config.json.
        seed: Seeds the weights.

    Returns:
        The prefix `.../bert-1`.
    """
    import tensorflow as tf
    from official.legacy.bert.configs import BertConfig
    from official.modeling import tf_utils
    from official.nlp.modeling.models import BertPretrainerV2
    from official.nlp.tools.export_tfhub_lib import get_bert_encoder

    config = BertConfig.from_dict(config or AWKWARD)
    pretrainer = BertPretrainerV2(
        get_bert_encoder(config), mlm_activation=tf_utils.get_activation(config.hidden_act)
    )
    ids = tf.zeros((1, 2), tf.int32)
    names = ("input_word_ids", "input_mask", "input_type_ids", "masked_lm_positions")
    pretrainer(dict.fromkeys(names, ids))  # makes the head's variables
    rng = np.random.default_rng(seed)
    for variable in pretrainer.variables:
        # BERT's initial biases of 0, LayerNorm scales of 1 and small kernels hide mistakes.
        variable.assign_add(rng.normal(scale=0.15, size=variable.shape))
    return tf.train.Checkpoint(**pretrainer.checkpoint_items).save(os.fspath(Path(folder, "bert")))


def export_encoder(folder, checkpoint, vocab_file, config=None, do_lower_case=True, with_mlm=True):
    """Writes an encoder SavedModel as TF Hub's BERT has it.

    Args:
        folder: The SavedModel's folder.
        checkpoint: The prefix that `save_checkpoint` gave.
        vocab_file: Its vocabulary's file.
        config: The sizes that the checkpoint was saved with.
        do_lower_case: What the SavedModel says about its vocabulary.
        with_mlm: Whether the masked LM head goes with it, under `.mlm`.

    Returns:
        The folder.
    """
    from official.legacy.bert.configs import BertConfig
    from official.nlp.tools.export_tfhub_lib import export_model

    export_model(
        os.fspath(folder),
        bert_config=BertConfig.from_dict(config or AWKWARD),
        model_checkpoint_path=os.fspath(checkpoint),
        with_mlm=with_mlm,
        vocab_file=os.fspath(vocab_file),
        do_lower_case=do_lower_case,
    )
    return Path(folder)


def export_preprocessor(folder, vocab_file, do_lower_case=True, default_seq_length=41):
    """Writes a preprocessor SavedModel as TF Hub's BERT has it.

    Args:
        folder: The SavedModel's folder.
        vocab_file: Its vocabulary's file.
        do_lower_case: Whether it lower-cases and strips accents.
        default_seq_length: The length that calling it pads or cuts to.

    Returns:
        The folder.
    """
    from official.nlp.tools.export_tfhub_lib import export_preprocessing

    export_preprocessing(
        os.fspath(folder),
        vocab_file=os.fspath(vocab_file),
        do_lower_case=do_lower_case,
        tokenize_with_offsets=False,
        default_seq_length=default_seq_length,
    )
    return Path(folder)


def export_all(folder, config=None):
    """Writes all of it into one folder.

    Args:
        folder: The folder, which is made.
        config: The sizes, by the names of bert_config.json.

    Returns:
        The paths by name: `vocabulary`, `vocabulary_cased`, `checkpoint` (a prefix), `encoder`,
        `encoder_mlm`, `preprocessor`, `preprocessor_cased`.
    """
    folder, config = Path(folder), config or AWKWARD
    size, length = config["vocab_size"], config["max_position_embeddings"]
    uncased = write_vocabulary(folder / "vocabulary", size)
    cased = write_vocabulary(folder / "vocabulary_cased", size, cased=True)
    checkpoint = save_checkpoint(folder / "checkpoint", config)
    return {
        "vocabulary": uncased,
        "vocabulary_cased": cased,
        "checkpoint": Path(checkpoint),
        "encoder": export_encoder(folder / "encoder", checkpoint, uncased, config, with_mlm=False),
        "encoder_mlm": export_encoder(folder / "encoder_mlm", checkpoint, uncased, config),
        "preprocessor": export_preprocessor(
            folder / "preprocessor", uncased, default_seq_length=length
        ),
        "preprocessor_cased": export_preprocessor(
            folder / "preprocessor_cased", cased, do_lower_case=False, default_seq_length=length
        ),
    }


if __name__ == "__main__":
    for name, path in export_all(sys.argv[1]).items():
        print(f"{name:20} {path}")
