"""What a comparison runs on: the examples, and the pretrained model."""

import dataclasses
from typing import Any

from kerasformer.checkpoints.source_files import digests
from kerasformer.compare.arms import arms_of
from kerasformer.compare.settings import BEFORE_LIMIT, Settings
from kerasformer.data import load_dataset
from kerasformer.data.columns import say_joined
from kerasformer.data.dataset import Dataset
from kerasformer.data.labeled import SINGLE_LABEL
from kerasformer.data.raw import Documents
from kerasformer.data.text_file import reading
from kerasformer.errors import UserError
from kerasformer.files import sha256_of
from kerasformer.sources import resolve


def load_data(settings: Settings) -> Dataset:
    """The data, limited to what the settings ask for."""
    options: dict[str, Any] = {"task": settings.task, **settings.reading()}
    if settings.task in ("classification", "pairs"):
        options["problem_type"] = SINGLE_LABEL
    dataset = load_dataset(settings.data, **options)
    if settings.task == "classification":
        say_joined(dataset.text_columns)
    if settings.unlabelled:
        Documents(settings.unlabelled)  # refused now, or not at all
    dataset = _limited(dataset, settings)
    if settings.task == "answering" and not any(dataset.train.answers):
        raise UserError(
            f"No training question of {dataset.name} has an answer, so there is nothing to learn: "
            "give some that have one."
        )
    if settings.task == "tagging" and "frozen" in settings.arms:
        dataset.with_validation()  # its layers are chosen on: refused now, or not at all
    return dataset


def _limited(dataset, settings):
    """The data set as the limits have it; how large its splits were is in the provenance."""
    if settings.limit is None:
        return dataset
    limited = _sampled(dataset, settings)
    before, after = (
        {name: len(split) for name, split in each.splits.items()} for each in (dataset, limited)
    )
    if before != after:
        limited.provenance[BEFORE_LIMIT] = before
    return limited


def _sampled(dataset, settings):
    if settings.test_limit is None:
        return dataset.limited(settings.limit)
    tested = {"test": dataset.test}
    trained = {name: split for name, split in dataset.splits.items() if name != "test"}
    learnt = dataclasses.replace(dataset, splits=trained)
    if settings.quick and settings.limit < (least := learnt.least_limit):
        raise UserError(
            f"--quick trains on about {settings.limit:,} {dataset.noun}, too few for one of "
            f"each kind in {dataset.name}: leave it out, or add --limit {least} or more."
        )
    learnt = learnt.limited(settings.limit)
    judged = dataclasses.replace(learnt, splits=tested)
    judged = judged.limited(max(settings.test_limit, judged.least_limit))
    return dataclasses.replace(judged, splits=learnt.splits | judged.splits)


def identify_model(settings: Settings) -> dict[str, str] | None:
    """The sha256 of each file of the pretrained model but its texts; None where no arm has one."""
    arms = arms_of(settings.task)
    if not any(arms[arm].pretrained for arm in settings.arms):
        return None
    return digests(resolve(settings.pretrained))


def identify_texts(settings: Settings) -> dict[str, str] | None:
    """The sha256 of each file of texts without labels; None where there are none."""
    if not settings.unlabelled:
        return None
    found = {}
    for path in Documents(settings.unlabelled).files:
        with reading(path):
            found[str(path)] = sha256_of(path)
    return found


def changed_files(before: dict | None, now: dict | None) -> list[str]:
    """The files that differ; none where the record, of an older version, names none."""
    if before is None or now is None:
        return []
    return sorted(name for name in before.keys() | now if before.get(name) != now.get(name))
