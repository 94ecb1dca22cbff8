"""A small labelled file for each task and a small pretrained folder for the comparisons."""

import json

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from kerasformer.checkpoints.formats.huggingface_names import BERT
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer

GOOD, BAD = ["fine", "warm", "bright", "great"], ["dull", "cold", "dim", "poor"]
NOUNS = ["film", "play", "song", "tale", "cast", "plot", "score", "scene"]


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """96 reviews of two words and a number."""
    rows = ["text,label"]
    for i in range(48):
        rows += [f"{GOOD[i % 4]} {NOUNS[i // 4 % 8]} {i},good", f"{BAD[i % 4]} {NOUNS[i // 4 % 8]} {i},bad"]  # fmt: skip  # noqa: E501
    file = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """A tiny encoder of random weights in the Hugging Face layout."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *NOUNS]
    words += [prefix + digit for prefix in ("", "##") for digit in "0123456789"]
    config = EncoderConfig(
        vocab_size=len(words), hidden_size=16, num_layers=1, num_heads=2, intermediate_size=32,
        max_length=32,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    tensors = {
        weight.theirs: rng.normal(0, 0.3, weight.shape).astype("float32")
        for weight in BERT.encoder_weights(config)
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    names = {
        "vocab_size": config.vocab_size, "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32,
        "type_vocab_size": 2, "model_type": "bert", "hidden_act": "gelu",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(names))
    return folder


@pytest.fixture(scope="session")
def deep(tmp_path_factory):
    """A tiny encoder of 4 blocks."""
    keras.utils.set_random_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *NOUNS]
    sizes = {"hidden_size": 8, "num_layers": 4, "num_heads": 2, "intermediate_size": 8}
    config = EncoderConfig(vocab_size=len(words), max_length=16, initializer_range=0.5, **sizes)
    folder = tmp_path_factory.mktemp("deep-bert")
    BertEncoder(config).save_pretrained(folder, WordPieceTokenizer.from_vocabulary(words))
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """60 pairs of texts, of which some say the same."""
    rows = ["sentence1,sentence2,label"]
    for i in range(60):
        noun, other = NOUNS[i % 8], NOUNS[(i + 1 + i % 3) % 8]
        second = f"{noun} {GOOD[i % 4]}" if i % 2 else f"{other} {BAD[i % 3]}"
        rows.append(f"{GOOD[i % 4]} {noun} {i},{second},{'same' if i % 2 else 'other'}")
    file = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="session")
def tagged(tmp_path_factory):
    """60 sentences in which the words after "fine" and "warm" are names, most of them."""
    sentences = []
    for i in range(60):
        first = GOOD[i % 4]
        tags = ["B-work", "I-work"] if i % 4 < 2 else ["B-person", "O"]
        words = [NOUNS[i % 8], NOUNS[(i + 3) % 8]]
        rows = [f"{first} O", *(f"{w} {t}" for w, t in zip(words, tags, strict=True)), f"{i} O"]
        sentences.append("\n".join(rows))
    file = tmp_path_factory.mktemp("tagged") / "names.conll"
    file.write_text("\n\n".join(sentences) + "\n")
    return file


@pytest.fixture(scope="session")
def asked(tmp_path_factory):
    """48 questions about 12 contexts, in SQuAD's format."""
    articles = []
    for i in range(12):
        context = f"{GOOD[i % 4]} {NOUNS[i % 8]} {BAD[i % 3]} {NOUNS[(i + 3) % 8]} {i}"
        words = context.split()
        questions = [
            {
                "id": f"{i}-{k}",
                "question": f"{words[k]} {words[(k + 2) % 5]}",
                "answers": [{"text": words[k + 1], "answer_start": context.index(words[k + 1])}],
            }
            for k in range(4)
        ]
        articles.append({"title": f"{i}", "paragraphs": [{"context": context, "qas": questions}]})
    file = tmp_path_factory.mktemp("asked") / "asked.json"
    file.write_text(json.dumps({"version": "1.1", "data": articles}))
    return file
