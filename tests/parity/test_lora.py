"""LoRA adapters in PEFT's layout, against transformers with the matrices added by hand."""

import json
import math

import numpy as np
import pytest

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder
from kerasformer.tasks import TextClassifier, TokenClassifier, load

from .models import logits_of, make_model, random_inputs, theirs_of, write_tokenizer

pytestmark = pytest.mark.oracle

QUERY = "attention.self.query"
CONFIG = {
    # As PEFT 0.21 writes it, keys of other methods included.
    "peft_type": "LORA",
    "task_type": None,
    "base_model_name_or_path": "../base",
    "r": 4,
    "lora_alpha": 12,
    "use_rslora": False,
    "lora_dropout": 0.1,
    "fan_in_fan_out": False,
    "bias": "none",
    "target_modules": ["query", "dense"],
    "rank_pattern": {},
    "revision": None,
    "alpha_pattern": {},
    "modules_to_save": None,
    "init_lora_weights": True,
    "use_dora": False,
    "inference_mode": True,
    "megatron_core": "megatron.core",
    "qalora_group_size": 16,
    "loftq_config": {},
    "layer_replication": None,
    "lora_bias": False,
    "auto_mapping": None,
}


@pytest.fixture
def base(torch, transformers, tmp_path):
    """Makes a base model in its folder; gives it."""

    def make(name="BertModel", **config):
        folder = tmp_path / "base"
        model = make_model(torch, transformers, folder, name, **config)
        write_tokenizer(folder)
        return model

    return make


@pytest.fixture
def adapter(torch, tmp_path):
    """Writes an adapter of a model's layers, and adds it to the model itself."""
    from safetensors.torch import save_file

    def write(model, modules, save=(), scale=3.0, rank=4, without=(), extra=None, **changes):
        folder = tmp_path / "adapter"
        folder.mkdir(exist_ok=True)
        torch.manual_seed(5)
        tensors = {}
        for name, module in model.named_modules():
            prefix = f"base_model.model.{name}"
            if name.endswith(modules):
                rows, columns = module.weight.shape
                is_table = isinstance(module, torch.nn.Embedding)
                inner, outer = (rows, columns) if is_table else (columns, rows)
                first, second = torch.randn(rank, inner) * 0.2, torch.randn(outer, rank) * 0.2
                names = ("embedding_A", "embedding_B") if is_table else ("A.weight", "B.weight")
                tensors[f"{prefix}.lora_{names[0]}"] = first
                tensors[f"{prefix}.lora_{names[1]}"] = second
                factor = scale(name) if callable(scale) else scale
                product = second @ first
                module.weight.data += factor * (product.T if is_table else product)
            if save and name.endswith(save):
                for key, parameter in module.named_parameters():
                    parameter.data = torch.randn_like(parameter) * 0.3
                    tensors[f"{prefix}.{key}"] = parameter.data.clone()
        tensors = {n: t for n, t in tensors.items() if not n.endswith(without or "-")}
        save_file(tensors | (extra or {}), folder / "adapter_model.safetensors")
        values = {k: v for k, v in (CONFIG | changes).items() if v is not ...}
        (folder / "adapter_config.json").write_text(json.dumps(values))
        return folder

    return write


def assert_same(torch, model, folder):
    batch = random_inputs(model.config, 17, segments=model.config.model_type != "distilbert")
    theirs = theirs_of(torch, model.base_model, batch).last_hidden_state.numpy()
    ours = BertEncoder.from_pretrained(folder)(batch)["sequence_output"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("BertModel", (QUERY, "output.dense")),
        ("BertModel", ("word_embeddings", "pooler.dense")),
        ("BertForMaskedLM", (QUERY, "attention.self.value")),
        ("DistilBertModel", ("q_lin", "v_lin", "ffn.lin1")),
        ("ElectraModel", (QUERY, "embeddings_project")),
    ],
)
def test_the_sum_is_what_the_adapted_model_computes(torch, base, adapter, name, modules):
    model = base(name)
    folder = adapter(model, modules, task_type="FEATURE_EXTRACTION")
    assert_same(torch, model, folder)
    assert open_checkpoint(folder).has_tokenizer
    assert not open_checkpoint(folder).report().problems()


def test_rank_stabilized(torch, base, adapter):
    model = base()
    assert_same(torch, model, adapter(model, QUERY, scale=12 / math.sqrt(4), use_rslora=True))


def test_patterns_of_rank_and_alpha(torch, base, adapter):
    """The first whose name is the end of the layer's counts."""
    model = base()

    def scale(name):
        return {"1": 20.0, "2": 7.0}.get(name.split(".")[2], 5.0) / 4

    patterns = {f"encoder.layer.1.{QUERY}": 20, "layer.2.attention.self.query": 7, "query": 5}
    folder = adapter(
        model, QUERY, scale=scale, r=9, rank_pattern={"self.query": 4}, alpha_pattern=patterns
    )
    assert_same(torch, model, folder)


