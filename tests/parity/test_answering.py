"""Questions answered by models of transformers, read with their heads, against transformers."""

import numpy as np
import pytest

from kerasformer.tasks import QuestionAnswerer
from kerasformer.tasks.spans import SPAN

from .models import write_tokenizer

pytestmark = pytest.mark.oracle

PAIRS = [("a b", "bb a ba b"), ("ab", "a bb ba ab a b"), ("b a", "ab ba ab")]
ANSWERS = [[("a ba", 3)], [("ab", 8), ("ba", 5)], []]


@pytest.fixture(params=["Bert", "DistilBert", "Electra"])
def both(request, transformers, random_model):
    model, folder = random_model(f"{request.param}ForQuestionAnswering")
    write_tokenizer(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return QuestionAnswerer.from_pretrained(folder), model, tokenizer


def test_the_logits_and_the_loss_of_positions(torch, both):
    ours, model, tokenizer = both
    outputs, losses = ours.predict(PAIRS), []
    for row, ((question, context), given) in enumerate(zip(PAIRS, ANSWERS, strict=True)):
        encoded = tokenizer(question, context, return_tensors="pt")
        places = {}
        for name, character in zip(("start", "end"), edges(given), strict=True):
            place = encoded.char_to_token(0, character, sequence_index=1) if given else 0
            places[f"{name}_positions"] = torch.tensor([place])
        if model.config.model_type == "distilbert":
            encoded.pop("token_type_ids", None)
        with torch.no_grad():
            theirs = model(**encoded, **places)
        losses.append(float(theirs.loss))
        length = encoded["input_ids"].shape[1]
        for name in SPAN:
            np.testing.assert_allclose(outputs[name][row, :length], theirs[name][0], atol=1e-5)
            assert np.isneginf(outputs[name][row, length:]).all()
    loss = ours.evaluate(PAIRS, ANSWERS, return_dict=True)["loss"]
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


def edges(answers):
    """The first and the last character of the first answer."""
    if not answers:
        return 0, 0
    text, start = answers[0]
    return start, start + len(text) - 1


def test_trained_and_read_by_transformers(torch, transformers, both, tmp_path):
    ours, _, tokenizer = both
    ours.fit(PAIRS * 4, ANSWERS * 4, epochs=1, verbose=0)
    ours.save_pretrained(tmp_path)
    # What was DistilBERT has segments by now: it is written as BERT.
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    again = QuestionAnswerer.from_pretrained(tmp_path)
    assert again.threshold == ours.threshold == 0.0
    outputs = again.predict(PAIRS)
    for row, (question, context) in enumerate(PAIRS):
        encoded = tokenizer(question, context, return_tensors="pt")
        with torch.no_grad():
            logits = theirs(**encoded)
        for name in SPAN:
            length = encoded["input_ids"].shape[1]
            np.testing.assert_allclose(outputs[name][row, :length], logits[name][0], atol=1e-5)
