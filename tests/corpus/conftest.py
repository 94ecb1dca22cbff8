"""A model that needs no time, so that the tests are of files, places and interruptions."""

import pytest

from .stand_in import StandIn


@pytest.fixture
def stand_in(monkeypatch):
    """Has `embed_corpus` work with `StandIn` for a model; gives the class."""
    monkeypatch.setattr("kerasformer.corpus.run.ConfiguredEmbedder", StandIn)
    monkeypatch.setattr(StandIn, "model", "one")
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # waits for the disk
    return StandIn


@pytest.fixture
def texts():
    """Texts with what is awkward in files."""
    odd = [
        "",
        " ",
        "né 体 🙂",
        'a "quote", and a comma',
        "tab\there",
        "\ufeffmark",
        "nan",
        "'",
        "0",
    ]
    return [*odd, *(f"text {n}" + " word" * (n % 7) for n in range(41))]


@pytest.fixture
def content():
    """The names and the bytes of all files in a folder."""
    return lambda folder: {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
