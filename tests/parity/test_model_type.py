"""Folders whose `config.json` lacks `model_type` or `architectures`, against transformers."""

import json

import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder

from .models import random_inputs, theirs_of

pytestmark = pytest.mark.oracle


def drop(folder, *keys):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in values.items() if k not in keys}))


@pytest.mark.parametrize(
    "keys", [["model_type"], ["architectures"], ["model_type", "architectures"]]
)
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("BertModel", {}),
        ("BertForMaskedLM", {"pad_token_id": 3}),  # with a prefix no RoBERTa has
        ("DistilBertModel", {}),
        ("DistilBertForQuestionAnswering", {}),
        ("ElectraModel", {}),
        ("ElectraForMaskedLM", {"embedding_size": 36}),
    ],
    ids=str,
)
def test_it_is_recognised(torch, random_model, name, config, keys):
    model, folder = random_model(name, **config)
    drop(folder, *keys)
    assert open_checkpoint(folder).architecture == name
    batch = random_inputs(model.config, 17, segments=not name.startswith("Distil"))
    theirs = theirs_of(torch, model.base_model, batch, output_hidden_states=True)
    ours = BertEncoder.from_pretrained(folder)(batch)["sequence_output"]
    np.testing.assert_allclose(ours, theirs.hidden_states[-1].numpy(), atol=1e-5, rtol=0)


def test_a_roberta_is_not_taken_for_a_bert(transformers, tmp_path):
    """Its tensors have BERT's names and shapes."""
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.RobertaConfig(vocab_size=20, num_hidden_layers=1, **sizes)
    transformers.RobertaModel(config).save_pretrained(tmp_path)
    for keys in (["model_type"], ["model_type", "architectures"]):
        drop(tmp_path, *keys)
        with pytest.raises(UserError, match=r'config.json has no model_type.* add "model_type"'):
            open_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["Roberta", "Camembert", "XLMRoberta"])
def test_other_kinds_are_named(transformers, tmp_path, kind):
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    config = getattr(transformers, f"{kind}Config")(vocab_size=20, num_hidden_layers=1, **sizes)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"of type '{config.model_type}': expected 'bert' or 'dis"):
        open_checkpoint(tmp_path)
