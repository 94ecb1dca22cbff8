"""Guessed words and trained ones; tests/parity/test_masked_language_model.py has transformers'."""

import keras
import numpy as np
import pytest

from kerasformer.data import LabeledDataset, Split
from kerasformer.data.shapes import are_few
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import MaskedLanguageModel
from kerasformer.tasks.pretraining.masked_batches import GuessBatches, MaskedBatches
from kerasformer.text import Tokenized, WordPieceTokenizer
from kerasformer.text.masking import TokenMasking

pytestmark = pytest.mark.usefixtures("eager")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "ran", "on", "a"]
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
TEXTS = ["the cat sat on a dog", "a dog ran", "the dog sat on the cat", "a cat ran on"] * 4


def make(tokenizer=TOKENIZER, **options):
    keras.utils.set_random_seed(3)
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 16}
    sizes |= {"vocab_size": 40, "max_length": 10, "initializer_range": 0.3, "dropout": 0.0}
    config = EncoderConfig(attention_dropout=0.0, **sizes)
    return MaskedLanguageModel(BertEncoder(config), tokenizer, **options)


@pytest.fixture(scope="module")
def model():
    model = make()
    model.head_is_new = False
    return model


def test_batches_and_other_texts_change_no_guess(model):
    texts = ["the [MASK] sat", "[MASK]", "a [MASK] ran [MASK] the [MASK] sat"]
    together = model.fill_mask(texts, top_k=3)
    assert [len(masks) for masks in together] == [1, 1, 3]
    for text, masks in zip(texts, together, strict=True):
        for mask, other in zip(masks, model.fill_mask(text, top_k=3), strict=True):
            assert [g.token for g in mask] == [g.token for g in other]
            np.testing.assert_allclose([g.score for g in mask], [g.score for g in other], atol=1e-5)
    assert model.fill_mask([]) == []


def test_guesses_are_tokens_of_the_vocabulary(model):
    """The encoder has more embeddings than that, which take their part of the probability."""
    ((*mask,),) = model.fill_mask("the [MASK] sat", top_k=99)
    assert sorted(guess.token for guess in mask) == sorted(WORDS)
    assert sum(guess.score for guess in mask) < 1
    assert [g.score for g in mask] == sorted((g.score for g in mask), reverse=True)


def test_predict_gives_the_logits_of_the_masks(model):
    texts = ["the [MASK] sat", "a [MASK] [MASK]"]
    logits = model.predict(texts)
    assert [one.shape for one in logits] == [(1, 40), (2, 40)]
    ids = np.array(TOKENIZER.tokenize(texts).ids[:1])
    np.testing.assert_allclose(logits[0][0], np.array(model(ids))[0, 2], atol=1e-5)


@pytest.mark.filterwarnings("ignore:The head of this")
@pytest.mark.parametrize("ask", ["fill_mask", "score", "token_scores", "predict", "evaluate"])
def test_without_a_tokenizer(ask):
    with pytest.raises(UserError, match=r"no vocabulary yet: train it with fit on texts"):
        getattr(make(tokenizer=None), ask)(["the [MASK]"])


@pytest.mark.filterwarnings("ignore:The head of this")
def test_what_is_refused(model):
    long = "[MASK] " * 9
    with pytest.raises(UserError, match=r"texts\[1\] has no mask: write \[MASK\] in the place of"):
        model.fill_mask(["[MASK]", "the cat"])
    for ask in (model.fill_mask, model.score, model.predict):
        with pytest.raises(UserError, match=r"texts\[0\] has 11 tokens and the model takes"):
            ask([long])
    with pytest.raises(ValueError, match="top_k=0 is not a positive integer"):
        model.fill_mask("[MASK]", top_k=0)
    with pytest.raises(UserError, match="targets names no word"):
        model.fill_mask("[MASK]", targets=[])
    with pytest.raises(UserError, match=r"targets\[1\] is ' ', which has no tokens"):
        model.fill_mask("[MASK]", targets=["cat", " "])
    alone = WordPieceTokenizer.from_vocabulary([w for w in WORDS if w != "[MASK]"])
    for ask in (make(alone).fill_mask, make(alone).score, make(alone).evaluate):
        with pytest.raises(UserError, match="The vocabulary has no mask token"):
            ask(["the cat"])
    with pytest.raises(UserError, match=r"takes texts without labels.*leave y out"):
        model.fit(TEXTS, ["a"] * len(TEXTS))
    with pytest.raises(UserError, match="class_weight is of classes, which texts have none of"):
        model.fit(TEXTS, class_weight={0: 2.0})
    with pytest.raises(UserError, match="None of so few tokens was chosen"):
        model.evaluate(["cat"])
    with pytest.raises(UserError, match="There is no text to train or evaluate on"):
        model.evaluate([])


