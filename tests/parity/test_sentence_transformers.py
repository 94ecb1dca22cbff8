"""`TextEmbedder` against sentence-transformers, on random tiny folders and once for real."""

import json

import numpy as np
import pytest

from kerasformer import TextEmbedder
from kerasformer.sources.resolve import resolve

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning"),
]

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "good",
    "bad",
    "film",
    "##s",
    "was",
    "is",
    "!",
    ".",
    ",",
    "é",
]
TEXTS = [
    "The good films.",
    "",
    "Bad!",
    "the film was good, the film is bad, the film was good, the film is the film.",
    "É é é",
    "GOOD films unseen words",
    "the " * 100,
]


@pytest.fixture
def make_folder(torch, sentence_transformers, transformers, tmp_path):
    """Makes a random tiny model, saves it, and gives it with its folder."""
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    def make(
        pooling, dense=(), normalize=False, max_length=None, cased=False, prompts=None, **options
    ):
        torch.manual_seed(5)
        config = transformers.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=36,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=20,
            max_position_embeddings=41,
        )
        encoder = transformers.BertModel(config)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.15)
        encoder.save_pretrained(tmp_path / "encoder")
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
        tokenizer = transformers.BertTokenizer(
            str(tmp_path / "vocab.txt"), do_lower_case=not cased, strip_accents=False
        )
        tokenizer.save_pretrained(tmp_path / "encoder")
        modules = [
            Transformer(str(tmp_path / "encoder"), max_seq_length=max_length),
            Pooling(36, pooling, **options),
            *dense,
            *([Normalize()] if normalize else []),
        ]
        model = sentence_transformers.SentenceTransformer(
            modules=modules,
            device="cpu",
            prompts=prompts and {"query": prompts},
            default_prompt_name=prompts and "query",
        )
        model.save(str(tmp_path / "model"), create_model_card=False)
        return model, tmp_path / "model"

    make.dense = Dense
    return make


def assert_equal(model, folder, tolerance=1e-5):
    ours = TextEmbedder.from_pretrained(folder).encode(TEXTS, batch_size=3)
    theirs = model.encode(TEXTS, batch_size=2)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalized"])
@pytest.mark.parametrize(
    "pooling",
    ["cls", "max", "mean", "mean_sqrt_len_tokens", ("mean", "cls", "max")],
    ids=str,
)
def test_each_pooling(make_folder, pooling, normalize):
    assert_equal(*make_folder(pooling, normalize=normalize))


@pytest.mark.parametrize("max_length", [3, 10, 41])
def test_maximum_length(make_folder, max_length):
    assert_equal(*make_folder("mean", max_length=max_length))


def test_lower_casing_before_a_cased_tokenizer(make_folder, sentence_transformers):
    model, folder = make_folder("mean", cased=True)
    assert_equal(model, folder)
    settings = folder / "sentence_bert_config.json"
    values = json.loads(settings.read_text())
    settings.write_text(json.dumps({**values, "do_lower_case": True}))
    lowercasing = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    assert_equal(lowercasing, folder)
    assert not np.allclose(model.encode(TEXTS[:1]), lowercasing.encode(TEXTS[:1]), atol=1e-3)


@pytest.mark.parametrize("include", [True, False], ids=["pooled", "left-out"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_prompt(make_folder, include, pooling):
    assert_equal(*make_folder(pooling, prompts="the bad film: ", include_prompt=include))


def test_dense_modules(make_folder, torch):
    torch.manual_seed(6)
    dense = [
        make_folder.dense(72, 9),
        make_folder.dense(9, 5, bias=False, activation_function=torch.nn.Identity()),
    ]
    assert_equal(*make_folder(("cls", "mean"), dense, normalize=True))


def test_a_plain_folder_is_averaged(make_folder, sentence_transformers):
    _, folder = make_folder("cls")
    (folder / "modules.json").unlink()
    assert_equal(sentence_transformers.SentenceTransformer(str(folder), device="cpu"), folder)


def test_the_layout_of_older_versions(make_folder):
    """Flags for the pooling, and the Transformer in a folder of its own."""
    model, folder = make_folder(("max", "mean"), max_length=10)
    below = folder / "0_Transformer"
    below.mkdir()
    for path in [*folder.glob("*.safetensors"), *folder.glob("tok*"), folder / "config.json"]:
        path.rename(below / path.name)
    (folder / "sentence_bert_config.json").unlink()
    (below / "sentence_bert_config.json").write_text('{"max_seq_length": 10}')
    flags = {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    modules = [
        {"idx": 0, "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    assert_equal(model, folder)


def test_prompts_dimensions_and_bits_of_a_call(make_folder, sentence_transformers):
    model, folder = make_folder(("mean", "max"), normalize=True)
    embedder = TextEmbedder.from_pretrained(folder)
    prompted = model.encode(TEXTS, prompt="the bad ")
    np.testing.assert_allclose(embedder.encode(TEXTS, prompt="the bad "), prompted, atol=1e-5)
    shorter = model.encode(TEXTS, truncate_dim=20, normalize_embeddings=True)
    ours = embedder.encode(TEXTS, dimensions=20, normalize=True)
    np.testing.assert_allclose(ours, shorter, atol=1e-5)
    bits = embedder.encode(TEXTS, dtype="binary")
    theirs = sentence_transformers.quantize_embeddings(embedder.encode(TEXTS), precision="ubinary")
    np.testing.assert_array_equal(bits, theirs)
    one = model.encode(TEXTS[0])
    np.testing.assert_allclose(embedder.encode(TEXTS[0]), one, atol=1e-5)


def test_settings_win_over_the_folder(make_folder):
    _, folder = make_folder("cls", normalize=True, max_length=10)
    said = TextEmbedder.from_pretrained(folder)
    assert (said.pooling, said.normalize, said.max_length) == (("cls",), True, 10)
    given = TextEmbedder.from_pretrained(folder, pooling="mean", normalize=False, max_length=20)
    assert (given.pooling, given.normalize, given.max_length) == (("mean",), False, 20)


@pytest.mark.network
def test_minilm(sentence_transformers):
    folder = resolve("all-MiniLM-L6-v2")
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    assert_equal(model, folder)
    assert TextEmbedder.from_pretrained("all-MiniLM-L6-v2").max_length == 256


@pytest.mark.network
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_minilm_in_half_precision(policy):
    full, half = (
        TextEmbedder.from_pretrained("all-MiniLM-L6-v2", dtype=dtype, normalize=True)
        for dtype in ("float32", policy)
    )
    assert (full.encode(TEXTS) * half.encode(TEXTS)).sum(axis=1).min() > 0.9995
