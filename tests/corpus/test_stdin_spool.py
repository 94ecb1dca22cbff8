"""Standard input: saved, embedded, interrupted, given again; and nothing of it left behind."""

import io
import json
import sys
import types
from pathlib import Path

import pytest

from kerasformer.corpus import EmbeddedCorpus, embed_corpus, stdin_spool
from kerasformer.corpus.stdin_spool import spool_stdin
from kerasformer.errors import UserError

SETTINGS = {"format": "npy", "shard_size": 10}
SAVED = Path("out/.standard-input.txt")


@pytest.fixture
def give(tmp_path, stand_in, monkeypatch):
    """Puts bytes on standard input, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def give(content):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(content)))

    return give


@pytest.fixture
def lines(texts):
    """50 texts, a line each."""
    return "".join(text + "\n" for text in texts).encode()


@pytest.fixture
def begun(give, lines, stand_in):
    """A job of standard input of which two shards of five are made."""
    call, left = stand_in.__call__, [3]

    def stop(self, texts):
        left[0] -= len(texts) > 1
        if not left[0]:
            raise KeyboardInterrupt
        return call(self, texts)

    give(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            embed_corpus(["-"], "out", **SETTINGS)
    assert SAVED.read_bytes() == lines
    assert len(EmbeddedCorpus("out")) == 20


def all_texts(corpus):
    return [text for part in corpus.shards() for text in part.texts]


def test_a_text_for_each_line(give, lines, texts):
    give(lines)
    corpus = embed_corpus(["-"], "out", **SETTINGS)
    assert corpus.complete
    assert all_texts(corpus) == texts
    assert not SAVED.exists()
    give(b"")
    assert embed_corpus([], "out", resume=True).complete  # nothing is read, nothing is missed


def test_between_files_and_in_another_format(give):
    Path("a.jsonl").write_text('{"text": "first", "key": "a"}\n')
    Path("b.csv").write_text("key,text\nc,last\n")
    give(b'{"key": "b", "text": "two\\nlines"}\n')
    settings = {"id_column": "key", "stdin_format": "jsonl", "format": "npy"}
    corpus = embed_corpus(["a.jsonl", "-", "b.csv"], "out", **settings)
    ((ids, found, _),) = corpus.shards()
    assert (ids, found) == (["a", "b", "c"], ["first", "two\nlines", "last"])


@pytest.mark.parametrize("again", [[], ["-"]])
def test_resumed_with_it_or_without(begun, give, lines, texts, again):
    give(lines)
    corpus = embed_corpus(again, "out", resume=True, **SETTINGS)
    assert corpus.complete
    assert all_texts(corpus) == texts
    assert not SAVED.exists()


def test_resumed_where_the_folder_is_now(begun, give, texts):
    Path("out").rename("moved")
    assert all_texts(embed_corpus([], "moved", resume=True)) == texts


@pytest.mark.parametrize("change", [lambda c: c + b"more\n", lambda c: c[:-1], lambda c: b""])
def test_another_one_is_refused_and_loses_nothing(begun, give, lines, texts, change):
    give(change(lines))
    with pytest.raises(UserError, match="Standard input is not what the job in out was begun with"):
        embed_corpus(["-"], "out", resume=True)
    assert SAVED.read_bytes() == lines
    give(lines)
    with pytest.raises(UserError, match=r"it was read as .txt"):
        embed_corpus(["-"], "out", resume=True, stdin_format="jsonl")
    assert all_texts(embed_corpus([], "out", resume=True)) == texts


def test_a_lost_shard_takes_the_same_again(give, lines, texts):
    give(lines)
    embed_corpus(["-"], "out", **SETTINGS)
    Path("out/part-00002.npy").unlink()
    with pytest.raises(UserError, match="was begun with standard input, which is not kept"):
        embed_corpus([], "out", resume=True)
    give(lines)
    assert all_texts(embed_corpus(["-"], "out", resume=True)) == texts
    assert not SAVED.exists()


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (b"", {}, r"standard-input.txt holds no examples"),
        (b"fine\nna\xefve\n", {}, r"standard-input.txt is not UTF-8 text: byte 0xef in line 2"),
        (b'{"text": 1}', {"stdin_format": "jsonl"}, r"line 1, has a value of type int as text"),
        (b"a,b\nx,y\n", {"stdin_format": "csv"}, r"known to hold the text"),
        (b"x", {"stdin_format": "xml"}, r"stdin_format is 'xml': give one of txt, csv, tsv, jsonl"),
    ],
)
def test_what_cannot_be_read_leaves_nothing(give, content, settings, message):
    give(content)
    with pytest.raises(UserError, match=message):
        embed_corpus(["-"], "out", format="npy", **settings)
    assert not Path("out").exists()


def test_there_is_one(give, monkeypatch):
    give(b"fine\n")
    with pytest.raises(UserError, match="can be given only once"):
        embed_corpus(["-", "-"], "out")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="Standard input is closed"):
        embed_corpus(["-"], "out", format="npy")


def test_what_a_killed_run_saved_is_removed(give, lines):
    Path("out").mkdir()
    SAVED.write_bytes(b"whole, but no job was begun with it")
    SAVED.with_name(f"..standard-input.txt.{'0' * 16}.unfinished").write_bytes(b"a half")
    give(lines)
    embed_corpus(["-"], "out", resume=True, **SETTINGS)
    names = {path.name for path in Path("out").iterdir()}
    assert not [name for name in names if "standard-input" in name]


def test_a_full_disk(give, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    give(b"fine\n")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match=r"\.standard-input\.txt cannot be written \(No space left"):
        embed_corpus(["-"], "out", format="npy")
    assert not Path("out").exists()


def test_it_is_read_in_parts(give, tmp_path, monkeypatch):
    monkeypatch.setattr(stdin_spool, "_BYTES", 7)
    content = json.dumps({"text": "é" * 30}).encode()
    give(content)
    assert spool_stdin(tmp_path, "jsonl").read_bytes() == content
