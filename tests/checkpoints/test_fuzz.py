"""Damaged copies of models of every format, read in a process of their own; see fuzz.py."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

COUNT = 1000
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
    from kerasformer.checkpoints.huggingface_names import BERT
    from kerasformer.models import EncoderConfig
    from kerasformer.text import WordPieceTokenizer

    config = EncoderConfig(17, 6, 2, 3, 5, 4)
    weights = list(BERT.encoder_weights(config)) + list(BERT.head_weights("masked_lm", config))
    tensors = {weight.theirs: np.ones(weight.shape, "float32") for weight in weights}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    WordPieceTokenizer.from_vocabulary(WORDS).save(folder)
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


@pytest.mark.parametrize("write", [write_huggingface, write_shards])
def test_a_damaged_model_is_read_or_refused(write, tmp_path):
    model = write(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz.py"), model, str(COUNT)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-1000:])
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert outcomes["read"] + outcomes["refused"] == COUNT
    assert outcomes["refused"] > COUNT / 4  # the damage is real
