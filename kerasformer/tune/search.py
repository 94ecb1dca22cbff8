"""Searching for the hyperparameters of a task on a data set."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.source_files import digests
from kerasformer.data import load_dataset
from kerasformer.data.dataset import Dataset
from kerasformer.errors import UserError, require
from kerasformer.files import expanded, only_writer, refuse_used
from kerasformer.progress import errors_only
from kerasformer.sources import resolve
from kerasformer.tasks import FeatureCache, load
from kerasformer.tasks.kinds import Kind, kind_of
from kerasformer.tune.interval import interval
from kerasformer.tune.progress import Budget, Progress
from kerasformer.tune.record import (
    COMPLETE,
    RECORD,
    bounds_of,
    new_record,
    read_record,
    refuse_changes,
    write_record,
)
from kerasformer.tune.report import write_report, write_trials
from kerasformer.tune.space import ALL, HEAD, Space, freezing
from kerasformer.tune.study import JOURNAL, Study
from kerasformer.tune.trial import MODEL, Trainer

_TRIALS = 20  # where neither trials nor minutes are given
FEATURES = "features"


@dataclasses.dataclass(frozen=True)
class Search:
    """A search that has ended.

    Attributes:
        folder: Where it is kept.
        record: What it was asked for and found, as `record.json` holds it.

    Example:

    >>> Search(Path("found"), {"trials": [{"trial": 1, "value": 0.5}], "best": 1}).best["value"]
    0.5
    """

    folder: Path
    record: dict[str, Any]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials, in their order: hyperparameters, outcome, and metric after each epoch."""
        return self.record["trials"]

    @property
    def best(self) -> dict[str, Any]:
        """The trial that was best on the validation split."""
        return self.trials[self.record["best"] - 1]

    @functools.cached_property
    def model(self) -> Any:
        """The model of the best trial, trained."""
        return load(self.folder / MODEL)


def tune(
    task: str,
    data: str | Dataset,
    output: Any,
    *,
    pretrained: str | None = "all-MiniLM-L6-v2",
    trials: int | None = None,
    minutes: float | None = None,
    space: Space | None = None,
    metric: str | None = None,
    seed: int = 0,
    resume: bool = False,
    **options: Any,
) -> Search:
    """Searches for the hyperparameters of a task, by Optuna's TPE, and gives the best model.

    Each trial trains a model anew and is judged on the validation split; after a quarter, half and
    three quarters of its training it is ended if it is worse by then than the median of the others.
    The first trial has the hyperparameters that `fit` has by default. In the end the model that was
    best is measured on the test split, which nothing has looked at before.

    Args:
        task: One of `kerasformer.tasks.kinds.KINDS`, such as `"classification"`.
        data: A source that `kerasformer.load_dataset` reads, or what it gave. A validation split is
            made of the train split where there is none.
        output: The folder of the search, created if missing.
        pretrained: A source of a pretrained encoder; None for models from scratch.
        trials: The most trials, by default 20.
        minutes: How long to go on instead, or at most: no trial begins that is expected to end
            later.
        space: What to search; by default values around those of the model's recipe.
        metric: Of the model's `evaluate`, to choose by; by default the main one of the task.
        seed: Of what is drawn, of first weights, of the order of batches and of dropout.
        resume: Whether to go on with an interrupted search in `output`, of the same arguments.
        **options: Further arguments of the task's class, such as `max_length`.

    Returns:
        The search, with its `model`, trained, `best` hyperparameters, and `folder`: the model as
        `save_pretrained` writes it, `record.json`, `trials.csv`, `table.md` and `trials.png`.

    Raises:
        UserError: A mistake in the arguments or the data, a folder that is in use, or a search to
            resume that was started with other arguments or data.
        KeyboardInterrupt: Interrupted; the trials that had ended are kept and reported.

    Example:

    >>> tune("classification", "reviews.csv", "found", trials=10).best  # doctest: +SKIP
    {'trial': 7, 'trained': 'all', 'learning_rate': 0.00018, ...}
    """
    require("optuna", extra="tune")
    require("matplotlib", extra="tune")
    budget, kind, folder = _budget(trials, minutes), kind_of(task), expanded(output)
    settings = {"task": task, "pretrained": pretrained, "metric": metric, "seed": seed}
    settings |= {**options, **dataclasses.asdict(space or Space())}
    is_begun = (folder / RECORD).is_file()
    if not resume:
        nothing = [] if is_begun and read_record(folder)["trials"] else [RECORD, JOURNAL, FEATURES]
        refuse_used(folder, ", or --resume to go on with the search in it" * is_begun, nothing)
    record = read_record(folder) if resume else None
    read: Any = load_dataset  # whose types are by the task
    dataset: Dataset = read(data, task=task) if isinstance(data, str) else data
    dataset = dataset.with_validation()
    model = {} if pretrained is None else digests(resolve(pretrained))
    if record:
        refuse_changes(record, settings, dataset, model)
        _refuse_more(record, budget, trials)
    with only_writer(folder, "search"):
        if record is None:
            (folder / JOURNAL).unlink(missing_ok=True)
            recipes, blocks = _recipes(kind, dataset, pretrained, options)
            record = new_record(_json(settings), dataset, model, recipes, blocks)
            bounds_of(record)  # refused now, or not at all
            write_record(record, folder)
        if record["status"] != COMPLETE:
            _search(record, kind, dataset, pretrained, options, budget, folder)
    return Search(folder, record)


