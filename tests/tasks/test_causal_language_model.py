"""Texts that are continued, scored and learnt; tests/parity has transformers' for the same."""

import keras
import numpy as np
import pytest

from kerasformer.data.raw import TokenCorpus
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, CausalDecoder, DecoderConfig, EncoderConfig
from kerasformer.tasks import CausalLanguageModel, MaskedLanguageModel, TextClassifier
from kerasformer.tasks.pretraining.generation import Sampling, _choose
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "ran", "on", "a"]
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
TEXTS = ["the cat sat on a dog", "a dog ran", "the dog sat on the cat", "a cat ran on"] * 4
PROMPTS = ["the cat", "", "a dog ran on the", "the"]


def make(tokenizer=TOKENIZER, seed=3, norm_first=True, **options):
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 16}
    sizes |= {"vocab_size": 40, "max_length": 24, "initializer_range": 0.5, "dropout": 0.0}
    config = DecoderConfig(attention_dropout=0.0, norm_first=norm_first, **sizes)
    return CausalLanguageModel(CausalDecoder(config), tokenizer, **options)


@pytest.fixture(scope="module")
def model():
    model = make()
    model.head_is_new = False
    return model


def by_hand(model, prompt, count):
    """The likeliest tokens, each by a call for all tokens so far."""
    ids = [2, *next(TOKENIZER.ids([prompt]))]
    for _ in range(count):
        logits = keras.ops.convert_to_numpy(model(np.array([ids])))[0, -1]
        ids.append(int(logits[: len(WORDS)].argmax()))
        if ids[-1] == TOKENIZER.sep_id:
            break
    return TOKENIZER.decode([ids])[0]


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_cache_changes_no_token(model, norm_first):
    if not norm_first:
        model = make(norm_first=False)
        model.head_is_new = False
    expected = [by_hand(model, prompt, 7) for prompt in PROMPTS]
    assert model.generate(PROMPTS, max_new_tokens=7) == expected


def test_batches_change_no_text(model):
    together = model.generate(PROMPTS, 12, temperature=1.5, seed=4)
    assert model.generate(PROMPTS, 12, temperature=1.5, seed=4, batch_size=1) == together
    assert model.generate(PROMPTS[0], 12, temperature=1.5, seed=4) == together[0]
    assert model.generate(PROMPTS, 12, temperature=1.5, seed=5) != together
    assert model.generate([], 3) == []
    # Only the likeliest token is left to be drawn.
    greedy = model.generate(PROMPTS, 12)
    assert model.generate(PROMPTS, 12, temperature=2.0, top_k=1) == greedy
    assert model.generate(PROMPTS, 12, temperature=1.0, top_p=1e-6) == greedy


def reference(logits, temperature, top_k, top_p):
    """The distribution of tokens, as transformers' warpers have it."""
    scores = np.where(np.arange(len(logits)) < len(logits) - 2, logits / temperature, -np.inf)
    if top_k:
        scores[scores < np.sort(scores)[-top_k]] = -np.inf
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities)
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= top_p]] = 0
    return probabilities / probabilities.sum()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 4, 1.0), (1.0, 0, 0.6), (1.3, 7, 0.8)],
)
def test_draws_have_the_distribution(temperature, top_k, top_p):
    logits = np.random.default_rng(1).normal(size=12).astype("float32") * 1.5
    count = 40_000
    draws = (np.arange(count, dtype="float32") + 0.5) / count  # each part of 0 to 1 alike
    rows = np.tile(logits, (count, 1))
    settings = np.tile(np.array([temperature, top_k or 10, top_p], "float32"), (count, 1))
    known = np.full(count, 10)
    drawn = keras.ops.convert_to_numpy(
        _choose(keras.ops.convert_to_tensor(rows), known, settings, draws)
    )
    found = np.bincount(drawn, minlength=12) / count
    np.testing.assert_allclose(found, reference(logits, temperature, top_k, top_p), atol=1e-4)


def test_draws_are_even_and_each_prompts_own():
    one, other = (Sampling(1.0, seed=3).draws(row, 5000) for row in (0, 1))
    for draws in (one, other):
        np.testing.assert_allclose(np.histogram(draws, 5, (0, 1))[0] / 5000, 0.2, atol=0.03)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    np.testing.assert_array_equal(Sampling(1.0, seed=3).draws(1, 70), other[:70])


