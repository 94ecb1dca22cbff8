"""Sets of every task that TensorFlow Datasets' own builders prepare, without a network."""

import json

import numpy as np
import pytest

from kerasformer.data import load_dataset
from kerasformer.errors import UserError

pytest.importorskip("importlib_resources")  # 4.9 needs it to prepare a set, and does not say so
tfds = pytest.importorskip("tensorflow_datasets")


class Wnut17(tfds.core.GeneratorBasedBuilder):
    """As the Hugging Face hub has it; one sentence is empty."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        tags = tfds.features.ClassLabel(names=["O", "B-person", "I-person", "B-group"])
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "tokens": tfds.features.Sequence(tfds.features.Text()),
                    "ner_tags": tfds.features.Sequence(tags),
                    "topics": tfds.features.Sequence(tfds.features.ClassLabel(names=["b", "a"])),
                    "text": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._rows(12), "validation": self._rows(3), "test": self._rows(4)}

    def _generate_examples(self):
        raise NotImplementedError

    def _rows(self, count):
        for number in range(count):
            words = ["Ada", "Löve", str(number)][: 3 if number else 0]
            tags = ["B-person", "I-person", "O"][: len(words)]
            topics = [[], ["a"], ["a", "b"]][number % 3]
            text = " ".join(words) or "no words"
            row = {"id": str(number), "tokens": words, "ner_tags": tags, "topics": topics}
            yield number, row | {"text": text}


ARTICLES = [
    {
        "title": f"Title {n}",
        "paragraphs": [
            {
                "context": f"né {n}: Ada codes.",
                "qas": [
                    {
                        "id": f"q{n}",
                        "question": "Who codes?",
                        "is_impossible": n % 2 > 0,
                        "plausible_answers": [{"text": "né", "answer_start": 0}],
                        "answers": [{"text": "Ada", "answer_start": 6}] * (1 - n % 2),
                    }
                ],
            }
        ],
    }
    for n in range(6)
]
ANSWERED = [article for article in ARTICLES if article["paragraphs"][0]["qas"][0]["answers"]]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with sets prepared by the package's own builders from small files."""
    folder = tmp_path_factory.mktemp("tfds")
    source = folder / "source"
    manager = tfds.download.DownloadManager
    with pytest.MonkeyPatch.context() as patch:
        for name, found in (
            ("glue/mrpc", _mrpc(source / "mrpc")),
            ("glue/stsb", _stsb(source / "stsb")),
            ("glue/mnli", _mnli(source / "mnli")),
            ("conll2003", _conll(source / "conll")),
            ("squad/v1.1", _squad(source / "one", ANSWERED)),
            ("squad/v2.0", _squad(source / "two", ARTICLES)),
        ):
            for method in ("download", "download_and_extract"):
                patch.setattr(manager, method, lambda self, urls, found=found: found)
            tfds.builder(name, data_dir=folder).download_and_prepare()
    Wnut17(data_dir=folder).download_and_prepare()
    return folder


def _write(folder, name, *lines, mark=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mark + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def _mrpc(folder):
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
    rows = [f"{i % 2}\t{i}\t{i}\tfirst {i}\tsecond {i}" for i in range(10)]
    return {
        "train": _write(folder, "train.txt", header, *rows, mark="\ufeff"),
        "dev_ids": _write(folder, "dev.tsv", "8\t8", "9\t9"),
        "test": _write(folder, "test.txt", header, *rows[:3]),
    }


def _stsb(folder):
    rows = [f"first {i}\tsecond {i}\t{i / 4:.3f}" for i in range(8)]
    header = "sentence1\tsentence2"
    for split in ("train", "dev"):
        _write(folder / "STS-B", f"{split}.tsv", f"{header}\tscore", *rows)
    _write(folder / "STS-B", "test.tsv", header, "a\tb", "c\td")
    return folder


def _mnli(folder):
    kinds = ("entailment", "neutral", "contradiction")
    rows = [f"first {i}\tsecond {i}\t{kinds[i % 3]}" for i in range(9)]
    header = "sentence1\tsentence2"
    for split in ("train", "dev_matched", "dev_mismatched"):
        _write(folder / "MNLI", f"{split}.tsv", f"{header}\tgold_label", *rows)
    for split in ("test_matched", "test_mismatched"):
        _write(folder / "MNLI", f"{split}.tsv", header, "a\tb")
    return folder


def _conll(folder):
    words = ["EU NNP I-NP B-ORG", "rejects VBZ I-VP O", "", "Ada NNP I-NP B-PER"]
    for split in ("train", "valid", "test"):
        _write(folder, f"{split}.txt", "-DOCSTART- -X- O O", "", *words, "")
    return folder


def _squad(folder, articles):
    path = _write(folder, "squad.json", json.dumps({"version": "v2.0", "data": articles}))
    return {"train": path, "dev": path}


def test_pairs(data_dir):
    dataset = load_dataset("tfds:glue/mrpc", "pairs", data_dir=data_dir)
    assert dataset.class_names == ("not_equivalent", "equivalent")
    # The labels of the test split are secret, so one is made of train.
    assert dataset.provenance["ignored_splits"] == ["test"]
    assert len(dataset.train) + len(dataset.test) == 8
    assert len(dataset.validation) == 2
    for (first, second), label in zip(dataset.train.texts, dataset.train.labels, strict=True):
        number = int(first.removeprefix("first "))
        assert (second, label) == (f"second {number}", number % 2)
    assert dataset.provenance["columns"] == {"pair": ["sentence1", "sentence2"], "label": "label"}


def test_scores(data_dir):
    dataset = load_dataset("tfds:glue/stsb", "pairs", data_dir=data_dir)
    assert dataset.problem_type == "regression"
    assert dataset.provenance["ignored_splits"] == ["test"]
    for (first, _), score in zip(dataset.validation.texts, dataset.validation.labels, strict=True):
        assert score.tolist() == [int(first.split()[1]) / 4]
    assert np.all(dataset.test.labels >= 0)


def test_splits_of_other_names(data_dir):
    dataset = load_dataset("tfds:glue/mnli", "pairs", data_dir=data_dir)
    assert dataset.class_names == ("entailment", "neutral", "contradiction")
    assert len(dataset.validation) == 9
    assert set(dataset.provenance["ignored_splits"]) == {
        "test_matched",
        "test_mismatched",
        "validation_mismatched",
    }


def test_words(data_dir):
    dataset = load_dataset("tfds:wnut17", "tagging", data_dir=data_dir)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 11,
        "validation": 2,
        "test": 3,
    }
    assert dataset.tag_names == ("O", "B-person", "I-person")
    assert dataset.provenance["rows_left_out"] == 3
    assert all(words[:2] == ["Ada", "Löve"] for words in dataset.test.words)
    assert all(tags == ["B-person", "I-person", "O"] for tags in dataset.test.tags)


