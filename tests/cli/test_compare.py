"""`kerasformer compare`: that its options arrive; tests/compare has the rest."""

from kerasformer.cli import main
from kerasformer.compare import runner
from kerasformer.errors import UserError


def test_how_files_are_read(monkeypatch, capsys):
    def load(data, **options):
        raise UserError(" ".join(f"{name}={value}" for name, value in options.items()))

    monkeypatch.setattr(runner, "load_dataset", load)
    options = ["--delimiter", "semicolon", "--encoding", "cp1252", "--no-header"]
    assert main(["compare", "--data", "a.csv", "--text-column", "1", *options]) == 2
    err = capsys.readouterr().err
    for part in ("delimiter=semicolon", "encoding=cp1252", "header=False", "text_column=1"):
        assert part in err