def test_scores_are_those_of_the_logits(model):
    texts = ["the cat sat", "", "a dog ran on"]
    scores = model.score(texts, batch_size=2)
    for text, score in zip(texts, scores, strict=True):
        ids = next(TOKENIZER.ids([text]))
        logits = keras.ops.convert_to_numpy(model(np.array([[2, *ids]])))[0]
        own = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[range(len(ids)), ids]
        assert score == pytest.approx(own.sum(), abs=1e-4)
    rows = model.token_scores(texts)
    assert [[token for token, _ in row] for row in rows] == [text.split() for text in texts]
    np.testing.assert_allclose([sum(s for _, s in row) for row in rows], scores, atol=1e-4)
    assert model.score([]).shape == (0,)


@pytest.mark.usefixtures("eager")
def test_a_longer_text_loses_its_end(model):
    """As many tokens are guessed as the model takes."""
    ids = [2, *next(TOKENIZER.ids(["the cat sat on a dog"]))]
    logits = keras.ops.convert_to_numpy(model(np.array([ids[:4]])))[0]
    own = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[range(4), ids[1:5]]
    short = CausalLanguageModel(model.encoder, TOKENIZER, max_length=4)
    told = short.evaluate(["the cat sat on a dog"], return_dict=True, verbose=0)
    assert told["loss"] == pytest.approx(-own.mean(), abs=1e-5)


def test_predict_gives_the_logits_of_the_next_token(model):
    logits = model.predict(PROMPTS)
    assert logits.shape == (4, 40)
    for prompt, own in zip(PROMPTS, logits, strict=True):
        ids = np.array([[2, *next(TOKENIZER.ids([prompt]))]])
        np.testing.assert_allclose(own, np.array(model(ids))[0, -1], atol=1e-4)


def test_no_token_sees_those_behind_it(model):
    ids = np.random.default_rng(0).integers(5, 12, (3, 9))
    changed = ids.copy()
    changed[:, 6:] = 7
    one, other = (keras.ops.convert_to_numpy(model(x)) for x in (ids, changed))
    np.testing.assert_allclose(one[:, :6], other[:, :6], atol=1e-5)
    assert np.abs(one[:, 6:] - other[:, 6:]).max() > 0.1


@pytest.mark.usefixtures("eager")
def test_training_makes_the_texts_likelier(tmp_path):
    trained = make(tokenizer=None)
    trained.fit(TEXTS, epochs=1, verbose=0)
    assert trained.tokenizer.vocab_size <= 40
    before = trained.evaluate(TEXTS, return_dict=True, verbose=0)
    told = {"epochs": 4, "learning_rate": 1e-2, "verbose": 0, "restart": True}
    history = trained.fit(TEXTS, validation_data=TEXTS[:8], validation_freq=4, **told).history
    assert {"val_loss", "val_accuracy", "val_perplexity"} <= history.keys()
    after = trained.evaluate(TEXTS, return_dict=True, verbose=0)
    assert after["loss"] < 0.8 * before["loss"]
    assert after["perplexity"] == pytest.approx(np.exp(after["loss"]), rel=1e-5)
    assert np.isfinite(trained.train_on_batch(TEXTS)).all()
    ids = np.array([[2, 5, 6, 7]])
    logits = trained(ids)
    trained.save_pretrained(tmp_path / "saved")
    trained.save(tmp_path / "model.keras")
    read = CausalLanguageModel.from_pretrained(tmp_path / "saved")
    assert read.encoder.config.eos_token_id == trained.tokenizer.sep_id
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_array_equal(again(ids), logits)
        assert again.tokenizer.to_json() == trained.tokenizer.to_json()


@pytest.mark.usefixtures("eager")
def test_a_corpus_is_trained_on():
    corpus = TokenCorpus.of([" . ".join(TEXTS)] * 3, TOKENIZER)
    model = make(max_length=12)
    history = model.fit(corpus, epochs=1, batch_size=4, verbose=0, validation_data=(corpus,))
    assert np.isfinite(history.history["val_perplexity"]).all()
    told = model.evaluate(corpus, return_dict=True, verbose=0)
    assert told["loss"] == pytest.approx(history.history["val_loss"][0], rel=1e-3)
    with pytest.raises(UserError, match="TokenCorpus is to train or evaluate on: give predict"):
        model.predict(corpus)


