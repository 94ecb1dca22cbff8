"""`kerasformer pretrain`: from raw text to a model; tests/tasks/test_pretrain.py has the rest."""

import json
import signal

import keras
import pytest

from kerasformer.cli import main
from kerasformer.tasks import PretrainingModel

pytestmark = pytest.mark.usefixtures("eager")

TEXT = "\n\n".join(
    f"The {animal} sat on the mat.\nIt {verb} there.\nThen the {animal} {verb} again."
    for animal in ("cat", "dog", "cow")
    for verb in ("slept", "ran", "ate", "sang")
)


@pytest.fixture
def run(capsys, tmp_path):
    """Runs the command on a small text; gives its status and what it wrote."""
    (tmp_path / "text.txt").write_text(TEXT)

    def run(*argv, output="model"):
        given = [tmp_path / "text.txt", "--output", tmp_path / output, "--batch-size", "4"]
        given += ["--size", "tiny", "--max-length", "24"]
        status = main(list(map(str, ["pretrain", *given, *argv])))
        return status, *capsys.readouterr()

    return run


def test_from_text_to_a_model(run, tmp_path):
    status, out, err = run("--steps", "2", "--vocab-size", "70", "--held-out", "0.3")
    assert status == 0, err
    assert "next_sentence_accuracy" in out
    assert f"--pretrained {tmp_path / 'model'}" in out
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert record["settings"]["steps"] == 2
    assert record["corpus"]["documents"] == 12
    model = PretrainingModel.from_pretrained(tmp_path / "model")
    assert model.tokenizer.vocab_size <= 70
    given = ["--from", tmp_path / "model", "--objective", "masked", "--minutes", "0.0001"]
    given += ["--whole-words"]
    status, out, err = run(*given, output="other")
    assert status == 0, err
    assert "perplexity" in out
    assert "next_sentence" not in out
    record = json.loads((tmp_path / "other" / "training.json").read_text())
    assert record["settings"]["whole_words"] is True


def test_ctrl_c_says_how_to_go_on(run, tmp_path, monkeypatch):
    from kerasformer.cli import pretrain

    def press(*arguments, **logs):
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=press)
        patched.setattr(pretrain, "logs", lambda _: [callback])
        status, _, err = run("--steps", "3")
    assert status == 130
    assert f"the training so far is in {tmp_path / 'model'}: to go on, add --resume" in err
    status, _, err = run("--steps", "3")
    assert status == 2
    assert "is not empty; give another, or resume the pretraining in it" in err
    status, _, err = run("--steps", "3", "--resume")
    assert status == 0, err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Pretraining has no end: give minutes or steps"),
        (["--steps", "0"], "max_steps=0 is not an integer of at least 1"),
        (["--minutes", "-1"], "minutes=-1.0 is not a number above 0"),
        (["--steps", "1", "--max-length", "3"], "max_length is 3, but must be at least 5"),
        (["--steps", "1", "--seed", "-1"], "seed is -1: give an integer from 0"),
        (["--steps", "1", "--objective", "causal", "--whole-words"], "guesses no hidden words"),
        (["--steps", "1", "--vocab", "no/vocab"], "no/vocab"),
        (["--steps", "1", "--from", "no/model"], "There is no file or folder"),
    ],
)
def test_mistakes_are_a_sentence(argv, said, run):
    status, _, err = run(*argv)
    assert status == 2
    assert said in err.splitlines()[-1]
