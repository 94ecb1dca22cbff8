"""The loss of a student's logits against torch's, of transformers' models with the same weights."""

import numpy as np
import pytest

from kerasformer.tasks import Distillation, MaskedLanguageModel
from kerasformer.text import WordPieceTokenizer

from .models import make_model, theirs_of

pytestmark = pytest.mark.oracle

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "ran", "on", "a"]
TEXTS = ["the cat sat on a dog", "a dog ran on", "the dog sat on the cat", "the cat ran"] * 3


def test_the_loss_is_that_of_softened_logits(torch, transformers, tmp_path):
    """Hinton et al., equation 1 and section 2: as in transformers' own DistilBERT training."""
    sizes = {"vocab_size": len(WORDS), "num_hidden_layers": 2}
    teacher, student = (
        make_model(torch, transformers, tmp_path / name, f"{name}ForMaskedLM", **own)
        for name, own in (("Bert", sizes), ("DistilBert", {"vocab_size": 12, "n_layers": 1}))
    )
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    guessing = MaskedLanguageModel.from_pretrained(tmp_path / "Bert", tokenizer=tokenizer)
    ours = Distillation.from_pretrained(tmp_path / "DistilBert", teacher=guessing, parts=["logits"])
    data = ours._batches(ours._read(TEXTS), 12)
    ((inputs, zeros, weights),) = list(data)
    rows, columns = inputs["masked_lm_positions"].nonzero()
    places = inputs["masked_lm_positions"][rows, columns]
    logits = [theirs_of(torch, model, inputs).logits[rows, places] for model in (student, teacher)]
    functional, temperature = torch.nn.functional, 2.0
    theirs = functional.kl_div(
        functional.log_softmax(logits[0] / temperature, dim=-1),
        functional.softmax(logits[1] / temperature, dim=-1),
        reduction="batchmean",
    )
    theirs = float(theirs) * temperature**2
    assert theirs > 0.01
    assert float(ours._loss_for(data)(zeros, ours(inputs), weights)) == pytest.approx(
        theirs, abs=1e-5
    )
    assert ours.evaluate(TEXTS, batch_size=5, verbose=0) == pytest.approx(theirs, abs=1e-5)
    assert np.isfinite(ours.predict(TEXTS)).all()
