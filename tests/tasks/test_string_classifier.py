"""`fit`, `evaluate` and `predict` on texts, against Keras' own on tensors."""

import functools
import inspect

import keras
import numpy as np
import pytest

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier, TransformerClassifier
from kerasformer.tasks.examples import hold_strings
from kerasformer.tasks.texts.reading import read_examples
from kerasformer.text import WordPieceTokenizer, WordTokenizer, pack

pytestmark = pytest.mark.usefixtures("eager")

TEXTS = ["a fine film", "so dull", "fine", "truly dull acting", "fine acting", "dull film indeed"]
LABELS = ["good", "bad"] * 3
IDS = np.array([1, 0] * 3)
WEIGHTS = np.array([1, 2, 0, 1, 3, 1], "float32")
NAMES = ["bad", "good"]
LOSS = functools.partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True)


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer.train(TEXTS, vocab_size=60)


@pytest.fixture
def make(tokenizer):
    def make(compiled=True, **changes):
        keras.utils.set_random_seed(0)
        model = TransformerClassifier(
            NAMES, vocab_size=60, max_length=8, hidden_size=8, dropout=0.0, tokenizer=tokenizer
        )
        if compiled:
            options = {"optimizer": keras.optimizers.SGD(0.1), "loss": LOSS(), **changes}
            model.compile(**options)
        return model

    return make


@pytest.fixture
def ids(tokenizer):
    return pack(tokenizer.tokenize(TEXTS), pad_to=8)


def weights_of(model):
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in model.weights])


def assert_alike(one, other):
    np.testing.assert_allclose(weights_of(one), weights_of(other), atol=1e-6)


OPTIONS = {
    "plain": {},
    "sample_weight": {"sample_weight": WEIGHTS},
    "class_weight": {"class_weight": {0: 3.0, 1: 0.5}},
    "initial_epoch": {"initial_epoch": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_training_on_texts_is_kerass_training_on_their_ids(make, ids, options):
    """One batch a pass, so that the order and the padding cannot matter."""
    ours, theirs = make(), make()
    common = {"batch_size": 6, "epochs": 3, "verbose": 0, **options}
    history = ours.fit(TEXTS, LABELS, **common).history
    expected = theirs.fit(ids, IDS, **common).history
    assert_alike(ours, theirs)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_both_kinds_of_weights_multiply(make):
    """Keras refuses the two together."""
    one, other = make(), make()
    classes = {"class_weight": {"bad": 3.0, "good": 0.5}, "sample_weight": WEIGHTS}
    one.fit(TEXTS, LABELS, batch_size=6, verbose=0, **classes)
    product = WEIGHTS * np.array([3.0, 0.5])[IDS]
    other.fit(TEXTS, LABELS, batch_size=6, verbose=0, sample_weight=product)
    assert_alike(one, other)


@pytest.mark.usefixtures("eager")
def test_without_shuffling_the_batches_are_kerass(make, ids):
    ours, theirs = make(), make()
    common = {"batch_size": 2, "epochs": 2, "verbose": 0, "shuffle": False}
    ours.fit(TEXTS, LABELS, **common)
    theirs.fit(ids, IDS, **common)
    assert_alike(ours, theirs)


@pytest.mark.usefixtures("eager")
def test_validation_is_kerass(make, ids):
    ours, theirs = make(metrics=["accuracy"]), make(metrics=["accuracy"])
    common = {"batch_size": 6, "epochs": 2, "verbose": 0}
    for data, expected in (
        ({"validation_split": 0.34}, {"validation_split": 0.34}),
        (
            {"validation_data": (TEXTS, LABELS, WEIGHTS), "validation_batch_size": 2},
            {"validation_data": (ids, IDS, WEIGHTS), "validation_batch_size": 2},
        ),
        (
            {"validation_data": (TEXTS[:2], LABELS[:2]), "validation_freq": 2},
            {"validation_data": ({k: v[:2] for k, v in ids.items()}, IDS[:2]),
             "validation_freq": 2},
        ),
        (
            {"validation_data": (TEXTS, LABELS), "validation_batch_size": 2, "validation_steps": 1},
            {"validation_data": ({k: v[:2] for k, v in ids.items()}, IDS[:2])},
        ),
    ):  # fmt: skip
        one = ours.fit(TEXTS, LABELS, **data, **common).history
        other = theirs.fit(ids, IDS, **expected, **common).history
        assert one.keys() == other.keys()
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-4, err_msg=name)


@pytest.mark.usefixtures("eager")
def test_steps_per_epoch_goes_on_through_the_texts(make):
    model, seen = make(), []

    class Seen(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    options = {"batch_size": 2, "epochs": 3, "steps_per_epoch": 2, "verbose": 0}
    model.fit(TEXTS, LABELS, callbacks=[Seen()], **options)
    assert seen == [0, 1] * 3
    every = make()
    every.fit(TEXTS, LABELS, batch_size=2, epochs=2, shuffle=False, verbose=0)
    parts = make()
    parts.fit(TEXTS, LABELS, **options, shuffle=False)
    assert_alike(parts, every)


@pytest.mark.parametrize("options", [{}, {"sample_weight": WEIGHTS}, {"batch_size": 2, "steps": 2}])
def test_evaluate_is_kerass(make, ids, options):
    model = make(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(1, name="top")])
    expected = model.evaluate(ids, IDS, verbose=0, return_dict=True, **options)
    ours = model.evaluate(TEXTS, LABELS, return_dict=True, **options)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, err_msg=name)
    assert {"precision", "recall", "f1", "per_class", "confusion_matrix"} <= ours.keys()
    values = model.evaluate(TEXTS, LABELS, **options)
    np.testing.assert_allclose(
        values, [expected[n] for n in ("loss", "accuracy", "top")], rtol=1e-5
    )


