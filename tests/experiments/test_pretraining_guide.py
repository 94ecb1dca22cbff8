"""The guide to pretraining: what it imports exists, and its page is of a whole run."""

import ast
import json
import pkgutil
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "experiments" / "pretraining_guide.ipynb"


def test_the_page_is_of_a_whole_run():
    cells = json.loads(GUIDE.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for cell in code for output in cell["outputs"])
    assert "image/png" in code[-1]["outputs"][-1]["data"]
    for cell in code:
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasformer"):
                for alias in node.names:
                    assert pkgutil.resolve_name(f"{node.module}:{alias.name}")


def test_its_picture_is_there():
    text = GUIDE.read_text(encoding="utf-8")
    assert "images/pretraining_curve.png" in text
    assert (GUIDE.parent / "images" / "pretraining_curve.png").is_file()
