"""Arms that learn from texts without labels first."""

import numpy as np
import pytest

from kerasformer import load_dataset
from kerasformer.compare import Settings, arms_of, compare
from kerasformer.compare.methods.own_texts import PretrainedHere
from kerasformer.compare.report import load_record
from kerasformer.compare.worker import Events
from kerasformer.errors import UserError
from kerasformer.models import EncoderConfig
from kerasformer.tasks import MaskedLanguageModel

SIZES = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}


class _Pipe:
    def send(self, event):
        """Nobody listens."""


@pytest.fixture
def small(monkeypatch):
    """A small encoder, and little pretraining."""
    config = EncoderConfig(vocab_size=200, max_length=16, **SIZES)
    make = MaskedLanguageModel.from_scratch
    monkeypatch.setattr(MaskedLanguageModel, "from_scratch", lambda: make(config=config))
    monkeypatch.setattr("kerasformer.compare.methods.own_texts._EPOCHS", 2)


def test_it_is_pretrained_once_on_all_texts_but_those_of_the_test(small, reviews, tmp_path):
    extra = tmp_path / "extra.txt"
    extra.write_text("zyx zyx.\n\nAnother zyx film.\n")
    settings = Settings.make(data=str(reviews), unlabelled=str(extra), epochs=1)
    data = load_dataset(reviews)
    arm = PretrainedHere(data, settings, Events(_Pipe()), tmp_path)
    texts = arm.texts_to_learn_from()
    assert texts == [*data.train.texts, "zyx zyx.", "Another zyx film."]
    arm.learn_from(np.arange(8))
    first = arm.run(0)
    pretrained = arm.pretrained
    assert "zyx" in pretrained.tokenizer.vocabulary()
    assert arm.settings["pretraining_texts"] == len(texts)
    assert first["train_seconds"] > arm.seconds > 0
    tuned = pretrained.encoder.get_weights()
    assert not np.array_equal(tuned[0], arm.first_weights[0])
    again = arm.run(0)  # from the pretrained weights, and not from those that the run before left
    assert arm.pretrained is pretrained
    assert again["metrics"] == first["metrics"]
    np.testing.assert_array_equal(pretrained.encoder.get_weights()[0], tuned[0])


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


def test_a_file_of_texts_that_is_missing_is_one_sentence(reviews, tmp_path):
    given = {"data": str(reviews), "arms": ["pretrained_here"], "seeds": 1}
    with pytest.raises(UserError, match=r"none\.txt"):
        compare(tmp_path / "out", unlabelled=[str(tmp_path / "none.txt")], **given)
    assert not (tmp_path / "out").exists()


def test_a_record_knows_which_arms_were_asked_for(reviews, tmp_path):
    folder = compare(tmp_path / "out", data=str(reviews), arms=["majority"], seeds=1)
    assert load_record(folder)["settings"]["unlabelled"] is None
