"""Documents and sentences out of files of every kind, and what is wrong with some."""

import copy
import gzip
import io
import json
import os
import sys
import time
import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.data import Split
from kerasformer.data.raw import Documents, split_sentences
from kerasformer.data.raw import documents as module
from kerasformer.data.raw.sentences import split_paragraphs
from kerasformer.errors import UserError

TWO = [["It rains.", "The street is wet."], ["Rome is old."]]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?\nFour… five", ["One.", "Two!", "Three?", "Four… five"]),
        ("He said: “Go!” She went.", ["He said: “Go!”", "She went."]),
        ("J. R. Smith paid 3.50 euros.", ["J. R. Smith paid 3.50 euros."]),
        ("www.a.org is e.g. a page. Ok", ["www.a.org is e.g. a page.", "Ok"]),
        ("¿Qué? ¡Nada! Él calló.", ["¿Qué?", "¡Nada!", "Él calló."]),
        ("Wer? Über. Ärger!", ["Wer?", "Über.", "Ärger!"]),
        ("今日は。元気？「はい！」と言った。", ["今日は。", "元気？", "「はい！」", "と言った。"]),
        ("यह घर है। वह कौन है? अच्छा।", ["यह घर है।", "वह कौन है?", "अच्छा।"]),
        ("هل أنت هنا؟ نعم.", ["هل أنت هنا؟", "نعم."]),
        (" \n ", []),
    ],
)
def test_sentences_of_several_languages(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text(st.sampled_from("aB. !?。\n”"), max_size=200) | st.text(max_size=60))
@settings(deadline=None, max_examples=30)
def test_no_character_of_a_text_is_lost(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_a_sentence_is_bounded():
    parts = split_sentences("word " * 5000)
    assert [len(part) for part in parts] == [8189, 8189, 8189, 429]
    assert list(map(len, split_sentences("x" * 20_000))) == [8192, 8192, 3616]


@pytest.mark.parametrize("text", [".", ".”", "?!\n", "。", " ", "\n", "\r\n ", "x.”"])
def test_long_runs_take_no_longer(text):
    text = text * 100_000 + "x"
    before = time.process_time()
    assert "".join(split_paragraphs(text)).replace(" ", "") == "".join(text.split())
    assert time.process_time() - before < 5  # a square of the length takes minutes


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "text",
    [
        "It rains. The\nstreet is\nwet.\n\n\nRome is old.\n",  # running text
        "It rains.\nThe street is wet.\n \nRome is old.",  # a sentence a line
        "\nIt rains. The street is wet.\n\nRome is old.\n\n",  # a paragraph a line
    ],
)
def test_text_files(tmp_path, text, end):
    path = write(tmp_path / "a.txt", text.replace("\n", end))
    assert list(Documents([path])) == TWO
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(Documents([packed])) == TWO


def test_lines_are_sentences_where_most_end_as_such(tmp_path):
    lines = ["Mr. Smith came.", "He left.", "A title", "It rained.", "Who knew?", "Nobody did."]
    path = write(tmp_path / "berts.txt", "\n".join(lines))
    assert list(Documents([path])) == [lines]
    path = write(tmp_path / "verse.txt", "Shall I compare\nthee to a day?\nThou art\nmore lovely.")
    assert list(Documents([path])) == [["Shall I compare thee to a day?", "Thou art more lovely."]]


def test_tables(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = ["It rains. The street is wet.", None, "", "Rome\nis old."]
    path = tmp_path / "a.jsonl"
    write(path, "\n".join(json.dumps({"id": 1, "text": text}) for text in texts))
    assert list(Documents([path])) == TWO
    path = tmp_path / "b.parquet"
    parquet.write_table(arrow.table({"id": [1, 2, 3, 4], "verse": texts}), path)
    with pytest.raises(UserError, match=r"No column of .* is known to hold the text"):
        list(Documents([path]))
    assert list(Documents([path], text_column="verse")) == TWO
    write(tmp_path / "c.csv", 'text,n\nIt rains. The street is wet.,1\n"Rome is old.",2\n')
    folder = Documents([tmp_path], text_column=None)
    with pytest.raises(UserError, match=r"b\.parquet"):
        list(folder)
    (tmp_path / "b.parquet").unlink()
    documents = Documents([tmp_path])
    assert list(documents) == list(documents) == TWO * 2


def test_standard_input_is_read_again_and_left_behind_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    text = "It rains. The street is wet.\n\nRome is old."
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    documents = Documents("-")
    assert list(documents) == list(documents) == TWO
    assert list(tmp_path.iterdir())
    del documents
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "Rome is old."}')))
    assert list(Documents(["-"], stdin_format="jsonl")) == TWO[1:]


