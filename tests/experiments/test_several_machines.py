"""The script for several machines, as two processes on this one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from kerasformer.data import load_dataset
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer

SCRIPT = Path(__file__).parents[2] / "experiments" / "several_machines.py"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "dull", "film"]
TEXTS = ["a fine film", "so dull", "fine", "dull film", "so fine", "a dull film", "film", "dull"]


@pytest.mark.backend("jax")
def test_two_processes_train_what_one_does(tmp_path):
    keras.utils.set_random_seed(1)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    encoder = BertEncoder(EncoderConfig(len(WORDS), max_length=8, initializer_range=0.3, **sizes))
    encoder.save_pretrained(tmp_path / "encoder", WordPieceTokenizer.from_vocabulary(WORDS))
    data = tmp_path / "data"
    data.mkdir()
    rows = [f"{text},{'good' if 'fine' in text else 'bad'}" for text in TEXTS]
    (data / "train.csv").write_text("\n".join(["text,label", *rows]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {"pretrained": tmp_path / "encoder", "output": tmp_path / "model", "batch-size": 4}
    options |= {"epochs": 1, "resume": tmp_path / "checkpoints"}
    command = [sys.executable, str(SCRIPT), str(data), "--processes=2"]
    command += [f"--{name}={value}" for name, value in options.items()]
    flags = {"JAX_PLATFORMS": "cpu", "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
    processes = [
        subprocess.Popen(
            [*command, f"--coordinator={address}", f"--process={number}"],
            env=os.environ | flags | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        printed = [process.communicate(timeout=1800) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, printed, strict=True):
        assert process.returncode == 0, errors[-2000:]
    assert "2/2" in printed[0][0]
    assert "2/2" not in printed[1][0]  # the first process shows and writes
    found = json.loads(printed[0][0].splitlines()[-1])["history"]

    keras.utils.set_random_seed(0)
    dataset = load_dataset(data)
    model = TextClassifier.from_pretrained(tmp_path / "encoder", dataset.class_names)
    # With dropout: of rows that the devices divide, that of one device.
    expected = model.fit(dataset, batch_size=4, epochs=1, learning_rate=5e-5, verbose=0).history
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    texts = ["fine film", "so dull"]
    again = TextClassifier.from_pretrained(tmp_path / "model")
    assert again.predict(texts) == pytest.approx(model.predict(texts), abs=1e-5)