def _budget(trials: int | None, minutes: float | None) -> Budget:
    for name, value in (("trials", trials), ("minutes", minutes)):
        if value is not None and not value > 0:
            raise UserError(f"{name} is {value}: expected a number above 0.")
    return Budget(_TRIALS if trials is None and minutes is None else trials, minutes)


def _json(settings: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(settings)
    except TypeError as error:
        raise UserError(
            f"A search keeps its settings as JSON ({error}): give plain values."
        ) from None
    return settings


def _refuse_more(record: dict[str, Any], budget: Budget, trials: int | None) -> None:
    if record["status"] == COMPLETE and trials is not None and trials > len(record["trials"]):
        raise UserError(
            f"This search has ended after {len(record['trials'])} trials, and its model was "
            "measured on the test split: to search on would be to choose by that split. Start a "
            "new search in another --output."
        )


def _new_model(kind: Kind, dataset: Dataset, pretrained: Any, options: dict[str, Any]) -> Any:
    try:
        return kind.new_model(dataset, pretrained, **options)
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"The model of this task cannot be made: {error}") from None


def _recipes(
    kind: Kind, dataset: Dataset, pretrained: Any, options: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], int | None]:
    """The default hyperparameters by what is trained, and the number of the encoder's blocks."""
    whole = _new_model(kind, dataset, pretrained, options)
    recipes = {ALL: dataclasses.asdict(whole.recipe)}
    if pretrained is None:
        return recipes, None
    head = _new_model(kind, dataset, pretrained, {**options, **freezing(HEAD)})
    recipes[HEAD] = dataclasses.asdict(head.recipe)
    return recipes, whole.encoder.config.num_layers


def _search(
    record: dict[str, Any],
    kind: Kind,
    dataset: Dataset,
    pretrained: Any,
    options: dict[str, Any],
    budget: Budget,
    folder: Path,
) -> None:
    """Runs trials, and measures the best model in the end; the record and its report are kept."""
    study = Study(folder, bounds_of(record), record["settings"]["seed"])
    if record["settings"]["metric"]:
        study.metric = record["settings"]["metric"]
    # The trials are given nothing but these: none can look at the test split.
    seen = {"train": dataset.train, "validation": dataset.splits["validation"]}
    known: Dataset = dataclasses.replace(dataset, splits=seen)  # type: ignore[type-var]
    since, cache = len(study.trials), FeatureCache(folder / FEATURES)

    def make(frozen: dict[str, Any]) -> Any:
        model = _new_model(kind, known, pretrained, {**options, **frozen})
        model.feature_cache = cache
        return model

    try:
        # TensorFlow warns of retraced graphs, which is what a new model for each trial takes.
        with Progress(budget, since) as progress, errors_only("tensorflow"):
            given = known, study, folder, record["settings"]["seed"], progress
            trainer = Trainer(make, *given)
            while budget.allows(study.trials, since):
                trainer.run()
                _note(record, study, folder)
        if record["best"] is None:
            raise UserError("Every training diverged: search lower values of learning_rate.")
        _measure(record, dataset, folder)
        record["status"] = COMPLETE
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(record, folder)) from None
    finally:
        _note(record, study, folder)
        if record["trials"]:
            write_report(record, folder)
    shutil.rmtree(folder / FEATURES, ignore_errors=True)


def _note(record: dict[str, Any], study: Study, folder: Path) -> None:
    best = study.best
    record |= {"trials": study.trials, "metric": study.metric, "best": best and best["trial"]}
    write_record(record, folder)
    if record["trials"]:
        write_trials(record, folder)


def _measure(record: dict[str, Any], dataset: Dataset, folder: Path) -> None:
    """Looks at the test split, if there is one: once, with the model that is given back."""
    if "test" not in dataset.splits:
        return
    model = load(folder / MODEL)
    scores = model.evaluate(dataset.test, return_dict=True, verbose=0)
    within = interval(model, dataset.test, record["metric"], scores)
    record["test"] = {"scores": scores, "examples": len(dataset.test), "interval": within}


def _how_to_go_on(record: dict[str, Any], folder: Path) -> str:
    ended = len(record["trials"])
    if not ended:
        return "no trial had ended; to go on, add --resume to the command"
    return (
        f"{ended} trial{'s' * (ended > 1)} and a report are in {folder}; to go on, add --resume to "
        f"the command, and to end the search here --resume --trials {ended}"
    )
