"""What is read of files: texts, ids, planned, and what is refused."""

import csv
import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.corpus import shard_plan
from kerasformer.corpus.input import CorpusInput, InputFile
from kerasformer.corpus.shard_plan import ShardReader, plan_shards
from kerasformer.data.input_files import list_files
from kerasformer.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def write_csv(path, texts):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("key", "text"), *((f"k{n}", text) for n, text in enumerate(texts))])


def write_jsonl(path, texts):
    rows = [json.dumps({"key": f"k{n}", "text": text}) for n, text in enumerate(texts)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="")


def write_parquet(path, texts):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    keys = [f"k{n}" for n in range(len(texts))]
    table = arrow.table({"key": keys, "text": arrow.array(texts, arrow.string())})
    parquet.write_table(table, path, row_group_size=4)


def write_text(path, texts):
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8", newline="")


WRITERS = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}


def read_all(source, shard_size, limit=None):
    reader = ShardReader(source)
    return [reader.read(shard) for shard in plan_shards(source, shard_size, limit)]


@pytest.mark.parametrize("suffix", WRITERS)
@settings(deadline=None, max_examples=25)
@given(texts=st.lists(TEXT, min_size=1, max_size=15), shard_size=st.integers(1, 6), data=st.data())
def test_spans_hold_all_rows_in_whatever_order_they_are_read(
    tmp_path_factory, suffix, texts, shard_size, data
):
    path = tmp_path_factory.mktemp("corpus") / f"a{suffix}"
    WRITERS[suffix](path, texts)
    source = CorpusInput.of([path], id_column="key")
    planned = plan_shards(source, shard_size)
    assert [shard.rows for shard in planned[:-1]] == [shard_size] * (len(planned) - 1)
    reader, parts = ShardReader(source), {}
    for shard in data.draw(st.permutations(planned)):
        parts[shard.index] = reader.read(shard)
    assert [text for index in sorted(parts) for text in parts[index].texts] == texts
    ids = [id for index in sorted(parts) for id in parts[index].ids]
    assert ids == [f"k{n}" for n in range(len(texts))]


def test_several_files_and_folders_are_one_corpus(tmp_path, texts):
    folder = tmp_path / "parts"
    folder.mkdir()
    write_jsonl(folder / "2.jsonl", texts[20:30])
    write_csv(folder / "1.csv", texts[10:20])
    (folder / "3.txt.gz").write_bytes(gzip.compress(b"the last\n"))
    (folder / "README.md").write_text("not data")
    (folder / ".hidden.txt").write_text("not data")
    write_text(tmp_path / "0.txt", texts[:10])
    source = CorpusInput.of([tmp_path / "0.txt", folder])
    parts = read_all(source, 7)
    assert [text for part in parts for text in part.texts] == [*texts[:30], "the last"]
    assert [id for part in parts for id in part.ids] == list(range(31))
    assert [len(part.ids) for part in parts] == [7, 7, 7, 7, 3]


def test_a_shard_ends_where_its_texts_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_plan, "_CHARACTERS", 10)
    write_text(tmp_path / "a.txt", ["x" * 4, "x" * 4, "x" * 4, "", "x" * 30, "x", "x", "x"])
    planned = plan_shards(CorpusInput.of([tmp_path / "a.txt"]), 3)
    assert [(shard.first_row, shard.rows) for shard in planned] == [(0, 3), (3, 2), (5, 3)]


def test_the_first_rows_only(tmp_path, texts):
    write_text(tmp_path / "a.txt", texts)
    parts = read_all(CorpusInput.of([tmp_path / "a.txt"]), 4, limit=6)
    assert [part.texts for part in parts] == [texts[:4], texts[4:6]]


def test_what_is_missing_is_an_empty_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": null, "id": 7}\n{"id": 8}\n{"text": NaN, "id": "x"}\n')
    part = read_all(CorpusInput.of([path], "text", "id"), 5)[0]
    assert part == (["7", "8", "x"], ["", "", ""])


