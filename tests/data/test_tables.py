import csv
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data.tables import read_table, suffix_of
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError

CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)


def rows_of(path, *columns, header=None):
    table = read_table(path, Dialect(header))
    return list(table.read(columns or table.columns))


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=10),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_round_trip(tmp_path_factory, rows, end):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        # All quoted: the module of Python 3.11 leaves a lone carriage return bare.
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *rows])
    assert [cells for _, cells in rows_of(path)] == rows


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=10), ascii=st.booleans())
def test_jsonl_round_trip(tmp_path_factory, rows, ascii):
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [json.dumps({"text": a, "label": b}, ensure_ascii=ascii) for a, b in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    assert [cells for _, cells in rows_of(path)] == rows


def test_line_numbers_count_lines_within_a_cell(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"one\ntwo",x\n\nthree,y\n')
    assert rows_of(path) == [(2, ("one\ntwo", "x")), (5, ("three", "y"))]


def test_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf"text",label\r\nfine,1\r\n')
    assert rows_of(path, "label", "text") == [(2, ("1", "fine"))]


def test_quotes_are_literal_in_tsv(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"Yes, he said\t1\nso "it" is\t0\n')
    assert [cells[0] for _, cells in rows_of(path)] == ['"Yes, he said', 'so "it" is']


def test_cells_longer_than_the_limit_of_the_csv_module(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\n{'x' * 200_000},1\n")
    assert len(rows_of(path)[0][1][0]) == 200_000


@pytest.mark.parametrize("name", ["a.csv.gz", "a.CSV.GZ"])
def test_gzip(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress("text,label\nschön,1\n".encode()))
    assert rows_of(path) == [(2, ("schön", "1"))]


@pytest.mark.parametrize(
    ("first", "header", "columns"),
    [
        ("text,2021", None, ("text", "2021")),  # a known name: a header in spite of the number
        ("foo,bar", None, ("foo", "bar")),
        ("3,Fears for pension", None, ("0", "1")),
        ("0.5,words", None, ("0", "1")),
        ("a fine film,y", None, ("0", "1")),  # as in the row below it
        ("pos,fine", False, ("0", "1")),
        ("1,2", True, ("1", "2")),
        (" text , label ", None, ("text", "label")),
    ],
)
def test_header(tmp_path, first, header, columns):
    path = tmp_path / "a.csv"
    path.write_text(f"{first}\nx,y\n")
    table = read_table(path, Dialect(header))
    assert table.columns == columns
    assert (not table.sample) == (columns[0] != "0")


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_the_delimiter_is_detected_or_given(tmp_path, delimiter):
    path, rows = tmp_path / "a.csv", [("text", "label"), ("fine, so fine", "1"), ("dull", "0")]
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert [cells for _, cells in rows_of(path)] == rows[1:]
    table = read_table(path, Dialect(delimiter=delimiter))
    assert [cells for _, cells in table.read(["text", "label"])] == rows[1:]


def test_one_column_stays_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("verse\nfine; and so on\ndull\n")
    assert read_table(path).columns == ("verse",)
    assert read_table(path, Dialect(delimiter="semicolon")).columns == ("verse",)


def test_a_delimiter_that_is_not_sniffed_is_suggested(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("te,xt;label|n\nfine;1|2\n")
    with pytest.raises(UserError, match=r"line 2, has 1 cells .* give the delimiter"):
        rows_of(path)


def test_a_dialect_is_for_text(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(UserError, match=r"leave out encoding \(--encoding\)"):
        read_table(path, Dialect(encoding="cp1252"))


# Without the time of day, which would make the test's name differ from run to run.
CUT_GZIP = gzip.compress(b"text,label\n" + b"a,1\n" * 99, mtime=0)[:-9]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "holds no examples"),
        ("a.csv", b"\xef\xbb\xbf\n \n", "holds no examples"),
        ("a.jsonl", b"\n\n", "holds no examples"),
        ("a.csv", b"text,label\nfine,1\ncaf\xe9,0\n", "not UTF-8 text: byte 0xe9 in line 3"),
        ("a.jsonl", b'{"text": "\xff"}', "byte 0xff in line 1"),
        ("a.csv", "text,label\na,1\n".encode("utf-16-le"), "line 1, holds a NUL"),
        ("a.csv", b"text,label,text\na,1,b\n", "more than one column 'text'"),
        (
            "a.csv",
            b"text,label\nfine,1\na, b,1\n",
            "line 3, has 3 cells where the first line has 2",
        ),
        ("a.tsv", b"text\tlabel\nfine\n", "line 2, has 1 cells where the first line has 2"),
        ("a.csv", b'text,label\nfine,1\n"open,0\nmore,1\n', "line 3, is not valid CSV"),
        ("a.csv", b'text,label\n"so "it" is",0\n', "line 2, is not valid CSV"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2, is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n["a", 1]\n', "line 2, holds a JSON array: expected an object"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "line 1, is not valid JSON"),
        ("a.jsonl", b"[" * 100_000, "line 1, is not valid JSON"),
        ("a.csv.gz", b"text,label\na,1\n", "not a whole gzip file"),
        ("a.csv.gz", CUT_GZIP, "not a whole gzip file"),
        ("a.txt", b"text,label\n", r"expected \.csv"),
        ("a.parquet.gz", b"", r"expected \.csv"),
        ("a", b"", r"expected \.csv"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        rows_of(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)"):
        read_table(path)


def test_header_is_for_csv_and_tsv(tmp_path):
    with pytest.raises(UserError, match=r"leave out header \(--header\)"):
        read_table(tmp_path / "a.jsonl", Dialect(header=False))


class TestParquet:
    @pytest.fixture
    def write(self, tmp_path):
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")

        def write(names, *columns):
            path = tmp_path / "a.parquet"
            parquet.write_table(arrow.table(list(columns), names=list(names)), path)
            return path

        return write

    def test_rows(self, write):
        path = write(["n", "text", "label"], [1, 2], ["a", None], [0.0, 1.0])
        assert rows_of(path, "label", "text") == [(1, (0.0, "a")), (2, (1.0, None))]

    def test_categories_are_strings(self, write):
        arrow = pytest.importorskip("pyarrow")
        path = write(["text", "label"], ["a", "b"], arrow.array(["x", "y"]).dictionary_encode())
        assert [cells for _, cells in rows_of(path)] == [("a", "x"), ("b", "y")]

    def test_duplicate_columns(self, write):
        path = write(["text", "label", "text"], ["a"], [1], ["b"])
        with pytest.raises(UserError, match="more than one column 'text'"):
            read_table(path)

    @pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"", lambda b: b"x" * 50])
    def test_damaged(self, write, damage):
        path = write(["text", "label"], ["a"], [1])
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(UserError, match="cannot be read as Parquet"):
            read_table(path)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.csv", ".csv"), ("a.b.TSV", ".tsv"), ("a.jsonl.gz", ".jsonl"), ("a.gz", ""), ("csv", "")],
)
def test_suffix(tmp_path, name, suffix):
    assert suffix_of(tmp_path / name) == suffix