def test_scores_in_batches_of_any_size(model):
    texts = ["the cat sat on a dog", "", "a dog ran"]
    scores = model.score(texts, batch_size=2)
    np.testing.assert_allclose(model.score(texts), scores, atol=1e-5)
    assert scores[1] == 0
    rows = model.token_scores(texts)
    assert [[token for token, _ in row] for row in rows] == [text.split() for text in texts]
    np.testing.assert_allclose([sum(s for _, s in row) for row in rows], scores, atol=1e-5)
    assert model.score([]).shape == (0,)


def test_an_untrained_head_is_warned_of():
    for ask in ("fill_mask", "score"):
        with pytest.warns(
            UserWarning, match="head of this MaskedLanguageModel has not been trained"
        ):
            getattr(make(), ask)(["[MASK]"])


# Training


def hidden_ids(data, epoch):
    """Of each text what `data` makes of it in an epoch."""
    data.start_epoch(epoch)
    rows = np.arange(len(data.lengths))
    return data.inputs(rows)["input_word_ids"]


def test_each_epoch_hides_others_and_a_seed_always_the_same():
    def batches(**options):
        masking = TokenMasking.of(TOKENIZER)
        return MaskedBatches(TOKENIZER.tokenize(TEXTS), masking, max_length=10, **options)

    one = batches(seed=1, batch_size=4)
    assert (hidden_ids(one, 0) != hidden_ids(one, 1)).any()
    again = batches(seed=1, batch_size=3, in_order=True)
    np.testing.assert_array_equal(hidden_ids(one, 1), hidden_ids(again, 1))
    assert (hidden_ids(batches(seed=2), 1) != hidden_ids(one, 1)).any()
    fixed = batches()
    np.testing.assert_array_equal(hidden_ids(fixed, 0), hidden_ids(fixed, 1))
    np.testing.assert_array_equal(hidden_ids(fixed, 0)[:4], hidden_ids(fixed, 0)[4:8])


def test_what_a_batch_holds():
    weights = np.arange(len(TEXTS), dtype="float32")
    tokenized = TOKENIZER.tokenize(TEXTS)
    masking = TokenMasking(4, 12, (0, 1, 2, 3, 4), rate=0.5)
    data = MaskedBatches(tokenized, masking, sample_weight=weights, batch_size=5, max_length=10)
    for rows, (inputs, labels, own) in zip(data.batches, data, strict=True):
        ids, positions = inputs["input_word_ids"], inputs["masked_lm_positions"]
        assert labels.shape == own.shape == positions.shape
        for k, row in enumerate(rows.tolist()):
            true, was_guess = np.array(tokenized.ids[row]), np.zeros(len(tokenized.ids[row]), bool)
            count = int((positions[k] > 0).sum())  # the first token is never chosen
            was_guess[positions[k, :count]] = True
            assert (labels[k, :count] == true[was_guess]).all()
            assert (own[k, :count] == row).all()
            assert not own[k, count:].any()
            assert (ids[k, : len(true)] == true)[~was_guess].all()


def test_positions_have_few_widths():
    positions = [np.arange(n) for n in range(1, 30)]
    data = GuessBatches(Tokenized([[7] * 30] * 29), positions, batch_size=1)
    widths = {int(one["masked_lm_positions"].shape[1]) for (one,) in data}
    assert widths == ({30} if are_few() else {1, 2, 4, 8, 16, 24, 30})


