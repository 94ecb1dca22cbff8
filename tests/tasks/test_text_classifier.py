"""The classifier on a pretrained encoder: poolings, frozen and trainable, saving."""

import json
import zipfile

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.data.shapes import are_few
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.private_api import all_layers
from kerasformer.tasks import FeatureCache, TextClassifier, load, prediction
from kerasformer.text import WordPieceTokenizer, pack

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "dull", "film", "a", "##s", "acting", "very"]
TEXTS = ["fine film", "a very fine film", "fine acting", "fine", "very fine films"]
TEXTS += [text.replace("fine", "dull") for text in TEXTS]
LABELS = ["good"] * 5 + ["bad"] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.from_vocabulary(WORDS)


def make(tokenizer, seed=0, pooler=True, **options):
    keras.utils.set_random_seed(seed)
    config = EncoderConfig(
        vocab_size=len(WORDS), hidden_size=12, num_layers=1, num_heads=3, intermediate_size=24,
        max_length=16, initializer_range=0.3, pooler=pooler,
    )  # fmt: skip
    return TextClassifier(["bad", "good"], BertEncoder(config), tokenizer, **options)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
def test_the_head_is_dense_over_the_pooled_vector(tokenizer, pooling):
    classifier = make(tokenizer, pooling=pooling)
    inputs = pack(tokenizer.tokenize(TEXTS))
    outputs = classifier.encoder(inputs)
    tokens = np.array(outputs["sequence_output"])
    mask = inputs["input_mask"][..., None]
    pooled = {
        "mean": (tokens * mask).sum(axis=1) / mask.sum(axis=1),
        "cls": tokens[:, 0],
        "pooled": np.array(outputs["pooled_output"]),
    }[pooling]
    kernel, bias = (np.asarray(w.value) for w in classifier.head.weights)
    logits = pooled @ kernel + bias
    np.testing.assert_allclose(np.array(classifier(inputs)), logits, atol=1e-5)
    np.testing.assert_allclose(classifier.predict(TEXTS), logits, atol=1e-5)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with pytest.warns(UserWarning, match="has not been trained"):
        np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-6)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("frozen", [False, True])
def test_it_learns_and_a_frozen_encoder_stays_as_it_is(tokenizer, frozen):
    classifier = make(tokenizer, freeze_encoder=frozen)
    before = [np.asarray(w.value) for w in classifier.encoder.weights]
    options = {"epochs": 300, "learning_rate": 0.1} if frozen else {"epochs": 10}
    classifier.fit(TEXTS, LABELS, **{"batch_size": 5, "learning_rate": 0.02, **options}, verbose=0)
    assert classifier.evaluate(TEXTS, LABELS, return_dict=True)["accuracy"] == 1.0
    same = [
        np.array_equal(old, np.asarray(new.value))
        for old, new in zip(before, classifier.encoder.weights, strict=True)
    ]
    assert all(same) is frozen


@pytest.mark.usefixtures("eager")
def test_training_the_head_on_vectors_is_training_with_the_encoder_frozen(tokenizer):
    """One step of plain gradient descent, once through the cached vectors, once through it all."""
    cached = make(tokenizer, freeze_encoder=True, dropout=0.0)
    whole = make(tokenizer, freeze_encoder=True, dropout=0.0)
    features = cached.features(TEXTS)
    for model in (cached, whole):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss)
    labels = np.array([1] * 5 + [0] * 5)
    cached.train_on_batch({"features": features}, labels)
    whole.train_on_batch(pack(tokenizer.tokenize(TEXTS)), labels)
    np.testing.assert_allclose(cached.predict(TEXTS), whole.predict(TEXTS), atol=1e-5)


def test_a_frozen_encoder_has_no_dropout_in_training(tokenizer):
    classifier = make(tokenizer, freeze_encoder=True, dropout=0.0)
    inputs = pack(tokenizer.tokenize(TEXTS))
    np.testing.assert_allclose(
        np.array(classifier(inputs, training=True)), np.array(classifier(inputs)), atol=1e-6
    )