def test_evaluate_before_any_compile(make):
    model = make(compiled=False)
    loss, accuracy = model.evaluate(TEXTS, LABELS)
    everything = model.evaluate(TEXTS, LABELS, return_dict=True)
    assert (loss, accuracy) == (everything["loss"], everything["accuracy"])
    only_loss = make().evaluate(TEXTS, LABELS)  # compiled without metrics: a scalar, as in Keras
    np.testing.assert_allclose(only_loss, loss, rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_labels_may_be_one_hot(make, ids):
    ours, theirs = (make(loss=keras.losses.CategoricalCrossentropy(from_logits=True)) for _ in "12")
    one_hot = np.eye(2)[IDS]
    ours.fit(TEXTS, one_hot, batch_size=6, verbose=0, epochs=2)
    theirs.fit(ids, one_hot, batch_size=6, verbose=0, epochs=2)
    assert_alike(ours, theirs)
    by_recipe = make(compiled=False)
    by_recipe.fit(TEXTS, one_hot, verbose=0)
    assert isinstance(by_recipe.loss, keras.losses.CategoricalCrossentropy)
    assert 0 <= by_recipe.evaluate(TEXTS, one_hot, return_dict=True)["accuracy"] <= 1


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(2 * index, 2 * index + 2)
        return np.array(TEXTS[rows]), np.array(LABELS[rows]), WEIGHTS[rows]


def tf_pairs(batch_size=2):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS, WEIGHTS))
    return dataset.batch(batch_size) if batch_size else dataset


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", ["tf.data", "one by one", "PyDataset"])
def test_a_data_set_of_strings_trains(make, kind):
    dataset = {"tf.data": tf_pairs, "one by one": lambda: tf_pairs(None), "PyDataset": Pairs}[
        kind
    ]()
    expected, model = make(), make()
    options = {"batch_size": 6, "epochs": 2, "verbose": 0}
    expected.fit(TEXTS, LABELS, sample_weight=WEIGHTS, **options)
    history = model.fit(dataset, validation_data=dataset, **options).history
    assert_alike(model, expected)
    assert "val_loss" in history
    np.testing.assert_allclose(
        model.evaluate(dataset), model.evaluate(TEXTS, LABELS, sample_weight=WEIGHTS)
    )
    assert model.predict(dataset).shape == (6, 2)


def test_tensors_of_strings_are_texts(make):
    tf = pytest.importorskip("tensorflow")
    model = make()
    np.testing.assert_allclose(model.predict(tf.constant(TEXTS)), model.predict(TEXTS))


