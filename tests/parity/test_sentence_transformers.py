"""`TextEmbedder` against sentence-transformers, on random tiny folders and once for real."""

import inspect
import json

import keras
import numpy as np
import pytest

from kerasformer import TextEmbedder
from kerasformer.checkpoints.formats.sentence_vectors import ACTIVATIONS
from kerasformer.errors import UserError
from kerasformer.layers import LayerPooling, SequencePooling
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
        pooling,
        dense=(),
        normalize=False,
        max_length=None,
        cased=False,
        prompts=None,
        truncate_dim=None,
        **options,
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
            truncate_dim=truncate_dim,
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
    [
        *("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"),
        ("mean", "cls", "max"),
    ],
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
@pytest.mark.parametrize("pooling", ["cls", "mean", "weightedmean", "lasttoken"])
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


def layers_of(kind):
    if kind != "mix":
        return {"layers": kind}
    mix = LayerPooling("all", "scalar_mix")
    mix.build([(None, None, 36)] * 3)
    mix.set_weights([np.array([0.5, -1.0, 1.0]), np.array(1.0)])
    return {"layers": mix}


@pytest.mark.parametrize(
    "settings",
    [
        *({"pooling": name} for name in SequencePooling.POOLINGS),
        {"pooling": ("mean", "cls", "max"), "normalize": True, "max_length": 10},
        {"prompt": "the bad film: ", "include_prompt": False},
        {"prompt": "the bad film: ", "pooling": "max"},
        {"pooling": "pooled", "normalize": True},
        *(layers_of(kind) for kind in (0, -2, [0, 2], "mean_all", "mix")),
        {"dense": ("tanh", "gelu", "linear"), "normalize": True},
        {"dimensions": 20, "similarity": "dot"},
        {"prompts": {"query": "the bad ", "other": "film "}, "prompt": "the bad "},
    ],
    ids=str,
)
def test_what_is_saved_gives_equal_vectors(make_folder, sentence_transformers, settings, tmp_path):
    if "dense" in settings:
        layers = [keras.layers.Dense(36, name) for name in settings["dense"]]
        for layer in layers:
            layer.build((None, 36))
        settings = settings | {"dense": layers}
    _, folder = make_folder("mean")
    embedder = TextEmbedder.from_pretrained(folder, **settings)
    embedder.save_pretrained(tmp_path / "saved")
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(embedder.encode(TEXTS), theirs.encode(TEXTS), atol=1e-5)
    assert theirs.max_seq_length == embedder.max_length
    assert_equal(theirs, tmp_path / "saved")


def test_other_layers_are_refused_rather_than_wrong(make_folder, sentence_transformers, tmp_path):
    _, folder = make_folder("mean")
    embedder = TextEmbedder.from_pretrained(folder, layers=[0, 1], combine="sum")
    embedder.save_pretrained(tmp_path / "saved")
    for trust in (False, True):
        with pytest.raises((ValueError, AttributeError), match="LayerPooling"):
            sentence_transformers.SentenceTransformer(
                str(tmp_path / "saved"), device="cpu", trust_remote_code=trust
            )


def test_a_lower_casing_tokenizer_is_saved(make_folder, sentence_transformers, tmp_path):
    _, folder = make_folder("mean", cased=True)
    settings = folder / "sentence_bert_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_lower_case": True}))
    TextEmbedder.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    lowercasing = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(again.encode(TEXTS), lowercasing.encode(TEXTS), atol=1e-5)
    assert_equal(again, tmp_path / "saved")


