"""`TextEmbedder` against sentence-transformers' `StaticEmbedding`, on random tiny folders."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from kerasformer import TextEmbedder

pytestmark = pytest.mark.oracle

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "good", "bad", "film", "##s", "was", "é", "."]
TEXTS = [
    "The good films.",
    "",
    "   ",
    "Unseen words",
    "[CLS] the É [SEP] [UNK]",
    "the bad films was good. " * 5000,
    "good",
]


def berts():
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", [("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def words_alone():
    """Without special tokens but the unknown one, as model2vec's."""
    ids = {word: number for number, word in enumerate(["<unk>", *WORDS[4:]])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def truncating():
    tokenizer = berts()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    return tokenizer


@pytest.fixture
def make_folder(torch, sentence_transformers, tmp_path):
    """Makes a random static model, saves it, and gives what sentence-transformers reads of it."""
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    def make(tokenizer=berts, dense=False, normalize=False, **options):
        torch.manual_seed(4)
        made = tokenizer()
        further = [Dense(16, 9)] * dense + [Normalize()] * normalize
        model = sentence_transformers.SentenceTransformer(
            modules=[StaticEmbedding(made, embedding_dim=16), *further], device="cpu", **options
        )
        model.save(str(tmp_path / "model"), create_model_card=False)
        return load(tmp_path / "model"), tmp_path / "model"

    def load(folder):
        # In float64: torch's float32 sum over the 30,000 tokens of one text is off by 1e-4.
        return sentence_transformers.SentenceTransformer(str(folder), device="cpu").double()

    make.load = load
    return make


SETTINGS = [
    {},
    {"tokenizer": words_alone},
    {"tokenizer": truncating},
    {"normalize": True},
    {"dense": True, "normalize": True},
    {"normalize": True, "truncate_dim": 5},
    {"prompts": {"query": "the bad film: "}, "default_prompt_name": "query"},
]


@pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning")
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: ",".join(each) or "plain")
def test_vectors_are_equal_and_those_of_what_is_saved(make_folder, settings, tmp_path):
    model, folder = make_folder(**settings)
    embedder = TextEmbedder.from_pretrained(folder)
    ours, theirs = embedder.encode(TEXTS), model.encode(TEXTS)
    assert (ours.dtype, theirs.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=0)
    if "truncate_dim" in settings:
        return
    embedder.save_pretrained(tmp_path / "saved")
    again = make_folder.load(tmp_path / "saved")
    np.testing.assert_allclose(again.encode(TEXTS), theirs, atol=1e-6, rtol=0)
    ours = TextEmbedder.from_pretrained(tmp_path / "saved")
    np.testing.assert_allclose(ours.encode(TEXTS), theirs, atol=1e-6, rtol=0)
    assert ours.max_length == embedder.max_length


@pytest.mark.parametrize("older", [True, False])
def test_other_layouts(make_folder, torch, older):
    """The module in a folder of its own, and model2vec's tensors."""
    from safetensors.torch import load_file, save_file

    model, folder = make_folder()
    if older:
        (folder / "0_StaticEmbedding").mkdir()
        for name in ("model.safetensors", "tokenizer.json"):
            (folder / name).rename(folder / "0_StaticEmbedding" / name)
        entry = {"idx": 0, "name": "0", "path": "0_StaticEmbedding"}
        entry["type"] = "sentence_transformers.models.StaticEmbedding"
        (folder / "modules.json").write_text(json.dumps([entry]))
    else:
        table = load_file(folder / "model.safetensors")["embedding.weight"]
        tensors = {
            "embeddings": table[:5].clone(),
            "mapping": torch.arange(len(WORDS)) % 5,
            "weights": torch.linspace(0.1, 2, len(WORDS)),
        }
        save_file(tensors, folder / "model.safetensors")
        model = make_folder.load(folder)
    ours = TextEmbedder.from_pretrained(folder).encode(TEXTS)
    np.testing.assert_allclose(ours, model.encode(TEXTS), atol=1e-6, rtol=0)
