"""The tasks against transformers' models with a head, read from what transformers saved."""

import json
import warnings

import keras
import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.sources.resolve import resolve
from kerasformer.tasks import (
    MaskedLanguageModel,
    NextSentencePredictor,
    PretrainingModel,
    QuestionAnswerer,
    TextClassifier,
    TokenClassifier,
)
from kerasformer.text import pack

from .models import AWKWARD, logits_of, random_inputs, write_tokenizer

pytestmark = pytest.mark.oracle

TINY, PUBLISHED = 1e-5, 1e-4
HEADS = {
    "BertForMaskedLM": MaskedLanguageModel,
    "BertForNextSentencePrediction": NextSentencePredictor,
    "BertForPreTraining": PretrainingModel,
    "BertForTokenClassification": TokenClassifier,
    "BertForQuestionAnswering": QuestionAnswerer,
    "DistilBertForMaskedLM": MaskedLanguageModel,
    "DistilBertForTokenClassification": TokenClassifier,
    "DistilBertForQuestionAnswering": QuestionAnswerer,
    "ElectraForMaskedLM": MaskedLanguageModel,
    "ElectraForTokenClassification": TokenClassifier,
    "ElectraForQuestionAnswering": QuestionAnswerer,
}


def ours(model, batch):
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(model(batch))]


def assert_close(mine, theirs, tolerance=TINY):
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", HEADS)
def test_every_head(torch, random_model, name):
    model, folder = random_model(name, num_labels=7 if "Token" in name else 2)
    task = HEADS[name].from_pretrained(folder)
    for length in (1, 2, 23, 41):
        for segments in (True, False):
            batch = random_inputs(model.config, length, segments=segments)
            # Keras flattens a dict in the order of its keys: end before start, mlm before next.
            assert_close(ours(task, batch), logits_of(torch, model, batch))


def test_positions_are_those_of_the_full_logits(torch, random_model):
    model, folder = random_model("BertForMaskedLM")
    task = MaskedLanguageModel.from_pretrained(folder)
    batch = random_inputs(model.config, 23)
    positions = np.random.default_rng(2).integers(0, 23, (5, 6), dtype="int32")
    (theirs,) = logits_of(torch, model, batch)
    (mine,) = ours(task, {**batch, "masked_lm_positions": positions})
    np.testing.assert_allclose(
        mine, np.take_along_axis(theirs, positions[..., None], axis=1), atol=TINY, rtol=0
    )


@pytest.mark.parametrize("num_labels", [2, 5])
def test_a_sequence_classifier(torch, random_model, num_labels):
    model, folder = random_model("BertForSequenceClassification", num_labels=num_labels)
    write_tokenizer(folder)
    classifier = TextClassifier.from_pretrained(folder)
    batch = random_inputs(model.config, 23)
    (logits,) = logits_of(torch, model, batch)
    assert_close(ours(classifier, batch), [logits])
    assert classifier.class_names == tuple(f"LABEL_{i}" for i in range(num_labels))
    assert classifier.pooling == "pooled"
    assert classifier.dropout == 0.3  # of the model's config.json


def test_a_sequence_classifiers_strings_and_names(torch, transformers, random_model):
    names = {0: "contradicción", 1: "entailment", 2: "neutral"}
    model, folder = random_model("BertForSequenceClassification", id2label=names)
    write_tokenizer(folder)
    classifier = TextClassifier.from_pretrained(folder)
    assert classifier.class_names == tuple(names.values())
    texts = ["ab ba", "a", "bb a b b a"]
    encoded = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model(**encoded).logits
    np.testing.assert_allclose(classifier.predict(texts), theirs.numpy(), atol=TINY)
    expected = theirs.softmax(-1).numpy()
    np.testing.assert_allclose(classifier.predict_proba(texts), expected, atol=TINY)
    pipeline = transformers.pipeline("text-classification", str(folder))
    assert classifier.classify(texts) == [guess["label"] for guess in pipeline(texts)]


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("BertForTokenClassification", {}, "that of a BertForTokenClassification"),
        ("BertForMultipleChoice", {}, "that of a BertForMultipleChoice"),
        ("DistilBertForTokenClassification", {}, "that of a DistilBertForTokenClassification"),
    ],
)
def test_other_heads_are_no_classifier(random_model, name, options, reason):
    _, folder = random_model(name, **options)
    write_tokenizer(folder)
    with pytest.raises(UserError, match=reason) as error:
        TextClassifier.from_pretrained(folder)
    assert "for a new head, give class_names" in str(error.value)
    with pytest.warns(UserWarning, match=rf"classifier head of .* cannot be read: it is {reason}"):
        classifier = TextClassifier.from_pretrained(folder, ["no", "yes"])
    assert classifier.pooling == "mean"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextClassifier.from_pretrained(folder, ["no", "yes"], new_head=True)


def test_a_model_without_a_classifier_gets_one_without_a_warning(random_model):
    _, folder = random_model("BertForMaskedLM")
    write_tokenizer(folder)
    with pytest.raises(UserError, match=r"BertForMaskedLM without a classifier head.*class_names"):
        TextClassifier.from_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert TextClassifier.from_pretrained(folder, ["no", "yes"]).pooling == "mean"


@pytest.mark.parametrize("task", [MaskedLanguageModel, NextSentencePredictor, PretrainingModel])
def test_no_pretraining_head_is_made_up(random_model, task):
    _, folder = random_model("BertModel")
    with pytest.raises(UserError, match=r"holds a BertModel without a .* head"):
        task.from_pretrained(folder)


def test_an_untied_decoder_is_refused(torch, random_model):
    _, folder = random_model("BertForMaskedLM", tie_word_embeddings=False)
    with pytest.raises(UserError, match=r"masked-lm head that cannot be read: its decoder is"):
        MaskedLanguageModel.from_pretrained(folder)
    assert BertEncoder.from_pretrained(folder).config.hidden_size == AWKWARD["hidden_size"]