def test_columns_of_strings_are_texts(make):
    model = make()
    expected = model.predict(TEXTS)
    np.testing.assert_allclose(model.predict([t.encode() for t in TEXTS]), expected)
    np.testing.assert_allclose(model.predict(TEXTS, batch_size=2, steps=2), expected[:4], atol=1e-6)


def test_what_a_data_set_cannot_be_is_refused_in_a_sentence(make):
    model = make()
    with pytest.raises(ValueError, match="parts of its elements"):
        model.fit(tf_pairs(), LABELS)
    with pytest.raises(ValueError, match="endless"):
        model.fit(tf_pairs().repeat())


def test_what_cannot_be_is_refused_in_a_sentence(make):
    model = make()
    with pytest.raises(UserError, match="got 6 texts and 5 labels"):
        model.fit(TEXTS, LABELS[:5])
    with pytest.raises(UserError, match="got 6 texts and 2 sample_weight"):
        model.fit(TEXTS, LABELS, sample_weight=[1, 2])
    with pytest.raises(UserError, match="no labels"):
        model.fit(TEXTS)
    with pytest.raises(UserError, match=r"texts\[0\] is None"):
        model.predict([None])
    with pytest.raises(ValueError, match="validation_split=2"):
        model.fit(TEXTS, LABELS, validation_split=2)
    with pytest.raises(UserError, match="leaves no text on one side"):
        model.fit(TEXTS, LABELS, validation_split=0.99)
    with pytest.raises(ValueError, match=r"learning_rate=0\.1 needs texts and a model that fit"):
        model.fit(TEXTS, LABELS, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"weight_decay=0\.1 needs texts"):
        make(compiled=False).fit(np.ones((1, 8), "int32"), [0], weight_decay=0.1)
    for call in (model.fit, model.evaluate, model.predict):
        arguments = (TEXTS,) if call == model.predict else (TEXTS, LABELS)
        with pytest.raises(TypeError, match="batchsize"):
            call(*arguments, batchsize=3)
    frozen = make()
    frozen.trainable = False
    with pytest.raises(UserError, match="no trainable weights"):
        frozen.fit(TEXTS, LABELS)


def test_what_holds_strings():
    assert all(map(hold_strings, [TEXTS, np.array(TEXTS), tuple(TEXTS), [], [b"a"], tf_pairs()]))
    others = [np.ones((2, 3)), {"input_word_ids": np.ones((2, 3))}, [[1, 2]], [np.ones(2)], None]
    others.append(tf_pairs().map(lambda text, label, weight: (weight, label)))
    assert not any(map(hold_strings, others))
    assert read_examples(tf_pairs()).labels.tolist() == LABELS


def test_predict_calls_the_callbacks(make):
    calls = []

    class Calls(keras.callbacks.Callback):
        def on_predict_begin(self, logs=None):
            calls.append("begin")

        def on_predict_batch_end(self, batch, logs=None):
            calls.append((batch, logs["outputs"].shape))

        def on_test_end(self, logs=None):
            calls.append("tested")

    model = make()
    model.predict(TEXTS, batch_size=4, callbacks=[Calls()])
    model.evaluate(TEXTS, LABELS, callbacks=[Calls()])
    assert calls == ["begin", (0, (4, 2)), (1, (2, 2)), "tested"]


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "compile"])
def test_signatures_are_kerass(method):
    """Beside what is ours alone, by keyword, and `epochs`, whose default is the recipe's."""
    ours = inspect.signature(getattr(TransformerClassifier, method)).parameters
    theirs = inspect.signature(getattr(keras.Model, method)).parameters
    if method == "compile":
        assert {"args", "kwargs"} <= ours.keys()  # handed on as they are
        return
    for name, parameter in theirs.items():
        assert name in ours
        if name not in ("epochs", "self", "kwargs"):
            assert ours[name].default == parameter.default, name
    further = [name for name in ours if name not in theirs]
    ours_alone = ["recipe", "learning_rate", "weight_decay", "seed", "restart", "resume"]
    assert further == (ours_alone if method == "fit" else [])
    assert all(ours[name].kind == inspect.Parameter.KEYWORD_ONLY for name in further)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film", "acting", "so", "truly"]