@pytest.mark.usefixtures("eager")
def test_every_trainable_weight_gets_a_gradient(tokenizer, recwarn):
    """Also where the encoder has a pooler that is not used."""
    make(tokenizer, pooling="mean").fit(TEXTS, LABELS, epochs=1, verbose=0)
    assert not [w for w in recwarn if "Gradients do not exist" in str(w.message)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling='max'"),
        ({"pooling": "pooled", "pooler": False}, "needs a pooler"),
        ({"pooling": "pooled", "layers": "all"}, "the last layer alone"),
        ({"layers": [5]}, "layers="),
        ({"layers": []}, "layers="),
        ({"layers": "all", "combine": "stack"}, "combine='stack'"),
    ],
)
def test_poolings_and_layers_are_checked(tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        make(tokenizer, **options)


def test_several_layers_are_concatenated(tokenizer):
    classifier = make(tokenizer, freeze_encoder=True, layers="all")
    inputs = pack(tokenizer.tokenize(TEXTS))
    outputs = classifier.encoder(inputs, outputs=["embedding_output", "encoder_outputs"])
    states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
    mask = inputs["input_mask"][..., None]
    means = [(np.asarray(s) * mask).sum(axis=1) / mask.sum(axis=1) for s in states]
    np.testing.assert_allclose(classifier.features(TEXTS), np.hstack(means), atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_two_heads_share_a_frozen_encoder(tokenizer):
    first = make(tokenizer, pooling="pooled", freeze_encoder=True)
    second = TextClassifier(2, first.encoder, tokenizer, layers="all", freeze_encoder=True)
    for classifier in (first, second):
        classifier.fit(["w1 w2", "w3"] * 4, [0, 1] * 4, epochs=1, verbose=0)
        assert classifier.predict(["w1"], verbose=0).shape == (1, 2)


@pytest.mark.usefixtures("eager")
def test_the_head_starts_anew_on_features_and_a_seed_repeats_it(tokenizer):
    classifier = make(tokenizer, freeze_encoder=True)
    features = classifier.features(TEXTS)
    kernels = []
    for seed in (1, 2, 1):
        classifier.fit_head(features, LABELS, seed=seed, epochs=2, verbose=0)
        kernels.append(np.asarray(classifier.head.kernel.value))
    np.testing.assert_allclose(kernels[0], kernels[2], atol=1e-6)
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


@pytest.mark.usefixtures("eager")
def test_features_are_computed_once_for_the_same_encoder_settings_and_texts(
    tokenizer, tmp_path, monkeypatch
):
    expected = make(tokenizer, freeze_encoder=True).features(TEXTS)
    cache, computed = FeatureCache(tmp_path), []
    compute = TextClassifier._features
    monkeypatch.setattr(
        TextClassifier, "_features", lambda *args: computed.append(1) or compute(*args)
    )
    for _ in range(2):  # another object each time, its weights the same
        features = make(tokenizer, freeze_encoder=True).features(TEXTS, cache=cache)
        np.testing.assert_array_equal(features, expected)
    assert len(computed) == 1
    others = [
        make(tokenizer, seed=1),
        make(tokenizer, pooling="cls"),
        make(tokenizer, layers=0),
        make(tokenizer, max_length=4),
        make(WordPieceTokenizer.from_vocabulary([*WORDS[:4], "dull", "fine", *WORDS[6:]])),
    ]
    for count, other in enumerate(others, 2):
        np.testing.assert_array_equal(other.features(TEXTS, cache=cache), other.features(TEXTS))
        assert len(list(tmp_path.glob("*.npy"))) == count
    make(tokenizer).features(TEXTS[::-1], cache=cache)
    assert len(list(tmp_path.glob("*.npy"))) == len(others) + 2
    with pytest.raises(UserError, match="must be a str"):
        make(tokenizer).features(["fine", None], cache=cache)


@pytest.mark.usefixtures("eager")
def test_features_follow_what_an_adapter_is_scaled_by(tokenizer, tmp_path):
    classifier, cache = make(tokenizer, freeze_encoder=True), FeatureCache(tmp_path)
    (dense,) = (part for part in all_layers(classifier.encoder) if part.name == "intermediate")
    dense.enable_lora(2, lora_alpha=1)
    dense.lora_kernel_b.assign(np.ones(dense.lora_kernel_b.shape))
    before = classifier.features(TEXTS, cache=cache)
    dense.lora_alpha = 8  # no weight of the encoder has changed
    after = classifier.features(TEXTS, cache=cache)
    np.testing.assert_array_equal(after, classifier.features(TEXTS))
    assert np.abs(after - before).max() > 1e-2


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("pooling", ["mean", "pooled"])
def test_it_can_be_quantized_before_its_first_call(tokenizer, tmp_path, pooling):
    classifier = make(tokenizer, pooling=pooling)
    classifier.quantize("int8")
    logits = classifier.predict(TEXTS)
    np.testing.assert_allclose(logits, make(tokenizer, pooling=pooling).predict(TEXTS), atol=0.1)
    classifier.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(TEXTS), logits, atol=1e-6)


def test_texts_are_cut_to_the_positions(tokenizer):
    classifier = make(tokenizer)
    long = "very " * 200 + "fine"
    assert classifier.tokenize([long]).lengths.tolist() == [16]
    assert classifier.predict([long]).shape == (1, 2)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("options", "architecture", "head"),
    [
        ({"pooling": "cls"}, "BertModel", "kerasformer.classifier.weight"),
        ({"layers": "all"}, "BertModel", "kerasformer.classifier.weight"),
        ({"pooling": "mean", "pooler": False}, "BertModel", "kerasformer.classifier.weight"),
        ({"pooling": "pooled"}, "BertForSequenceClassification", "classifier.weight"),
    ],
    ids=str,
)
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.usefixtures("eager")
def test_it_comes_back_from_its_folder_and_from_keras(
    tokenizer, tmp_path, options, architecture, head, frozen
):
    classifier = make(tokenizer, freeze_encoder=frozen, dropout=0.3, max_length=9, **options)
    classifier.fit(TEXTS, LABELS, epochs=1, verbose=0)
    classifier.save_pretrained(tmp_path / "folder")
    classifier.save_pretrained(tmp_path / "folder")  # a second time, over the first
    classifier.save(tmp_path / "model.keras")
    expected = classifier.predict(TEXTS)
    settings = classifier.get_config()
    del settings["name"], settings["encoder"]
    for copy in (
        load(tmp_path / "folder"),
        TextClassifier.from_pretrained(str(tmp_path / "folder")),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        np.testing.assert_allclose(copy.predict(TEXTS), expected, atol=1e-6)
        assert settings.items() <= copy.get_config().items()
        assert copy.class_names == ("bad", "good")
        assert copy.freeze_encoder is frozen
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    assert config["architectures"] == [architecture]
    assert head in open_checkpoint(tmp_path / "folder").tensors
    encoder = BertEncoder.from_pretrained(tmp_path / "folder")
    assert encoder.config == classifier.encoder.config


def test_a_folder_without_a_classifier(tokenizer, tmp_path):
    make(tokenizer).encoder.save_pretrained(tmp_path, tokenizer)
    with pytest.raises(UserError, match="holds a BertModel without a classifier head"):
        TextClassifier.from_pretrained(tmp_path)
    with pytest.raises(UserError, match="nowhere"):
        TextClassifier.from_pretrained(tmp_path / "nowhere")


def test_a_classifier_is_what_another_is_made_of(tokenizer, tmp_path):
    """With other vectors asked for, a saved classifier gives its encoder, and the head is new."""
    first = make(tokenizer, pooling="cls")
    first.save_pretrained(tmp_path)
    second = TextClassifier.from_pretrained(tmp_path, ["a", "b", "c"], pooling="mean")
    assert second.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(
        first.encoder.embedding.word_embeddings.embeddings,
        second.encoder.embedding.word_embeddings.embeddings,
    )


def test_a_folder_without_a_tokenizer(tokenizer, tmp_path):
    make(tokenizer).encoder.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has no tokenizer"):
        TextClassifier.from_pretrained(tmp_path, 2)
    given = TextClassifier.from_pretrained(tmp_path, 2, tokenizer=tokenizer)
    assert given.predict(TEXTS).shape == (10, 2)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("frozen", [False, True])
def test_a_keras_file_of_version_0_1_loads(tokenizer, tmp_path, frozen):
    """Its configuration had other names, and its encoder knew whether it was frozen."""
    classifier = make(tokenizer, layers=[0, 1])
    classifier.save(tmp_path / "new.keras")
    with (
        zipfile.ZipFile(tmp_path / "new.keras") as new,
        zipfile.ZipFile(tmp_path / "old.keras", "w") as old,
    ):
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                whole = json.loads(content)
                config = whole["config"]
                config["hidden_layers"] = config.pop("layers")
                del config["combine"], config["freeze_encoder"]
                config["trainable"] = config["encoder"]["config"]["trainable"] = not frozen
                content = json.dumps(whole)
            old.writestr(name, content)
    loaded = keras.saving.load_model(tmp_path / "old.keras")
    np.testing.assert_allclose(loaded.predict(TEXTS), classifier.predict(TEXTS), atol=1e-6)
    assert loaded.encoder_is_frozen is frozen
    assert len(loaded.trainable_weights) == (2 if frozen else len(classifier.trainable_weights))
    loaded.freeze_encoder = False
    assert len(loaded.trainable_weights) == len(classifier.trainable_weights)


@pytest.mark.parametrize("frozen", [False, True])
def test_texts_in_other_numbers_have_few_shapes_and_no_trace_of_their_own(
    tokenizer, frozen, monkeypatch
):
    """TensorFlow's oneDNN and XLA keep code for each shape, and a graph for each trace."""
    classifier = make(tokenizer, freeze_encoder=frozen)
    traces, shapes, rows = [], set(), {}
    call, begin = TextClassifier.call, prediction.begin

    def traced(self, inputs, training=None):
        traces.append(keras.tree.map_structure(lambda one: tuple(one.shape), inputs))
        return call(self, inputs, training)

    def computed(model, inputs):
        shapes.add(inputs["input_word_ids"].shape)
        return begin(model, inputs)

    monkeypatch.setattr(TextClassifier, "call", traced)
    monkeypatch.setattr(prediction, "begin", computed)
    for count in range(1, 21):
        rows[count] = classifier.predict((2 * TEXTS)[:count], batch_size=8)
        assert rows[count].shape == (count, 2)
    assert {count for count, _ in shapes} == ({1, 4, 8} if are_few() else {1, 2, 4, 8})
    if keras.backend.backend() == "tensorflow":
        assert len(traces) == 1
    for count in (3, 13):
        np.testing.assert_allclose(rows[count], rows[20][:count], atol=1e-5)


def test_no_more_tokens_than_the_encoder_takes(tokenizer, tmp_path):
    assert make(tokenizer).max_length == make(tokenizer, max_length=16).max_length == 16
    with pytest.raises(UserError, match="max_length is 17, but the encoder takes"):
        make(tokenizer, max_length=17)
    make(tokenizer).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    text = path.read_text()
    assert '"max_length": 16' in text  # of the classifier; the encoder's has another name
    path.write_text(text.replace('"max_length": 16', '"max_length": 500'))
    assert TextClassifier.from_pretrained(tmp_path).max_length == 16