def test_their_weighted_layers_are_read(make_folder, sentence_transformers, torch, tmp_path):
    from sentence_transformers.sentence_transformer.modules import WeightedLayerPooling

    model, _ = make_folder("mean")
    weights = torch.nn.Parameter(torch.tensor([0.5, 2.0]))
    transformer, pooling = model
    transformer.model.config.output_hidden_states = True
    weighted = WeightedLayerPooling(36, 2, layer_start=1, layer_weights=weights)
    model = sentence_transformers.SentenceTransformer(
        modules=[transformer, weighted, pooling], device="cpu"
    )
    model.save(str(tmp_path / "weighted"), create_model_card=False)
    assert_equal(model, tmp_path / "weighted")


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalized"])
def test_truncated_dimensions(make_folder, sentence_transformers, normalize, tmp_path):
    model, folder = make_folder(("mean", "max"), normalize=normalize, truncate_dim=20)
    assert_equal(model, folder)
    embedder = TextEmbedder.from_pretrained(folder)
    assert embedder.size == model.get_embedding_dimension() == 20
    embedder.save_pretrained(tmp_path / "saved")
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert again.truncate_dim == 20
    assert_equal(again, tmp_path / "saved")
    np.testing.assert_allclose(again.encode(TEXTS), model.encode(TEXTS), atol=1e-5)
    for width in (7, 30):
        theirs = model.encode(TEXTS, truncate_dim=width)
        np.testing.assert_allclose(embedder.encode(TEXTS, dimensions=width), theirs, atol=1e-5)
    scaled = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(embedder.encode(TEXTS, normalize=True), scaled, atol=1e-5)
    assert embedder.encode(TEXTS, output="token")[0].vectors.shape[-1] == 36


def test_prompts_by_name(make_folder):
    model, folder = make_folder("mean", prompts="the bad film: ")
    path = folder / "config_sentence_transformers.json"
    prompts = {"query": "the bad film: ", "passage": "film "}
    path.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "query"}))
    embedder = TextEmbedder.from_pretrained(folder)
    model.prompts["passage"] = "film "
    for name in ("passage", "query", "document", None):
        ours = embedder.encode(TEXTS, prompt_name=name)
        np.testing.assert_allclose(ours, model.encode(TEXTS, prompt_name=name), atol=1e-5)
    np.testing.assert_array_equal(
        list(embedder.stream(TEXTS, prompt_name="passage")),
        embedder.encode(TEXTS, prompt="film "),
    )
    with pytest.raises(UserError, match=r"prompt_name is 'other', but .* are: 'query'"):
        embedder.encode(TEXTS, prompt_name="other")
    with pytest.raises(UserError, match="prompt and prompt_name='query' are both given"):
        embedder.encode(TEXTS, prompt_name="query", prompt="film ")


def test_a_chain_of_modules(make_folder, sentence_transformers, torch, tmp_path):
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    norm = LayerNorm(36)
    with torch.no_grad():
        norm.norm.weight.add_(torch.randn(36))
        norm.norm.bias.add_(torch.randn(36))
    dense = make_folder.dense(36, 9, activation_function=torch.nn.SiLU())
    model, folder = make_folder("mean", [Dropout(0.3), norm, Normalize(), dense], normalize=True)
    assert_equal(model, folder)
    embedder = TextEmbedder.from_pretrained(folder)
    assert embedder.normalize
    assert [type(layer).__name__ for layer in embedder.dense] == [
        *("Dropout", "LayerNormalization", "UnitNormalization", "Dense")
    ]
    embedder.save_pretrained(tmp_path / "saved")
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert [type(module).__name__ for module in again] == [
        type(module).__name__ for module in model
    ]
    np.testing.assert_allclose(again.encode(TEXTS), model.encode(TEXTS), atol=1e-5)
    assert_equal(again, tmp_path / "saved")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(torch, name):
    x = np.linspace(-7, 7, 57, dtype="float32")
    theirs = getattr(torch.nn, name)()(torch.from_numpy(x)).numpy()
    ours = keras.ops.convert_to_numpy(keras.activations.get(ACTIVATIONS[name])(x))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_pooler_in_place_of_a_pooling_module(make_folder, sentence_transformers):
    _, folder = make_folder("mean", [make_folder.dense(36, 5)])
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[0], modules[2]]))
    with pytest.raises(KeyError):  # nothing pools
        sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    with pytest.raises(UserError, match="has the modules Transformer, Dense"):
        TextEmbedder.from_pretrained(folder)
    output = {"method": "forward", "method_output_name": "pooler_output"}
    settings = {"modality_config": {"text": output}, "module_output_name": "sentence_embedding"}
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    assert_equal(sentence_transformers.SentenceTransformer(str(folder), device="cpu"), folder)
    assert TextEmbedder.from_pretrained(folder).pooling == ("pooled",)


