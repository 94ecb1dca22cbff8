"""Paths that the system refuses: names that are too long, folders that may not be read."""

import errno
import os
import pathlib
import re

import pytest

from kerasformer import load_dataset
from kerasformer.cli import main
from kerasformer.compare import compare
from kerasformer.errors import UserError

LONG = "a" * 300  # of the 255 bytes that a name may have
COMMANDS = [
    *(["compare", "--data", LONG], ["compare", "--output", LONG]),
    *(["compare", "--resume", "--output", LONG], ["compare", "--data", f"{LONG}.csv"]),
    *(["train", "tagging", "--data", LONG, "--output", "out"],),
    *(["train", "tagging", "--data", "d", "--output", LONG, *more] for more in ([], ["--resume"])),
    *(["tune", "tagging", "--data", LONG, "--output", "out"],),
    *(["tune", "tagging", "--data", "d", "--output", LONG],),
    *(["embed", LONG, "--output", "out"], ["embed", "texts.csv", "--output", LONG]),
    *(["corpus", LONG, "--output", "out"], ["corpus", "texts.csv", "--output", LONG]),
    *(["pretrain", LONG, "--steps", "1", "--output", "out"],),
    *(["similar", LONG, "a text"], ["plot", LONG, "--output", "a.png"], ["layers", "--data", LONG]),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASFORMER_OFFLINE", "1")
    (tmp_path / "d").mkdir()
    for name in ("d/train.conll", "names.conll", "texts.csv"):
        pathlib.Path(name).write_text("Ada B-person\ncodes O\n\nShe O\nsings O\n")
    return tmp_path


def refused(capsys, command):
    """The one line that a command is refused with."""
    assert main(command) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if not line.endswith(" ..."))
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c).replace(LONG, "LONG"))
def test_a_name_that_is_too_long_is_one_sentence(here, capsys, command):
    line = refused(capsys, command)
    assert re.search(r"aaa\S* cannot be used \(File name too long\): check the path", line)
    assert {path.name for path in here.iterdir()} <= {"d", "names.conll", "texts.csv"}


@pytest.mark.parametrize(
    "command",
    [
        *(["compare", "--task", "tagging", "--data", "d"], ["compare", "--output", "d"]),
        *(["train", "tagging", "--data", "d", "--output", "out"],),
        *(["train", "tagging", "--data", "names.conll", "--output", "d"],),
    ],
)
def test_a_folder_that_may_not_be_read_is_one_sentence(here, capsys, monkeypatch, command):
    def forbid(real):
        def call(path=".", *rest):
            if os.path.basename(path) == "d":
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, *rest)

        return call

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, forbid(getattr(os, name)))
    assert "d cannot be used (Permission denied): check the path" in refused(capsys, command)


def test_python_gets_the_same_sentences(here):
    for call in (lambda: load_dataset(LONG), lambda: compare(output=LONG)):
        with pytest.raises(UserError, match="too long"):
            call()


def test_what_names_no_path_stays_what_it_is(here, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "of the network")

    monkeypatch.setattr("kerasformer.data.load._existing", fail)
    with pytest.raises(OSError, match="of the network"):
        load_dataset("d")
