"""Writes golden_answers.json: logits of windows, and the answers that transformers makes of them.

Run by hand: `python -m tests.tasks.make_golden_answers`. It fetches transformers' code through the
package index; test_answers.py reads the result, so that the plain test command needs none.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from ..parity.answers import examples_functions, random_windows, transformers_answers

SETTINGS = {"n_best_size": 8, "max_answer_length": 3, "version_2_with_negative": True}


def main():
    windows = random_windows(np.random.default_rng(8), questions=4)
    for name in ("starts", "ends"):
        windows[name] = [row.round(2) for row in windows[name]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        answers = transformers_answers(examples_functions(path), windows, path, **SETTINGS)
    for name in ("starts", "ends"):
        windows[name] = [[round(float(x), 2) for x in row] for row in windows[name]]
    golden = {
        **windows,
        "answers": [
            {
                "best": [[each["text"], round(each["probability"], 6)] for each in best],
                "margin": round(margin, 4),
            }
            for _, best, margin in answers
        ],
    }
    target = Path(__file__).with_name("golden_answers.json")
    lines = [f"{json.dumps(key)}: {json.dumps(golden[key])}" for key in golden]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
