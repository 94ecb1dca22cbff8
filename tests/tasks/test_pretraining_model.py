"""Pretraining with both heads; tests/parity/test_pretraining.py has transformers' losses."""

import re

import keras
import numpy as np
import pytest

from kerasformer import progress
from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MaskedLanguageModel, PretrainingModel
from kerasformer.tasks.pretraining import corpus_progress
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "ran", "on", "."]
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
TEXTS = ["The cat sat. The dog ran on. The cat ran.", "A dog ran. The dog sat. On the cat."] * 6
CORPUS = TokenCorpus.of(TEXTS, TOKENIZER)
METRICS = {
    *("loss", "masked_lm_loss", "masked_lm_accuracy", "next_sentence_loss"),
    "next_sentence_accuracy",
}


def make(task=PretrainingModel, tokenizer=TOKENIZER, vocab_size=40, **options):
    keras.utils.set_random_seed(3)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8}
    sizes |= {"vocab_size": vocab_size, "max_length": 16, "initializer_range": 0.3, "dropout": 0.0}
    config = EncoderConfig(attention_dropout=0.0, **sizes)
    return task(BertEncoder(config), tokenizer, **options)


@pytest.fixture(scope="module")
def model():
    model = make()
    model.head_is_new = False
    return model


# 110 and 340 million in Devlin et al., section 3.
@pytest.mark.parametrize(("size", "count"), [("base", 110_106_428), ("large", 336_226_108)])
def test_published_sizes_have_as_many_parameters(size, count):
    with keras.StatelessScope(initialize_variables=False):  # in no memory
        model = PretrainingModel(BertEncoder(EncoderConfig.bert(size)))
    assert model.count_params() == count


def test_training_lowers_both_losses():
    model = make()
    before = model.evaluate(CORPUS, verbose=0, return_dict=True)
    told = {"epochs": 4, "batch_size": 8, "learning_rate": 3e-2, "verbose": 0}
    history = model.fit(CORPUS, validation_data=CORPUS, validation_freq=4, **told).history
    assert history.keys() == METRICS | {f"val_{name}" for name in METRICS} | {"val_perplexity"}
    after = model.evaluate(CORPUS, verbose=0, return_dict=True)
    assert after["masked_lm_loss"] < 0.8 * before["masked_lm_loss"]
    assert after["loss"] == pytest.approx(after["masked_lm_loss"] + after["next_sentence_loss"])
    assert after["perplexity"] == pytest.approx(np.exp(after["masked_lm_loss"]))
    assert history["val_loss"][-1] == pytest.approx(after["loss"], rel=1e-5)
    assert len(model.evaluate(CORPUS, verbose=0)) == 5


def test_texts_are_documents_of_a_corpus(model):
    expected = model.evaluate(CORPUS, verbose=0, return_dict=True)
    assert model.evaluate(TEXTS, verbose=0, return_dict=True) == pytest.approx(expected)
    scores = model.evaluate(CORPUS, batch_size=5, verbose=0, return_dict=True)
    assert scores.keys() == expected.keys()


def test_a_masked_language_model_takes_a_corpus_too():
    model = make(MaskedLanguageModel)
    history = model.fit(CORPUS, epochs=1, verbose=0, validation_split=0.2).history
    assert history.keys() == {
        *("loss", "accuracy", "val_loss", "val_accuracy", "val_perplexity"),
    }


