"""`kerasformer vocab`: a vocabulary out of raw text, and one sentence for what is wrong."""

import pytest

from kerasformer.cli import main
from kerasformer.text import Tokenizer, WordPieceTokenizer

TEXT = "Ärger über Öl. Kein Öl über Ärger!\n\nDie Ähre, die Ehre.\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT * 3, encoding="utf-8")
    return path


def vocab(*argv):
    return main(["vocab", *map(str, argv)])


def test_the_files_are_those_that_train_gives(text, tmp_path, capsys):
    folder = tmp_path / "new"
    assert vocab(text, "--size", 60, "--output", folder) == 0
    out = capsys.readouterr().out
    assert " tokens in " in out
    names = {"vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    expected = WordPieceTokenizer.train([TEXT] * 3, 60)
    assert Tokenizer.from_pretrained(folder).to_json() == expected.to_json()
    assert (folder / "vocab.txt").read_text().split("\n")[:-1] == expected.vocabulary()


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], ["arger", "uber"]),
        (["--keep-accents"], ["ärger", "über"]),
        (["--cased"], ["Ärger", "über"]),
        (["--cased", "--strip-accents"], ["Arger", "uber"]),
    ],
)
def test_case_and_accents(text, tmp_path, options, kept):
    assert vocab(text, *options, "--output", tmp_path / "new") == 0
    tokenizer = Tokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.tokens(["Ärger über"]) == [kept]
    alone = tmp_path / "vocab.txt"
    assert (tmp_path / "new" / "vocab.txt").rename(alone)
    assert kept[0] in alone.read_text(encoding="utf-8").split()


def test_special_tokens_and_frequency(text, tmp_path, capsys):
    options = ["--special", "[SPEAKER]", "<s>", "--min-frequency", 7]
    assert vocab(text, *options, "--output", tmp_path / "new") == 0
    assert "no more that occur 7 times" in capsys.readouterr().out
    tokenizer = Tokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.vocabulary()[5:7] == ["[SPEAKER]", "<s>"]
    assert tokenizer.tokens(["[SPEAKER]uber"])[0][0] == "[SPEAKER]"
    assert "uber" not in tokenizer.vocabulary()  # 6 times


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere.txt"], "There is no file or folder"),
        (["{text}", "--size", "6"], "vocab_size is 6, but must be at least 7"),
        (["{text}", "--special", "[CLS]"], "special token '[CLS]' cannot be one"),
        (["{text}", "--special", "a b"], "special token 'a b' cannot be one"),
        (["{text}", "--min-frequency", "0"], "min_frequency is 0"),
        (["{empty}"], "holds no text"),
        (["{binary}"], "is not UTF-8 text"),
    ],
)
def test_mistakes_leave_no_folder(text, tmp_path, capsys, argv, message):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\x00\xff" * 9)
    paths = {name: tmp_path / f"{name}.txt" for name in ("text", "empty", "binary")}
    argv = [argument.format(**paths) for argument in argv]
    assert vocab(*argv, "--output", tmp_path / "new") == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert message in err
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").touch()
    assert vocab(text, "--output", tmp_path / "new") == 2
    assert "is not empty" in capsys.readouterr().err
