"""`experiments/tasks.py`: from files to a saved model and a record; a mistake is one sentence."""

import json
import runpy
import sys
from pathlib import Path

import keras
import pytest

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import load
from kerasformer.text import WordPieceTokenizer

FOLDER = Path(__file__).parents[2] / "experiments"
TEXT = "Ada saw Rome ."

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def script(monkeypatch, tmp_path):
    """A function that runs the script with arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)

    def script(*arguments):
        monkeypatch.setattr(sys, "argv", ["tasks.py", *map(str, arguments)])
        runpy.run_path(str(FOLDER / "tasks.py"), run_name="__main__")

    return script


@pytest.fixture
def pretrained(tmp_path):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8}
    encoder = BertEncoder(EncoderConfig(60, **sizes, max_length=64))
    encoder.save_pretrained(tmp_path / "bert", WordPieceTokenizer.train([TEXT], 60))
    return tmp_path / "bert"


def write_tags(folder):
    folder.mkdir()
    sentence = "Ada B-PER\nsaw O\nRome B-LOC\n. O\n\n"
    for name in ("train", "test"):
        (folder / f"{name}.conll").write_text(sentence * 4)
    return folder


def write_questions(folder):
    folder.mkdir()
    question = {"question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]}
    for name in ("train", "test"):
        questions = [question | {"id": f"{name}-{number}"} for number in range(4)]
        paragraph = {"context": f"{TEXT} {name}", "qas": questions}
        article = {"title": name, "paragraphs": [paragraph]}
        (folder / f"{name}.json").write_text(json.dumps({"version": "1.1", "data": [article]}))
    return folder


@pytest.mark.parametrize(
    ("task", "write"), [("tagging", write_tags), ("answering", write_questions)]
)
def test_a_task_from_a_file_to_a_saved_model(task, write, script, pretrained, tmp_path, capsys):
    data = write(tmp_path / "data")
    script(task, "--data", data, "--pretrained", pretrained, "--epochs", 1)
    shown = capsys.readouterr().out
    assert f"model: results/{task}" in shown
    assert f"record: results/{task}.json" in shown
    record = json.loads(Path(f"results/{task}.json").read_text())
    assert record["settings"]["task"] == task
    assert f"f1: {record['metrics']['f1']:.4f}" in shown
    assert load(Path("results") / task).tokenizer.vocab_size > 5


def test_a_mistake_ends_it_with_one_sentence(script, tmp_path):
    with pytest.raises(SystemExit) as error:
        script("tagging", "--data", tmp_path / "nowhere")
    assert "nowhere" in str(error.value.code)
    assert "\n" not in str(error.value.code)
