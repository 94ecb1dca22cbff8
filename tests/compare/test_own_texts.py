"""Arms that learn from texts without labels first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasformer import load_dataset
from kerasformer.compare import Settings, arms_of, compare, runner
from kerasformer.compare.methods.own_texts import CausalHere, PretrainedHere, Student
from kerasformer.compare.methods.unlabelled import _pieces, texts_to_learn_from
from kerasformer.compare.report import load_record
from kerasformer.compare.worker import Events
from kerasformer.data import LabeledDataset, Split
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, DecoderConfig, EncoderConfig
from kerasformer.tasks import CausalLanguageModel, MaskedLanguageModel

SIZES = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}


class _Pipe:
    def send(self, event):
        """Nobody listens."""


class _Told:
    def __init__(self):
        self.events = []

    def send(self, event):
        """Keeps it."""
        self.events.append(event)


@pytest.fixture
def small(monkeypatch):
    """A small encoder, and little pretraining."""
    config = EncoderConfig(vocab_size=200, max_length=256, **SIZES)
    make = MaskedLanguageModel.from_scratch
    monkeypatch.setattr(MaskedLanguageModel, "from_scratch", lambda: make(config=config))
    monkeypatch.setattr(PretrainedHere, "EPOCHS", 2)


def test_it_is_pretrained_once_on_all_texts_but_those_of_the_test(small, reviews, tmp_path):
    extra = tmp_path / "extra.txt"
    extra.write_text("zyx zyx.\n\nAnother zyx film.\n")
    settings = Settings.make(data=str(reviews), unlabelled=str(extra), epochs=1)
    data = load_dataset(reviews)
    arm = PretrainedHere(data, settings, Events(_Pipe()), tmp_path)
    texts = texts_to_learn_from(data, 256, [str(extra)])
    assert texts == [*data.train.texts, "zyx zyx.", "Another zyx film."]
    arm.learn_from(np.arange(8))
    first = arm.run(0)
    pretrained = arm.learner
    assert "zyx" in pretrained.tokenizer.vocabulary()
    assert arm.settings["pretraining_texts"] == len(texts)
    assert arm.settings["pretraining_steps"] == 2 * -(-len(texts) // 32)
    assert first["train_seconds"] > arm.seconds > 0
    tuned = pretrained.encoder.get_weights()
    assert not np.array_equal(tuned[0], arm.first_weights[0])
    again = arm.run(0)  # from the pretrained weights, and not from those that the run before left
    assert arm.learner is pretrained
    assert again["metrics"] == first["metrics"]
    np.testing.assert_array_equal(pretrained.encoder.get_weights()[0], tuned[0])


def test_many_texts_are_not_gone_over_to_the_end(small, monkeypatch, reviews, tmp_path):
    monkeypatch.setattr(PretrainedHere, "STEPS", 1)
    pipe = _Told()
    settings = Settings.make(data=str(reviews), epochs=1)
    arm = PretrainedHere(load_dataset(reviews), settings, Events(pipe), tmp_path)
    arm.prepare()
    texts = arm.settings["pretraining_texts"]
    assert arm.settings["pretraining_steps"] == arm.learner.optimizer.iterations == 1
    (epochs,) = {content["epochs"] for kind, content in pipe.events if kind == "progress"}
    assert epochs == 1 / -(-texts // 32) < 1  # of what there is to do, all is done at the end
    assert pipe.events[-1][1]["done"] == epochs


def test_texts_that_are_judged_are_left_out_of_those_without_labels(tmp_path):
    judged = ["A fine film. I liked it.", "你好。再见！", "So\n\nThe end."]
    texts = {"train": ["a", "b"], "test": judged, "validation": ["Dull."]}
    splits = {name: Split(own, np.arange(len(own)) % 2) for name, own in texts.items()}
    data = LabeledDataset("few", class_names=("no", "yes"), splits=splits)
    lines = ["We went.", "A FINE  film. I liked it.", "It was late.", "dull.", "It was dull."]
    (tmp_path / "lines.txt").write_text("\n".join(lines))  # each is a sentence
    running = [
        "Why not? Oh. A fine film. I liked",
        "it. A fine film. It was. 你好。再见！ So",
        "it",
    ]
    (tmp_path / "running.txt").write_text("\n".join(running))
    rows = ["text", '"So', "", 'the end."', "So it ends.", "Dull."]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    sources = [str(tmp_path / name) for name in ("lines.txt", "running.txt", "rows.csv")]
    assert texts_to_learn_from(data, 64, sources) == [
        *("a", "b"),
        "We went. It was late. It was dull.",
        "Why not? Oh. A fine film. It was. So it",
        "So it ends.",
    ]


@given(st.lists(st.text("ab 你.", min_size=1, max_size=60), max_size=9))
def test_nothing_of_a_long_document_is_lost_to_a_window(lines):
    sentences = [" ".join(line.split()) for line in lines if line.strip()]
    pieces = list(_pieces(sentences, max_length=8))
    assert "".join("".join(pieces).split()) == "".join("".join(sentences).split())
    assert all(len(piece.encode()) <= 3 * 8 for piece in pieces)


def test_it_runs_where_it_is_asked_for():
    usual = Settings.make(data="a.csv").arms
    assert "pretrained_here" not in usual
    asked = Settings.make(data="a.csv", unlabelled=["text.txt"])
    assert set(asked.arms) - set(usual) == {
        key for key, arm in arms_of("classification").items() if arm.own_texts
    }
    assert "--unlabelled text.txt" in asked.command()
    assert Settings.make(data="a.csv", arms=["pretrained_here"]).arms == ("pretrained_here",)


def test_texts_that_no_arm_learns_from_are_refused():
    with pytest.raises(UserError, match=r"learns from texts without labels: add pretrained_here"):
        Settings.make(data="a.csv", arms=["tfidf"], unlabelled=["text.txt"])
    with pytest.raises(UserError, match="leave unlabelled out"):
        Settings.make(data="a.conll", task="tagging", unlabelled=["text.txt"])
    with pytest.raises(UserError, match="unlabelled has -, standard input: give a file"):
        Settings.make(data="a.csv", unlabelled=["text.txt", "-"])


def test_a_file_of_texts_that_is_missing_is_one_sentence(reviews, tmp_path):
    asked = {"data": str(reviews), "arms": ["pretrained_here"], "seeds": 1}
    with pytest.raises(UserError, match=r"none\.txt"):
        compare(tmp_path / "out", unlabelled=[str(tmp_path / "none.txt")], **asked)
    assert not (tmp_path / "out").exists()


def test_resuming_with_other_texts_is_refused(reviews, tmp_path, monkeypatch):
    (tmp_path / "texts").mkdir()
    text, other = tmp_path / "texts" / "a.txt", tmp_path / "texts" / "b.txt"
    text.write_text("It rains.")
    done = load_record(compare(tmp_path / "done", data=str(reviews), arms=["majority"], seeds=1))

    def run_arm(arm, jobs, record, *_):
        record["arms"][arm] = done["arms"]["majority"]

    monkeypatch.setattr(runner, "_run_arm", run_arm)
    asked = {"data": str(reviews), "arms": ["majority", "causal_here"], "seeds": 1}
    folder = compare(tmp_path / "out", unlabelled=[str(text.parent)], **asked)
    compare(folder, resume=True)
    other.write_text("It is late.")
    with pytest.raises(UserError, match=r"unlabelled names has changed since .* \(in \S+b\.txt\)"):
        compare(folder, resume=True)
    other.unlink()
    text.write_text("It snows.")
    with pytest.raises(UserError, match=r"unlabelled names has changed since .* \(in \S+a\.txt\)"):
        compare(folder, resume=True)


def test_a_record_knows_which_arms_were_asked_for(reviews, tmp_path):
    folder = compare(tmp_path / "out", data=str(reviews), arms=["majority"], seeds=1)
    assert load_record(folder)["settings"]["unlabelled"] is None


def test_a_causal_transformer(monkeypatch, reviews, tmp_path):
    config = DecoderConfig(vocab_size=200, max_length=256, **SIZES)
    make = CausalLanguageModel.from_scratch
    monkeypatch.setattr(CausalLanguageModel, "from_scratch", lambda: make(config=config))
    monkeypatch.setattr(CausalHere, "EPOCHS", 1)
    settings = Settings.make(data=str(reviews), arms=["causal_here"], epochs=1)
    arm = CausalHere(load_dataset(reviews), settings, Events(_Pipe()), tmp_path)
    arm.prepare()
    result = arm.run(0)
    assert arm.model.pooling == "lasttoken"
    assert 0 <= result["metrics"]["accuracy"] <= 1


def test_a_student(monkeypatch, reviews, pretrained, tmp_path):
    monkeypatch.setattr(Student, "EPOCHS", 1)
    asked = {"data": str(reviews), "pretrained": str(pretrained), "dtype": "mixed_bfloat16"}
    settings = Settings.make(**asked, arms=["student"], epochs=1)
    arm = Student(load_dataset(reviews), settings, Events(_Pipe()), tmp_path)
    arm.prepare()
    arm.run(0)
    teacher = BertEncoder.from_pretrained(pretrained)
    assert arm.model.encoder.config.num_layers == max(1, teacher.config.num_layers // 2)
    np.testing.assert_array_equal(
        arm.learner.teacher.get_weights()[0], teacher.get_weights()[0]
    )  # which stays as it is
    assert arm.settings["dtype"] == "mixed_bfloat16"
    for made in (arm.learner, arm.learner.teacher, arm.model, arm.model.encoder):
        assert made.dtype_policy.name == "mixed_bfloat16"
    assert arm.code(arm.settings).count("dtype='mixed_bfloat16'") == 2


@pytest.mark.parametrize("arm", [PretrainedHere, CausalHere, Student])
def test_its_code_is_python(arm):
    code = arm.code({"pretrained": "all-MiniLM-L6-v2"})
    compile(f"{arm.imports}\n{code}", "code", "exec")
    assert f"max_steps={arm.STEPS}" in code
    assert "change(max_steps=7)" in arm.code({"pretrained": "bert", "pretraining_steps": 7})
    assert "texts_to_learn_from(data, learner.max_length)" in code
    assert ", learner.max_length, ['a.txt'])" in arm.code(
        {"pretrained": "bert", "unlabelled": ["a.txt"]}
    )