def test_training_makes_the_texts_likelier(model):
    trained = make()
    told = {"epochs": 12, "batch_size": 16, "learning_rate": 3e-2, "verbose": 0}
    history = trained.fit(TEXTS, validation_data=TEXTS[:8], validation_freq=12, **told).history
    assert history.keys() == {
        *("loss", "accuracy", "val_loss", "val_accuracy", "val_perplexity"),
    }
    before, after = (m.evaluate(TEXTS * 9, return_dict=True, verbose=0) for m in (model, trained))
    assert after["loss"] < 0.7 * before["loss"]
    assert after["perplexity"] == pytest.approx(np.exp(after["loss"]))
    assert (trained.score(TEXTS) > model.score(TEXTS)).all()
    listed = trained.evaluate(TEXTS * 9, batch_size=7, verbose=0)
    np.testing.assert_allclose(listed, [after["loss"], after["accuracy"]], rtol=1e-4)


def test_a_seed_trains_the_same_weights():
    models = [make() for _ in range(3)]
    for each, seed in zip(models, (1, 1, 2), strict=True):
        each.fit(TEXTS[:8], epochs=2, seed=seed, verbose=0)
    one, same, other = (np.concatenate([w.ravel() for w in m.get_weights()]) for m in models)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0


def test_a_data_set_and_pairs(model):
    rows = Split(TEXTS, np.zeros(len(TEXTS), "int32"))
    dataset = LabeledDataset("cats", ("a", "b"), {"train": rows, "test": rows})
    expected = model.evaluate(TEXTS, verbose=0, return_dict=True)
    for given in (dataset, rows):
        assert model.evaluate(given, verbose=0, return_dict=True) == pytest.approx(expected)
    pairs = [(one, one) for one in ("the cat sat", "a dog ran")] * 4
    assert np.isfinite(model.evaluate(pairs, verbose=0)).all()


def test_from_nothing_but_texts(tmp_path):
    scratch = make(tokenizer=None, max_length=6)
    scratch.fit(TEXTS, epochs=1, verbose=0)
    assert scratch.tokenizer.vocab_size <= 40
    guesses = scratch.fill_mask("the [MASK] sat")
    scratch.save_pretrained(tmp_path / "saved")
    scratch.save(tmp_path / "model.keras")
    read = MaskedLanguageModel.from_pretrained(tmp_path / "saved")
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        assert again.fill_mask("the [MASK] sat") == guesses
        assert again.max_length == 6


def test_a_frozen_encoder_keeps_its_weights():
    frozen = make(freeze_encoder=True)
    before = frozen.encoder.get_weights()
    head = frozen.masked_lm.get_weights()
    frozen.fit(TEXTS, epochs=1, verbose=0)
    for one, other in zip(frozen.encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((a != b).any() for a, b in zip(frozen.masked_lm.get_weights(), head, strict=True))


def test_compiled_by_hand(model):
    own = make()
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    own.compile(keras.optimizers.Adam(0.01), loss)
    own.fit(TEXTS, epochs=1, verbose=0)
    scores = own.evaluate(TEXTS * 3, batch_size=99, return_dict=True, verbose=0)
    assert scores.keys() == {"loss", "accuracy", "perplexity"}
    assert own.evaluate(TEXTS * 3, batch_size=99, verbose=0) == pytest.approx(scores["loss"])
    assert np.log(scores["perplexity"]) == pytest.approx(scores["loss"], rel=1e-4)
    assert np.isfinite(own.train_on_batch(TEXTS))
    with pytest.raises(UserError, match="class_weight is for one label per example"):
        own.fit(np.array([[2, 5, 3]]), np.array([[2, 5, 3]]), class_weight={2: 1.0})


@pytest.mark.parametrize(
    ("texts", "tokenizer", "message"),
    [
        ([], TOKENIZER, "There is no text to train or evaluate on"),
        ([], None, "The texts hold no word to learn"),
        (["the cat sat on a dog"], TOKENIZER, "have fewer than 7 tokens that could be guessed"),
        (["[SEP] [MASK]"] * 9, TOKENIZER, "have fewer than 7 tokens that could be guessed"),
        ([""] * 9, TOKENIZER, "have fewer than 7 tokens that could be guessed"),
    ],
)
def test_too_few_texts_to_train_on_are_a_sentence(texts, tokenizer, message):
    with pytest.raises(UserError, match=message):
        make(tokenizer).fit(texts, epochs=1, verbose=0)


def test_one_text_of_enough_words_is_trained_on():
    make().fit(["the cat sat on a dog the"], epochs=1, verbose=0)
    with pytest.raises(UserError, match="have fewer than 7 tokens"):
        make().fit(TEXTS, epochs=1, verbose=0, validation_data=["a cat"])
