"""Jobs: interrupted anywhere and resumed, they end as if they had not been interrupted."""

import contextlib
import functools
import json
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy as np
import pytest

from kerasformer.corpus import EmbeddedCorpus, embed_corpus
from kerasformer.errors import UserError

from .stand_in import vectors_of

SETTINGS = {"format": "npy", "shard_size": 10}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path, texts, stand_in, monkeypatch):
    """The path of a file of 50 texts, in the present folder."""
    monkeypatch.chdir(tmp_path)
    rows = [json.dumps({"key": f"k{n}", "text": text}) for n, text in enumerate(texts)]
    Path("a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return "a.jsonl"


@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_a_whole_job(source, texts, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    corpus = embed_corpus([source], "out", format=format, shard_size=20, id_column="key")
    assert (len(corpus), corpus.width, corpus.dtype, corpus.complete) == (50, 6, "float32", True)
    parts = list(corpus.shards())
    assert [len(part.ids) for part in parts] == [20, 20, 10]
    assert [id for part in parts for id in part.ids] == [f"k{n}" for n in range(50)]
    assert [text for part in parts for text in part.texts] == texts
    np.testing.assert_array_equal(np.concatenate([p.vectors for p in parts]), vectors_of(texts))
    long = [text for text in texts if len(text) > 30]  # as the stand-in has it
    assert corpus.manifest.cut == (len(long), sum(map(len, long)) - 30 * len(long))
    assert long
    assert repr(corpus) == "<EmbeddedCorpus out: 50 texts, 6 numbers each, float32>"


def test_settings_reach_the_shards(source):
    corpus = embed_corpus(
        [source], "out", format="npy", dtype="int8", text=False, limit=15, shard_size=None
    )
    (part,) = corpus.shards()
    assert (len(part.ids), part.texts, part.vectors.dtype) == (15, None, np.int8)


class Stop(BaseException):
    """An interruption that nobody expects."""


@contextlib.contextmanager
def interrupted_at(count, kind="before"):
    """Has the renaming number `count` fail, before or after it is done."""
    left, rename = [count], os.replace

    def replace(*paths):
        left[0] -= 1
        if left[0] == 0 and kind == "before":
            raise Stop
        rename(*paths)
        if left[0] == 0:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Stop):
            yield


# One renaming for the manifest at the start, then for each of three shards three.
@pytest.mark.parametrize("kind", ["before", "after"])
@pytest.mark.parametrize("count", range(1, 11))
def test_an_interruption_at_any_file(source, content, count, kind):
    settings = {"format": "npy", "shard_size": 20}
    embed_corpus([source], "whole", **settings)
    with interrupted_at(count, kind):
        embed_corpus([source], "out", **settings)
    corpus = embed_corpus([source], "out", resume=True, **settings)
    assert corpus.complete
    assert content(Path("out")) == content(Path("whole"))


def test_again_and_again(source, content):
    embed_corpus([source], "whole", **SETTINGS)
    for times in range(4):
        with interrupted_at(5 if times else 6):  # a shard, its manifest, and the next vectors
            embed_corpus([source], "out", resume=True, **SETTINGS)
        assert len(EmbeddedCorpus("out")) == 10 * (times + 1)
    embed_corpus([], "out", resume=True)
    assert content(Path("out")) == content(Path("whole"))


def test_finished_shards_are_not_made_again(source, monkeypatch, stand_in):
    with interrupted_at(8):
        embed_corpus([source], "out", **SETTINGS)
    made, call = [], stand_in.__call__
    monkeypatch.setattr(stand_in, "__call__", lambda s, texts: made.append(texts) or call(s, texts))
    embed_corpus([], "out", resume=True)
    assert list(map(len, made)) == [10, 10, 10]


def test_a_shard_that_is_gone_or_cut_is_made_again(source, content):
    embed_corpus([source], "out", **SETTINGS)
    whole = content(Path("out"))
    Path("out/part-00001.npy").unlink()
    Path("out/part-00003.jsonl").write_text("{")
    assert len(EmbeddedCorpus("out")) == 30
    embed_corpus([source], "out", resume=True)
    assert content(Path("out")) == whole


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import stand_in
from kerasformer.corpus import embed_corpus, run

class Slow(stand_in.StandIn):
    def __call__(self, texts):
        time.sleep(0.05)
        return super().__call__(texts)

run.ConfiguredEmbedder = Slow
embed_corpus(["a.jsonl"], "out", format="npy", shard_size=1)
"""


def run_apart():
    """The same job in another process, slowly."""
    code = KILLED.format(folder=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_process(source, content):
    settings = {"format": "npy", "shard_size": 1}
    embed_corpus([source], "whole", **settings)
    process = run_apart()
    wait_for(Path("out/part-00004.npy"))
    with pytest.raises(UserError, match="Another run is writing to out"):
        embed_corpus([source], "out", resume=True, **settings)
    process.kill()
    process.communicate()
    assert 4 <= len(EmbeddedCorpus("out")) < 50
    embed_corpus([source], "out", resume=True, **settings)
    assert content(Path("out")) == content(Path("whole"))


def test_ctrl_c(source):
    process = run_apart()
    wait_for(Path("out/part-00002.npy"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    names = {path.name for path in Path("out").iterdir()}
    assert not [name for name in names if name.startswith(".")]
    embed_corpus([], "out", resume=True)


def test_a_folder_that_is_in_use(source):
    Path("out").mkdir()
    with filelock.FileLock("out/.lock"), pytest.raises(UserError, match="Another run is writing"):
        embed_corpus([source], "out", **SETTINGS)


def test_a_folder_that_is_taken(source):
    Path("file").write_text("x")
    with pytest.raises(UserError, match="The output file is a file"):
        embed_corpus([source], "file")
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(UserError, match="The output folder full is not empty"):
            embed_corpus([source], "full", resume=resume)
    assert [path.name for path in Path("full").iterdir()] == ["notes.txt"]
    embed_corpus([source], "out", **SETTINGS)
    with pytest.raises(UserError, match="holds an embedded corpus already: give --resume"):
        embed_corpus([source], "out", **SETTINGS)


def test_nothing_to_resume_is_begun(source):
    assert embed_corpus([source], "out", resume=True, **SETTINGS).complete
    with pytest.raises(UserError, match="No input given"):
        embed_corpus([], "other", resume=True)


def test_a_complete_one_says_so(source, content, capsys, monkeypatch):
    embed_corpus([source], "out", **SETTINGS)
    whole = content(Path("out"))
    monkeypatch.setattr("kerasformer.corpus.run.ConfiguredEmbedder", None)
    assert embed_corpus([source], "out", resume=True).complete
    assert "out is complete" in capsys.readouterr().err
    assert content(Path("out")) == whole


@pytest.fixture
def begun(source):
    """Two shards of five are made."""
    with interrupted_at(8):
        embed_corpus([source], "out", pooling="mean", normalize=True, **SETTINGS)
    return source


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pooling": "cls"}, r"pooling was 'mean' when .* and is 'cls' now"),
        ({"normalize": False}, r"normalize was True when .* and is False now"),
        ({"model": "other"}, r"model was 'all-MiniLM-L6-v2' when .* and is 'other' now"),
        ({"shard_size": 11}, r"shard_size was 10 when .* and is 11 now"),
        ({"format": "parquet"}, r"format was 'npy' when .* and is 'parquet' now"),
        ({"text": False}, r"text was True when .* and is False now"),
        ({"id_column": "key"}, r"id_column was None when .* and is 'key' now"),
        ({"text_column": "key"}, r"text_column was 'text' when .* and is 'key' now"),
        ({"limit": 20}, r"limit was None when .* and is 20 now"),
        ({"layers": (-2, -1)}, r"layers was None when"),
    ],
)
def test_other_settings_are_refused(begun, content, changed, message):
    before = content(Path("out"))
    with pytest.raises(UserError, match=message):
        embed_corpus([begun], "out", resume=True, **changed)
    assert content(Path("out")) == before


def test_the_same_settings_in_other_words(begun):
    same = {"pooling": ("mean",), "text_column": "text", "normalize": True, "policy": "float32"}
    assert embed_corpus([begun], "out", resume=True, **same).complete


def test_another_model_is_refused(begun, stand_in):
    stand_in.model = "two"
    with pytest.raises(UserError, match="The model is another one"):
        embed_corpus([begun], "out", resume=True)


def test_a_changed_input_is_refused(begun):
    with open(begun, "a", encoding="utf-8") as file:
        file.write('\n{"text": "more"}')
    with pytest.raises(UserError, match=r"a.jsonl has changed since the job was begun \(it had"):
        embed_corpus([begun], "out", resume=True)
    with pytest.raises(UserError, match="was begun with 1 files and has 2 now"):
        embed_corpus([begun, begun], "out", resume=True)


def test_an_input_replaced_by_one_of_the_same_size_and_time_is_refused(begun):
    stamp, text = os.stat(begun), Path(begun).read_text(encoding="utf-8")
    Path(begun).write_text(text[:-3] + "x" + text[-2:], encoding="utf-8")
    os.utime(begun, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert os.stat(begun).st_size == stamp.st_size
    with pytest.raises(UserError, match=r"a.jsonl has changed .*size is the same, its content is"):
        embed_corpus([begun], "out", resume=True)


def test_a_moved_input_is_the_same(begun):
    Path(begun).rename("b.jsonl")
    with pytest.raises(UserError, match=r"a.jsonl can no longer be read"):
        embed_corpus([], "out", resume=True)
    assert embed_corpus(["b.jsonl"], "out", resume=True).complete


def test_a_full_disk(source, content, monkeypatch):
    embed_corpus([source], "whole", **SETTINGS)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UserError, match=r"out.* cannot be written .*No space left on device"):
            embed_corpus([source], "out", **SETTINGS)
    assert not Path("out").exists()  # there had been no room for anything
    embed_corpus([source], "out", resume=True, **SETTINGS)
    assert content(Path("out")) == content(Path("whole"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "slurm"}, "engine is 'slurm': give one of local, ray"),
        ({"format": "csv"}, "format is 'csv': give one of parquet, npy"),
        ({"shard_size": 0}, "shard_size is 0: give a number of rows, 1 or more"),
        ({"limit": -1}, "limit is -1: give a number"),
        ({"dtype": "float8"}, "dtype is 'float8': give one of float32"),
        ({"policy": "float8"}, "policy is 'float8': give one of float32, mixed_bfloat16, bfloat16"),
        ({"combine": "stack"}, "combine='stack' makes several vectors a text"),
        ({"layers": 1.5}, "layers is a float: give numbers or names"),
        ({"poling": "cls"}, "Unknown setting poling"),
    ],
)
def test_wrong_settings_leave_nothing(source, settings, message):
    with pytest.raises(UserError, match=message):
        embed_corpus([source], "out", **settings)
    assert not Path("out").exists()


def test_a_row_that_cannot_be_read_leaves_nothing(source):
    with open(source, "a", encoding="utf-8") as file:
        file.write("\n{")
    with pytest.raises(UserError, match="line 51, is not valid JSON"):
        embed_corpus([source], "out", **SETTINGS)
    assert not Path("out").exists()


def test_semicolons_by_number_in_another_encoding_resumed_with_the_same_options(source, stand_in):
    rows = [f"k{n};né {n}" for n in range(20)]
    Path("a.csv").write_bytes("\n".join(["key;verse", *rows]).encode("cp1252"))
    options = {"text_column": 1, "id_column": "0", "delimiter": "semicolon"}
    options |= {"encoding": "windows-1252", **SETTINGS, "shard_size": 4}
    call, left = stand_in.__call__, [3]

    def stop(self, texts):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return call(self, texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            embed_corpus(["a.csv"], "out", **options)
    corpus = embed_corpus(["a.csv"], "out", resume=True, **options)
    assert [text for part in corpus.shards() for text in part.texts] == [
        r[r.index(";") + 1 :] for r in rows
    ]
    assert [id for part in corpus.shards() for id in part.ids] == [f"k{n}" for n in range(20)]


def test_columns_that_are_joined_are_named(source, capsys):
    Path("a.csv").write_text("a,b\none,two\n")
    embed_corpus(["a.csv"], "out", text_column="a,b", **SETTINGS)
    assert "the columns 'a', 'b' of a row, joined by a space" in capsys.readouterr().err


def test_broken_manifests(source):
    embed_corpus([source], "out", **SETTINGS)
    path = Path("out/manifest.json")
    whole = json.loads(path.read_text())
    outside = json.loads(json.dumps(whole))
    outside["shards"][0]["files"][0]["name"] = "../a.jsonl"
    broken = [
        ("{", "manifest.json .* JSON"),
        ("[]", "manifest.json holds a JSON array"),
        ("{}", "is not a sound manifest"),
        (json.dumps({**whole, "version": 2}), "is of version 2, .* update it"),
        (json.dumps({**whole, "shards": [5]}), "is not a sound manifest"),
        (json.dumps({**whole, "recipe": {"unknown": 1}}), "is not a sound manifest"),
        (json.dumps(outside), "shard 0 has files of other names, '../a.jsonl'"),
    ]
    for text, message in broken:
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            EmbeddedCorpus("out")
    path.unlink()
    with pytest.raises(UserError, match="holds no embedded corpus"):
        EmbeddedCorpus("out")


def places(value, path=()):
    """The places of all values within a JSON value, but for those in all shards except one."""
    if path:
        yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, item in value.items() if isinstance(value, dict) else ():
        if path != ("shards",) or key == 1:
            yield from places(item, (*path, key))


@pytest.mark.parametrize("wrong", [None, "x", -1, 0, 2.5, [], {}, [[]], True, 10**30, "9" * 999])
def test_a_manifest_with_any_wrong_value_is_used_or_refused(source, wrong):
    """Whatever is asked of the corpus then, resuming it included."""
    embed_corpus([source], "out", id_column="key", **SETTINGS)
    path = Path("out/manifest.json")
    whole = json.loads(path.read_text())
    refusals = []
    for place in places(whole):
        content = json.loads(json.dumps(whole))
        parent = functools.reduce(operator.getitem, place[:-1], content)
        parent[place[-1]] = wrong
        path.write_text(json.dumps(content))
        try:
            corpus = EmbeddedCorpus("out")
            assert (len(corpus), repr(corpus)) != ()
            corpus.verify()
            list(corpus.shards())
            embed_corpus([], "out", resume=True)
        except UserError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert not [each for each in refusals if "\n" in each]


@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_a_flipped_bit_is_found_and_mended(source, content, format, capsys):
    embed_corpus([source], "out", format=format, shard_size=10)
    whole = content(Path("out"))
    EmbeddedCorpus("out").verify()
    rng = np.random.default_rng(0)
    for name in sorted(whole.keys() - {"manifest.json"}):
        damaged = bytearray(whole[name])
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        Path("out", name).write_bytes(damaged)
        with pytest.raises(UserError, match=f"{name} is not what was written: its sha256 differs"):
            EmbeddedCorpus("out").verify()
        assert EmbeddedCorpus("out").complete  # which looks at the sizes alone
        capsys.readouterr()
        embed_corpus([], "out", resume=True)
        assert f"{name} is not what was written" in capsys.readouterr().err
        assert content(Path("out")) == whole
