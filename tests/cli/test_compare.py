"""`kerasformer compare`: that its options arrive; tests/compare has the rest."""

import pytest

from kerasformer.cli import main
from kerasformer.compare import inputs
from kerasformer.errors import UserError


@pytest.mark.parametrize("task", ["classification", "tagging"])
def test_how_files_are_read(task, monkeypatch, capsys):
    def load(data, **options):
        raise UserError(" ".join(f"{name}={value}" for name, value in options.items()))

    monkeypatch.setattr(inputs, "load_dataset", load)
    options = ["--delimiter", "semicolon", "--encoding", "cp1252", "--no-header"]
    options += ["--text-column", "1", "--task", task]
    assert main(["compare", "--data", "a.csv", *options]) == 2
    err = capsys.readouterr().err
    assert ("problem_type=single_label_classification" in err) is (task == "classification")
    for part in (
        f"task={task}",
        "delimiter=semicolon",
        "encoding=cp1252",
        "header=False",
        "text_column=1",
    ):
        assert part in err


def test_an_unknown_task_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--task", "ranking"])
    assert "classification" in capsys.readouterr().err
