"""Pairs, several classes a text, and numbers, in every form of file."""

import json

import numpy as np
import pytest

from kerasformer.data import load_dataset
from kerasformer.errors import UserError

MULTI, REGRESSION = "multi_label_classification", "regression"


@pytest.fixture
def write(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        rows = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    return write


def by_text(dataset):
    return {
        text: label
        for split in dataset.splits.values()
        for text, label in zip(split.texts, split.labels.tolist(), strict=True)
    }


class TestPairs:
    @pytest.mark.parametrize(
        "header",
        [
            "sentence1,sentence2,label",
            "idx,premise,hypothesis,gold_label",
            "question1,question2,is_duplicate",
            "Question,Sentence,Label,x",
            "text_a,text_b,class",
        ],
    )
    def test_usual_names(self, write, header):
        names = header.lower().split(",")
        rows = [
            ",".join(
                str(i % 2) if n in ("label", "gold_label", "is_duplicate", "class") else f"{n} {i}"
                for n in names
            )
            for i in range(12)
        ]
        dataset = load_dataset(write("p.csv", header, *rows), "pairs")
        assert dataset.class_names == ("0", "1")
        for (first, second), label in by_text(dataset).items():
            assert first.split()[1] == second.split()[1]
            assert int(first.split()[1]) % 2 == label
            assert names.index(first.split()[0]) < names.index(second.split()[0])
        assert "pair" in dataset.provenance["columns"]
        assert dataset.text_columns == ()

    def test_microsofts_own_file(self, write):
        """A mark, a header, and quotes that quote nothing, in a file called .txt."""
        header = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"
        rows = [f'{i % 2}\t{i}\t{i + 1}\tHe said "no {i}.\tNo," he said {i}.' for i in range(20)]
        path = write("mrpc/msr_paraphrase_train.txt", header, *rows)
        dataset = load_dataset(path, "pairs")
        assert dataset.class_names == ("0", "1")
        assert by_text(dataset)[('He said "no 3.', 'No," he said 3.')] == 1
        write("mrpc/msr_paraphrase_test.txt", header, *rows[:5])
        folder = load_dataset(path.parent, "pairs")
        assert {name: len(split) for name, split in folder.splits.items()} == {
            "train": 20,
            "test": 5,
        }
        assert folder.provenance["texts_also_in_train"] == {"test": 5}

    def test_columns_that_are_asked_for(self, write):
        rows = [f"x {i},y {i},{i % 2}" for i in range(10)]
        named = load_dataset(
            write("a.csv", "a,b,c", *rows), "pairs", text_column="a,b", label_column="c"
        )
        bare = load_dataset(write("b.csv", *rows), "pairs")
        swapped = load_dataset(
            write("a.csv", "a,b,c", *rows), "pairs", text_column=["b", "a"], label_column="c"
        )
        assert by_text(named) == by_text(bare)
        assert by_text(swapped) == {(b, a): y for (a, b), y in by_text(named).items()}
        joined = load_dataset(
            write("a.csv", "a,b,c", *rows), text_column=["a", "b"], label_column="c"
        )
        assert by_text(joined) == {f"{a} {b}": y for (a, b), y in by_text(named).items()}

    def test_jsonl_and_a_data_frame(self, write):
        pandas = pytest.importorskip("pandas")
        rows = [{"premise": f"a {i}", "hypothesis": "b", "label": i % 3} for i in range(30)]
        dataset = load_dataset(write("a.jsonl", *rows), "pairs")
        assert len(dataset.class_names) == 3
        frame = load_dataset(pandas.DataFrame(rows), "pairs")
        assert frame.fingerprint() == dataset.fingerprint()

    def test_scores(self, write):
        """As STS-B has them: "5.000" beside "3.750"."""
        rows = [f"a {i}\tb\t{i % 11 / 2:.3f}" for i in range(44)]
        dataset = load_dataset(write("a.tsv", "sentence1\tsentence2\tscore", *rows), "pairs")
        assert (dataset.problem_type, dataset.class_names) == (REGRESSION, ("score",))
        assert by_text(dataset)["a 7", "b"] == [3.5]

    @pytest.mark.parametrize(
        ("lines", "options", "message"),
        [
            (["text,label", "a,1"], {}, "known to hold the texts of a pair: choose two of 'text'"),
            (["text1,text2,x", "a,b,1"], {}, "known to hold the label: choose one of"),
            (
                ["text1,text2,label", "a,b,1", "a,,0"],
                {},
                "1 row without a text, the first in line 3",
            ),
            (
                ["text1,text2,label", "a,b,1", "a,b,"],
                {},
                "1 row without a label, the first in line 3",
            ),
            (
                ["text1,text2,label", "a,b,1"],
                {"text_column": "text1"},
                "Pairs have two texts, but 1 text column is given",
            ),
            (["text1,text2,label", "a,b,1"], {"label_column": "text1"}, "both text and label"),
            (["a,b,c,1", "d,e,f,0"], {}, "3 of its columns may be texts where a pair"),
            (["text1,text2,label", "a,b,1", "c,d,1"], {}, "only one class, '1'"),
        ],
    )
    def test_bad_files(self, write, lines, options, message):
        with pytest.raises(UserError, match=message):
            load_dataset(write("bad.csv", *lines), "pairs", **options)

    def test_an_unknown_class_names_file_and_line(self, write):
        write("set/train.csv", "text1,text2,label", "a,b,1", "c,d,0")
        folder = write("set/test.csv", "text1,text2,label", "a,b,1", "c,d,maybe").parent
        message = r"test split of set has the label 'maybe' in 1 rows.*first in .*test\.csv, line 3"
        with pytest.raises(UserError, match=message):
            load_dataset(folder, "pairs")


ROWS = [(f"text {i}", ["b"] * (i % 2) + ["a"] * (i % 3 == 0)) for i in range(24)]
LABELS = {text: [float("a" in names), float("b" in names)] for text, names in ROWS}


class TestSeveralClasses:
    @pytest.mark.parametrize("divider", ["|", ";", " , "])
    def test_names_in_a_column(self, write, divider):
        rows = [f'{text},"{divider.join(names)}"' for text, names in ROWS]
        dataset = load_dataset(write("a.csv", "text,labels", *rows), problem_type=MULTI)
        assert (dataset.problem_type, dataset.class_names) == (MULTI, ("a", "b"))
        assert by_text(dataset) == LABELS

    def test_every_form_gives_the_same_data(self, write, tmp_path):
        pandas = pytest.importorskip("pandas")
        dicts = [{"text": text, "labels": names} for text, names in ROWS]
        flags = [{"text": t, "a": int("a" in n), "b": "b" in n} for t, n in ROWS]
        expected = load_dataset(write("a.jsonl", *dicts))
        assert by_text(expected) == LABELS
        csv = [f"{t},{int('a' in n)},{int('b' in n)}" for t, n in ROWS]
        found = [
            load_dataset(pandas.DataFrame(dicts)),
            load_dataset(pandas.DataFrame(flags), label_column=["a", "b"]),
            load_dataset(write("b.jsonl", *flags), label_column="a,b"),
            load_dataset(write("c.csv", "text,a,b", *csv), label_column=["a", "b"]),
            load_dataset(
                write("d.csv", *csv), text_column=0, label_column=[1, 2], class_names="ab"
            ),
        ]
        pytest.importorskip("pyarrow")
        pandas.DataFrame(dicts).to_parquet(tmp_path / "e.parquet")
        found.append(load_dataset(tmp_path / "e.parquet"))
        assert {dataset.fingerprint() for dataset in found} == {expected.fingerprint()}

    def test_order_and_names(self, write):
        flags = [{"text": t, "a": int("a" in n), "b": int("b" in n)} for t, n in ROWS]
        path = write("a.jsonl", *flags)
        swapped = load_dataset(path, label_column="a,b", class_names=["b", "a"])
        assert by_text(swapped) == {text: label[::-1] for text, label in LABELS.items()}
        renamed = load_dataset(path, label_column="a,b", class_names=["x", "y"])
        assert renamed.class_names == ("x", "y")
        assert by_text(renamed) == LABELS

    def test_texts_without_a_class_are_kept(self, write):
        rows = [{"text": f"t{i}", "labels": [[], ["a"], ["a", "b"]][i % 3]} for i in range(12)]
        assert by_text(load_dataset(write("a.jsonl", *rows)))["t3"] == [0, 0]

    @pytest.mark.parametrize(
        ("rows", "options", "message"),
        [
            ([{"text": "a", "labels": ["x", None]}], {}, "line 1, has an empty label"),
            ([{"text": "a", "labels": ["x", ["y"]]}], {}, "line 1, has a list as label"),
            ([{"text": "a", "labels": []}], {}, "has no class"),
            (
                [{"text": "a", "x": 1, "y": 0}, {"text": "b", "x": 2, "y": 1}],
                {"label_column": "x,y"},
                "line 2, has 2 in a label column where 0 or 1 was expected",
            ),
            (
                [{"text": "a", "x": 1, "y": 0}, {"text": "b", "x": 1, "y": "no"}],
                {"label_column": "x,y"},
                "line 2, has 'no' in column 'y', where a number was expected",
            ),
            (
                [{"text": "a", "x": 1, "y": 0}, {"text": "b", "x": 1}],
                {"label_column": "x,y"},
                "1 row without a label, the first in line 2",
            ),
            (
                [{"text": "a", "x": 1, "y": 0}],
                {"label_column": "x,y", "problem_type": "single_label_classification"},
                "2 label columns are given for single_label",
            ),
            (
                [{"text": "a", "label": 1}],
                {"problem_type": "ranking"},
                "type is 'ranking': give one",
            ),
        ],
    )
    def test_bad_rows(self, write, rows, options, message):
        with pytest.raises(UserError, match=message):
            load_dataset(write("bad.jsonl", *rows), **options)

    def test_lists_in_one_file_and_names_in_another(self, write):
        write("set/train.jsonl", {"text": "a", "labels": ["x"]}, {"text": "b", "labels": ["y"]})
        folder = write("set/test.jsonl", {"text": "a", "labels": "x"}).parent
        with pytest.raises(UserError, match="one label in some rows and a list of labels in oth"):
            load_dataset(folder)

    def test_an_unknown_class_names_file_and_line(self, write):
        write("set/train.jsonl", {"text": "a", "labels": ["x"]}, {"text": "b", "labels": ["y"]})
        folder = write("set/test.jsonl", {"text": "a", "labels": ["x", "z"]}).parent
        with pytest.raises(UserError, match=r"the label 'z' in 1 rows.*test\.jsonl, line 1"):
            load_dataset(folder)


class TestNumbers:
    def test_labels_with_fractions_are_numbers(self, write):
        rows = [f"text {i},{i / 4}" for i in range(20)]
        dataset = load_dataset(write("a.csv", "text,label", *rows))
        assert (dataset.problem_type, dataset.class_names) == (REGRESSION, ("label",))
        assert by_text(dataset) == {f"text {i}": [i / 4] for i in range(20)}
        assert dataset.train.labels.dtype == np.float32
        assert dataset.provenance["texts_with_several_labels"] == 0

    def test_whole_numbers_are_classes_unless_asked_for(self, write):
        path = write("a.csv", "text,stars", *(f"text {i},{i % 5}" for i in range(20)))
        classes = load_dataset(path, label_column="stars")
        assert classes.problem_type == "single_label_classification"
        numbers = load_dataset(path, label_column="stars", problem_type=REGRESSION)
        assert by_text(numbers)["text 7"] == [2]
        assert numbers.class_names == ("stars",)

    def test_numbers_with_class_names_are_classes(self, write):
        path = write("a.csv", "text,label", *(f"text {i},{i % 2 / 2}" for i in range(20)))
        assert load_dataset(path, class_names=["low", "high"]).class_names == ("low", "high")

    def test_several_numbers(self, write):
        rows = [{"text": f"t{i}", "valence": i / 8, "arousal": -i} for i in range(16)]
        dataset = load_dataset(write("a.jsonl", *rows), label_column=["valence", "arousal"])
        assert (dataset.problem_type, dataset.class_names) == (REGRESSION, ("valence", "arousal"))
        assert by_text(dataset)["t4"] == [0.5, -4]
        assert "mean" in dataset.describe()["splits"]["train"]

    @pytest.mark.parametrize("cell", ["high", "inf", "1e400", "[1]", '"x"', "true"])
    def test_what_is_no_number(self, write, cell):
        lines = ['{"text": "a", "label": 1}']
        cell = cell if cell in ("[1]", "true", "1e400") else json.dumps(cell)
        path = write("a.jsonl", *lines, f'{{"text": "b", "label": {cell}}}', *lines)
        if cell == "true":
            assert by_text(load_dataset(path, problem_type=REGRESSION, test_size=0.4))["b"] == [1]
            return
        with pytest.raises(UserError, match=r"line 2, has .* in column 'label', where a number"):
            load_dataset(path, problem_type=REGRESSION)
