"""Whatever transformers reads from a `config.json` is read as there, or refused."""

import json

import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.checkpoints.formats.huggingface_config import default_values
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder

from .models import random_inputs, theirs_of

pytestmark = pytest.mark.oracle

KINDS = ("Bert", "DistilBert", "Electra")
LEFT_OUT = ("hidden_act", "activation", "type_vocab_size", "layer_norm_eps", "initializer_range")
LEFT_OUT += ("pad_token_id", "hidden_dropout_prob", "dropout", "attention_dropout", "model_type")


def change(folder, changes):
    """Changes config.json; a value of `...` leaves the key out."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))


def assert_same(torch, model, folder):
    kind = model.config.model_type
    batch = random_inputs(model.config, 17, segments=kind != "distilbert")
    theirs = theirs_of(torch, model, batch).last_hidden_state.numpy()
    ours = BertEncoder.from_pretrained(folder)(batch)["sequence_output"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_theirs(transformers, kind):
    config = getattr(transformers, f"{kind}Config")()
    ours = default_values({"model_type": config.model_type})
    assert len(ours) >= 11
    assert ours == {key: getattr(config, key) for key in ours}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        dict.fromkeys(LEFT_OUT, ...),
        {"initializer_range": float("nan"), "pad_token_id": -1},
        {"pad_token_id": None, "position_embedding_type": None, "architectures": None},
        {"use_cache": False, "pruned_heads": {}, "output_attentions": True},
        {"chunk_size_feed_forward": 17, "is_decoder": False, "num_labels": 5},
    ],
    ids=str,
)
def test_what_both_read(torch, transformers, random_model, kind, changes):
    _, folder = random_model(f"{kind}Model")
    change(folder, changes)
    model = getattr(transformers, f"{kind}Model").from_pretrained(folder).eval()
    assert_same(torch, model, folder)


@pytest.mark.parametrize("size", ["num_hidden_layers", "num_attention_heads", "intermediate_size"])
def test_a_size_that_is_the_default(torch, transformers, random_model, size):
    defaults = transformers.BertConfig()
    _, folder = random_model("BertModel", **{size: getattr(defaults, size)})
    change(folder, {size: ...})
    assert_same(torch, transformers.BertModel.from_pretrained(folder).eval(), folder)
    assert open_checkpoint(folder).defaults == {size: getattr(defaults, size)}


def test_a_byte_order_mark(torch, random_model):
    model, folder = random_model("BertModel")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text, encoding="utf-8-sig")
    assert_same(torch, model, folder)


@pytest.mark.parametrize("kind", ["Bert", "Electra"])
def test_a_decoder_is_refused(torch, transformers, random_model, kind):
    """transformers lets its tokens attend to those before them alone."""
    model, folder = random_model(f"{kind}Model")
    change(folder, {"is_decoder": True})
    decoder = getattr(transformers, f"{kind}Model").from_pretrained(folder).eval()
    batch = random_inputs(model.config, 17)
    plain, causal = (theirs_of(torch, m, batch).last_hidden_state for m in (model, decoder))
    assert (plain - causal).abs().max() > 0.1
    with pytest.raises(UserError, match=r"is_decoder is True in .*config.json: expected False"):
        BertEncoder.from_pretrained(folder)


def test_a_distilbert_is_no_decoder(torch, transformers, random_model):
    _, folder = random_model("DistilBertModel")
    change(folder, {"is_decoder": True})
    assert_same(torch, transformers.DistilBertModel.from_pretrained(folder).eval(), folder)


@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
def test_relative_positions_are_refused(random_model, kind):
    """transformers 4 computed them; 5 leaves them out without a word."""
    _, folder = random_model("BertModel")
    change(folder, {"position_embedding_type": kind})
    with pytest.raises(UserError, match=r"position_embedding_type is 'relative_key"):
        BertEncoder.from_pretrained(folder)


REFUSED = ("gelu_10", "hardswish", "laplace", "leaky_relu", "linear", "mish", "prelu", "quick_gelu")
REFUSED += ("relu2", "relu6", "sqrtsoftplus", "xielu")


def activations():
    try:
        from transformers.activations import ACT2CLS
    except ImportError:  # the fixtures skip
        return ["gelu"]
    return sorted(ACT2CLS)


@pytest.mark.parametrize("name", activations())
def test_every_activation_is_theirs_or_refused(torch, transformers, random_model, name):
    _, folder = random_model("BertModel")
    change(folder, {"hidden_act": name})
    if name in REFUSED:
        with pytest.raises(UserError, match=f"hidden_act is {name!r} in"):
            BertEncoder.from_pretrained(folder)
    else:
        assert_same(torch, transformers.BertModel.from_pretrained(folder).eval(), folder)
