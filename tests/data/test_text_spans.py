import json

import pytest

from kerasformer.data import load_dataset
from kerasformer.data.text_spans import mark
from kerasformer.errors import UserError

TEXT = "Ada Lovelace (1815) met Babbage."


def test_words_and_tags_of_spans():
    spans = [
        {"start": 0, "end": 12, "label": "person"},
        {"start": 24, "end": 31, "label": "person"},
    ]
    found = mark(TEXT, spans, "x")
    assert found.words == ["Ada", "Lovelace", "(", "1815", ")", "met", "Babbage", "."]
    assert found.tags == ["B-person", "I-person", "O", "O", "O", "O", "B-person", "O"]
    assert [TEXT[start:end] for start, end in found.spans] == found.words
    assert found.rounded == 0


@pytest.mark.parametrize(
    ("spans", "tags", "rounded"),
    [
        ([[0, 2, "p"]], "B-p O O O O O O O", 1),
        ([[1, 9, "p"]], "B-p I-p O O O O O O", 1),
        ([[0, 13, "p"]], "B-p I-p O O O O O O", 0),
        ([[0, 3, "p"], [4, 12, "p"]], "B-p B-p O O O O O O", 0),
        (None, "O O O O O O O O", 0),
        ([], "O O O O O O O O", 0),
        ([{"start": 0, "end": 3, "type": "p"}], "B-p O O O O O O O", 0),
    ],
)
def test_a_span_within_a_word_marks_all_of_it(spans, tags, rounded):
    found = mark(TEXT, spans, "x")
    assert (found.tags, found.rounded) == (tags.split(), rounded)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([[0, 5, "p"], [4, 12, "q"]], "another span in a word of the span 4 to 12, 'Lovelace'"),
        ([[0, 2, "p"], [2, 3, "q"]], "another span in a word of the span 2 to 3, 'a'"),
        ([[3, 4, "p"]], "has no word in the span 3 to 4, ' '"),
        ([[0, 99, "p"]], "from 0 to 99 in a text of 32 characters"),
        ([[5, 5, "p"]], "from 5 to 5"),
        ([[-3, 5, "p"]], "from -3 to 5"),
        ([[0, 3, " "]], "a span without a label"),
        ([[0, 3]], "a span that is not understood"),
        ([[0, True, "p"]], "a span that is not understood"),
        ([{"start": 0.5, "end": 3, "label": "p"}], "a span that is not understood"),
        (["Ada"], "a span that is not understood"),
        ("Ada", "has a str as spans"),
    ],
)
def test_bad_spans(spans, message):
    with pytest.raises(UserError, match="a.jsonl, line 1, .*" + message):
        mark(TEXT, spans, "a.jsonl, line 1")


def test_a_text_without_a_word():
    with pytest.raises(UserError, match="line 1, has a text without a word"):
        mark("\u200b", [], "a.jsonl, line 1")


@pytest.fixture
def write(tmp_path):
    def write(*rows):
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("keys", "text_column", "label_column"),
    [
        (("text", "spans"), None, None),
        (("text", "entities"), None, None),
        (("text", "label"), None, None),
        (("content", "marks"), None, "marks"),
        (("body of it", "marks"), "body of it", "marks"),
    ],
)
def test_rows_of_texts_with_spans(write, keys, text_column, label_column):
    rows = [{keys[0]: f"Ada {i} codes", keys[1]: [[0, 3, "p"]] if i % 2 else []} for i in range(20)]
    dataset = load_dataset(
        write(*rows), "tagging", text_column=text_column, label_column=label_column
    )
    assert dataset.tag_names == ("O", "B-p")
    split = dataset.train
    assert split.texts[0].split() == split.words[0]
    assert [split.texts[0][start:end] for start, end in split.spans[0]] == split.words[0]
    for text, tags in zip(split.texts, split.tags, strict=True):
        assert tags == ["B-p" if int(text.split()[1]) % 2 else "O", "O", "O"]
    assert "spans_rounded_to_words" not in dataset.provenance


def test_rounded_spans_are_counted(write):
    rows = [{"text": f"Ada{i} codes", "spans": [[0, 3, "p"]]} for i in range(4)]
    dataset = load_dataset(write(*rows), "tagging")
    assert dataset.provenance["spans_rounded_to_words"] == 4


@pytest.mark.parametrize("keys", [("tokens", "ner_tags"), ("words", "tags"), ("Tokens", "NER")])
def test_rows_of_words(write, keys):
    rows = [{keys[0]: ["Ada", str(i)], keys[1]: ["B-p", "O"]} for i in range(10)]
    dataset = load_dataset(write(*rows), "tagging")
    assert dataset.tag_names == ("O", "B-p")
    assert dataset.train.texts is None
    numbered = [{keys[0]: row[keys[0]], keys[1]: [1, 0]} for row in rows]
    named = load_dataset(write(*numbered), "tagging", class_names=["O", "B-p"])
    assert named.fingerprint() == dataset.fingerprint()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "line 2, has 2 words and 1 tags"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, "line 2, has 1 words and 2 tags"),
        ({"tokens": [], "tags": []}, "line 2, has a sentence without words"),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "line 2, has ' ' as word 2 of 2"),
        ({"tokens": ["a", None], "tags": ["O", "O"]}, "line 2, has a NoneType as word 2"),
        ({"tokens": ["a"], "tags": [None]}, "line 2, has a NoneType as tag of word 1"),
        ({"tokens": ["a"], "tags": [1]}, "line 2, has the number 1 as tag of word 1: give the nam"),
        ({"tokens": ["a"], "tags": "O"}, "line 2, has a str in column 'tags'"),
        ({"tokens": None, "tags": ["O"]}, "line 2, has a NoneType in column 'tokens'"),
        ({"tokens": "a text", "tags": []}, "line 2, has a text where rows before it have words"),
    ],
)
def test_bad_rows(write, row, message):
    with pytest.raises(UserError, match=r"a\.jsonl, " + message):
        load_dataset(write({"tokens": ["x"], "tags": ["B"]}, row), "tagging")


@pytest.mark.parametrize("kind", ["Sequence", "List"])  # of older and newer versions
def test_names_that_the_library_datasets_wrote(tmp_path, kind):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    feature = {"feature": {"names": ["O", "B-p"], "_type": "ClassLabel"}, "_type": kind}
    told = json.dumps({"info": {"features": {"ner_tags": feature, "id": {"_type": "Value"}}}})
    rows = {"tokens": [["Ada", str(i)] for i in range(9)], "ner_tags": [[1, 0]] * 9}
    table = arrow.table(rows).replace_schema_metadata({"huggingface": told})
    parquet.write_table(table, tmp_path / "a.parquet")
    dataset = load_dataset(tmp_path / "a.parquet", "tagging")
    assert dataset.tag_names == ("O", "B-p")
    assert dataset.train.tags[0] == ["B-p", "O"]


def test_numbers_without_a_name(write):
    path = write({"tokens": ["a"], "tags": [2]})
    with pytest.raises(UserError, match="the number 2 as tag of word 1, and there are 2 class_na"):
        load_dataset(path, "tagging", class_names=["O", "B"])


def test_unknown_columns(write):
    with pytest.raises(UserError, match="known to hold the tags of words or the spans of texts"):
        load_dataset(write({"tokens": ["a"], "other": ["O"]}), "tagging")
