"""A small labelled file, a small pretrained folder, and trainings that take milliseconds."""

import keras
import pytest

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.text import WordPieceTokenizer

GOOD, BAD = ["fine", "warm", "bright", "great"], ["dull", "cold", "dim", "poor"]
NOUNS = ["film", "play", "song", "tale", "cast"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *NOUNS]


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """40 reviews of three words."""
    rows = ["text,label"]
    for i in range(20):
        rows.append(f"{GOOD[i % 4]} {NOUNS[i // 4]} {NOUNS[i % 5]},good")
        rows.append(f"{BAD[i % 4]} {NOUNS[i // 4]} {NOUNS[i % 3]},bad")
    file = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """A tiny encoder of random weights."""
    keras.utils.set_random_seed(0)
    sizes = {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 8}
    config = EncoderConfig(vocab_size=len(WORDS), max_length=16, initializer_range=0.5, **sizes)
    folder = tmp_path_factory.mktemp("tiny-bert")
    BertEncoder(config).save_pretrained(folder, WordPieceTokenizer.from_vocabulary(WORDS))
    return folder
