"""LoRA adapters out of any file; tests/parity/test_lora.py compares with transformers."""

import contextlib
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from kerasformer.checkpoints import open_checkpoint
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig

NAME = "base_model.model.encoder.layer.0.attention.self.query"
CONFIG = {"peft_type": "LORA", "base_model_name_or_path": "../base", "r": 2, "lora_alpha": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An adapter beside its base model."""
    place = tmp_path_factory.mktemp("lora")
    sizes = {"hidden_size": 6, "num_layers": 1, "num_heads": 2, "intermediate_size": 5}
    BertEncoder(EncoderConfig(vocab_size=9, max_length=7, **sizes)).save_pretrained(place / "base")
    (place / "adapter").mkdir()
    rng = np.random.default_rng(0)
    matrices = {"A": rng.normal(size=(2, 6)), "B": rng.normal(size=(6, 2))}
    tensors = {f"{NAME}.lora_{k}.weight": m.astype("float32") for k, m in matrices.items()}
    save_file(tensors, place / "adapter" / "adapter_model.safetensors")
    return place / "adapter"


def write(folder, values):
    (folder / "adapter_config.json").write_text(json.dumps(values))
    return folder


def query(encoder):
    kernel = encoder.blocks[0].self_attention.query_dense.kernel
    return keras.ops.convert_to_numpy(kernel).reshape(6, 6)


def test_the_product_is_added_to_the_matrix(folder):
    base = query(BertEncoder.from_pretrained(folder.parent / "base"))
    adapted = query(BertEncoder.from_pretrained(write(folder, CONFIG)))
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 6)), rng.normal(size=(6, 2))
    np.testing.assert_allclose(adapted - base, 3 * (second @ first).T, atol=1e-5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
KEYS = [*CONFIG, "rank_pattern", "alpha_pattern", "use_rslora", "task_type", "auto_mapping"]
KEYS += ["init_lora_weights", "bias", "modules_to_save", "use_dora"]


@settings(max_examples=60, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_whatever_the_config_says_it_is_opened_or_refused(folder, changes):
    write(folder, CONFIG | changes)
    with contextlib.suppress(UserError):  # any other error is a defect
        checkpoint = open_checkpoint(folder)
        assert checkpoint.config.hidden_size == 6
        assert checkpoint.report().problems() == []
