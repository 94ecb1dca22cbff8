"""The benchmarks without the packages that they compare with."""

import importlib.util
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "benchmarks"
ARGUMENTS = {
    "tasks": ["tagging", "--data", "words.conll"],
    "preparing": ["text.txt", "--vocabulary", "folder"],
}


@pytest.mark.parametrize(
    "name",
    [
        *("embedding", "fine_tuning", "generating", "preparing", "pretraining", "tasks"),
        "tfhub_encoder",
        "tokenizing",
    ],
)
def test_a_missing_extra_is_one_sentence(name, monkeypatch):
    find_spec, peers = importlib.util.find_spec, ("torch", "transformers", "official")
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda module, *rest: None if module in peers else find_spec(module, *rest),
    )
    monkeypatch.setattr("sys.argv", [name, *ARGUMENTS.get(name, ())])
    monkeypatch.syspath_prepend(FOLDER)
    with pytest.raises(SystemExit, match=r"not installed: pip install -e '.\[peers(,hub)?\]'\.$"):
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