@pytest.mark.usefixtures("eager")
def test_a_classifier_over_the_last_token(tmp_path):
    decoder = make().encoder
    classifier = TextClassifier(["cat", "dog"], decoder, TOKENIZER, dropout=0.0)
    assert (classifier.pooling, classifier.head.use_bias) == ("lasttoken", False)
    texts, labels = ["the cat", "a cat sat on", "the dog", "a dog ran"] * 4, [0, 0, 1, 1] * 4
    classifier.fit(texts, labels, epochs=12, learning_rate=1e-2, verbose=0)
    assert classifier.evaluate(texts, labels, return_dict=True, verbose=0)["accuracy"] == 1
    ids = [2, *next(TOKENIZER.ids(["a cat sat"])), 3]
    vector = classifier.encoder(np.array([ids]))["sequence_output"][:, -1]
    expected = keras.ops.convert_to_numpy(classifier.head(vector))
    np.testing.assert_allclose(classifier.predict(["a cat sat"]), expected, atol=1e-4)
    classifier.save_pretrained(tmp_path / "saved")
    classifier.save(tmp_path / "model.keras")
    read = TextClassifier.from_pretrained(tmp_path / "saved")
    for again in (read, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_allclose(again.predict(texts), classifier.predict(texts), atol=1e-6)


@pytest.mark.usefixtures("eager")
def test_frozen_and_in_other_layers(tmp_path):
    frozen = TextClassifier(2, make().encoder, TOKENIZER, freeze_encoder=True)
    frozen.fit(["the cat", "the dog"] * 3, [0, 1] * 3, epochs=1, verbose=0)
    assert frozen.head.use_bias  # over all layers, which transformers has no class for
    frozen.save_pretrained(tmp_path)
    again = TextClassifier.from_pretrained(tmp_path)
    np.testing.assert_allclose(again.predict(TEXTS[:4]), frozen.predict(TEXTS[:4]), atol=1e-6)
    middle = TextClassifier(2, make().encoder, TOKENIZER, layers=1)
    trained = {w.path.split("/")[1] for w in middle.encoder.weights} - {
        w.path.split("/")[1] for w in middle.trainable_weights
    }
    assert trained == {"layer_1", "final_layer_norm"}  # that no gradient reaches
    pairs = TextClassifier(2, make().encoder, TOKENIZER)
    assert pairs.predict([("the cat", "a dog")]).shape == (1, 2)


@pytest.mark.filterwarnings("ignore:This CausalLanguageModel has not been trained")
@pytest.mark.usefixtures("eager")
def test_what_is_refused(model):
    with pytest.raises(UserError, match=r"prompts\[1\] has 13 tokens, and with 12 more is longer"):
        model.generate(["the", "the cat " * 6], 12)
    with pytest.raises(ValueError, match="top_k and top_p are for tokens that are drawn: give a"):
        model.generate("the", top_k=3)
    for wrong in ({"temperature": -1.0}, {"top_p": 0}, {"top_k": -1}, {"temperature": True}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.* is not a number from"):
            model.generate("the", **{"temperature": 1.0, **wrong})
    with pytest.raises(ValueError, match="max_new_tokens=0 is not a positive integer"):
        model.generate("the", 0)
    with pytest.raises(UserError, match="texts, and no pairs"):
        model.fit([("the cat", "a dog")], epochs=1)
    with pytest.raises(UserError, match=r"takes texts without labels.*leave y out"):
        model.fit(TEXTS, ["a"] * len(TEXTS))
    with pytest.raises(UserError, match="There is no text to train or evaluate on"):
        model.evaluate([])
    for ask in (model.score, model.predict):
        with pytest.raises(UserError, match=r"texts\[0\] has 2\d tokens and the model takes"):
            ask(["the cat " * 13])
    for ask in ("generate", "score", "predict"):
        with pytest.raises(UserError, match="no vocabulary yet: train it with fit on texts"):
            getattr(make(tokenizer=None), ask)(["the"])
    with pytest.raises(ValueError, match="Expected encoder to be a CausalDecoder, got"):
        CausalLanguageModel(BertEncoder(EncoderConfig.bert("tiny", vocab_size=40)))
    with pytest.raises(ValueError, match="Expected encoder to be a BertEncoder, got"):
        MaskedLanguageModel(model.encoder)


def test_an_untrained_model_is_warned_of():
    with pytest.warns(UserWarning, match="This CausalLanguageModel has not been trained"):
        make().generate("the", 1)
