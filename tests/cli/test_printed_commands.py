"""Every command line that the README, the code and its messages show is one that can be run."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import kerasformer
from kerasformer.cli import _parser

ROOT = Path(__file__).parents[2]
CALL = re.compile(r"(?:^|[\s/])kerasformer (?=[a-z])")


def of_readme():
    """The commands in the code blocks of the README, without what stands around them."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            for part in re.split(r"\s(?:\||&&)\s", line):
                if CALL.search(part) and "import" not in part:
                    yield shlex.split(CALL.split(part)[1], comments=True)


def strings(path):
    """The strings of a file, docstrings included; what an f-string puts in is X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(getattr(part, "value", "X") if isinstance(part, ast.Constant) else "X"
                          for part in node.values)  # fmt: skip
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.value


def of_code():
    for folder in (Path(kerasformer.__file__).parent, ROOT / "experiments"):
        for path in sorted(folder.rglob("*.py")):
            for text in strings(path):
                for found in re.findall(r"`kerasformer ([a-z][^`]*)`", text):
                    yield shlex.split(found)


README, CODE = list(of_readme()), list(of_code())


@pytest.mark.parametrize("argv", [*README, *CODE], ids=" ".join)
def test_a_printed_command_can_be_parsed(argv):
    if len(argv) == 1 and argv not in README:  # the name alone, of a command that takes arguments
        with pytest.raises(SystemExit) as end:
            _parser().parse_args([*argv, "--help"])
        assert end.value.code == 0
    else:
        assert callable(_parser().parse_args(argv).run)


def test_they_are_found():
    assert ["compare", "--quick"] in CODE or len(README) > 10
    assert any(argv[0] == "embed" and "--resume" in argv for argv in CODE)
