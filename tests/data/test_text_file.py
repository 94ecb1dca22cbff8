"""Lines with their places: reading from any of them gives the rest of the file."""

import csv
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data.tables import read_lines, read_table
from kerasformer.data.text_file import Dialect, Place, TextLines
from kerasformer.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
END = st.sampled_from(["\n", "\r\n", "\r", "\u2028", "\x0c", ""])


@settings(deadline=None, max_examples=50)
@given(parts=st.lists(st.tuples(TEXT, END), max_size=12), mark=st.booleans())
def test_each_place_is_that_of_its_line(tmp_path_factory, parts, mark):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    text = "".join(text + end for text, end in parts)
    path.write_text(text, encoding="utf-8-sig" if mark else "utf-8", newline="")
    with open(path, encoding="utf-8-sig", newline="") as file:
        expected = list(file)
    lines = TextLines(path)
    places = [(line, lines.here) for line in lines]
    assert [line for line, _ in places] == expected
    for index, (_, place) in enumerate(places):
        assert place.number == index + 1
        assert list(TextLines(path, place)) == expected[index:]


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "gb18030", "utf-8-sig"]
)
def test_places_in_other_encodings(tmp_path, encoding):
    path, expected = tmp_path / "a.txt", ["né\r\n", "\n", "“fine”\r", "last"]
    path.write_bytes("".join(expected).encode(encoding))
    codec = Dialect(encoding=encoding).encoding
    lines = TextLines(path, encoding=codec)
    places = [(line, lines.here) for line in lines]
    assert [line for line, _ in places] == expected
    for index, (_, place) in enumerate(places):
        assert list(TextLines(path, place, codec)) == expected[index:]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_text("né\n体\n", encoding=encoding)
    assert list(TextLines(path)) == list(TextLines(path, encoding="cp1252")) == ["né\n", "体\n"]


def test_what_is_in_another_encoding_says_how_to_read_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"not UTF-8 text: byte 0xe9 in line 2; give .*--encoding"):
        list(TextLines(path))
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(UserError, match="not UTF-16-LE text: truncated data"):
        list(TextLines(path))


@pytest.mark.parametrize(
    "wrong", [{"encoding": name} for name in ("utf8x", "rot13", "base64", "utf-7", "a\0")]
    + [{"delimiter": name} for name in ("", "::", '"', "\n")],
)  # fmt: skip
def test_a_dialect_that_cannot_be(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Dialect(**wrong)


def write_csv(path, texts, end):
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "id"), *((text, n) for n, text in enumerate(texts))])


def write_jsonl(path, texts, end):
    rows = [json.dumps({"text": text, "id": n}) for n, text in enumerate(texts)]
    path.write_text((end * 2).join(rows), encoding="utf-8", newline="")


def write_parquet(path, texts, end):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"id": list(range(len(texts))), "text": texts})
    parquet.write_table(table, path, row_group_size=3)


def write_gzip(path, texts, end):
    write_jsonl(path, texts, end)
    path.write_bytes(gzip.compress(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", write_csv),
        ("a.jsonl", write_jsonl),
        ("a.parquet", write_parquet),
        ("a.jsonl.gz", write_gzip),
    ],
)
@settings(deadline=None, max_examples=25)
@given(texts=st.lists(TEXT, min_size=1, max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_table_goes_on_from_any_place(tmp_path_factory, name, write, texts, end):
    path = tmp_path_factory.mktemp("tables") / name
    write(path, texts, end)
    table = read_table(path)
    rows = list(table.walk(["text"]))
    assert [cells[0] for _, cells in rows] == texts
    for index, (place, _) in enumerate(rows):
        assert list(table.walk(["text"], place)) == rows[index:]


def test_a_table_without_header_goes_on_from_its_first_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf1,one\n2,two\n")
    table = read_table(path)
    assert list(table.walk(["1"], Place(1))) == list(table.walk(["1"]))
    assert [cells for _, cells in table.walk(["1"])] == [("one",), ("two",)]


def test_the_lines_of_a_text_file_are_rows(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffné\r\n\n  \nlast".encode())
    table = read_lines(path)
    assert table.columns == ("text",)
    assert [cells[0] for _, cells in table.walk(["text"])] == ["né", "", "  ", "last"]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_a_text_file_without_lines(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a.txt holds no examples"):
        read_lines(path)
