"""Words in, labels out."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data import Split, TaggedSplit, TaggingDataset
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import FeatureCache, TokenClassifier
from kerasformer.tasks.tagging.tagged import read_tagged
from kerasformer.tasks.tagging.token_features import feature_logits
from kerasformer.tasks.tagging.token_vectors import TABLE_7, TokenVectors, table_7
from kerasformer.text import WordPieceTokenizer, WordTokenizer
from kerasformer.text.words import word_tokens
from kerasformer.training import entity_metrics

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ann", "rome", "saw", "##a", "##s", "in", ".", "bo"]
NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
TAGS = {"ann": "B-PER", "bo": "B-PER", "anna": "B-PER", "rome": "B-LOC", "romes": "I-PER"}
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
LAWS = settings(deadline=None, max_examples=15)
some_words = st.lists(st.sampled_from([*TAGS, "saw", "in", ".", "sawas", "\u200b", "zz", "A-b"]))


def make_encoder(layers=2, **changes):
    sizes = {"hidden_size": 12, "num_layers": layers, "num_heads": 3, "intermediate_size": 8}
    sizes |= {"vocab_size": 60, "max_length": 16, "initializer_range": 0.3, "dropout": 0.0}
    return BertEncoder(EncoderConfig(**{**sizes, "attention_dropout": 0.0, **changes}))


def make(encoder=None, tokenizer=TOKENIZER, **options):
    keras.utils.set_random_seed(3)
    return TokenClassifier(NAMES, encoder or make_encoder(), tokenizer, **options)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def data():
    """Sentences of one word and more, one longer than the model, and their tags."""
    rng = np.random.default_rng(0)
    words = ["ann", "bo", "anna", "rome", "saw", "in", ".", "\u200b"]
    lengths = [1, 25, *rng.integers(1, 9, 22)]
    sentences = [[words[i] for i in rng.integers(0, 8, length)] for length in lengths]
    return sentences, [[TAGS.get(word, "O") for word in words] for words in sentences]


@pytest.fixture(scope="module")
def trained(data):
    model = make()
    options = {"batch_size": 4, "epochs": 8, "learning_rate": 2e-2, "verbose": 0}
    history = model.fit(*data, **options, validation_data=data)
    return model, history


def same(ours, theirs, atol=1e-5):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


@given(sentences=st.lists(some_words, max_size=5), batch_size=st.integers(1, 4))
@LAWS
def test_each_word_is_judged_and_batches_change_nothing(model, sentences, batch_size):
    outputs = model.predict(sentences, batch_size=batch_size)
    assert [each.shape for each in outputs] == [(len(words), 4) for words in sentences]
    assert all(each.dtype == "float32" for each in outputs)
    same(outputs, [model.predict([words])[0] for words in sentences])
    assert [len(names) for names in model.tag(sentences)] == [len(words) for words in sentences]


@given(words=some_words.filter(len))
@LAWS
def test_a_word_is_judged_by_its_first_token_in_the_best_window(model, words):
    (tokens,) = word_tokens(TOKENIZER, [words])
    ids, firsts, room = tokens.ids, tokens.firsts, model.max_length - 2
    (ours,) = model.predict([words])
    starts = [*range(0, max(1, len(ids) - room), room - room // 4), max(0, len(ids) - room)]
    windows = {s: model(np.array([[2, *ids[s : s + room], 3]]))[0] for s in starts}
    for k, first in enumerate(firsts):
        covering = [s for s in sorted(windows) if s <= first < s + room]
        best = max(covering, key=lambda s: min(first - s, s + room - 1 - first))
        np.testing.assert_allclose(ours[k], windows[best][first - best + 1], atol=1e-5)


def test_windows_of_a_sentence_that_fits_change_nothing(data):
    encoder = make_encoder(max_length=40)
    whole, narrow = make(encoder), make(encoder, max_length=39, overlap=0)
    same(narrow.predict(data[0]), whole.predict(data[0]))


def test_the_same_from_any_container(trained, data):
    model, _ = trained
    words, tags = data
    expected = model.evaluate(words, tags, return_dict=True, verbose=0)
    ids = [[NAMES.index(tag) for tag in row] for row in tags]
    arrays = [np.array(row) for row in words], [np.array(row) for row in tags]
    for x, y in (
        (TaggedSplit(words, tags), None),
        (words, ids),
        (iter(words), tags),
        arrays,
    ):
        assert model.evaluate(x, y, return_dict=True, verbose=0) == expected


def test_the_same_from_tensorflow(trained, data):
    tf = pytest.importorskip("tensorflow")
    model, _ = trained
    words, tags = data
    expected = model.evaluate(words, tags, return_dict=True, verbose=0)
    ids = [[NAMES.index(tag) for tag in row] for row in tags]
    ragged = tf.ragged.constant(words), tf.ragged.constant(ids)
    one_by_one = tf.data.Dataset.from_tensor_slices(ragged).map(lambda *each: each)
    for x, y in (
        ragged,
        (tf.data.Dataset.from_tensor_slices(ragged).batch(5), None),
        (one_by_one, None),
    ):
        assert model.evaluate(x, y, return_dict=True, verbose=0) == expected
    few = model.evaluate(words[:10], tags[:10], return_dict=True, verbose=0)
    batched = tf.data.Dataset.from_tensor_slices(ragged).batch(5)
    assert model.evaluate(batched, steps=2, return_dict=True, verbose=0) == few
    with pytest.raises(ValueError, match="holds its tags and weights"):
        model.evaluate(batched, tags)
    with pytest.raises(ValueError, match="The data set is endless"):
        model.evaluate(batched.repeat())


def test_it_learns_and_scores_validation(trained, data):
    model, history = trained
    assert history.history["val_f1"][-1] == 1.0
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "val_recall"} <= set(history.history)
    assert model.tag(data[0]) == data[1]
    assert history.history["accuracy"][-1] > 0.95  # of words alone


def test_a_data_set_of_tagged_words(data):
    split = TaggedSplit(*data).take(range(2, 6))
    dataset = TaggingDataset("tiny", tuple(NAMES), dict.fromkeys(("train", "validation"), split))
    options = {"epochs": 1, "verbose": 0, "recipe": TokenClassifier.RECIPE.change(monitor="val_f1")}
    given = make().fit(dataset, **options).history
    plain = make().fit(split.words, split.tags, validation_data=split, **options).history
    assert given == plain
    assert "val_f1" in given
    with pytest.raises(UserError, match="got a Split: give a TaggedSplit"):
        make().fit(Split(["a"], [0]))
    with pytest.raises(ValueError, match="A TaggedSplit holds its tags"):
        make().fit(split, split.tags)


def test_evaluate_gives_the_fields_metrics(trained, data):
    model, _ = trained
    wrong = [["B-PER"] * len(tags) for tags in data[1]]
    scores = model.evaluate(data[0], wrong, return_dict=True, verbose=0)
    expected = entity_metrics(wrong, model.tag(data[0]))
    assert {k: scores[k] for k in ("precision", "recall", "f1", "per_type", "accuracy")} == {
        k: pytest.approx(expected[k]) if k == "accuracy" else expected[k]
        for k in ("precision", "recall", "f1", "per_type", "accuracy")
    }
    logits = np.concatenate(model.predict(data[0])).astype("float64")
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert scores["loss"] == pytest.approx(-logs[:, 1].mean(), rel=1e-5)
    loss, accuracy = model.evaluate(data[0], wrong, verbose=0)
    assert (loss, accuracy) == (pytest.approx(scores["loss"]), pytest.approx(scores["accuracy"]))


def test_parts_of_speech_have_plain_metrics(data):
    model = TokenClassifier(["NOUN", "VERB"], make_encoder(), TOKENIZER)
    words = [["ann", "saw"], ["saw"]]
    scores = model.evaluate(words, [["NOUN", "VERB"], ["VERB"]], return_dict=True, verbose=0)
    assert [row["name"] for row in scores["per_class"]] == ["NOUN", "VERB"]
    assert np.sum(scores["confusion_matrix"]) == 3


@pytest.mark.parametrize("frozen", [False, True])
def test_weights_of_words_and_classes(data, frozen):
    """Each word has its weight and its class's, once, and what is no word has none."""
    words, tags = data
    model = make(freeze_encoder=frozen)

    def batches(sample_weight=None, class_weight=None):
        examples = read_tagged(words, tags, sample_weight)
        made = model._training_batches(examples, 4, loss=None, class_weight=class_weight)
        labels, weights = ([np.ravel(batch[i]) for batch in made] for i in (1, 2))
        return np.concatenate(labels), np.concatenate(weights)

    flat = [tag for row in tags for tag in row]
    counts = np.array([flat.count(name) for name in NAMES])
    labels, weights = batches()
    assert set(weights) == {0, 1}
    assert np.bincount(labels[weights > 0], minlength=4).tolist() == counts.tolist()
    labels, weights = batches(class_weight={"B-PER": 3.0, 3: 0.0})
    assert np.bincount(labels, weights, 4).tolist() == (counts * [1, 3, 1, 0]).tolist()
    labels, weights = batches(class_weight="balanced")
    np.testing.assert_allclose(np.bincount(labels, weights, 4), len(flat) / 4 * (counts > 0))
    of_words = [[float(tag == "O") + 1 for tag in row] for row in tags]
    labels, weights = batches(of_words, {"O": 0.5})
    assert np.bincount(labels, weights, 4).tolist() == counts.tolist()
    labels, weights = batches(np.arange(len(words)))  # a weight for each sentence
    assert weights.sum() == sum(i * len(row) for i, row in enumerate(words))


