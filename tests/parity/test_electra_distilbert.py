"""ELECTRA and DistilBERT encoders against transformers, layer by layer."""

import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.models import BertEncoder

from .models import random_inputs, theirs_of

pytestmark = pytest.mark.oracle

TINY = 1e-5
OUTPUTS = ["embedding_output", "encoder_outputs", "attention_scores"]


def assert_equal(torch, model, encoder, batch):
    """Every block and its attention; the embeddings as they enter the first block."""
    theirs = theirs_of(
        torch, model.base_model, batch, output_hidden_states=True, output_attentions=True
    )
    ours = encoder(batch, outputs=OUTPUTS)
    states = [ours["embedding_output"], *ours["encoder_outputs"]]
    for layer, (mine, other) in enumerate(zip(states, theirs.hidden_states, strict=True)):
        np.testing.assert_allclose(mine, other.numpy(), atol=TINY, rtol=0, err_msg=f"{layer}")
    for mine, other in zip(ours["attention_scores"], theirs.attentions, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), atol=TINY, rtol=0)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("DistilBertModel", {}),
        ("DistilBertModel", {"activation": "relu", "n_heads": 1, "n_layers": 1}),
        ("DistilBertModel", {"sinusoidal_pos_embds": True}),
        ("ElectraModel", {}),
        ("ElectraModel", {"embedding_size": 36}),  # as in ELECTRA base: no projection
        ("ElectraModel", {"embedding_size": 50, "type_vocab_size": 4}),
        ("ElectraModel", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
    ],
    ids=str,
)
def test_every_layer(torch, random_model, name, config):
    model, folder = random_model(name, **config)
    encoder = BertEncoder.from_pretrained(folder)
    assert encoder.config.pooler is False
    for length in (1, 2, 17, 41):
        for segments in (True, False):
            assert_equal(torch, model, encoder, random_inputs(model.config, length, 0, segments))


@pytest.mark.parametrize(
    "name",
    [
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
        "DistilBertForTokenClassification",
        "DistilBertForQuestionAnswering",
        "DistilBertForMultipleChoice",
        "ElectraForPreTraining",
        "ElectraForMaskedLM",
        "ElectraForSequenceClassification",
        "ElectraForTokenClassification",
        "ElectraForQuestionAnswering",
        "ElectraForMultipleChoice",
    ],
)
def test_the_encoder_of_a_model_with_a_head(torch, random_model, name):
    model, folder = random_model(name)
    encoder = BertEncoder.from_pretrained(folder)
    assert_equal(torch, model, encoder, random_inputs(model.config, 17))
    assert open_checkpoint(folder).architecture == name


def test_without_segments_their_ids_change_nothing(random_model):
    model, folder = random_model("DistilBertModel")
    encoder = BertEncoder.from_pretrained(folder)
    assert encoder.config.type_vocab_size == 2
    batch = random_inputs(model.config, 17)
    changed = {**batch, "input_type_ids": np.ones_like(batch["input_type_ids"])}
    np.testing.assert_array_equal(
        encoder(batch)["sequence_output"], encoder(changed)["sequence_output"]
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["DistilBertModel", "ElectraModel"])
def test_half_precision_files(torch, random_model, name, dtype):
    model, folder = random_model(name)
    model = model.to(getattr(torch, dtype))
    model.save_pretrained(folder)
    encoder = BertEncoder.from_pretrained(folder)
    assert_equal(torch, model.float(), encoder, random_inputs(model.config, 17))