@pytest.mark.parametrize(
    ("column", "names"),
    [(None, ("O", "B-ORG", "B-PER")), ("pos", ("NNP", "VBZ")), ("chunks", ("I-NP", "I-VP"))],
)
def test_conll2003(data_dir, column, names):
    dataset = load_dataset("tfds:conll2003", "tagging", label_column=column, data_dir=data_dir)
    assert list(dataset.splits) == ["train", "validation", "test"]
    assert dataset.tag_names == names
    assert ["EU", "rejects"] in dataset.test.words


@pytest.mark.parametrize(("version", "count"), [("v1.1", 3), ("v2.0", 6)])
def test_questions(data_dir, version, count):
    dataset = load_dataset(f"tfds:squad/{version}", "answering", data_dir=data_dir)
    assert len(dataset.train) + len(dataset.test) == len(dataset.validation) == count
    assert dataset.has_unanswerable == (count == 6)
    found = dataset.validation
    for name, context, answers in zip(found.ids, found.contexts, found.answers, strict=True):
        assert context == f"né {name[1:]}: Ada codes."
        assert answers == [("Ada", 6)] * (1 - int(name[1:]) % 2)
    assert sorted(found.titles)[0] == "Title 0"


def test_several_classes(data_dir):
    dataset = load_dataset(
        "tfds:wnut17", text_column="text", label_column="topics", data_dir=data_dir
    )
    assert dataset.problem_type == "multi_label_classification"
    assert dataset.class_names == ("b", "a")
    labels = dict(zip(dataset.train.texts, dataset.train.labels.tolist(), strict=True))
    assert labels["Ada Löve 1"] == [0, 1]
    assert labels["Ada Löve 2"] == [1, 1]


@pytest.mark.parametrize(
    ("source", "task", "options", "message"),
    [
        ("tfds:glue/mrpc", "tagging", {}, "known to hold"),
        ("tfds:glue/mrpc", "answering", {}, "has no column 'question'"),
        ("tfds:wnut17", "pairs", {}, "known to hold"),
        ("tfds:glue/mrpc", "pairs", {"text_column": "sentence1,idx"}, "'idx' of .* is not a text"),
        ("tfds:squad/v1.1", "answering", {"header": True}, "header does not apply"),
    ],
)
def test_bad_input(data_dir, source, task, options, message):
    with pytest.raises(UserError, match=message):
        load_dataset(source, task, data_dir=data_dir, **options)


@pytest.mark.parametrize(
    ("source", "files", "task", "parts"),
    [
        ("conll2003", "conll", "tagging", ("words", "tags")),
        ("squad/v2.0", "two/squad.json", "answering", ("ids", "contexts", "answers", "titles")),
        ("glue/mnli", "mnli/MNLI/train.tsv", "pairs", ("texts", "labels")),
    ],
)
def test_the_original_files_are_read_as_their_builders_read_them(
    data_dir, source, files, task, parts
):
    names = {"class_names": ["entailment", "neutral", "contradiction"]} if task == "pairs" else {}
    options = {"label_column": 3} if task == "tagging" else names
    found = load_dataset(data_dir / "source" / files, task, **options)
    theirs = load_dataset(f"tfds:{source}", task, data_dir=data_dir)
    for split in ("train", "test"):
        rows = [
            sorted(zip(*(list(getattr(d.splits[split], part)) for part in parts), strict=True))
            for d in (found, theirs)
        ]
        assert rows[0] == rows[1]
        assert rows[0]
