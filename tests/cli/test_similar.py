"""`kerasformer similar`: the nearest texts, as lines and as JSON."""

import json

import pytest

from kerasformer.cli import main
from kerasformer.corpus import EmbeddedCorpus, embed_corpus

TEXTS = ["the good film", "a bad film", "good", "the film was bad.", "", "good films!", "体 שלום"]


@pytest.fixture
def make_corpus(model, tmp_path):
    """A function: embeds texts into the folder `vectors`, which it gives."""

    def make(texts=TEXTS, **settings):
        (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        folder = tmp_path / "vectors"
        embed_corpus([tmp_path / "texts.txt"], folder, model=str(model), **settings)
        return folder

    return make


@pytest.fixture
def corpus(make_corpus):
    return make_corpus()


@pytest.fixture
def similar(capsys):
    """Runs the command; gives its status and what it wrote."""

    def similar(*argv):
        status = main(["similar", *map(str, argv)])
        return status, *capsys.readouterr()

    return similar


def test_the_nearest_texts_as_lines(similar, corpus):
    status, out, err = similar(corpus, "good films!", "", "--top", "2")
    assert status == 0
    assert "unfinished" not in err
    first, second = out.split("\n\n")
    lines = first.split("\n")
    assert lines[0] == "good films!"
    assert lines[1].split() == ["similarity", "id", "text"]
    assert lines[2].split() == ["1.0000", "5", "good", "films!"]
    assert len(lines) == 4
    assert second.split("\n")[2].split() == ["1.0000", "4"]


@pytest.mark.parametrize("index", [[], ["--index"]], ids=["exact", "index"])
def test_queries_of_a_file_as_json(similar, corpus, tmp_path, index):
    queries = tmp_path / "queries.csv"
    queries.write_text("text,n\ngood,1\n体 שלום,2\n", encoding="utf-8")
    status, out, _ = similar(corpus, "--queries", queries, "--top", "100", "--json", *index)
    assert status == 0
    found = json.loads(out)
    assert [entry["query"] for entry in found] == ["good", "体 שלום"]
    for entry, best in zip(found, (2, 6), strict=True):
        assert sorted(neighbour["id"] for neighbour in entry["neighbours"]) == list(range(7))
        assert entry["neighbours"][0] == {"id": best, "text": TEXTS[best], "similarity": 1.0}
        similarities = [neighbour["similarity"] for neighbour in entry["neighbours"]]
        assert similarities == sorted(similarities, reverse=True)
    assert (corpus / "neighbours.faiss").exists() == bool(index)


@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_queries_are_embedded_as_the_corpus_was(similar, make_corpus, dtype):
    folder = make_corpus(dtype=dtype, pooling="max", layers=(0, 1), combine="concat")
    _, out, err = similar(folder, "a bad film", "--top", "1", "--json")
    assert json.loads(out)[0]["neighbours"] == [{"id": 1, "text": "a bad film", "similarity": 1.0}]
    assert ("The vectors are bits" in err) == (dtype == "binary")


def test_an_unfinished_corpus_is_searched_with_a_warning(similar, make_corpus):
    folder = make_corpus(shard_size=3, format="npy")
    (folder / "part-00001.npy").unlink()
    status, out, err = similar(folder, "good", "--json")
    assert status == 0
    assert "is unfinished: 4 of its 7 texts are searched" in err
    (entry,) = json.loads(out)
    assert entry["neighbours"][0]["id"] == 2
    for number in (0, 2):
        (folder / f"part-0000{number}.npy").unlink()
    assert not len(EmbeddedCorpus(folder))
    status, out, err = similar(folder, "good")
    assert (status, out) == (2, "")
    assert "holds no vectors yet" in err


def test_what_steers_a_terminal_is_escaped(similar, make_corpus):
    folder = make_corpus(["\x1b[2Jgood", "x" * 5000])
    _, out, _ = similar(folder, "a\x1b[31m\u202e")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert max(map(len, out.split("\n"))) < 160


def test_mistakes(similar, corpus, tmp_path, capsys):
    capsys.readouterr()
    for argv, message in (
        ([corpus], "takes queries, or --queries FILE"),
        ([corpus, "good", "--queries", "a.txt"], "takes queries, or --queries FILE"),
        ([corpus, "good", "--top", "0"], "--top is 0"),
        ([corpus, "\ud800"], "queries[0] holds half a surrogate pair"),
        ([corpus, "--queries", tmp_path / "none.txt"], "There is no file or folder"),
        ([tmp_path, "good"], "holds no embedded corpus"),
        ([tmp_path / "nothing", "good"], "holds no embedded corpus"),
    ):
        status, out, err = similar(*argv)
        assert (status, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


def test_another_model_than_the_corpus_was_made_by(similar, corpus, model, tmp_path):
    (model / "vocab.txt").write_text((model / "vocab.txt").read_text().replace("bad", "sad"))
    status, _, err = similar(corpus, "good")
    assert status == 2
    assert "has changed since the job was begun" in err


@pytest.mark.parametrize("format", ["npy", "parquet"])
def test_a_damaged_shard_is_told_where_asked(similar, make_corpus, format):
    folder = make_corpus(format=format)
    whole = similar(folder, "good", "--verify")
    assert whole[0] == 0
    path = folder / f"part-00000.{format}"
    content = bytearray(path.read_bytes())
    content[content.find(b"PAR1", 4) - 200 if format == "parquet" else -3] ^= 1
    path.write_bytes(content)
    status, out, err = similar(folder, "good", "--verify")
    assert (status, out) == (2, "")
    assert err.endswith(
        f"part-00000.{format} is not what was written: its sha256 differs from the manifest's; "
        f"make it again by `kerasformer embed --resume --output {folder}`.\n"
    )
    assert similar(folder, "good", "--verify", "--index")[0] == 2