@pytest.mark.parametrize(
    ("settings", "tokenizer"),
    [
        *(
            ({f"sentence_{kind}_config.json": {"max_seq_length": 6}}, {})
            for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
        ),
        ({"sentence_mpnet_config.json": {"max_seq_length": 6}}, {}),
        (
            {
                "sentence_bert_config.json": {},
                "sentence_distilbert_config.json": {"max_seq_length": 7},
                "sentence_xlnet_config.json": {"max_seq_length": 8},
            },
            {},
        ),
        ({}, {"max_len": 7}),
        ({}, {"max_len": 7, "model_max_length": 9}),
        ({"sentence_bert_config.json": {"max_seq_length": 6}}, {"max_len": 7}),
        (
            {
                "sentence_bert_config.json": {
                    "max_seq_length": 6,
                    "tokenizer_args": {"model_max_length": 8},
                }
            },
            {},
        ),
        ({"sentence_bert_config.json": {"do_lower_case": True}}, {"model_max_length": 100}),
    ],
    ids=str,
)
def test_who_says_the_maximum_length(make_folder, sentence_transformers, settings, tokenizer):
    _, folder = make_folder("mean")
    (folder / "sentence_bert_config.json").unlink()
    for name, values in settings.items():
        (folder / name).write_text(json.dumps(values))
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text())
    del values["model_max_length"]
    path.write_text(json.dumps(values | tokenizer))
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    assert TextEmbedder.from_pretrained(folder).max_length == model.max_seq_length
    assert_equal(model, folder)


def test_the_settings_of_a_transformer_alone_do_not_count(make_folder, sentence_transformers):
    _, folder = make_folder("mean", cased=True)
    (folder / "modules.json").unlink()
    settings = {"max_seq_length": 6, "do_lower_case": True}
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    assert_equal(sentence_transformers.SentenceTransformer(str(folder), device="cpu"), folder)


def test_a_maximum_length_beyond_the_positions(make_folder):
    """sentence-transformers fails at the first long text; ours are truncated."""
    model, folder = make_folder("mean", max_length=100)
    embedder = TextEmbedder.from_pretrained(folder)
    assert embedder.max_length == 41
    with pytest.raises(UserError, match="max_length is 1000, but the encoder takes"):
        TextEmbedder.from_pretrained(folder, max_length=1000)
    np.testing.assert_allclose(
        embedder.encode(TEXTS[:-1]), model.encode(TEXTS[:-1], batch_size=1), atol=1e-5
    )
    assert np.isfinite(embedder.encode(TEXTS)).all()
    with pytest.raises((IndexError, RuntimeError)):
        model.encode(TEXTS[-1:])


# Arguments of SentenceTransformer.encode that ours has under another name, or not at all, and why.
DIFFERENT = {
    "inputs": "texts, as everywhere in kerasformer",
    "output_value": "output, which has words and layers too, and gives the tokens' texts",
    "precision": "dtype: int8 needs no calibration, and binary is their ubinary",
    "normalize_embeddings": "normalize, which by default is as the embedder says, and can be off",
    "truncate_dim": "dimensions",
    "convert_to_numpy": "always an array",
    "convert_to_tensor": "always an array",
    "device": "that of the Keras backend",
    "pool": "kerasformer embed and its engines",
    "chunk_size": "kerasformer embed and its engines",
    "kwargs": "an unknown argument is an error",
}


def test_the_signature_beside_theirs(sentence_transformers):
    ours, theirs = (
        inspect.signature(kind.encode).parameters
        for kind in (TextEmbedder, sentence_transformers.SentenceTransformer)
    )
    shared = ours.keys() & theirs.keys() - {"self"}
    assert shared == {"prompt", "prompt_name", "batch_size", "show_progress_bar"}
    assert DIFFERENT.keys() == theirs.keys() - ours.keys()
    assert {name for name in shared if ours[name].default != theirs[name].default} == {
        "batch_size"  # by default ours counts tokens
    }
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in ours.values())


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


def test_a_table_over_whole_words(sentence_transformers, torch, tmp_path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    static = StaticEmbedding(words, embedding_dim=4)
    model = sentence_transformers.SentenceTransformer(modules=[static], device="cpu")
    model.save(str(tmp_path / "static"), create_model_card=False)
    texts = [WORDS[5], "no such word", ""]
    ours = TextEmbedder.from_pretrained(tmp_path / "static").encode(texts)
    np.testing.assert_allclose(ours, model.encode(texts), atol=1e-6)