def test_a_frozen_encoder_trains_as_if_it_ran_in_each_epoch(data):
    """The head on features computed once is that on features computed anew."""
    words, tags = data[0][2:8], data[1][2:8]
    frozen = make(freeze_encoder=True)
    before = [np.array(w) for w in frozen.encoder.get_weights()]
    options = {"epochs": 3, "batch_size": 6, "learning_rate": 1e-2, "verbose": 0}
    frozen.fit(words, tags, **options)
    assert all(
        np.array_equal(*pair) for pair in zip(before, frozen.encoder.get_weights(), strict=True)
    )
    again = make()
    again.encoder.trainable = False
    again._training_batches = again._batches
    again.fit(words, tags, **options)
    same(frozen.token_classifier.get_weights(), again.token_classifier.get_weights(), 1e-5)


@pytest.mark.parametrize("layers", [*TABLE_7, [0, -1]])
def test_layers_of_table_7(layers, data, tmp_path):
    encoder = make_encoder(5)
    model = make(encoder, layers=layers, freeze_encoder=True)
    if layers in ("weighted_all", "concat_last_four"):
        history = model.fit(*data, epochs=2, verbose=0, learning_rate=1e-2)
        assert history.history["loss"][1] < history.history["loss"][0]
    ids = np.array([[2, 4, 6, 3]])
    outputs = encoder(ids, outputs=["embedding_output", "encoder_outputs"])
    states = [np.array(s) for s in (outputs["embedding_output"], *outputs["encoder_outputs"])]
    if str(layers).startswith("weighted"):
        states = states[2:] if "four" in layers else states[1:]
        mix, scale = (np.array(w) for w in model.vectors.mix.get_weights())
        assert layers != "weighted_all" or np.abs(mix).max() > 0  # learnt
        shares = scale * np.exp(mix) / np.exp(mix).sum()
        vectors = sum(share * state for share, state in zip(shares, states, strict=True))
    else:
        chosen = {"embeddings": [0], "second_to_last": [-2], "last": [-1]}
        chosen |= {"concat_last_four": [-4, -3, -2, -1]}
        places = chosen[layers] if isinstance(layers, str) else layers
        vectors = np.concatenate([states[i] for i in places], axis=-1)
    kernel, bias = model.token_classifier.get_weights()
    np.testing.assert_allclose(model(ids), vectors @ kernel + bias, atol=1e-5)
    model.save_pretrained(tmp_path)
    again = TokenClassifier.from_pretrained(tmp_path)
    np.testing.assert_allclose(again(ids), model(ids), atol=1e-5)
    assert again.freeze_encoder
    assert again.class_names == tuple(NAMES)
    copy = TokenClassifier.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy(ids), model(ids), atol=1e-6)


