"""How transformers turned start and end logits into answers, and random logits to compare on.

No installed package has this code any more: transformers removed its question-answering pipeline
in 5.3, and `postprocess_qa_predictions` stands in its examples, which no wheel holds. So two wheels
are fetched that have them, of known sha256, and the functions alone are run, without the rest of
their modules.
"""

import ast
import collections
import json
import logging
import os
import types

import numpy as np
import pytest

from kerasformer.sources.cache import Cache
from kerasformer.sources.places import File, Wheel
from kerasformer.sources.progress import FetchProgress
from kerasformer.sources.wheel import fetch_from_wheel

PIPELINE = Wheel(
    distribution="transformers",
    version="4.57.6",
    sha256="4c9e9de11333ddfe5114bc872c9f370509198acf0b87a832a0ab9458e2bd0550",
    size=11993498,
    members={"pipeline.py": "transformers/pipelines/question_answering.py"},
)
PIPELINE_FILE = File(
    "pipeline.py", "8945cab983de991b336b2f080f6efd8e8063d608b97dbb1fbb4b7ff6a87e95a5", 31081
)
# Its copy of transformers' examples/pytorch/question-answering/utils_qa.py. There a token that is
# not of the context has no offsets, here [-1, -1].
EXAMPLES = Wheel(
    distribution="lightning-transformers",
    version="0.2.5",
    sha256="36680f6342e2300008bb4a7e78e664302dd114dfe749f13f89b6b5bff7e40890",
    size=75643,
    members={
        "examples.py": (
            "lightning_transformers/task/nlp/question_answering/datasets/squad/processing.py"
        )
    },
)
EXAMPLES_FILE = File(
    "examples.py", "6786344cbae69d0ebd24669ce087da4162e02d59a829a5bae69394160dc3668a", 20203
)


def functions(wheel, file, names, folder):
    """The functions and methods of these names in a file of a wheel, as a namespace."""
    cache = Cache(folder / "cache")
    with FetchProgress(str(wheel)) as progress:
        list(fetch_from_wheel(wheel, [file], cache, folder, progress))
    module = ast.parse(cache.blob(file.sha256).read_text(encoding="utf-8"))
    module.body = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name in names
    ]
    for node in module.body:  # the annotations name what is not imported
        node.returns = None
        for argument in node.args.args:
            argument.annotation = None
    found = {"np": np, "json": json, "os": os, "collections": collections}
    found |= {"logger": logging.getLogger(__name__), "tqdm": lambda x: x}
    exec(compile(module, file.name, "exec"), found)
    return types.SimpleNamespace(**{name: found[name] for name in names})


def examples_functions(folder):
    return functions(EXAMPLES, EXAMPLES_FILE, ["postprocess_qa_predictions"], folder)


def pipeline_functions(folder):
    names = ["decode_spans", "select_starts_ends", "postprocess", "get_answer", "get_indices"]
    return functions(PIPELINE, PIPELINE_FILE, names, folder)


def random_windows(rng, questions=3, width=14, scale=2.0):
    """Logits of windows that overlap, of contexts in which no two spans have the same text."""
    rows = {"starts": [], "ends": [], "offsets": [], "questions": [], "contexts": []}
    for question in range(questions):
        length = int(rng.integers(3, 25))
        words = [f"{question}:{i}" + "é" * int(rng.integers(0, 3)) for i in range(length)]
        rows["contexts"].append(" ".join(words))
        stops = np.cumsum([len(word) + 1 for word in words]) - 1
        offsets = [[int(b) - len(word), int(b)] for b, word in zip(stops, words, strict=True)]
        logits = rng.normal(scale=scale, size=(2, length))
        asked = int(rng.integers(1, 4))  # tokens of the question
        room = width - asked - 3
        for first in range(0, max(1, length - 5), room - 5):  # five tokens are in both
            window = [[-1, -1]] * (asked + 2) + offsets[first : first + room]
            window += [[-1, -1]] * (width - len(window))
            rows["offsets"].append(window)
            rows["questions"].append(question)
            for name, values in zip(("starts", "ends"), logits, strict=True):
                row = rng.normal(size=width)
                seen = values[first : first + room]  # alike in each window, but not the same
                row[asked + 2 : asked + 2 + len(seen)] += seen
                rows[name].append(row.astype("float32"))
    return rows


def transformers_answers(examples, windows, folder, **settings):
    """For each question the text that transformers chooses, its n best and its null odds."""
    contexts = [{"id": str(i), "context": text} for i, text in enumerate(windows["contexts"])]
    features = [
        {"offset_mapping": offsets, "example_id": question}
        for offsets, question in zip(windows["offsets"], windows["questions"], strict=True)
    ]
    logits = np.array(windows["starts"]), np.array(windows["ends"]), None
    chosen = examples.postprocess_qa_predictions(
        contexts, features, logits, output_dir=str(folder), **settings
    )
    best = json.loads((folder / "nbest_predictions.json").read_text())
    odds = {}
    if settings.get("version_2_with_negative"):
        odds = json.loads((folder / "null_odds.json").read_text())
    return [(chosen[key], best[key], odds.get(key)) for key in chosen]


def check_same(own, best):
    """Our answers begin with theirs, pairs of text and probability, of which some are alike."""
    spans = list(dict.fromkeys(text for text, _ in best if text))
    probability = dict(reversed(best))  # the first of those that are alike
    found = [a for a in own if a.text][: len(spans)]
    assert [a.text for a in found] == spans
    assert any(not a.text for a in own) == ("" in probability)
    share = found[0].score / probability[spans[0]]
    if len(best) == len(probability):
        assert share == pytest.approx(1, rel=1e-3)
    for a in [*found, *(a for a in own if not a.text)]:
        assert a.score == pytest.approx(share * probability[a.text], rel=1e-3, abs=1e-6)