def test_a_new_model_takes_the_tokenizer_of_the_corpus():
    trained = make(MaskedLanguageModel, tokenizer=None), make(MaskedLanguageModel)
    for model in trained:
        model.fit(CORPUS, epochs=1, batch_size=8, steps_per_epoch=1, verbose=0)
    assert trained[0].tokenizer is TOKENIZER
    model = make(MaskedLanguageModel, tokenizer=None)
    large = WordPieceTokenizer.from_vocabulary([*WORDS, *map(str, range(40))])
    with pytest.raises(UserError, match="and the encoder embeddings for"):
        model.fit(TokenCorpus.of(TEXTS, large), verbose=0)
    assert model.tokenizer is None  # so that it may learn one
    for one, other in zip(*(model.get_weights() for model in trained), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_share_of_the_documents_is_held_out():
    history = make().fit(CORPUS, epochs=1, verbose=0, validation_split=0.2).history
    assert "val_masked_lm_accuracy" in history


def test_a_new_encoder_is_trained_as_one_and_a_published_one_gently(tmp_path):
    model = make()
    assert model.recipe.learning_rate == model.SCRATCH_RECIPE.learning_rate
    wide = BertEncoder(EncoderConfig(vocab_size=40, hidden_size=500, num_layers=1, num_heads=1))
    assert PretrainingModel(wide, TOKENIZER).recipe.learning_rate == pytest.approx(2e-4)
    model.save_pretrained(tmp_path)
    assert PretrainingModel.from_pretrained(tmp_path).recipe.learning_rate == 1e-4


def test_what_it_answers(model):
    (guesses,) = model.fill_mask("the [MASK] sat", top_k=2)
    assert len(guesses) == 2
    assert model.score(["the cat sat"]).shape == (1,)
    (logits,) = model.predict(["the [MASK] sat"])
    assert logits.shape == (1, 40)
    ids = np.array(TOKENIZER.tokenize(["the [MASK] sat"]).ids)
    np.testing.assert_allclose(logits[0], np.array(model(ids)["mlm_logits"])[0, 2], atol=1e-5)


def test_what_is_read_is_what_was_saved(tmp_path):
    model = make(tokenizer=None)
    model.fit(TEXTS, epochs=1, verbose=0)
    model.save_pretrained(tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    expected = model.evaluate(TEXTS, verbose=0)
    read = PretrainingModel.from_pretrained(tmp_path / "saved")
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        assert again.evaluate(TEXTS, verbose=0) == pytest.approx(expected)


@pytest.mark.parametrize("task", [PretrainingModel, MaskedLanguageModel])
def test_whole_words_are_hidden_together(task, tmp_path):
    tokenizer = WordPieceTokenizer.from_vocabulary([*WORDS, "##s", "##t"])
    texts = ["The catst ran. The dogs sat.", "Dogst sat on cats. The catst sat."] * 40
    corpus, piece = TokenCorpus.of(texts, tokenizer), len(WORDS)

    def are_together(model):
        data = model._corpus_batches(corpus, 64, None, seed=0)
        x, labels, weights = data[0]
        if task is PretrainingModel:
            labels, weights = labels["mlm_logits"], weights["mlm_logits"]
        ids, chosen = x["input_word_ids"].copy(), np.zeros_like(x["input_word_ids"])
        rows, places = np.nonzero(weights)
        at = rows, x["masked_lm_positions"][rows, places]
        ids[at], chosen[at] = labels[rows, places], 1
        # A segment may begin within a word, behind a special token.
        goes_on = (ids[:, 1:] >= piece) & (ids[:, :-1] > tokenizer.mask_id)
        assert goes_on.any()
        return np.array_equal(chosen[:, 1:][goes_on], chosen[:, :-1][goes_on])

    model = make(task, tokenizer, whole_words=True)
    assert are_together(model)
    assert not are_together(make(task, tokenizer))
    model.save_pretrained(tmp_path)
    assert are_together(task.from_pretrained(tmp_path))
    batches = model._batches(model._read(texts), 8)
    masking = batches.masking if task is PretrainingModel else batches._masking
    assert masking.continuing_ids == (piece, piece + 1)


def test_what_is_refused(model):
    with pytest.raises(UserError, match=r"A PretrainingModel takes texts without labels"):
        model.fit(TEXTS, ["a"] * len(TEXTS))
    with pytest.raises(UserError, match="documents of a corpus all weigh alike"):
        model.fit(CORPUS, sample_weight=[1.0] * len(TEXTS))
    with pytest.raises(UserError, match="class_weight is of classes, which texts have none of"):
        model.fit(CORPUS, class_weight={0: 2.0})
    other = WordPieceTokenizer.from_vocabulary([*WORDS, "a"])
    with pytest.raises(UserError, match="tokenized with another vocabulary than the model's"):
        make(tokenizer=other).fit(CORPUS)
    with pytest.raises(UserError, match="vocabulary has 12 tokens and the encoder emb"):
        make(vocab_size=9).fit(CORPUS)
    with pytest.raises(UserError, match="no vocabulary yet"):
        make(tokenizer=None).evaluate(CORPUS)
    with pytest.raises(UserError, match="a corpus of token ids has no masks to fill"):
        model.predict(CORPUS)
    read = make(tokenizer=None)
    read.is_from_scratch = False  # its encoder was made with some other vocabulary
    with pytest.raises(UserError, match="was read without its tokenizer: give it one"):
        read.fit(CORPUS)


@pytest.mark.parametrize("call", ["fit", "evaluate"])
def test_a_corpus_without_a_document_is_refused(model, call):
    with pytest.raises(UserError, match="The corpus has no document"):
        getattr(model, call)(CORPUS.take([]), verbose=0)


def test_progress_tells_loss_and_speed(capsys, monkeypatch):
    monkeypatch.setattr(corpus_progress, "_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    make().fit(CORPUS, epochs=1, batch_size=4)
    said = capsys.readouterr().err
    assert re.search(r"pretraining: loss \d\.\d{3}, [\d,]+ tokens/s: \d+%, 0:00:\d\d left", said)
    assert "after 100%: loss" in said


@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_no_bar_is_left_behind_an_error(error, resumable, monkeypatch, tmp_path):
    shown = []

    class Bars(progress.Bars):
        def __enter__(self):
            shown.append(self)
            return super().__enter__()

        def __exit__(self, *about):
            shown.remove(self)
            super().__exit__(*about)

    def fail(*arguments, **logs):
        assert len(shown) == 1
        raise error("It ends here.")

    monkeypatch.setattr(corpus_progress, "Bars", Bars)
    options = {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=fail)]}
    with pytest.raises(error, match="It ends here"):
        make().fit(CORPUS, resume=tmp_path if resumable else None, **options)
    assert not shown