@pytest.mark.parametrize("layers", [*TABLE_7, [0, -1], "sum_last_four", "all"])
def test_the_features_of_any_layers_follow_from_those_of_all(layers, data):
    """So that an encoder needs to run once for several heads."""
    encoder = make_encoder(5)
    model = make(encoder, layers=layers, freeze_encoder=True)
    states = make(encoder, layers="all", freeze_encoder=True).features(data[0])
    states = states.reshape(len(states), 6, -1)
    features = model.vectors.of_states(states)
    np.testing.assert_allclose(features, model.features(data[0]), atol=1e-6)
    assert np.shares_memory(features, states) == (layers not in ([0, -1], "sum_last_four"))
    counts = list(map(len, data[0]))
    logits = np.concatenate(model.predict(data[0]))
    of_features = np.concatenate(feature_logits(model, features, counts))
    np.testing.assert_allclose(of_features, logits, atol=1e-5)


@pytest.mark.parametrize("blocks", range(1, 6))
def test_an_encoder_has_those_of_table_7_that_it_has_blocks_for(blocks):
    def has(layers):
        try:
            TokenVectors(layers, None, blocks, hidden_size=2)
        except ValueError:
            return False
        return True

    assert table_7(blocks) == list(filter(has, TABLE_7))


def test_features_are_cached_and_train_a_head(data, tmp_path):
    model = make(freeze_encoder=True, layers="all")
    cache = FeatureCache(tmp_path)
    features = model.features(data[0], cache=cache)
    assert features.shape == (sum(map(len, data[0])), 36)
    np.testing.assert_array_equal(model.features(data[0], cache=cache), features)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    divided = [[word] for words in data[0] for word in words]  # the same words in other sentences
    model.features(divided, cache=cache)
    make(freeze_encoder=True, layers=[0, 1, 2], max_length=12).features(data[0], cache=cache)
    assert len(list(tmp_path.glob("*.npy"))) == 3
    history = model.fit_head(
        features, data[1], epochs=2, verbose=0, validation_data=(features, data[1])
    )
    assert history.history["val_loss"][1] < history.history["val_loss"][0]
    with pytest.raises(UserError, match="vectors of 3 words and tags for"):
        model.fit_head(features[:3], data[1], verbose=0)


