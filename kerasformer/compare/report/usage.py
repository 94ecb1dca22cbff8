"""How to get and use the model of the best arm."""

from pathlib import Path

from kerasformer.compare.report.summary import summarize
from kerasformer.compare.report.verdict import rank
from kerasformer.compare.settings import MODELS, Settings


def usage(record: dict, folder) -> str | None:
    """Python that classifies a text as the best arm does.

    Args:
        record: A valid record.
        folder: The folder of the comparison.

    Returns:
        A program that loads the model that `folder` holds, or else trains it; None where no arm
        learned anything.
    """
    best = next(iter(rank(summarize(record))), None)
    if best is None or not best.row.learns:
        return None
    classifier = best.row.load()
    model = Path(folder) / MODELS / best.key
    if model.is_dir():
        return f"""\
from kerasformer import {classifier.saved_as}

model = {classifier.saved_as}.load({str(model)!r})
print(model.classify(["A text of yours."]))"""
    settings = Settings.make(**record["settings"])
    arguments = [repr(settings.data)]
    for name in ("text_column", "label_column"):
        value = getattr(settings, name)
        arguments += [f"{name}={value!r}"] if value else []
    load = f"load_dataset({', '.join(arguments)})"
    return classifier.code(record["arms"][best.key]["settings"], load)
