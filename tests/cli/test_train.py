"""`kerasformer train`, `evaluate` and `predict`: from a file to answers, for each task."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys

import keras
import pytest

from kerasformer.cli import main
from kerasformer.cli.scores import scores_table

from .conftest import CONFIG, WORDS

# One of each task: its file, its options, rows to answer, and the keys of an answer.
PEOPLE = [("the", "O"), ("cafe", "B-place"), ("film", "O"), (".", "O")]
CONLL = "\n\n".join("\n".join(f"{w}\t{t}" for w, t in PEOPLE[k % 2 :]) for k in range(10)) + "\n"
SQUAD = {
    "data": [
        {
            "title": str(k),
            "paragraphs": [
                {
                    "context": f"the good film {k}.",
                    "qas": [
                        {
                            "id": str(k),
                            "question": "the film",
                            "answers": [{"text": "good", "answer_start": 4}],
                        }
                    ],
                }
            ],
        }
        for k in range(10)
    ]
}
CSV = "text,label\n" + "".join(
    f"the {'good' if k % 2 else 'bad'} film {k},{k % 2}\n" for k in range(20)
)
PAIRS = "sentence1,sentence2,label\n" + "".join(
    f"the {'good' if k % 2 else 'bad'} film {k},good,{k % 2}\n" for k in range(20)
)
TASKS = {
    "classification": (
        *("texts.csv", CSV, [], "text\ngood film\nbad\n", []),
        {"text", "label", "score"},
    ),
    "pairs": (
        *("pairs.csv", PAIRS, [], "text,other\ngood,film\nbad,bad\n"),
        *(["--pair-column", "other"], {"text", "pair", "label", "score"}),
    ),
    "tagging": ("words.conll", CONLL, [], "text\nthe cafe\nשלום\n", [], {"text", "entities"}),
    "answering": (
        *("squad.json", json.dumps(SQUAD), ["--max-length", "16"]),
        "question,context\nthe film,good film\nthe,bad\n",
        *([], {"question", "context", "text", "start", "end", "score"}),
    ),
}


@pytest.fixture
def run(capsys):
    """Runs a command; gives its status and what it wrote."""

    def run(*argv):
        status = main(list(map(str, argv)))
        return status, *capsys.readouterr()

    return run


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("task", TASKS)
def test_from_a_file_to_answers(task, run, model, tmp_path):
    name, content, options, rows, asked, keys = TASKS[task]
    data, folder, texts = tmp_path / name, tmp_path / "trained", tmp_path / "rows.csv"
    data.write_text(content, encoding="utf-8")
    texts.write_text(rows, encoding="utf-8")
    given = ["--data", data, "--pretrained", model, "--epochs", "1", *options]
    status, out, err = run("train", task, *given, "--output", folder)
    assert status == 0, err
    assert "On the test split" in out
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"]["task"] == task
    assert not list(folder.glob(".training*"))

    status, out, err = run("evaluate", folder, "--data", data, "--json")
    assert status == 0, err
    scores = json.loads(out)
    said = record["metrics"]["test"]
    assert {k: v for k, v in scores.items() if isinstance(v, int)} == {
        k: v for k, v in said.items() if isinstance(v, int)
    }
    assert scores.keys() <= said.keys()

    status, out, err = run("predict", folder, texts, *asked)
    assert status == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [set(answer) for answer in answers] == [keys, keys]


@pytest.fixture
def classifier(model, tmp_path, run):
    """The folder of a classifier of texts, hardly trained."""
    from kerasformer import TextClassifier

    folder = tmp_path / "classifier"
    TextClassifier.from_pretrained(model, ["bad", "good"], new_head=True).save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("eager")
def test_predict_reads_a_pipe_and_writes_a_file(classifier, run, tmp_path, monkeypatch):
    lines = b"good film\n\nbad \xff\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    output = tmp_path / "answers.jsonl"
    status, out, err = run("predict", classifier, "-", "--output", output)
    assert (status, out) == (0, ""), err
    answers = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [answer["text"] for answer in answers] == ["good film", "", "bad \ufffd"]
    objects = b'{"n": 7, "text": "good"}\n{"n": 8, "text": "bad"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(objects)))
    status, out, _ = run("predict", classifier, "-", "--stdin-format", "jsonl", "--id-column", "n")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(set(answer), answer["id"]) for answer in answers] == [
        ({"id", "label", "score"}, 7),
        ({"id", "label", "score"}, 8),
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["predict", "{model}", "no.csv"], "There is no file or folder 'no.csv'"),
        (["predict", "{model}", "{csv}", "--top", "0"], "--top is 0"),
        (["predict", "{model}", "{csv}", "--output", "x.txt"], "must end in .jsonl"),
        (["predict", "{model}", "{csv}", "--text-column", "n"], "line 2, has 1 for the text"),
        (["predict", "no/model", "{csv}"], "There is no file or folder"),
        (
            ["evaluate", "{model}", "--data", "{csv}", "--split", "validation"],
            "no validation split",
        ),
    ],
    ids=range(6),
)
def test_mistakes_are_a_sentence(argv, said, classifier, run, tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [{"text": f"good {n}", "n": n, "label": n % 2} for n in range(1, 9)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    places = {"model": classifier, "csv": file}
    status, _, err = run(*(word.format(**places) for word in argv))
    assert status == 2
    assert said.replace("line 2", "line 1") in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--scratch", "--pretrained", "x"], "--scratch and --pretrained exclude each other"),
        (["--resume"], "has no interrupted training"),
    ],
)
def test_options_of_train_that_cannot_be(argv, said, run, tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text(CSV)
    status, _, err = run(
        "train", "classification", "--data", file, "--output", tmp_path / "out", *argv
    )
    assert status == 2
    assert said in err


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (["--monitor", "val_f2"], ["--monitor", "val_f1"], "monitor='val_f2' is no metric"),
        (["--learning-rate", "1e30", "--warmup-ratio", "0"], [], "weights diverged"),
    ],
)
def test_after_a_mistake_the_same_folder_is_taken(wrong, right, said, run, model, tmp_path):
    file, folder = tmp_path / "texts.csv", tmp_path / "out"
    file.write_text(CSV)
    given = ["--data", file, "--pretrained", model, "--epochs", "1", "--output", folder]
    status, _, err = run("train", "classification", *given, *wrong)
    assert status == 2
    assert said in err
    assert not folder.exists()
    status, _, err = run("train", "classification", *given, *right)
    assert status == 0, err


@pytest.mark.usefixtures("eager")
def test_a_training_that_is_done_outlives_a_mistake_in_the_test_data(
    run, model, tmp_path, monkeypatch
):
    from kerasformer.errors import UserError
    from kerasformer.tasks import TextClassifier

    def refuse(*arguments, **options):
        raise UserError("A mistake in the test data.")

    file, folder = tmp_path / "texts.csv", tmp_path / "out"
    file.write_text(CSV)
    given = ["--data", file, "--pretrained", model, "--epochs", "1", "--output", folder]
    with monkeypatch.context() as patched:
        patched.setattr(TextClassifier, "evaluate", refuse)
        status, _, err = run("train", "classification", *given)
    assert status == 2
    assert "A mistake in the test data." in err
    status, out, err = run("train", "classification", *given, "--resume")
    assert status == 0, err
    assert "On the test split" in out


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("on_train_begin", "interrupted; training had not begun."),
        ("on_train_batch_end", "the training so far is in {}: to go on, add --resume to the comm"),
    ],
)
def test_ctrl_c_says_what_there_is_to_go_on_with(hook, said, run, model, tmp_path, monkeypatch):
    from kerasformer.cli import train

    def press(*arguments, **logs):
        if hook == "on_train_begin":
            raise KeyboardInterrupt  # before anything is noted, as while texts are tokenized
        signal.raise_signal(signal.SIGINT)

    file, folder = tmp_path / "texts.csv", tmp_path / "out"
    file.write_text(CSV)
    given = ["--data", file, "--pretrained", model, "--epochs", "1", "--output", folder]
    given += ["--batch-size", "4"]
    with monkeypatch.context() as patched:
        callback = keras.callbacks.LambdaCallback(**{hook: press})
        patched.setattr(train, "logs", lambda _: [callback])
        status, _, err = run("train", "classification", *given)
    assert status == 130
    assert said.format(folder) in err
    assert err.count("interrupted") == 1
    assert folder.exists() == (hook != "on_train_begin")
    resume = ["--resume"] if folder.exists() else []
    status, _, err = run("train", "classification", *given, *resume)
    assert status == 0, err


def test_a_used_folder_is_left_alone(run, tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text(CSV)
    status, _, err = run("train", "classification", "--data", file, "--output", tmp_path)
    assert status == 2
    assert "is not empty" in err


def test_tables_of_scores():
    scores = {
        "f1": 0.51239,
        "count": 1234,
        "per_type": [{"name": "x", "f1": None, "support": 3}],
        "empty": [],
    }
    assert scores_table(scores).split("\n") == [
        "f1     0.5124",
        "count   1,234",
        "",
        "name  f1  support",
        "x      -        3",
    ]


# Of a process that has three devices, as Keras makes them before it computes anything.
ON_THREE_DEVICES = """
import os, sys
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    tf.config.run_functions_eagerly(True)
from kerasformer.cli import main
data, model, folder = sys.argv[1:]
given = ["train", "answering", "--data", data, "--pretrained", model, "--epochs", "1"]
given += ["--batch-size", "4", "--max-length", "16"]
told = [main([*given, "--output", folder + number, "--devices", number]) for number in ("1", "3")]
print(told, main([*given, "--output", folder + "4", "--devices", "4"]))
"""


def test_devices_share_the_batches_of_one(tmp_path):
    from kerasformer import BertEncoder
    from kerasformer.text import WordPieceTokenizer

    encoder = BertEncoder(dataclasses.replace(CONFIG, dropout=0.0, attention_dropout=0.0))
    encoder.save_pretrained(tmp_path / "model", WordPieceTokenizer.from_vocabulary(WORDS))
    (tmp_path / "squad.json").write_text(json.dumps(SQUAD))
    places = [str(tmp_path / name) for name in ("squad.json", "model", "out")]
    devices = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=3"
    environment = os.environ | {"XLA_FLAGS": devices, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", ON_THREE_DEVICES, *places],
        env=environment | {"JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["[0, 0] 2"], done.stderr[-3000:]
    assert "There are fewer than 4 devices on this machine, only " in done.stderr
    one, three = (json.loads((tmp_path / f"out{n}/training.json").read_text()) for n in "13")
    assert three["history"]["loss"] == pytest.approx(one["history"]["loss"], rel=1e-5)
    assert three["metrics"]["test"]["loss"] == pytest.approx(one["metrics"]["test"]["loss"])


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_a_number_of_devices_that_is_none(given, tmp_path, capsys):
    argv = ["--data", tmp_path / "texts.csv", "--output", tmp_path / "out", "--devices", given]
    with pytest.raises(SystemExit):
        main(["train", "classification", *map(str, argv)])
    assert f"{given!r} is neither a whole number of at least 1 nor 'all'" in capsys.readouterr().err
