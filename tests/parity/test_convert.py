"""`kerasformer convert --to hf` of models that transformers wrote: transformers sees no change."""

import numpy as np
import pytest

from kerasformer.cli import main

from .models import logits_of, random_inputs

pytestmark = pytest.mark.oracle

CLASSES = [
    *("BertModel", "BertForMaskedLM", "BertForNextSentencePrediction", "BertForPreTraining"),
    *("BertForSequenceClassification", "BertForTokenClassification", "BertForQuestionAnswering"),
]


@pytest.mark.parametrize("name", CLASSES)
def test_there_and_back(torch, transformers, tmp_path, name):
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=97,
        hidden_size=36,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=41,
        num_labels=2 if "Question" in name else 4,
    )
    model = getattr(transformers, name)(config).eval()
    model.save_pretrained(tmp_path / "theirs")
    assert main(["convert", str(tmp_path / "theirs"), str(tmp_path / "ours"), "--to", "hf"]) == 0
    again = getattr(transformers, name).from_pretrained(tmp_path / "ours").eval()
    ids = torch.randint(0, 97, (4, 17))
    mask = (torch.arange(17) < torch.tensor([[17], [9], [1], [4]])).long()
    with torch.no_grad():
        pair = [m(input_ids=ids, attention_mask=mask, return_dict=True) for m in (model, again)]
    assert pair[0].keys() == pair[1].keys()
    for key in pair[0]:
        torch.testing.assert_close(pair[0][key], pair[1][key], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["DistilBert", "Electra"])
@pytest.mark.parametrize("task", ["SequenceClassification", "MultipleChoice"])
def test_classifiers_of_other_families(torch, transformers, random_model, kind, task):
    name = f"{kind}For{task}"
    model, folder = random_model(name)
    assert main(["convert", str(folder), str(folder / "ours"), "--to", "hf"]) == 0
    again = getattr(transformers, name).from_pretrained(folder / "ours").eval()
    batch = random_inputs(model.config, 17, segments=kind != "DistilBert")
    if task == "MultipleChoice":
        batch = {name: rows[:, None] for name, rows in batch.items()}
    expected, logits = (logits_of(torch, m, batch)[0] for m in (model, again))
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
