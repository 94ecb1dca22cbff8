"""`kerasformer corpus`: raw text tokenized once, and `kerasformer pretrain` on what it wrote."""

import io
import json
import shlex
import sys

import pytest

from kerasformer.cli import main
from kerasformer.data.raw import Documents, TokenCorpus
from kerasformer.tasks import MaskedLanguageModel
from kerasformer.text import Tokenizer, WordPieceTokenizer

TEXT = "\n\n".join(
    f"The {animal} sat on the mat.\nIt {verb} there." for animal in ("cat", "dog") for verb in "ab"
)


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def corpus(*argv):
    return main(["corpus", *map(str, argv)])


def test_what_is_written_is_what_the_command_says(text, tmp_path, capsys):
    assert corpus(text, "--vocab-size", 50, "--output", "new folder") == 0
    out, err = capsys.readouterr()
    assert "Tokenizing: " in err
    expected = TokenCorpus.of(Documents([text]), WordPieceTokenizer.train(Documents([text]), 50))
    made = TokenCorpus.open(tmp_path / "new folder")
    assert made.fingerprint == expected.fingerprint
    counts = f"documents 4, sentences 8, tokens {made.token_count}, vocabulary {made.vocab_size}."
    first, second = out.splitlines()
    assert first == f"new folder: {counts}"
    assert shlex.split(second)[2:5] == ["kerasformer", "pretrain", "new folder"]
    assert corpus(text, "--output", "new folder") == 2
    assert "new folder is not empty; give another folder" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--vocab", "--from"])
def test_a_vocabulary_that_is_given(text, model, capsys, option):
    assert corpus(text, option, model, "--output", "new") == 0
    expected = Tokenizer.from_pretrained(model).to_json()
    assert TokenCorpus.open("new").tokenizer.to_json() == expected
    said = f"pretrain new --from {model} --minutes" in capsys.readouterr().out
    assert said == (option == "--from")


def test_standard_input(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\nIt rains.\nSo be it.\n")))
    assert corpus("-", "--stdin-format", "csv", "--output", tmp_path / "new") == 0
    assert len(TokenCorpus.open(tmp_path / "new")) == 2


def test_ctrl_c_leaves_nothing(text, tmp_path, capsys, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(WordPieceTokenizer, "ids", press)
    assert corpus(text, "--output", "new") == 130
    assert "interrupted; nothing was written." in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere.txt"], "There is no file or folder"),
        (["empty.txt"], "holds no text"),
        (["binary.txt"], "is not UTF-8 text"),
        (["latin.txt"], "is not UTF-8 text"),
        (["text.txt", "--vocab", "no/vocab"], "no/vocab"),
        (["text.txt", "--from", "no/model"], "There is no file or folder"),
        (["text.txt", "--vocab-size", "3"], "vocab_size is 3, but must be at least"),
        (["text.txt", "--engine", "ray"], "--engine ray needs it: pip install 'kerasformer[ray]'"),
    ],
)
def test_mistakes_are_a_sentence(text, tmp_path, capsys, monkeypatch, argv, said):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\x00\xff" * 9)
    (tmp_path / "latin.txt").write_bytes("Ärger über Öl.".encode("latin-1"))
    assert corpus(*argv, "--output", "new") == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "new").exists()


@pytest.fixture
def pretrain(text, tmp_path, capsys):
    """Runs `kerasformer pretrain` on a corpus and what else is given."""
    tokenizer = WordPieceTokenizer.train(Documents([text]), 50)
    TokenCorpus.write(Documents([text]), tokenizer, tmp_path / "corpus", verbose=False)

    def run(*argv):
        given = ["--steps", "1", "--size", "tiny", "--max-length", "16", "--output", "model"]
        capsys.readouterr()
        status = main(["pretrain", "corpus", *argv, *given])
        return status, capsys.readouterr().err

    return run


@pytest.mark.usefixtures("eager")
def test_a_model_is_pretrained_on_it(pretrain, tmp_path):
    status, err = pretrain("--objective", "masked", "--batch-size", "2")
    assert status == 0, err
    model = MaskedLanguageModel.from_pretrained(tmp_path / "model")
    made = TokenCorpus.open(tmp_path / "corpus")
    assert model.tokenizer.to_json() == made.tokenizer.to_json()
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert record["corpus"] == {"documents": 4, "tokens": made.token_count}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["text.txt"], "corpus is a tokenized corpus: give it alone, or the text of all"),
        (["--text-column", "a"], "corpus is tokenized already: leave --text-column out"),
        (["--vocab", "corpus/tokenizer"], "is tokenized, with a vocabulary of its own"),
        (["--vocab-size", "50"], "is tokenized, with a vocabulary of its own"),
    ],
)
def test_nothing_else_is_read_beside_it(pretrain, tmp_path, argv, said):
    status, err = pretrain(*argv)
    assert status == 2
    assert said in err.splitlines()[-1]
    assert not (tmp_path / "model").exists()


def test_a_corpus_that_is_damaged(pretrain, tmp_path):
    (tmp_path / "corpus" / "tokens.npy").unlink()
    status, err = pretrain()
    assert status == 2
    assert "corpus is damaged (No such file or directory): tokenize" in err.splitlines()[-1]
