"""Attention maps against transformers with `attn_implementation="eager"`, from the text on."""

import numpy as np
import pytest

from kerasformer.analysis.attention import attention_maps
from kerasformer.models import BertEncoder
from kerasformer.sources.resolve import resolve
from kerasformer.text import WordPieceTokenizer

pytestmark = [pytest.mark.oracle, pytest.mark.network]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("The robbers emptied the bank near the river bank, unbelievably.", None),
        ("¿Dónde está el banco?", "It is 東京 🏦 by the river."),
        ("", None),
    ],
    ids=["text", "pair", "empty"],
)
def test_maps_equal_those_of_transformers(torch, transformers, text, pair):
    folder = resolve("all-MiniLM-L6-v2")
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokens = transformers.BertTokenizerFast.from_pretrained(folder)(text, pair, return_tensors="pt")
    with torch.no_grad():
        expected = theirs(**tokens, output_attentions=True).attentions
    tokenizer = WordPieceTokenizer.from_pretrained(folder)
    maps = attention_maps(BertEncoder.from_pretrained(folder), tokenizer, text, pair)
    assert maps.segments == tokens["token_type_ids"][0].tolist()
    assert len(maps.tokens) == tokens["input_ids"].shape[1]
    np.testing.assert_allclose(maps.weights, torch.stack(expected)[:, 0].numpy(), rtol=0, atol=1e-5)