def test_from_scratch(data, tmp_path):
    model = make(make_encoder(vocab_size=40), tokenizer=None)
    with pytest.raises(UserError, match="no vocabulary yet: train it with fit on words"):
        model.predict(data[0])
    assert model.recipe is TokenClassifier.SCRATCH_RECIPE
    model.fit([[word.title() for word in words] for words in data[0]], data[1], epochs=1, verbose=0)
    assert model.tokenizer.vocab_size <= 40
    assert any(token[0].isupper() for token in model.tokenizer.vocabulary()[5:])
    model.save_pretrained(tmp_path)
    again = TokenClassifier.from_pretrained(tmp_path)
    same(again.predict(data[0][:1]), model.predict(data[0][:1]))
    assert TokenClassifier.from_scratch(NAMES).encoder.config.vocab_size == 8000


@pytest.mark.parametrize("frozen", [False, True])
def test_a_collapse_to_one_class_is_said(data, frozen):
    model = make(freeze_encoder=frozen)
    model.token_classifier.bias.assign([9.0, 0.0, 0.0, 0.0])
    options = {"batch_size": 2, "epochs": 2, "learning_rate": 1e-5, "verbose": 0}
    with pytest.warns(UserWarning, match="predicts the class 'O' for all of [0-9]+ training"):
        model.fit(*data, **options)


@pytest.mark.parametrize("frozen", [False, True])
def test_one_tag_for_all_that_is_evaluated_on_is_said_after_few_steps(data, frozen):
    model = make(freeze_encoder=frozen)
    model.token_classifier.bias.assign([9.0, 0.0, 0.0, 0.0])
    options = {"batch_size": 24, "epochs": 1, "learning_rate": 1e-5, "verbose": 0}
    with pytest.warns(
        UserWarning, match="'O' for all of [0-9]+ validation .*: fewer than 20 steps"
    ):
        model.fit(*data, **options, validation_data=data)


def test_the_progress_line_has_few_metrics_and_the_history_all(data, capsys):
    options = {"epochs": 1, "batch_size": 24, "learning_rate": 2e-2}
    history = make().fit(*data, **options, validation_data=data, verbose=2).history
    shown = {part.split(":")[0].strip() for part in capsys.readouterr().out.split(" - ")[1:]}
    scores = {"accuracy", "loss", "val_precision", "val_recall", "val_f1", "val_accuracy"}
    assert scores <= shown
    assert not [name for name in shown if "macro" in name or "weighted" in name or "supp" in name]
    assert {"val_macro_f1", "val_weighted_recall", "val_support"} <= history.keys()
    make().fit(*data, **options, validation_data=data, verbose=0)
    assert capsys.readouterr().out == ""


def test_blocks_above_the_layers_are_not_trained():
    model = make(layers=[0, 1])
    paths = [variable.path for variable in model.trainable_variables]
    assert any("layer_0" in path for path in paths)
    assert not any("layer_1" in path for path in paths)


def test_an_untrained_head_is_warned_of(model):
    for answer in (lambda: model.tag([["ann"]]), lambda: model.entities(["Ann"])):
        with pytest.warns(UserWarning, match="head of this TokenClassifier has not been trained"):
            answer()


