"""Sets that TensorFlow Datasets' own builders prepare from small files, without a network."""

import io
import tarfile

import numpy as np
import pytest

from kerasformer.data import load_dataset
from kerasformer.data.raw import Documents
from kerasformer.errors import UserError

pytest.importorskip("importlib_resources")  # 4.9 needs it to prepare a set, and does not say so
tfds = pytest.importorskip("tensorflow_datasets")


class MixedReviews(tfds.core.GeneratorBasedBuilder):
    """Features without usual names, several scalars, hidden labels and texts left empty."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "question": tfds.features.Text(),
                    "stars": np.int32,
                    "answer": tfds.features.Text(),
                    "verdict": tfds.features.ClassLabel(names=["wrong", "right", "never seen"]),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._rows("t", 40), "dev": self._rows("v", 10), "test": self._rows("x")}

    def _generate_examples(self):
        raise NotImplementedError

    def _rows(self, prefix, count=4):
        hidden = prefix == "x"
        for number in range(count):
            yield (
                number,
                {
                    "question": f"{prefix} wer fährt {number}?",
                    "answer": "" if number % 2 else f"Straße {number}",
                    "stars": number % 5 + 1,
                    "verdict": -1 if hidden or (prefix, number) == ("t", 3) else number % 2,
                },
            )
        if not hidden:
            yield "blank", {"question": " ", "answer": "", "stars": 1, "verdict": 0}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with three prepared sets: two of the package's own builders, and the one above."""
    folder = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        manager = tfds.download.DownloadManager
        patch.setattr(manager, "download_and_extract", lambda self, urls: _ag_news(folder))
        patch.setattr(manager, "download", lambda self, url: _imdb(folder))
        for name in ("ag_news_subset", "imdb_reviews"):
            tfds.builder(name, data_dir=folder).download_and_prepare()
    MixedReviews(data_dir=folder).download_and_prepare()
    return folder


def _ag_news(folder):
    files = folder / "source" / "ag_news_csv"
    files.mkdir(parents=True)
    for split, count in (("train", 12), ("test", 8)):
        rows = [f'"{i % 4 + 1}","Title {i}","{split}, number {i}"' for i in range(count)]
        (files / f"{split}.csv").write_text("\n".join(rows))
    return {"ag_news_csv": folder / "source"}


def _imdb(folder):
    path = folder / "aclImdb_v1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for split, label in [(s, y) for s in ("train", "test") for y in ("neg", "pos", "unsup")]:
            for number in range(3):
                content = f"{split} {label} {number}".encode()
                info = tarfile.TarInfo(f"aclImdb/{split}/{label}/{number}_1.txt")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def test_ag_news_subset(data_dir):
    dataset = load_dataset("tfds:ag_news_subset", data_dir=data_dir)
    assert dataset.name == "ag_news_subset"
    assert dataset.class_names == ("World", "Sports", "Business", "Sci/Tech")
    assert sorted(dataset.test.texts) == [f"Title {i} test, number {i}" for i in range(8)]
    assert len(dataset.train) == 12
    for text, label in zip(dataset.train.texts, dataset.train.labels, strict=True):
        assert int(text.split()[1]) % 4 == label
    assert dataset.provenance["tfds"] == "ag_news_subset/1.0.0"
    assert dataset.provenance["columns"] == {"text": ["title", "description"], "label": "label"}
    assert dataset.provenance["rules"] == ["Splits: train, test as the source gives them."]


def test_raw_text_is_of_all_splits_but_those_to_evaluate_on(data_dir):
    documents = Documents(["tfds:imdb_reviews"], data_dir=data_dir)
    texts = [sentence for document in documents for sentence in document]
    assert sorted({text.rpartition(" ")[0] for text in texts}) == [
        *("train neg", "train pos", "train unsup")
    ]
    assert len(texts) == 9
    titles = Documents(["tfds:ag_news_subset"], "title", data_dir=data_dir)
    assert sorted(titles) == sorted([f"Title {i}"] for i in range(12))


def test_the_features_of_the_text_can_be_named(data_dir):
    dataset = load_dataset("tfds:ag_news_subset", text_column="title", data_dir=data_dir)
    assert sorted(dataset.test.texts) == [f"Title {i}" for i in range(8)]
    swapped = load_dataset(
        "tfds:ag_news_subset", text_column="description,title", data_dir=data_dir
    )
    assert "test, number 0 Title 0" in swapped.test.texts


def test_imdb_reviews_leaves_the_unlabelled_out(data_dir):
    dataset = load_dataset("tfds:imdb_reviews", data_dir=data_dir)
    assert dataset.class_names == ("neg", "pos")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 6, "test": 6}
    assert all(
        text.split()[1] == dataset.class_names[label]
        for text, label in zip(dataset.train.texts, dataset.train.labels, strict=True)
    )
    assert dataset.provenance["ignored_splits"] == ["unsupervised"]


def test_any_set(data_dir):
    dataset = load_dataset("tfds:mixed_reviews", data_dir=data_dir)
    assert dataset.class_names == ("wrong", "right")
    assert list(dataset.splits) == ["train", "validation", "test"]
    # The test split hides its labels, so one is made out of train; 3 has no label, "blank" no text.
    assert len(dataset.train) + len(dataset.test) == 39
    assert len(dataset.validation) == 10
    assert dataset.provenance["ignored_splits"] == ["test"]
    assert dataset.provenance["rows_left_out"] == 3
    assert "v wer fährt 0? Straße 0" in dataset.validation.texts
    assert "v wer fährt 1?" in dataset.validation.texts


def test_a_number_as_label(data_dir):
    dataset = load_dataset(
        "tfds:mixed_reviews", text_column="question", label_column="stars", data_dir=data_dir
    )
    assert dataset.class_names == ("1", "2", "3", "4", "5")


def test_without_data_dir_the_set_is_looked_for_where_tfds_keeps_its_own(data_dir, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
    assert load_dataset("tfds:ag_news_subset").name == "ag_news_subset"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("tfds:imdb_review", {}, "has no set 'imdb_review': did you mean imdb_reviews"),
        ("tfds:", {}, "cannot be opened"),
        ("tfds:glue/sst3", {}, "sst3"),
        ("tfds:ag_news_subset", {"text_column": "titel"}, "did you mean 'title'"),
        ("tfds:ag_news_subset", {"text_column": "label", "label_column": "title"}, "is not a text"),
        ("tfds:ag_news_subset", {"header": True}, "header does not apply"),
    ],
)
def test_bad_input(data_dir, source, options, message):
    with pytest.raises(UserError, match=message) as error:
        load_dataset(source, data_dir=data_dir, **options)
    assert "\n" not in str(error.value)


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    with pytest.raises(UserError, match=r"imdb_reviews is not prepared in .* KERASFORMER_OFFLINE"):
        load_dataset("tfds:imdb_reviews", data_dir=tmp_path)


def test_no_network(tmp_path, monkeypatch):
    def fail(self, url):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", fail)
    with pytest.raises(UserError, match=r"cannot be fetched and prepared \(no route\)"):
        load_dataset("tfds:imdb_reviews", data_dir=tmp_path)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=r"kerasformer\[tfds\]"):
        load_dataset("tfds:imdb_reviews")
