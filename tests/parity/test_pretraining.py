"""The losses of pretraining and their gradients against transformers', and its published sizes."""

import keras
import numpy as np
import pytest

from kerasformer.checkpoints.formats.huggingface_names import BERT
from kerasformer.data.batches import Batches
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.models import config as config_module
from kerasformer.tasks import PretrainingModel
from kerasformer.tasks.pretraining.guess_scores import GuessScorer, score_guesses
from kerasformer.tasks.pretraining.pretrain import pretrain

from .models import logits_of, random_inputs

pytestmark = pytest.mark.oracle

WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def batch_of(config, length=23):
    """Rows with padding and both segments, positions to guess or padded, labels and weights."""
    inputs, rng = random_inputs(config, length), np.random.default_rng(4)
    rows, count = len(inputs["input_word_ids"]), 6
    positions = np.stack([rng.permutation(np.arange(1, length))[:count] for _ in range(rows)])
    weights = (np.arange(count) < rng.integers(1, count + 1, (rows, 1))).astype("float32")
    labels = {
        "mlm_logits": rng.integers(0, config.vocab_size, positions.shape).astype("int32"),
        "next_sentence_logits": np.array([0, 1, 1, 0, 1], "int32"),
    }
    inputs["masked_lm_positions"] = (positions * (weights > 0)).astype("int32")
    ones = np.ones(rows, "float32")
    return inputs, labels, {"mlm_logits": weights, "next_sentence_logits": ones}


def their_loss(torch, model, inputs, labels, weights):
    targets = np.full(inputs["input_word_ids"].shape, -100)
    for row, positions in enumerate(inputs["masked_lm_positions"]):
        own = weights["mlm_logits"][row] > 0
        targets[row, positions[own]] = labels["mlm_logits"][row, own]
    names = {"input_ids": "input_word_ids", "attention_mask": "input_mask"}
    names["token_type_ids"] = "input_type_ids"
    given = {name: torch.from_numpy(inputs[ours]).long() for name, ours in names.items()}
    next_sentence = torch.from_numpy(labels["next_sentence_logits"]).long()
    return model(**given, labels=torch.from_numpy(targets), next_sentence_label=next_sentence).loss


def compiled(model, **options):
    """Compiled as `fit` compiles it, for the step of plain gradient descent."""
    loss = model._loss_for(None)
    model.compile(keras.optimizers.SGD(1.0), loss, auto_scale_loss=False, **options)
    return model


@pytest.mark.usefixtures("eager")
def test_loss_and_gradients_are_theirs(torch, random_model):
    theirs, folder = random_model("BertForPreTraining", **WITHOUT_DROPOUT)
    model = PretrainingModel.from_pretrained(folder)
    batch = batch_of(theirs.config)
    loss = their_loss(torch, theirs, *batch)
    loss.backward()
    before = {w.path: keras.ops.convert_to_numpy(w) for w in model.trainable_weights}
    ours = compiled(model).train_on_batch(*batch, return_dict=True)
    assert ours["loss"] == pytest.approx(float(loss.detach()), abs=1e-5)
    expected = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    heads = {"masked_lm": model.masked_lm, "next_sentence": model.next_sentence}
    lines = [(model.encoder, "bert.", BERT.encoder_weights(model.encoder.config))]
    lines += [(heads[h], "", BERT.head_weights(h, model.encoder.config, 2)) for h in heads]
    seen = 0
    for layer, prefix, weights in lines:
        for line in weights:
            path = f"{layer.path}/{line.ours}"
            now = next(w for w in model.trainable_weights if w.path == path)
            gradient = before[path] - keras.ops.convert_to_numpy(now)
            gradient = np.asarray(line.from_keras(gradient)).reshape(line.shape)
            scale = np.abs(expected[prefix + line.theirs]).max()
            np.testing.assert_allclose(
                gradient, expected[prefix + line.theirs], atol=1e-3 * scale + 1e-7, err_msg=path
            )
            seen += 1
    assert seen == len(model.trainable_weights)


@pytest.mark.usefixtures("eager")
def test_the_metrics_are_those_of_their_logits(torch, random_model):
    theirs, folder = random_model("BertForPreTraining", **WITHOUT_DROPOUT)
    model = PretrainingModel.from_pretrained(folder)
    inputs, labels, weights = batch_of(theirs.config)
    scores = score_guesses(GuessScorer(model), OneBatch(inputs, labels, weights))
    (loss, accuracy), (next_loss, next_accuracy) = scores
    expected = float(their_loss(torch, theirs, inputs, labels, weights).detach())
    assert loss + next_loss == pytest.approx(expected, abs=1e-5)
    logits, follows = logits_of(torch, theirs, inputs)
    places = inputs["masked_lm_positions"]
    guesses = np.take_along_axis(logits.argmax(-1), places, axis=1)
    own = weights["mlm_logits"] > 0
    assert accuracy == pytest.approx((guesses == labels["mlm_logits"])[own].mean())
    hits = follows.argmax(-1) == labels["next_sentence_logits"]
    assert next_accuracy == pytest.approx(hits.mean())


class OneBatch(Batches):
    """A batch of arrays."""

    def __init__(self, *columns):
        self._columns = columns
        super().__init__(columns[0]["input_mask"].sum(axis=1), batch_size=99)

    def columns(self, rows):
        return keras.tree.map_structure(lambda array: array[rows], self._columns)


@pytest.mark.usefixtures("eager")
def test_they_read_what_was_pretrained(torch, transformers, tmp_path, monkeypatch):
    monkeypatch.setitem(config_module._PUBLISHED, "tiny", (1, 8, 2))
    texts = ["The cat sat. It slept. It ran.", "The dog ran. It sat. It slept."] * 4
    options = {"size": "tiny", "max_length": 24, "held_out": 0, "verbose": 0}
    ours = pretrain(texts, tmp_path / "model", steps=2, **options).model
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "model").eval()
    batch = random_inputs(theirs.config, 20)
    outputs = (ours(batch)[name] for name in ("mlm_logits", "next_sentence_logits"))
    for mine, other in zip(outputs, logits_of(torch, theirs, batch), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(mine), other, atol=1e-5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer(texts)["input_ids"] == ours.tokenizer.tokenize(texts).ids


@pytest.mark.parametrize("size", ["tiny", "mini", "small", "medium", "base", "large"])
def test_the_published_sizes_have_as_many_parameters(torch, transformers, size):
    config = EncoderConfig.bert(size)
    theirs = transformers.BertConfig(
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=config.intermediate_size,
    )
    with torch.device("meta"):
        model = transformers.BertForPreTraining(theirs)
    with keras.StatelessScope(initialize_variables=False):
        ours = PretrainingModel(BertEncoder(config))
    assert ours.count_params() == sum(p.numel() for p in model.parameters())
