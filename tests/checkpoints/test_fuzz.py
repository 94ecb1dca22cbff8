"""Damaged copies of models of every format, read in a process of their own; see fuzz.py."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from ..hub.golden_models import unpack_golden

COUNT = 500
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "vocab_size": 17,
    "hidden_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 5,
    "max_position_embeddings": 4,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijkl"]


def write_huggingface(folder):
    from kerasformer.checkpoints.formats.huggingface_names import BERT
    from kerasformer.models import EncoderConfig
    from kerasformer.text import WordPieceTokenizer

    config = EncoderConfig(17, 6, 2, 3, 5, 4)
    weights = list(BERT.encoder_weights(config)) + list(BERT.head_weights("masked_lm", config))
    tensors = {weight.theirs: np.ones(weight.shape, "float32") for weight in weights}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    WordPieceTokenizer.from_vocabulary(WORDS).save_pretrained(folder)
    return folder


def write_shards(folder):
    from safetensors.numpy import load_file

    write_huggingface(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards, weight_map = [{}, {}, {}], {}
    for i, (name, tensor) in enumerate(tensors.items()):
        shards[i % 3][name] = tensor
        weight_map[name] = f"model-{i % 3}.safetensors"
    for i, shard in enumerate(shards):
        save_file(shard, folder / f"model-{i}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


def write_sentence_transformers(folder):
    folder.mkdir()
    write_huggingface(folder / "0_Transformer")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def write_kerashub(folder):
    from kerasformer.checkpoints.formats.kerashub import KERASHUB
    from kerasformer.models import EncoderConfig

    sizes = {"vocabulary_size": 17, "hidden_dim": 6, "num_layers": 2, "num_heads": 3}
    sizes |= {"intermediate_dim": 5, "max_sequence_length": 4, "num_segments": 2, "dropout": 0.1}
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("\n".join(WORDS))
    for name, kind, config in (
        ("config.json", "BertBackbone", sizes),
        ("tokenizer.json", "BertTokenizer", {"lowercase": True}),
    ):
        (folder / name).write_text(json.dumps({"class_name": kind, "config": config}))
    with h5py.File(folder / "model.weights.h5", "w") as file:
        for weight in KERASHUB.encoder_weights(EncoderConfig(17, 6, 2, 3, 5, 4)):
            name = weight.theirs.replace("transformer_encoder_0/", "transformer_encoder/")
            file[name] = np.ones(weight.shape, "float32")
    return folder


def write_keras_file(folder):
    from kerasformer.models import BertEncoder, EncoderConfig

    folder.mkdir()
    BertEncoder(EncoderConfig(17, 6, 2, 3, 5, 4)).save(folder / "encoder.keras")
    return folder


def write_savedmodel(folder):
    return unpack_golden(folder)["encoder"]


def write_object_checkpoint(folder):
    prefix = unpack_golden(folder)["checkpoint"]
    (prefix.parent / "vocab.txt").write_text("\n".join(WORDS))
    return prefix.parent


def write_google(folder):
    from kerasformer.checkpoints.formats.tf_names import GOOGLE
    from kerasformer.models import EncoderConfig

    from .tf_files import save

    folder.mkdir()
    config = EncoderConfig(17, 6, 2, 3, 5, 4)
    weights = [*GOOGLE.encoder_weights(config), *GOOGLE.head_weights("masked_lm", config)]
    save(folder / "bert_model.ckpt", {w.theirs: np.ones(w.shape, "float32") for w in weights})
    (folder / "bert_config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


@pytest.mark.parametrize(
    "writers",
    [
        (write_huggingface, write_shards, write_sentence_transformers),
        (write_kerashub, write_keras_file),
        (write_savedmodel, write_object_checkpoint, write_google),
    ],
    ids=["safetensors", "hdf5", "tensorflow"],
)
def test_damaged_models_are_read_or_refused(writers, tmp_path):
    """The models of one kind of file in one process, which imports TensorFlow for all of them."""
    models = [write(tmp_path / write.__name__) for write in writers]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz.py"), str(COUNT), "0", *models],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-1000:])
    for model, line in zip(models, done.stdout.splitlines()[-len(models) :], strict=True):
        outcomes = json.loads(line)
        count = sum(outcomes.values())
        assert count == (COUNT // 5 if (model / "saved_model.pb").exists() else COUNT)
        assert outcomes["read"] + outcomes["refused"] == count
        assert outcomes["refused"] > count / 8  # the damage is real
