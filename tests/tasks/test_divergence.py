"""Training that diverges, and models that did."""

import threading

import keras
import numpy as np
import pytest

from kerasformer.embedder import TextEmbedder
from kerasformer.errors import DivergenceError, UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks.fitting.divergence import DivergenceCheck
from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.usefixtures("eager")

ENDLESS = 1e38  # a learning rate after whose first step nothing is a number


def test_fit_says_that_training_diverged(make, texts, ids):
    model, seen = make(), []

    class Seen(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            seen.append("end")

    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = ENDLESS
    with pytest.raises(UserError, match=r"diverged.*lost.*learning_rate far below 1e\+38") as error:
        model.fit(texts, ids, epochs=50, batch_size=2, callbacks=[Seen()], verbose=0)
    assert "\n" not in str(error.value)
    assert seen == ["end"]
    assert len(model.history.epoch) < 50


def test_the_first_batch_is_named_whichever_is_seen_first():
    check = DivergenceCheck()
    check.set_model(keras.Sequential())
    for batch in (6, 4, 5):
        check.on_train_batch_end(batch, {"loss": np.nan})
    assert check.model.stop_training
    with pytest.raises(DivergenceError, match="the loss is nan at batch 5 of epoch 1"):
        check.refuse(0.1)


@pytest.mark.backend("jax")
def test_no_step_is_waited_for_before_the_next_begins(make, texts, ids, monkeypatch):
    """Keras has the loss of each fetched in threads, as no callback of ours needs it sooner."""
    threads, check = set(), DivergenceCheck.on_train_batch_end

    def noted(self, batch, logs=None):
        threads.add(threading.current_thread())
        check(self, batch, logs)

    monkeypatch.setattr(DivergenceCheck, "on_train_batch_end", noted)
    make().fit(texts, ids, epochs=1, batch_size=2, verbose=0)
    assert threads
    assert threading.main_thread() not in threads


def test_weights_that_were_lost_in_the_last_batch_are_seen(make, texts, ids):
    model = make()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = np.inf
    with pytest.raises(UserError, match="weights are not finite after the last batch"):
        model.fit(texts, ids, epochs=1, batch_size=6, verbose=0)


def test_a_model_that_diverged_answers_and_saves_nothing(make, texts, ids, tmp_path):
    model = make()
    model.head.bias.assign([np.nan, 0.0])
    for answer in (model.classify, model.predict_proba):
        with pytest.raises(UserError, match=r"answer to texts\[0\] is not a number"):
            answer(texts)
    with pytest.raises(UserError, match="is not a number"):
        model.evaluate(texts, ids)
    with pytest.raises(UserError, match="is not finite") as error:
        model.save_pretrained(tmp_path / "model")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_pure_float16_is_not_trained(make, texts, ids):
    if make.kind == "frozen":
        pytest.skip("its head is in float32")
    with pytest.raises(UserError, match="dtype='mixed_float16'"):
        make(dtype="float16").fit(texts, ids, verbose=0)


@pytest.mark.parametrize(
    "policy", ["float16", "float64", "bfloat16", "mixed_float16", "mixed_bfloat16"]
)
def test_every_policy_trains_answers_and_saves(make, texts, ids, policy, tmp_path):
    model = make(dtype=policy)
    if policy != "float16" or make.kind == "frozen":
        history = model.fit(texts, ids, epochs=2, validation_data=(texts, ids), verbose=0).history
        assert np.isfinite(history["loss"] + history["val_loss"]).all()
    logits = model.predict(texts)
    assert logits.dtype == "float32"
    assert np.isfinite(model.evaluate(texts, ids)).all()
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.dtype_policy.name == policy
    np.testing.assert_allclose(copy.predict(texts), logits, atol=1e-6)


def test_the_same_seed_trains_the_same_weights(make, texts, ids, weights_of):
    models = [make(dropout=0.3) for _ in range(3)]
    for model, seed in zip(models, (3, 3, 4), strict=True):
        keras.utils.set_random_seed(len(texts) + id(model) % 99)
        model.fit(texts, ids, epochs=2, batch_size=3, seed=seed, verbose=0)
    same, again, other = map(weights_of, models)
    np.testing.assert_array_equal(same, again)
    assert np.abs(same - other).max() > 0


def test_the_same_seed_trains_the_same_weights_in_a_graph(make, texts, ids, weights_of):
    if make.kind != "tuned":
        return
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(False)
    model = make(dropout=0.3)
    start, trained = model.get_weights(), []
    for _ in range(2):
        model.set_weights(start)
        model.fit(texts, ids, epochs=2, batch_size=3, seed=3, restart=True, verbose=0)
        trained.append(weights_of(model))
    np.testing.assert_array_equal(*trained)


def test_a_frozen_head_takes_all_layers(make):
    model = make()
    if make.kind == "scratch":
        return
    assert model.get_config()["layers"] == ("all" if make.kind == "frozen" else "last")
    explicit = make(layers="last")
    assert explicit.get_config()["layers"] == "last"
    assert type(model).from_config(explicit.get_config()).get_config()["layers"] == "last"


def test_an_encoder_and_an_embedder_that_diverged_are_not_saved(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine"]
    config = EncoderConfig(
        len(words), hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8, max_length=8
    )
    encoder, tokenizer = BertEncoder(config), WordPieceTokenizer.from_vocabulary(words)
    dense = keras.layers.Dense(4, bias_initializer=keras.initializers.Constant(np.inf))
    dense.build((None, 8))
    embedder = TextEmbedder(encoder, tokenizer, dense=[dense])
    with pytest.raises(UserError, match="bias of this Dense is not finite"):
        embedder.save_pretrained(tmp_path / "model")
    encoder.embedding.word_embeddings.embeddings.assign(np.full((len(words), 8), np.nan))
    for model in (encoder, embedder):
        with pytest.raises(UserError, match="of this BertEncoder is not finite") as error:
            model.save_pretrained(tmp_path / "model")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()
