"""Damaged copies of all that the package reads, in processes of their own; see run.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Subjects in one process share the imports; TensorFlow's are imported by one process alone.
GROUPS = {
    "models": (
        *("huggingface", "gpt2", "shards", "sentence-transformers", "adapter", "kerashub", "keras"),
        "inspected",
    ),
    "tensorflow": ("savedmodel", "object-checkpoint", "google", "hub"),
    "layers": (
        "text-classifier",
        "transformer-classifier",
        "older-classifier",
        "embedder",
        "static",
    ),
    "texts": (
        "tokenizer",
        "byte-level",
        "char-bpe",
        "vocabulary",
        "csv",
        "csv.gz",
        "tsv",
        "jsonl",
        "parquet",
        "lines",
        "documents",
    ),
    "vectors": ("glove", "word2vec", "word2vec-text", "npy-vectors"),
    "examples": (
        *("pairs", "several", "several-parquet", "numbers", "conll", "conll.gz", "words"),
        *("words-parquet", "spans", "spans-parquet", "squad", "questions", "questions-parquet"),
    ),
    "results": ("token-corpus", "npy-corpus", "parquet-corpus", "record", "features"),
    "training": ("checkpoint", "training-state"),
    "sources": ("cache", "listing"),
}


def read_damaged(names, count, seed):
    """What became of the copies of each subject, by name."""
    run = Path(__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, run, str(count), str(seed), *names],
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-5000:], done.stderr[-1000:])
    return dict(zip(names, map(json.loads, done.stdout.splitlines()[-len(names) :]), strict=True))


@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_what_is_damaged_is_read_or_refused(names):
    for name, outcomes in read_damaged(names, 500, seed=0).items():
        assert outcomes.keys() <= {"failed", "read", "refused"}, (name, outcomes)
        assert outcomes.get("refused", 0) > 0 or name in ("inspected", "features", "cache")


@pytest.mark.fuzz
@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_what_is_damaged_in_any_way_is_read_or_refused(names):
    for name, outcomes in read_damaged(names, 10_000, seed=1).items():
        assert outcomes.keys() <= {"failed", "read", "refused"}, (name, outcomes)
