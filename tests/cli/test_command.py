"""The command itself."""

import gc
import subprocess
import sys
import time

import pytest

import kerasformer
from kerasformer.cli import main, vocab


def test_help_names_the_commands_and_loads_no_keras():
    script = "import sys, kerasformer.cli\ntry: kerasformer.cli.main(['--help'])\nfinally: "
    script += "print({'tensorflow', 'keras', 'sklearn'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0
    assert "compare" in run.stdout
    assert run.stdout.splitlines()[-1] == "set()"


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert kerasformer.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["comapre"], "compare"),
        (["compare", "--quik"], "--quick"),
        (["plot", "a.csv", "--metod=tsne"], "--method"),
        (["embed", "a.csv", "--output", "b", "--format", "parket"], "parquet"),
    ],
)
def test_what_was_meant_is_suggested(argv, meant, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


def test_what_is_like_nothing_gets_no_suggestion(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["inspect", "model", "other"])
    assert capsys.readouterr().err.endswith("unrecognized arguments: other\n")


@pytest.mark.parametrize("argv", [[], ["comapre"], ["compare", "--seeds", "three"]])
def test_wrong_options_exit_with_status_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("library", ["keras", "a layer", "numpy"])
def test_too_little_memory_is_one_sentence(library, capsys, monkeypatch):
    import keras
    import numpy as np

    layer = keras.layers.Lambda(lambda x: keras.ops.ones(1 << 58))
    calls = {"keras": keras.ops.ones, "a layer": lambda _: layer(np.ones(1)), "numpy": np.ones}
    make = calls[library]
    monkeypatch.setattr(vocab, "run", lambda arguments: make(1 << 58))
    assert main(["vocab", "a.txt", "--output", "b"]) == 2
    assert capsys.readouterr().err.startswith("kerasformer: There is not enough memory for this:")


@pytest.mark.backend("tensorflow")
def test_a_full_disk_is_not_too_little_memory(monkeypatch):
    import tensorflow as tf

    def run(arguments):
        with tf.io.gfile.GFile("/dev/full", "w") as file:
            file.write("x" * 10**6)

    monkeypatch.setattr(vocab, "run", run)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
        main(["vocab", "a.txt", "--output", "b"])


def test_ctrl_c_amid_the_garbage_collector_is_not_lost(capsys, monkeypatch):
    def interrupt(phase, info):
        gc.callbacks.remove(interrupt)
        raise KeyboardInterrupt

    def run(arguments):
        gc.callbacks.append(interrupt)
        gc.collect()
        time.sleep(10)

    monkeypatch.setattr(vocab, "run", run)
    assert main(["vocab", "a.txt", "--output", "b"]) == 130
    assert capsys.readouterr().err == "kerasformer: interrupted.\n"
