"""How to get and use the model of the best arm."""

from collections import Counter
from pathlib import Path

from kerasformer.compare.report.findings import Findings
from kerasformer.compare.report.summary import ArmSummary
from kerasformer.compare.settings import MODELS, Settings

_SAVE = 'model.save_pretrained("my-model")'
_ASK = {  # of the models of kerasformer.tasks
    "classification": 'print(model.classify(["A text of yours."]))',
    "pairs": 'print(model.classify([("A text of yours.", "And another.")]))',
    "tagging": 'print(model.entities(["A text of yours."]))',
    "answering": 'print(model.answer("A question of yours?", "The text that answers it."))',
}
_TAG = 'print(model.tag([["A", "text", "of", "yours", "."]]))'  # where tags mark no entities
_FIT_AND_ASK = {  # of other models
    "classification": """\
model.fit(data.train.texts, data.train.labels)
print(data.class_names[model.predict(["A text of yours."])[0]])""",
    "pairs": """\
model.fit(data.train.texts, data.train.labels)
print(data.class_names[model.predict([("A text of yours.", "And another.")])[0]])""",
    "tagging": f"""\
model.fit(data.train.words, data.train.tags)
{_TAG}""",
}


def can_be_kept(arm: ArmSummary) -> bool:
    """Whether the models of an arm can be saved: those of Keras, and no others."""
    return hasattr(arm.row.load(), "task")


def kept_model(findings: Findings, folder) -> Path | None:
    """Where the best arm's model is, if the comparison of `folder` was to keep its models."""
    best, settings = findings.best, Settings.make(**findings.record["settings"])
    if best is None or not (settings.keep_models and can_be_kept(best)):
        return None
    kept = Path(folder).absolute() / MODELS / best.key
    return kept if kept.is_dir() else None


def usage(findings: Findings, folder) -> str | None:
    """Python that does what the best arm does; None where no arm learned anything.

    It loads the model that was kept in `folder`, that of the comparison, or else trains it.
    """
    record, best = findings.record, findings.best
    if best is None or not best.row.learns:
        return None
    method, settings = best.row.load(), Settings.make(**record["settings"])
    is_of_words = settings.task == "tagging" and findings.quality.main == "accuracy"
    ask = _TAG if is_of_words else _ASK[settings.task]
    if kept := kept_model(findings, folder):
        return f"""\
from kerasformer import {method.task}

model = {method.task}.from_pretrained({str(kept)!r})
{ask}"""
    made = record["arms"][best.key]["settings"]
    runs = record["arms"][best.key]["runs"]
    if chosen := Counter(run["chosen"] for run in runs if "chosen" in run):
        made = made | {"layers": chosen.most_common(1)[0][0]}
    source = repr(settings.data)
    if settings.task != "classification":
        source += f", {settings.task!r}"
    source += "".join(f", {name}={value!r}" for name, value in settings.reading().items())
    # What the recipe of the model is not sure to have; the encoder of some arms is not published.
    names = ("epochs", "learning_rate") if best.row.own_texts else ("epochs",)
    options = "".join(f", {name}={made[name]!r}" for name in names if name in made)
    rest = f"model.fit(data{options})\n{_SAVE}\n{ask}"
    if not hasattr(method, "task"):
        rest = _FIT_AND_ASK[settings.task]
    return f"""\
{method.imports}

data = load_dataset({source})
{method.code(made)}
{rest}"""
