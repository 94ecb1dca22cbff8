"""From raw text to a folder, with interruptions; tests/cli/test_pretrain.py has the command."""

import json
import shutil
import signal
import types

import keras
import numpy as np
import pytest

from kerasformer import TextClassifier
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.tasks import CausalLanguageModel, MaskedLanguageModel, PretrainingModel
from kerasformer.tasks.pretraining import pretrain as module
from kerasformer.tasks.pretraining.milestone_scores import MilestoneScores
from kerasformer.tasks.pretraining.pretrain import pretrain
from kerasformer.tasks.pretraining.pretraining_folder import is_begun
from kerasformer.text import WordPieceTokenizer, WordTokenizer
from kerasformer.training import resume

pytestmark = pytest.mark.usefixtures("eager")

TEXTS = [
    f"The {animal} sat on the mat. It {verb} there. Then the {animal} {verb} again."
    for animal in ("cat", "dog", "cow")
    for verb in ("slept", "ran", "ate", "sang")
] * 2
GIVEN = {
    "size": "tiny",
    "max_length": 24,
    "vocab_size": 60,
    "recipe": {"batch_size": 4, "learning_rate": 3e-3},
    "verbose": 0,
}
TOKENIZED = {name: value for name, value in GIVEN.items() if name != "vocab_size"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A size in which a step takes little."""
    monkeypatch.setitem(module.EncoderConfig.bert.__globals__["_PUBLISHED"], "tiny", (1, 8, 2))


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


class Press(keras.callbacks.Callback):
    """Ctrl-C after so many batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, without_graphs):
    """A pretraining without an interruption, and its folder."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(module.EncoderConfig.bert.__globals__["_PUBLISHED"], "tiny", (1, 8, 2))
        patched.setattr(module, "_EPOCH", 4)
        return pretrain(TEXTS, folder, steps=10, **GIVEN), folder


def test_a_folder_has_the_model_and_what_led_to_it(whole):
    made, folder = whole
    assert len(made.history.epoch) == 3  # of 4, 4 and 2 steps
    assert [one["share"] for one in made.milestones] == [0.25, 0.5, 0.75]
    record = json.loads((folder / "training.json").read_text())
    assert record["metrics"] == made.scores
    assert record["milestones"] == made.milestones
    assert not is_begun(folder)
    read = PretrainingModel.from_pretrained(folder)
    assert read.max_length == 24
    for one, other in zip(weights(read), weights(made.model), strict=True):
        np.testing.assert_array_equal(one, other)
    assert read.tokenizer.tokenize(TEXTS).ids == made.model.tokenizer.tokenize(TEXTS).ids
    TextClassifier.from_pretrained(folder, ["bad", "good"])


def test_interrupted_it_ends_with_the_same_weights(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_EPOCH", 4)
    monkeypatch.setattr(resume.Checkpoints, "_is_due", lambda *_: True)
    folder, options = tmp_path / "model", GIVEN
    for batches in (3, 3):
        with pytest.raises(KeyboardInterrupt, match=f"the training so far is in {folder}"):
            pretrain(TEXTS, folder, steps=10, callbacks=[Press(batches)], **options)
        assert is_begun(folder)
        options = GIVEN | {"resume": True}
    with pytest.raises(UserError, match="is not empty; give another, or resume"):
        pretrain(TEXTS, folder, steps=10, **GIVEN)
    made = pretrain(TEXTS, folder, steps=10, **options)
    for one, other in zip(weights(made.model), weights(whole[0].model), strict=True):
        np.testing.assert_array_equal(one, other)
    assert made.history.history == whole[0].history.history
    assert made.milestones == whole[0].milestones
    assert made.scores == whole[0].scores


def test_an_error_costs_no_training(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_EPOCH", 4)
    monkeypatch.setattr(resume.Checkpoints, "_is_due", lambda *_: True)

    def full(*arguments, **logs):
        raise UserError("The disk is full.")

    early = keras.callbacks.LambdaCallback(on_train_batch_begin=full)
    with pytest.raises(UserError, match="disk is full"):
        pretrain(TEXTS, tmp_path, steps=9, callbacks=[early], **GIVEN)
    options = GIVEN | {"resume": True}  # and no step was made: the steps may be others
    with pytest.raises(UserError, match="disk is full"):
        pretrain(TEXTS, tmp_path, steps=10, at_milestone=full, **options)
    made = pretrain(TEXTS, tmp_path, steps=10, **options)
    for one, other in zip(weights(made.model), weights(whole[0].model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_metrics_that_cannot_be_noted_end_no_training(tmp_path):
    model = types.SimpleNamespace(evaluate=lambda *_, **options: {"loss": 1.0})
    reached = MilestoneScores(model, TEXTS, tmp_path / "missing" / "file", None, False)
    with pytest.warns(UserWarning, match="cannot be written .*: training goes on"):
        reached(0.25)
    assert reached.seen == [{"share": 0.25, "loss": 1.0}]


def test_it_goes_on_from_a_published_model(whole, tmp_path):
    made = pretrain(TEXTS, tmp_path / "a", steps=1, pretrained=whole[1], **TOKENIZED)
    assert isinstance(made.model, PretrainingModel)
    before = PretrainingModel.from_pretrained(whole[1])
    difference = [
        np.abs(a - b).max() for a, b in zip(*map(weights, (made.model, before)), strict=True)
    ]
    assert max(difference) < 0.05
    made.model.encoder.save_pretrained(tmp_path / "encoder", made.model.tokenizer)
    other = pretrain(TEXTS, tmp_path / "b", steps=1, pretrained=tmp_path / "encoder", **TOKENIZED)
    assert isinstance(other.model, MaskedLanguageModel)  # there is no head for more


def test_a_vocabulary_that_is_given(whole, tmp_path):
    given = TOKENIZED | {"vocabulary": whole[1], "objective": "masked", "held_out": 0}
    made = pretrain(TEXTS, tmp_path / "a", steps=1, **given)
    assert made.model.tokenizer.to_json() == whole[0].model.tokenizer.to_json()
    assert made.scores == {}
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n")
    made = pretrain(
        TEXTS, tmp_path / "b", steps=1, **(given | {"vocabulary": tmp_path / "vocab.txt"})
    )
    assert made.model.encoder.config.vocab_size == 7


def test_a_written_corpus_trains_as_its_text_does(whole, tmp_path, monkeypatch):
    """Also where it goes on, which it does with the same corpus alone."""
    monkeypatch.setattr(module, "_EPOCH", 4)
    monkeypatch.setattr(resume.Checkpoints, "_is_due", lambda *_: True)
    tokenizer, folder = whole[0].model.tokenizer, tmp_path / "model"
    corpus = TokenCorpus.write(TEXTS, tokenizer, tmp_path / "corpus", verbose=False)
    with pytest.raises(KeyboardInterrupt, match="the training so far is in"):
        pretrain(corpus, folder, steps=10, callbacks=[Press(3)], **TOKENIZED)
    assert not list(folder.rglob("*.npy"))  # it stays where it is
    options = TOKENIZED | {"resume": True}
    for other in (corpus.take(range(20)), TEXTS):
        with pytest.raises(UserError, match="holds a pretraining on other text"):
            pretrain(other, folder, steps=10, **options)
    made = pretrain(TokenCorpus.open(tmp_path / "corpus"), folder, steps=10, **options)
    for one, other in zip(weights(made.model), weights(whole[0].model), strict=True):
        np.testing.assert_array_equal(one, other)
    assert made.scores == whole[0].scores
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"]["corpus"] == corpus.fingerprint
    given = {"pretrained": folder, "held_out": 0}  # whose vocabulary is the same
    assert pretrain(corpus, tmp_path / "b", steps=1, **TOKENIZED, **given).scores == {}


def test_a_corpus_has_its_vocabulary(whole, tmp_path):
    corpus = TokenCorpus.of(TEXTS, WordPieceTokenizer.train(TEXTS, 50))
    for given in ({"vocabulary": whole[1]}, {"vocab_size": 60}):
        with pytest.raises(UserError, match="is tokenized, with a vocabulary of its own: leave"):
            pretrain(corpus, tmp_path / "a", steps=1, **TOKENIZED, **given)
    with pytest.raises(UserError, match="tokenized with another vocabulary than the model's"):
        pretrain(corpus, tmp_path / "a", steps=1, pretrained=whole[1], **TOKENIZED)
    words = TokenCorpus.of(TEXTS, WordTokenizer.train(TEXTS))
    with pytest.raises(UserError, match="no token that ends a text"):
        pretrain(words, tmp_path / "a", steps=1, objective="causal", **TOKENIZED)
    with pytest.raises(UserError, match="hold out a share of 0"):
        pretrain(corpus.take([0]), tmp_path / "a", steps=1, **TOKENIZED)
    assert not (tmp_path / "a").exists()  # so that what is given next may be right


def test_a_published_model_keeps_its_tokenizer(whole, tmp_path):
    corpus = TokenCorpus.of(TEXTS, whole[0].model.tokenizer)
    published = tmp_path / "published"
    shutil.copytree(whole[1], published)
    settings = json.loads((published / "tokenizer_config.json").read_text())
    (published / "tokenizer_config.json").write_text(
        json.dumps(settings | {"model_max_length": 17})
    )
    made = pretrain(corpus, tmp_path / "a", steps=1, pretrained=published, **TOKENIZED)
    assert made.model.tokenizer.max_length == 17


def test_a_causal_model_likewise(tmp_path):
    made = pretrain(TEXTS, tmp_path / "a", steps=2, objective="causal", **GIVEN)
    assert made.scores.keys() == {"loss", "accuracy", "perplexity"}
    again = pretrain(TEXTS, tmp_path / "b", steps=1, pretrained=tmp_path / "a", **TOKENIZED)
    assert isinstance(again.model, CausalLanguageModel)
    assert again.model.max_length == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Pretraining has no end: give minutes or steps"),
        ({"steps": 1, "size": "huge"}, "'huge' is not one of the sizes tiny, mini"),
        ({"steps": 1, "objective": "all"}, "no objective 'all': give bert, masked"),
        ({"steps": 1, "held_out": 2}, "The share to hold out is 2"),
        ({"steps": 1, "seed": -1}, "seed is -1: give an integer from 0 to 4294967295"),
        ({"steps": 1, "dtype": "foo"}, "no dtype policy 'foo': give one such as mixed_bfloat16"),
        ({"steps": 1, "max_length": 4}, "max_length is 4, but must be at least 5"),
        ({"steps": 1, "max_length": 0}, "max_length"),
        ({"steps": 1, "dropout": 1.5}, "dropout=1.5"),
        ({"steps": 1, "objective": "causal", "whole_words": True}, "guesses no hidden words"),
        ({"steps": 1, "pretrained": "x", "vocabulary": "y"}, "has its own vocabulary"),
        ({"steps": 1, "resume": True}, "has no interrupted pretraining"),
        ({"steps": 1, "vocabulary": "no-such-folder", "vocab_size": None}, "no-such-folder"),
        ({"steps": 1, "vocabulary": "x"}, "vocab_size=60 is of a vocabulary that is learnt"),
        ({"steps": 1, "pretrained": "x"}, "vocab_size=60 is of a vocabulary that is learnt"),
    ],
)
def test_what_is_refused_before_any_text_is_read(options, message, tmp_path):
    class Unread(list):
        def __iter__(self):
            raise AssertionError

    with pytest.raises(UserError, match=message):
        pretrain(Unread(TEXTS), tmp_path / "model", **(GIVEN | options))


def test_documents_that_are_held_out():
    corpus = TokenCorpus.of(["a"] * 3000, WordPieceTokenizer.train(["a"]))

    def counts(documents, share, least=2):
        parts = module._divided(corpus.take(range(documents)), share, 0, least)
        return tuple(map(len, parts))

    assert counts(3000, 0.02) == (2940, 60)
    assert counts(3000, 0.5) == (2000, 1000)  # the others are trained on
    assert counts(4, 0.02) == (2, 2)
    assert counts(4, 0.9) == (2, 2)
    assert counts(2, 0.02, least=1) == (1, 1)
    held = module._divided(corpus, 0.5, 0, 2)[1].documents[:, 0]
    assert held.max() > 2900  # they are of the whole corpus
    with pytest.raises(UserError, match="documents are 3, and to hold some out takes 4"):
        counts(3, 0.02)


def test_other_text_is_refused_when_it_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        pretrain(TEXTS, tmp_path, steps=2, callbacks=[Press(1)], **GIVEN)
    given = GIVEN | {"resume": True, "vocab_size": 50}
    with pytest.raises(UserError, match="holds a pretraining on other text, or with another"):
        pretrain(TEXTS, tmp_path, steps=2, **given)


def test_a_vocabulary_without_a_mask_is_refused_before_the_text_is_read(tmp_path):
    class Unread:
        def __iter__(self):
            raise AssertionError

    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n")
    given = {"vocabulary": tmp_path / "vocab.txt", "steps": 1}
    with pytest.warns(UserWarning, match="cased"), pytest.raises(UserError, match="no mask token"):
        pretrain(Unread(), tmp_path / "a", **given)
    assert not (tmp_path / "a").exists()


def test_a_model_of_another_kind_is_refused_before_the_text_is_read(whole, tmp_path):
    class Unread:
        def __iter__(self):
            raise AssertionError

    _, published = whole
    with pytest.raises(UserError, match="an encoder and no decoder: load it as a BertEncoder"):
        pretrain(Unread(), tmp_path / "a", steps=1, pretrained=published, objective="causal")
    assert not (tmp_path / "a").exists()
