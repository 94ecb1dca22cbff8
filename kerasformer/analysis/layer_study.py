"""The layers of an encoder on one labelled data set: every probe, the choice, the test."""

import contextlib
import time
import types
from dataclasses import dataclass

import numpy as np

from kerasformer.analysis.layer_features import check_poolings, layer_features
from kerasformer.analysis.layer_probe import (
    FOLDS,
    Choice,
    Probe,
    choose,
    fit_probe,
    probe_layers,
    usable_classes,
)


@dataclass(frozen=True, eq=False)
class LayerStudy:
    """What `study_layers` found.

    Attributes:
        probes: A `Probe` for each choice of layers and pooling, layer by layer.
        choice: The `Choice` between them.
        num_layers: The encoder's blocks.
        poolings: The poolings.
        examples: The texts of the cross-validation.
        majority: The share of their most frequent class.
        left_out: Names of classes with too few texts, which were left out.
        test_examples: The texts that were kept for the test.
        test: Of the chosen and the usual probe, trained on all texts of the cross-validation, the
            accuracy on these: `{"chosen": 0.8, "usual": 0.8}`; empty where there are none.
        seconds: How long the encoder and the probes took.
    """

    probes: list[Probe]
    choice: Choice
    num_layers: int
    poolings: tuple[str, ...]
    examples: int
    majority: float
    left_out: tuple[str, ...]
    test_examples: int
    test: dict[str, float]
    seconds: dict[str, float]


def study_layers(
    dataset, embedder, poolings=("mean", "cls", "max"), *, seed=0, progress=None
) -> LayerStudy:
    """Probes every layer on a data set, and tests what the probes choose.

    Training and validation texts are those of the cross-validation; the test texts take no part
    in any choice.

    Args:
        dataset: A `LabeledDataset`.
        embedder: A `TextEmbedder`.
        poolings: Some of `kerasformer.analysis.layer_features.POOLINGS`.
        seed: Of the folds and of the resampling.
        progress: What shows the two steps, such as `kerasformer.progress.WorkProgress`.

    Raises:
        UserError: A pooling is unknown, or fewer than two classes have texts enough.
    """
    check_poolings(poolings)
    learnt = [split for split in (dataset.train, dataset.validation) if split]
    keys = np.array([key for split in learnt for key in split.keys])
    labels = np.concatenate([split.labels for split in learnt])
    classes = usable_classes(labels, keys)
    progress = progress or _no_progress
    started = time.perf_counter()
    texts = [text for split in (*learnt, dataset.test) for text in split.texts]
    with progress("Encoding", len(texts)) as bar:
        features = layer_features(embedder, texts, poolings, verbose=bar.advance)
    encoded = time.perf_counter()
    here = np.flatnonzero(np.isin(labels, classes))
    there = np.flatnonzero(np.isin(dataset.test.labels, classes))
    learning, testing = features.take(here), features.take(len(labels) + there)
    labels = labels[here]
    with progress("Probing", len(learning.cells()) * FOLDS, unit="probes") as bar:
        probes = probe_layers(learning, labels, keys[here], seed, bar.advance)
    choice = choose(probes, labels, _usual_pooling(embedder, poolings), seed)
    test_labels = dataset.test.labels[there]
    return LayerStudy(
        probes=probes,
        choice=choice,
        num_layers=features.num_layers,
        poolings=tuple(poolings),
        examples=len(labels),
        majority=float(np.bincount(labels).max() / len(labels)),
        left_out=tuple(n for i, n in enumerate(dataset.class_names) if i not in classes),
        test_examples=len(test_labels),
        test=_test(choice, learning, labels, testing, test_labels, seed),
        seconds={"encoder": encoded - started, "probes": time.perf_counter() - encoded},
    )


def _usual_pooling(embedder, poolings):
    """The model's own pooling, or the first where it is not among those asked for."""
    own = [name for name in embedder.pooling if name in poolings]
    return own[0] if len(embedder.pooling) == 1 and own else poolings[0]


def _test(choice, learning, labels, testing, test_labels, seed):
    from threadpoolctl import threadpool_limits

    if not len(test_labels):
        return {}

    def accuracy(probe):
        cell = probe.layers, probe.pooling
        fitted = fit_probe(learning.of(*cell), labels, seed)
        return float((fitted.predict(testing.of(*cell)) == test_labels).mean())

    with threadpool_limits(1):  # the matrix products are too small for several threads
        return {"chosen": accuracy(choice.chosen), "usual": accuracy(choice.usual)}


@contextlib.contextmanager
def _no_progress(title, total, unit="texts"):
    yield types.SimpleNamespace(advance=lambda count: None)