def test_columns_are_joined(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,body,n\none,first,1\ntwo,,2\n")
    part = read_all(CorpusInput.of([path], "title,body"), 5)[0]
    assert part.texts == ["one first", "two"]


def test_the_only_other_column_is_the_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("verse,key\nfine,1\n")
    assert CorpusInput.of([path], id_column="key").text_columns == ("verse",)


def test_without_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("fine\ndull\n")
    assert read_all(CorpusInput.of([path], header=False), 5)[0].texts == ["fine", "dull"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": "y"\n', r"a.jsonl, line 2, is not valid JSON"),
        (
            "a.jsonl",
            b'{"text": "x"}\n["y"]\n',
            r"a.jsonl, line 2, holds a JSON array: expected an object",
        ),
        (
            "a.jsonl",
            b'{"text": "x"}\n{"text": 5}\n',
            r"a.jsonl, line 2, has a value of type int as text",
        ),
        ("a.jsonl", b'{"text": "x"}\n{"text": "\\ud800"}\n', r"line 2, is not valid JSON"),
        ("a.txt", b"fine\nna\xefve\n", r"a.txt is not UTF-8 text: byte 0xef in line 2"),
        ("a.txt", b"a\0b\n", r"a.txt, line 1, holds a NUL byte"),
        ("a.txt", b"", r"a.txt holds no examples"),
        ("a.jsonl", b"\n\n", r"a.jsonl holds no examples"),
        ("a.csv", b"text,label\n", r"a.csv holds no texts"),
        ("a.csv", b'text,label\n"x,1\n', r"a.csv, line 2, is not valid CSV"),
        ("a.csv", b"text,label\nx,y,1\n", r"a.csv, line 2, has 3 cells"),
        ("a.csv", b"first,second\nx,y\n", r"No column of .*a.csv is known to hold the text"),
        ("a.txt.gz", b"no gzip", r"a.txt.gz is not a whole gzip file"),
        ("a.json", b'["x"]', r"a.json is not JSONL: write one object a line"),
        ("a.parquet", b"PAR1", r"a.parquet cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        plan_shards(CorpusInput.of([path]), 5)


def test_columns_that_are_not_there(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", ["x"])
    for column in ({"text_column": "txet"}, {"id_column": "txet"}):
        with pytest.raises(UserError, match=r"no column 'txet', only 'key', 'text'; did you mean"):
            CorpusInput.of([tmp_path / "a.jsonl"], **column)


def test_a_row_without_id(tmp_path):
    (tmp_path / "a.csv").write_text("key,text\nk,x\n,y\n")
    with pytest.raises(UserError, match=r"a.csv, line 3, has no id in the column 'key'"):
        plan_shards(CorpusInput.of([tmp_path / "a.csv"], id_column="key"), 5)


def test_a_large_row_group_is_not_in_memory_at_once(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, size = tmp_path / "a.parquet", 16_000_000
    table = arrow.table({"text": ["x" * 1000] * (size // 1000)})
    parquet.write_table(table, path, compression="none", use_dictionary=False)
    del table
    before = arrow.total_allocated_bytes()
    rows = CorpusInput.of([path]).rows()
    taken = [arrow.total_allocated_bytes() - before for _ in rows]
    assert len(taken) == size // 1000
    assert max(taken) < size / 2


def test_no_files(tmp_path):
    with pytest.raises(UserError, match="There is no file or folder"):
        list_files([tmp_path / "absent.txt"])
    with pytest.raises(UserError, match="holds no file that can be read"):
        list_files([tmp_path])
    with pytest.raises(UserError, match="Standard input cannot be read here"):
        list_files(["-"])
    with pytest.raises(UserError, match="is not a regular file"):
        list_files(["/dev/null"])


def test_a_changed_file_is_told_by_its_content_not_its_time(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n")
    file = InputFile.of(path)
    path.write_text("one\ntwo\n")
    file.at(path)
    path.write_text("one\n2wo\n")
    with pytest.raises(UserError, match="its size is the same, its content is not"):
        file.at(path)
    path.write_text("one\n")
    with pytest.raises(UserError, match="it had 8 bytes and has 4 now"):
        file.at(path)
    path.write_text("one\ntwo\nthree\n")
    with pytest.raises(UserError, match=r"only added, give its first 8 bytes .*\(head -c 8\)"):
        file.at(path)
    path.unlink()
    with pytest.raises(UserError, match="can no longer be read"):
        file.at(path)


def test_a_file_that_was_moved_is_read_as_before(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n')
    file = InputFile.of(path)
    path.rename(tmp_path / "b.txt")
    with pytest.raises(UserError, match=r"b.txt has changed .* \(it was read as .jsonl\): give it"):
        file.at(tmp_path / "b.txt")
    copy = tmp_path / "c.jsonl"
    copy.write_bytes((tmp_path / "b.txt").read_bytes())
    os.utime(copy, (0, 0))
    assert file.at(copy) == InputFile(str(copy), file.bytes, 0, file.sha256)


def test_a_file_that_changes_while_it_is_read(tmp_path, texts):
    path = tmp_path / "a.txt"
    write_text(path, texts)
    source = CorpusInput.of([path])
    first, second, *_ = plan_shards(source, 10)
    reader = ShardReader(source)
    assert reader.read(first).texts == texts[:10]
    write_text(path, texts[:15])
    with pytest.raises(UserError, match="has changed since the job was begun"):
        reader.read(second)
