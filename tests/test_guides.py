"""README, ARCHITECTURE and the other guides: what they name is there."""

import ast
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import kerasformer

ROOT = Path(__file__).parents[1]
GUIDES = sorted(ROOT.glob("*.md"))
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language, guides=GUIDES):
    found = [block for guide in guides for block in BLOCKS.findall(guide.read_text("utf-8"))]
    return [text for name, text in found if name == language]


def test_there_are_guides_with_blocks():
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= {
        guide.name for guide in GUIDES
    }
    assert len(blocks("python")) > 4


@pytest.mark.parametrize("block", blocks("python"), ids=lambda text: text.splitlines()[0])
def test_what_the_guides_import_is_there(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasformer"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert getattr(module, alias.name) is not None


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_files_and_extras_that_a_guide_names_are_there(guide):
    text = guide.read_text("utf-8")
    names = re.findall(r"\]\(([\w./-]+)\)", text) + re.findall(r"`([\w.]+/[\w./-]*)`", text)
    package = Path(kerasformer.__file__).parent
    places = (
        ROOT,
        ROOT / "experiments",
        package.parent,
        package,
        package / "checkpoints",
        package / "tasks",
    )
    assert not [n for n in names if not any((place / n).exists() for place in places)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"\.\[(\w+)\]", text) + re.findall(r"[Ee]xtra `(\w+)`", text)
    assert set(extras) <= project["optional-dependencies"].keys()


def test_the_table_of_rooms_is_the_one_that_is_enforced():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert text.count("\n") < 150
    rooms = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rooms[cells[0].strip("`")] = set(re.findall(r"`(\w+)`", cells[2]))
    spec = importlib.util.spec_from_file_location(
        "architecture", Path(__file__).with_name("test_architecture.py")
    )
    architecture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(architecture)
    foundation = {"__init__", *architecture.FOUNDATION}
    enforced = {k: v for k, v in architecture.MAY_IMPORT.items() if k not in foundation}
    assert rooms.pop("cli") == set()  # anything
    assert rooms == enforced