def test_one_endless_line_is_divided_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST", 1 << 14)
    words = [f"word{i}" for i in range(60_000)]
    path = write(tmp_path / "a.txt", " ".join(words))
    tracemalloc.start()
    found = []
    for document in Documents([path]):
        assert sum(map(len, document)) <= 2 * (1 << 14)
        found += [word for sentence in document for word in sentence.split()]
    assert found == words
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert sum(1 for _ in Documents([path])) > 20
    assert tracemalloc.get_traced_memory()[1] - before < 2e6
    tracemalloc.stop()
    path = write(tmp_path / "b.txt", "x" * 100_000)
    assert sum(len(s) for document in Documents([path]) for s in document) == 100_000
    path = write(tmp_path / "c.txt", "\n".join(f"It is {i}. So" for i in range(20_000)))
    whole = " ".join(sentence for document in Documents([path]) for sentence in document)
    assert whole == " ".join(f"It is {i}. So" for i in range(20_000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text: leave it out"),
        (b" \n\n \n", "holds no text: leave it out"),
        (b"a\0b", "line 1, holds a NUL byte"),
        ("Größe".encode("latin-1"), "is not UTF-8 text: byte 0xf6 in line 1"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(Documents([tmp_path]))


@pytest.mark.parametrize("change", ["grow", "vanish", "rewrite"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_file_that_changes_while_it_is_read(tmp_path, change, name):
    line = '{"text": "It rains."}\n' if name == "a.jsonl" else "It rains.\n\n"
    path = write(tmp_path / name, line * 3)
    documents = iter(Documents([path]))
    next(documents)
    if change == "grow":
        with path.open("a") as file:
            file.write(line)
    elif change == "vanish":
        path.unlink()
    else:
        os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match=r"was removed|changed while it was read"):
        list(documents)


def test_a_file_that_is_another_one_in_the_next_pass(tmp_path):
    path = write(tmp_path / "a.txt", "It rains.\n")
    documents = Documents([path])
    next(iter(documents))
    assert list(documents) == [["It rains."]]
    write(path, "It rains. Rome is old.\n")
    for again in (documents, copy.deepcopy(documents)):
        with pytest.raises(UserError, match=r"has changed since it was first read: start"):
            list(again)
    assert list(Documents([path])) == [["It rains.", "Rome is old."]]


def test_a_file_that_vanishes_before_it_is_read(tmp_path):
    paths = [write(tmp_path / name, "It rains.") for name in ("a.txt", "b.txt")]
    documents = iter(Documents(paths))
    next(documents)
    paths[1].unlink()
    with pytest.raises(UserError, match=r"b.txt cannot be read \(No such file"):
        list(documents)


@pytest.mark.parametrize(
    ("sources", "kwargs", "message"),
    [
        ([], {}, "There is no text to read"),
        ([""], {}, "The path of a text is empty"),
        (["~no-such-user/a.txt"], {}, "There is no file or folder '~no-such-user/a.txt'"),
        (["nowhere.txt"], {}, "There is no file or folder 'nowhere.txt'"),
        (["-"], {"stdin_format": "pdf"}, "stdin_format is 'pdf'"),
        (["/dev/zero"], {}, "is not a regular file"),
        (["-", "a.txt", "-"], {}, r"name it \(-\) once"),
    ],
)
def test_mistakes(sources, kwargs, message):
    with pytest.raises(UserError, match=message):
        Documents(sources, **kwargs)


def test_a_book_is_several_documents(tmp_path):
    sentences = [f"It is {i}." for i in range(30_000)]
    lines = [" ".join(sentences[i : i + 7]) for i in range(0, len(sentences), 7)]
    write(tmp_path / "book.txt", "\n".join(lines))
    write(tmp_path / "book.jsonl", json.dumps({"text": " ".join(sentences)}))
    for name in ("book.txt", "book.jsonl"):
        documents = list(Documents([tmp_path / name]))
        assert [sentence for document in documents for sentence in document] == sentences
        assert max(sum(map(len, document)) for document in documents) < 70_000
        assert len(documents) == 6
    path = write(tmp_path / "b.txt", "word " * 100_000)  # without any punctuation
    documents = list(Documents([path]))
    assert sum(len(s.split()) for document in documents for s in document) == 100_000
    assert max(sum(map(len, document)) for document in documents) < 2 * 65_536


@pytest.mark.parametrize("value", [0, 7, False, 2.5, ["a"]])
def test_a_value_that_is_no_text_is_not_left_out(tmp_path, value):
    path = write(tmp_path / "a.jsonl", json.dumps({"text": value}))
    with pytest.raises(UserError, match=f"line 1, has a value of type {type(value).__name__}"):
        list(Documents([path]))


def test_json_that_is_no_text(tmp_path):
    path = write(tmp_path / "a.json", "[1]")
    with pytest.raises(UserError, match="is not JSONL"):
        list(Documents([path]))


def test_reviews_are_those_to_train_on(monkeypatch, tmp_path):
    names = []

    def load(name):
        names.append(name)
        return SimpleNamespace(
            train=Split(["It rains. The street is wet.", "Rome is old."], [0, 1])
        )

    monkeypatch.setattr(module, "load_dataset", load)
    monkeypatch.chdir(tmp_path)
    assert list(Documents(["imdb"])) == TWO
    assert names == ["imdb"]
    (tmp_path / "imdb").mkdir()  # a person's own
    write(tmp_path / "imdb" / "a.txt", "Rome is old.")
    assert list(Documents(["imdb"])) == TWO[1:]


def test_documents_are_sent_to_processes_in_other_folders(tmp_path, monkeypatch):
    write(tmp_path / "a.txt", "Rome is old.")
    monkeypatch.chdir(tmp_path)
    documents = copy.deepcopy(Documents(["a.txt"]))  # by what pickle would take
    monkeypatch.chdir("/")
    assert list(documents) == TWO[1:]
