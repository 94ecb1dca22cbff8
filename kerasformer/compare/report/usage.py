"""How to get and use the model of the best arm."""

from pathlib import Path

from kerasformer.compare.report.summary import summarize
from kerasformer.compare.report.verdict import rank
from kerasformer.compare.settings import MODELS, Settings

_CLASSIFY = 'print(model.classify(["A text of yours."]))'
_SAVE = 'model.save_pretrained("my-classifier")\n'
_PREDICT = 'print(data.class_names[model.predict(["A text of yours."])[0]])'  # scikit-learn's


def usage(record: dict, folder) -> str | None:
    """Python that classifies a text as the best arm does; None where no arm learned anything.

    It loads the model that `folder`, that of the comparison, holds, or else trains it.
    """
    best = next(iter(rank(summarize(record))), None)
    if best is None or not best.row.learns:
        return None
    classifier = best.row.load()
    model = Path(folder) / MODELS / best.key
    if model.is_dir():
        return f"""\
from kerasformer import {classifier.task}

model = {classifier.task}.from_pretrained({str(model)!r})
{_CLASSIFY}"""
    settings, made = Settings.make(**record["settings"]), record["arms"][best.key]["settings"]
    source = repr(settings.data)
    source += "".join(f", {name}={value!r}" for name, value in settings.reading().items())
    epochs = f", epochs={made['epochs']}" if "epochs" in made else ""
    saved = hasattr(classifier, "task")
    return f"""\
{classifier.imports}

data = load_dataset({source})
{classifier.code(made)}
model.fit(data.train.texts, data.train.labels{epochs})
{f"{_SAVE}{_CLASSIFY}" if saved else _PREDICT}"""