def test_settings_come_back(tmp_path):
    make(max_length=9, overlap=2).save_pretrained(tmp_path)
    model = TokenClassifier.from_pretrained(tmp_path)
    assert (model.max_length, model.overlap, model.freeze_encoder) == (9, 2, False)
    assert TokenClassifier.from_pretrained(tmp_path, overlap=1).overlap == 1
    with pytest.raises(UserError, match="was trained with layers='last': ask for the same"):
        TokenClassifier.from_pretrained(tmp_path, layers="embeddings")
    with pytest.warns(UserWarning, match="token classifier head .* was trained with layers='last'"):
        other = TokenClassifier.from_pretrained(tmp_path, ["a", "b"], layers="embeddings")
    assert other.vectors.chosen == "embeddings"


def test_entities_in_texts(trained):
    model, _ = trained
    text = "Anna saw Rome. " * 6  # more than a window
    (found, none) = model.entities([text, ""])
    assert none == []
    words = ["Anna", "saw", "Rome", "."] * 6
    (tags,) = model.tag([words])
    expected = [(w, tag[2:]) for w, tag in zip(words, tags, strict=True) if tag != "O"]
    assert len(expected) >= 11
    assert [(e.text, e.label) for e in found] == expected
    assert all(text[e.start : e.end] == e.text and 0.5 < e.score <= 1 for e in found)
    with pytest.raises(UserError, match="aggregation is 'best'"):
        model.entities([text], aggregation="best")


def test_keras_methods_on_one_batch(trained, data):
    model, _ = trained
    same(model.predict_on_batch(data[0][:3]), model.predict(data[0][:3]))
    loss, accuracy = model.test_on_batch(data[0][1:3], data[1][1:3])  # of which one has windows
    expected = model.evaluate(data[0][1:3], data[1][1:3], verbose=0)
    assert [float(loss), float(accuracy)] == pytest.approx(expected, abs=1e-5)
    model.train_on_batch(data[0][1:3], data[1][1:3], class_weight="balanced")


def test_compiled_by_hand(data):
    model = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, weighted_metrics=["accuracy"])
    words, tags = data[0][2:6], data[1][2:6]
    history = model.fit(words, tags, epochs=1, verbose=0, validation_split=0.25)
    assert np.isfinite(history.history["loss"][0])
    assert 0 <= history.history["val_f1"][0] <= 1


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        (["ann saw"], [["O"]], "Expected a list of words for each sentence, got text"),
        ([["ann"], ["bo", None]], [["O"], ["O", "O"]], r"words\[1\]\[1\] is None"),
        ([["ann"]], None, "Got 1 sentences and no tags"),
        ([[]], [[]], "There is no word to train"),
        ([["ann"]], [["O"], ["O"]], "got 1 sentences and tags for 2"),
        ([["ann", "saw"]], [["O"]], r"words\[0\] has 2 words and 1 tags"),
        ([["ann"]], ["O"], r"tags\[0\] is 'O', but must be a list"),
        ([["ann"]], [["B-ORG"]], "The label 'B-ORG' is not one of the 4 classes"),
        ([["ann"]], [[4]], "The label 4 is not one of the 4 classes"),
    ],
)
def test_mistakes_in_data(model, words, tags, message):
    with pytest.raises(UserError, match=message):
        model.fit(words, tags, epochs=1, verbose=0)


def test_mistakes_in_weights_and_arguments(model):
    words, tags = [["ann", "saw"]], [["O", "O"]]
    for weights, message in (
        ([[1.0]], r"words\[0\] has 2 words and 1 sample_weight"),
        ([1.0, 1.0], "got 1 sentences and sample_weight for 2"),
        ([-1.0], "sample_weight has the value -1.0"),
        ([["a", "b"]], "Expected sample_weight to be numbers"),
    ):
        with pytest.raises(UserError, match=message):
            model.fit(words, tags, sample_weight=weights, epochs=1, verbose=0)
    tensors, ids = make(), np.ones((1, 3), int)
    tensors.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(UserError, match="class_weight is for one label per example"):
        tensors.fit(ids, ids, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(UserError, match="overlap is 14, and a window has room for 14 tokens"):
        make(overlap=14).predict([["ann"] * 20])
    with pytest.raises(UserError, match="needs a WordPieceTokenizer to take words"):
        make(tokenizer=WordTokenizer.train(["a"])).predict(words)
    with pytest.raises(ValueError, match="needs 4 blocks, and the encoder has 2"):
        make(layers="weighted_last_four")
    with pytest.raises(ValueError, match="is combined by 'scalar_mix', not by 'sum'"):
        make(layers="weighted_all", combine="sum")