def pretrained(encoder=None, **options):
    keras.utils.set_random_seed(0)
    sizes = {"hidden_size": 12, "num_layers": 2, "num_heads": 3, "intermediate_size": 8}
    config = EncoderConfig(vocab_size=len(WORDS), max_length=16, initializer_range=0.3, **sizes)
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    return TextClassifier(NAMES, encoder or BertEncoder(config), tokenizer, **options)


@pytest.mark.usefixtures("eager")
def test_callbacks_see_the_frozen_classifier_itself(tmp_path):
    model, seen = pretrained(freeze_encoder=True), []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model)
            self.model.stop_training = epoch == 1

    path = tmp_path / "best.keras"
    keeper = keras.callbacks.ModelCheckpoint(path)
    history = model.fit(TEXTS, LABELS, epochs=9, verbose=0, callbacks=[Seen(), keeper])
    assert seen == [model, model]
    assert model.history is history
    assert int(model.optimizer.iterations) == 2
    kept = keras.saving.load_model(path)
    assert type(kept) is TextClassifier
    np.testing.assert_allclose(kept.predict(TEXTS), model.predict(TEXTS), atol=1e-6)


def test_a_frozen_second_fit_goes_on():
    model = pretrained(freeze_encoder=True)
    for steps in (3, 6):
        model.fit(TEXTS, LABELS, epochs=3, verbose=0)
        assert int(model.optimizer.iterations) == steps


def test_the_constructor_leaves_the_encoder_as_it_is():
    first = pretrained(pooling="pooled")
    encoder = first.encoder
    encoder.blocks[0].trainable = False
    trained = [w.path for w in encoder.trainable_weights]
    second = pretrained(encoder, pooling="mean", freeze_encoder=True)
    third = pretrained(encoder, pooling="mean")
    assert [w.path for w in encoder.trainable_weights] == trained
    assert encoder.trainable
    names = [{w.path for w in model.trainable_weights} - {w.path for w in model.head.weights}
             for model in (first, second, third)]  # fmt: skip
    poolers = {w.path for w in encoder.pooler.weights}
    assert names == [set(trained), set(), set(trained) - poolers]
    for model in (first, second, third):
        every = [*model.trainable_variables, *model.non_trainable_variables]
        assert {id(v) for v in every} == {id(v) for v in model.variables}
        assert len(every) == len(model.variables)
    third.trainable = False
    assert third.trainable_weights == []


@pytest.mark.usefixtures("eager")
def test_which_task_is_made_last_does_not_matter():
    def train(order):
        both = {}
        encoder = pretrained().encoder
        for name in order:
            both[name] = pretrained(encoder, freeze_encoder=name == "frozen", dropout=0.0)
        before = weights_of(encoder)
        both["frozen"].fit(TEXTS, LABELS, epochs=2, verbose=0)
        np.testing.assert_array_equal(weights_of(encoder), before)
        both["tuned"].fit(TEXTS, LABELS, epochs=1, verbose=0)
        assert np.abs(weights_of(encoder) - before).max() > 0
        return [[w.path.split("/")[-2:] for w in both[n].trainable_weights] for n in sorted(both)]

    assert train(["frozen", "tuned"]) == train(["tuned", "frozen"])


def test_named_layers_and_combinations():
    model = pretrained(layers="sum_all")
    assert model.feature_size == 12
    assert pretrained(layers=[1, 2]).feature_size == 24
    assert pretrained(layers=[1, 2], combine="mean").feature_size == 12
    assert pretrained(layers="all").feature_size == 36
    with pytest.raises(ValueError, match="layers='sum_all' is combined by 'sum'"):
        pretrained(layers="sum_all", combine="concat")


def test_documented_defaults_are_those_used():
    assert pretrained().recipe.learning_rate == 1e-4
    model = pretrained()
    model.encoder.config.__dict__["hidden_size"] = 512  # a wide one takes long to make
    assert model.recipe.learning_rate == 5e-5
    assert (model.recipe.epochs, model.recipe.batch_size) == (2, 32)
    frozen = pretrained(freeze_encoder=True).recipe
    assert (frozen.epochs, frozen.batch_size, frozen.learning_rate) == (10, 128, 3e-3)
    text = " ".join(TextClassifier.__doc__.split())
    for words in ("2 epochs in batches of 32 at a learning rate of 5e-5, or 1e-4 where",
                  "for 10 epochs in batches of 128 at 3e-3"):  # fmt: skip
        assert words in text


