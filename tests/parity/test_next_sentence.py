"""Pairs of sentences against transformers' model, on the same strings."""

import numpy as np
import pytest

from kerasformer.tasks import NextSentencePredictor

from .models import write_tokenizer

pytestmark = pytest.mark.oracle

PAIRS = [("ab ba", "b a"), ("a", "bb aab a" * 20), ("b" * 9, ""), ("a b " * 30, "ab " * 30)]


def test_the_logits_and_the_loss_are_theirs(torch, transformers, random_model):
    model, folder = random_model("BertForNextSentencePrediction")
    write_tokenizer(folder)
    ours, tokenizer = (
        cls.from_pretrained(folder) for cls in (NextSentencePredictor, transformers.AutoTokenizer)
    )
    encoded = tokenizer(
        *map(list, zip(*PAIRS, strict=True)),
        truncation=True,
        max_length=41,
        padding=True,
        return_tensors="pt",
    )
    labels = [0, 1, 1, 0]
    with torch.no_grad():
        theirs = model(**encoded, labels=torch.tensor(labels))
    np.testing.assert_allclose(ours.predict(PAIRS), theirs.logits.numpy(), atol=1e-5)
    scores = ours.evaluate(PAIRS, labels, return_dict=True, verbose=0)
    assert scores["loss"] == pytest.approx(float(theirs.loss), abs=1e-5)
    follows = theirs.logits.softmax(-1)[:, 0].numpy()
    np.testing.assert_allclose(ours.follows(*zip(*PAIRS, strict=True)), follows, atol=1e-5)