def test_duplicates_of_the_tied_decoder_are_accepted(torch, random_model):
    from safetensors.torch import load_file, save_file

    model, folder = random_model("BertForMaskedLM")
    tensors = load_file(folder / "model.safetensors")
    words = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["cls.predictions.decoder.weight"] = words.clone()
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].clone()
    save_file(tensors, folder / "model.safetensors")
    batch = random_inputs(model.config, 17)
    mine = ours(MaskedLanguageModel.from_pretrained(folder), batch)
    assert_close(mine, logits_of(torch, model, batch))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files(torch, random_model, dtype):
    model, folder = random_model("BertForPreTraining")
    model = model.to(getattr(torch, dtype))
    model.save_pretrained(folder)
    task = PretrainingModel.from_pretrained(folder)
    batch = random_inputs(model.config, 17)
    assert_close(ours(task, batch), logits_of(torch, model.float(), batch))


def test_shards(torch, random_model):
    model, folder = random_model("BertForMaskedLM")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    batch = random_inputs(model.config, 17)
    mine = ours(MaskedLanguageModel.from_pretrained(folder), batch)
    assert_close(mine, logits_of(torch, model, batch))


@pytest.mark.backend("tensorflow")
def test_the_gradients_of_pretraining(torch, random_model):
    """The word embeddings get two: as the embeddings, and as the decoder."""
    import tensorflow as tf

    model, folder = random_model("BertForPreTraining")
    task = PretrainingModel.from_pretrained(folder)
    batch = random_inputs(model.config, 17)
    rng = np.random.default_rng(1)
    towards = [rng.normal(size=x.shape).astype("float32") for x in logits_of(torch, model, batch)]

    outputs = model(*(torch.from_numpy(array).long() for array in batch.values()))
    loss = (outputs.prediction_logits * torch.from_numpy(towards[0])).sum()
    loss = loss + (outputs.seq_relationship_logits * torch.from_numpy(towards[1])).sum()
    loss.backward()
    expected = {name: p.grad.numpy() for name, p in model.named_parameters()}

    with tf.GradientTape() as tape:
        logits = keras.tree.flatten(task(batch))
        our_loss = sum(tf.reduce_sum(x * y) for x, y in zip(logits, towards, strict=True))
    ours = tape.gradient(our_loss, [variable.value for variable in task.weights])
    ours = {
        variable.path: tf.convert_to_tensor(gradient).numpy()
        for variable, gradient in zip(task.weights, ours, strict=True)
    }

    table, config = open_checkpoint(folder).table, task.encoder.config
    lines = [(weight, task.encoder, "bert.") for weight in table.encoder_weights(config)]
    for head, layer in task.heads.items():
        lines += [(weight, layer, "") for weight in table.head_weights(head, config)]
    assert len(lines) == len(expected) == len(ours)
    # A key's bias moves all scores of a row alike, so its gradient is rounding and nothing more.
    rounding = 1e-6 * max(np.linalg.norm(gradient) for gradient in expected.values())
    for weight, layer, prefix in lines:
        theirs = expected[prefix + weight.theirs]
        mine = weight.from_keras(ours[f"{layer.path}/{weight.ours}"])
        assert np.linalg.norm(mine - theirs) <= 1e-3 * np.linalg.norm(theirs) + rounding, weight


SPECIAL = {
    "beto": ["[MASK]", "[PAD]", "[EOS]", "[UNK]", "[CLS]", "[SEP]"],
    "bert": ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
}
TEXTS = ["El Niño comió [MASK].", "el nino comio", "我爱 Niño", "", "niño " * 30]


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": True},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": True, "tokenize_chinese_chars": False},
    ],
    ids=str,
)
def test_from_text_to_logits(torch, transformers, random_model, special, settings):
    """Through the tokenizer of the same folder, whatever its special ids are."""
    letters = "abcdeilmnoñóNE我爱."
    vocabulary = [*SPECIAL[special], "niño", "nino", *letters, *("##" + x for x in letters)]
    pad = vocabulary.index("[PAD]")
    model, folder = random_model("BertForMaskedLM", pad_token_id=pad)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer_config = {"tokenizer_class": "BertTokenizer", **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))

    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = theirs(TEXTS, padding=True, truncation=True, max_length=41, return_tensors="pt")
    task = MaskedLanguageModel.from_pretrained(folder)
    batch = pack(task.tokenizer.tokenize(TEXTS, max_length=41))
    np.testing.assert_array_equal(batch["input_word_ids"], encoded["input_ids"].numpy())
    assert (batch["input_word_ids"] == pad).any()
    with torch.no_grad():
        expected = model(**encoded).logits.numpy()
    assert_close(ours(task, batch), [expected])
    (without_mask,) = ours(task, batch["input_word_ids"])  # padding is known by its id
    real = batch["input_mask"].astype(bool)
    np.testing.assert_allclose(without_mask[real], expected[real], atol=TINY)


@pytest.mark.network
def test_a_published_masked_language_model(torch, transformers):
    folder = resolve("bert-tiny-mlm")
    task = MaskedLanguageModel.from_pretrained("bert-tiny-mlm")
    theirs = transformers.BertForMaskedLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["The capital of France is [MASK].", "[MASK]", "A film that I would [MASK] again."]
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    batch = pack(task.tokenizer.tokenize(texts))
    np.testing.assert_array_equal(batch["input_word_ids"], encoded["input_ids"].numpy())
    with torch.no_grad():
        expected = theirs(**encoded).logits.numpy()
    assert_close(ours(task, batch), [expected], PUBLISHED)