@pytest.mark.usefixtures("eager")
def test_a_second_fit_goes_on_in_mixed_precision():
    model = pretrained(dtype="mixed_float16")
    for steps in (1, 2):
        model.fit(TEXTS, LABELS, epochs=1, verbose=0)
        assert int(model.optimizer.iterations) == steps


@pytest.mark.usefixtures("eager")
def test_layers_of_another_precision_than_the_heads_are_trained(tokenizer):
    model = TransformerClassifier(NAMES, 60, 8, 8, tokenizer=tokenizer, dtype="bfloat16")
    before = weights_of(model).astype("float32")
    loss = model.fit(TEXTS, LABELS, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert (weights_of(model) != before).any()


@pytest.mark.usefixtures("eager")
def test_an_encoder_unfrozen_after_fit_is_trained():
    model = pretrained(freeze_encoder=True)
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    before = weights_of(model.encoder)
    model.freeze_encoder = False
    model.fit(TEXTS, LABELS, epochs=2, learning_rate=0.1, verbose=0)
    tuned = weights_of(model.encoder)
    assert np.abs(tuned - before).max() > 0.01
    model.freeze_encoder = True
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    np.testing.assert_array_equal(weights_of(model.encoder), tuned)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.usefixtures("eager")
def test_labels_take_the_form_that_the_loss_wants(make):
    one_hot = np.eye(2)[IDS]
    one, other = make(compiled=False), make(compiled=False)
    for labels in (LABELS, one_hot):
        history = one.fit(TEXTS, labels, validation_data=(TEXTS, one_hot), verbose=0).history
        other.fit(TEXTS, LABELS, verbose=0)
        assert_alike(one, other)
    assert one.evaluate(TEXTS, one_hot) == one.evaluate(TEXTS, LABELS)
    np.testing.assert_allclose(history["val_loss"][-1], one.evaluate(TEXTS, IDS)[0], rtol=1e-5)
    with pytest.raises(UserError, match="restart=True"):
        one.fit(TEXTS, one_hot * 0.6 + 0.2)
    one.fit(TEXTS, one_hot * 0.6 + 0.2, validation_data=(TEXTS, LABELS), restart=True, verbose=0)
    by_hand = make(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    assert by_hand.evaluate(TEXTS, LABELS) == by_hand.evaluate(TEXTS, one_hot)


def test_a_loss_of_probabilities_is_warned_of(make, recwarn):
    model = make()
    model.compile(loss={"output": LOSS()})
    assert not [w for w in recwarn if "logits" in str(w.message)]
    for loss in ("sparse_categorical_crossentropy", keras.losses.CategoricalCrossentropy()):
        with pytest.warns(UserWarning, match="_crossentropy expects probabilities, but Trans"):
            model.compile(loss=loss)


def test_a_model_compiled_by_hand_comes_back_compiled(make, tmp_path):
    model = make(optimizer="adam", metrics=["accuracy"])
    model.train_on_batch(np.ones((2, 8), "int32"), np.array([0, 1]))
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.evaluate(TEXTS, LABELS) == pytest.approx(model.evaluate(TEXTS, LABELS))
    assert int(copy.optimizer.iterations) == 1
    assert_alike(copy, model)
    with pytest.raises(ValueError, match="give it to compile"):
        copy.fit(TEXTS, LABELS, learning_rate=0.1)


@pytest.mark.usefixtures("eager")
def test_callbacks_may_be_a_callback_list_and_see_the_scores(make, ids):
    seen = []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(epoch)

        def on_test_end(self, logs=None):
            seen.append(logs)

    model = make(metrics=["accuracy"])
    callbacks = keras.callbacks.CallbackList([Seen()], model=model)
    model.fit(TEXTS, LABELS, epochs=2, verbose=0, callbacks=callbacks)
    model.evaluate(TEXTS, LABELS, callbacks=[Seen()])
    model.evaluate(ids, IDS, callbacks=[Seen()], verbose=0)
    assert seen[:2] == [0, 1]
    assert seen[2] == pytest.approx(seen[3])


def test_a_metric_may_be_an_array(make):
    model = make(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.F1Score()],
    )
    scores = model.evaluate(TEXTS, LABELS, return_dict=True)
    np.testing.assert_allclose(
        scores["f1_score"], [c["f1"] for c in scores["per_class"]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"fine"}, "list of texts, got a set"),
        ({"text": ["fine"]}, "list of texts, got a dict"),
        (np.array("fine"), "got one string"),
        (np.array([["fine"], ["dull"]]), r"one column of texts, got an array of shape \(2, 1\)"),
        ([("fine", "dull")], "reads single texts.* for pairs take TextClassifier.from_scratch"),
        (
            [("fine", "dull", "a")],
            r"texts\[0\] is a tuple of 3, but must be a str, or a pair of two",
        ),
        ([("fine", "dull"), "a"], r"texts\[0\] is a pair and texts\[1\] is not: give either"),
        ((["fine", "a"], ["dull", "a"]), "got a tuple of lists: zip them"),
        ([float("nan"), "fine"], r"texts\[0\] is nan"),
        ([b"\xff"], "not UTF-8"),
    ],
)
def test_what_only_looks_like_texts(make, x, message):
    with pytest.raises(UserError, match=message):
        make().predict(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": iter(LABELS)}, "labels to be a list or an array, got list_iterator"),
        ({"y": [[1], [1, 0], [0], [0], [0], [0]]}, "labels to be a list"),
        ({"sample_weight": 2.0}, "sample_weight to be a list or an array, got float"),
        ({"sample_weight": np.ones((6, 1))}, "a list of numbers"),
        ({"sample_weight": ["a"] * 6}, "a list of numbers"),
        ({"validation_data": TEXTS}, "validation_data to be"),
        ({"validation_data": (TEXTS, LABELS, WEIGHTS, 1)}, "validation_data to be"),
        ({"validation_data": (np.ones((2, 8)), [0, 1])}, "validation_data to be"),
        ({"class_weight": [1.0, 2.0]}, "neither 'balanced' nor a dict"),
        ({"batch_size": 0}, "batch_size=0 is not a positive integer"),
        ({"steps_per_epoch": -1}, "steps_per_epoch=-1 is not a positive integer"),
        ({"epochs": "3"}, "epochs='3' is not an integer"),
        ({"epochs": -1}, "epochs=-1 is not an integer of at least 0"),
        ({"learning_rate": "fast"}, "learning_rate='fast' is not a finite number"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is not a finite number"),
        ({"x": object()}, "Expected texts, got object"),
    ],
)
def test_wrong_arguments_of_fit_are_one_sentence(make, options, message):
    with pytest.raises((UserError, ValueError), match=message) as error:
        make(compiled=False).fit(**{"x": TEXTS, "y": LABELS, "verbose": 0, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, -1])
def test_no_batch_is_not_an_answer_of_zeros(make, size):
    with pytest.raises(ValueError, match="is not a positive integer"):
        make().predict(TEXTS, batch_size=size)


@pytest.mark.usefixtures("eager")
def test_lists_bytes_and_shuffled_columns_are_taken_as_in_keras(make):
    class Column(list):
        """A column of pandas whose index is shuffled: the place counts, not the index."""

        def __getitem__(self, index):
            return list(self)[::-1][index]

        def to_numpy(self):
            return np.array(list(self), dtype=object)

    models = [make() for _ in range(3)]
    options = {"batch_size": 6, "verbose": 0}
    expected = models[0].fit(TEXTS, LABELS, validation_data=(TEXTS, LABELS), **options).history
    labels = [label.encode() for label in LABELS]
    given = models[1].fit(TEXTS, labels, validation_data=[TEXTS, labels], **options).history
    assert given == expected
    models[2].fit(Column(TEXTS), Column(LABELS), class_weight={"bad": 1.0, 1: 1.0}, **options)
    assert_alike(models[0], models[2])