def test_a_classifiers_head_comes_with_it(torch, transformers, base, adapter, tmp_path):
    """The base model is one without, or with another head."""
    for name in ("BertForNextSentencePrediction", "BertForSequenceClassification"):
        base(name)
        model = transformers.BertForSequenceClassification.from_pretrained(
            tmp_path / "base", num_labels=3, ignore_mismatched_sizes=True
        ).eval()
        folder = adapter(model, QUERY, save="classifier", task_type="SEQ_CLS")
        ours = load(folder, class_names=["a", "b", "c"])
        assert isinstance(ours, TextClassifier)
        batch = random_inputs(model.config, 17)
        np.testing.assert_allclose(ours(batch), logits_of(torch, model, batch)[0], atol=1e-5)


def test_a_token_classifier_and_biases(torch, transformers, base, adapter, tmp_path):
    base("DistilBertForMaskedLM")
    model = transformers.DistilBertForTokenClassification.from_pretrained(
        tmp_path / "base", num_labels=5
    ).eval()
    bias = torch.ones(model.config.dim)
    layer = "distilbert.transformer.layer.0.attention.q_lin"
    folder = adapter(
        *(model, ("q_lin", "v_lin"), "classifier"),
        task_type="TOKEN_CLS",
        bias="all",
        extra={f"base_model.model.{layer}.base_layer.bias": bias},
    )
    model.get_submodule(layer).bias.data = bias
    ours = load(folder)
    assert isinstance(ours, TokenClassifier)
    batch = random_inputs(model.config, 17, segments=False)
    np.testing.assert_allclose(ours(batch), logits_of(torch, model, batch)[0], atol=1e-5)


def test_a_distilberts_untrained_first_layer_is_not_made_up(transformers, base, adapter, tmp_path):
    base("DistilBertModel")
    model = transformers.DistilBertForSequenceClassification.from_pretrained(tmp_path / "base")
    folder = adapter(model, "q_lin", save=".classifier", task_type="SEQ_CLS")
    with pytest.raises(UserError, match=r"without a head that can be read"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, r"of the type 'IA3': only 'LORA'"),
        ({"peft_type": ...}, r"of the type 'None'"),
        ({"use_dora": True}, r"use_dora' set to 'True'.*merge_and_unload"),
        ({"lora_bias": True}, r"lora_bias"),
        ({"layer_replication": [[0, 2]]}, r"layer_replication"),
        ({"init_lora_weights": "pissa"}, r"init_lora_weights' set to 'pissa'"),
        ({"base_model_name_or_path": "bert-base-uncased"}, r"is no folder here: fetch it, and"),
        ({"base_model_name_or_path": "hf://a/b"}, r"is no folder here"),
        ({"base_model_name_or_path": "~nobody/" + "a" * 300 + "\0"}, r"is no folder here"),
        ({"base_model_name_or_path": None}, r"has no base_model_name_or_path"),
        ({"base_model_name_or_path": "."}, r"is an adapter itself"),
        ({"r": 5}, r"are \[4, 36\] and \[36, 4\], but .* has the rank 5"),
        ({"r": 0}, r"r is 0 in .*: expected an integer from 1"),
        ({"lora_alpha": "x"}, r"lora_alpha is 'x'"),
        ({"rank_pattern": {"(a+)+$": 3}}, r"pattern '\(a\+\)\+\$': only names"),
        ({"rank_pattern": [1]}, r"pattern that is no object"),
        ({"without": "lora_B.weight"}, r"has one matrix for .*: LoRA has two"),
        ({"unknown": "base_model.model.x.lora_A.weight"}, r"has one matrix"),
        ({"unknown": "base_model.model.x.lora_magnitude_vector"}, r"is no part of LoRA"),
        ({"unknown": "y.weight"}, r"'y.weight', which is no part of LoRA"),
        ({"unknown": "base_model.model.y.weight"}, r"'y.weight' is unexpected"),
    ],
    ids=str,
)
def test_what_cannot_be_merged(torch, base, adapter, changes, message):
    model = base(num_hidden_layers=1)
    unknown = changes.pop("unknown", None)
    extra = {unknown: torch.zeros(4, 36)} if unknown else None
    folder = adapter(model, QUERY, extra=extra, **changes)
    with pytest.raises(UserError, match=message) as error:
        BertEncoder.from_pretrained(folder)
    assert "\n" not in str(error.value)


def test_layers_of_another_model(torch, transformers, base, adapter, tmp_path):
    model = base()
    folder = adapter(model, QUERY)
    make_model(torch, transformers, tmp_path / "base", "BertModel", num_hidden_layers=2)
    with pytest.raises(UserError, match=r"adapts 'encoder.layer.2.*', which its base model does"):
        BertEncoder.from_pretrained(folder)


def test_a_pickle_is_not_read(base, adapter):
    folder = adapter(base(), QUERY)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(UserError, match=r"pickle \(adapter_model.bin\)"):
        BertEncoder.from_pretrained(folder)


def test_a_sum_that_is_infinite(torch, base, adapter):
    name = f"base_model.model.encoder.layer.0.{QUERY}.lora_A.weight"
    folder = adapter(base(), QUERY, extra={name: torch.full((4, 36), 3e38)})
    with pytest.raises(UserError, match=r"query.weight' in .* NaN or infinite"):
        BertEncoder.from_pretrained(folder)
