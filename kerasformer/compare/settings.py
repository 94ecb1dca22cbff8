"""What a comparison is asked to do."""

import dataclasses
import os
import shlex
from typing import Any

from kerasformer.compare.arms import arms_of
from kerasformer.errors import UserError

DTYPES = ("float32", "mixed_bfloat16")
# What `quick` stands for, where the settings do not say otherwise. Predicting takes little time:
# with fewer test texts than these, hardly any difference between arms would be beyond chance.
QUICK = {"limit": 800, "test_limit": 1_000, "seeds": 1}
# The folder, within that of the comparison, of the models that were kept.
MODELS = "models"
# Where the provenance of the data keeps how large its splits were, if they were limited.
BEFORE_LIMIT = "examples_before_limit"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one comparison, as its record keeps them.

    Attributes:
        data: A source of labelled texts, or of the examples of another task, see
            `kerasformer.load_dataset`; only classification has a default.
        task: What the examples are for: `"classification"`, `"pairs"`, `"tagging"` or
            `"answering"`.
        text_column: The column of the text, if it has an unusual name; of pairs both.
        label_column: The column of the class or the tags, if it has an unusual name.
        header: How the files are read, as in `load_dataset`, like the following.
        delimiter: As in `load_dataset`.
        encoding: As in `load_dataset`.
        pretrained: A source of a pretrained encoder, see `kerasformer.resolve`.
        arms: The keys of the arms to run, of those that the task has; by default all but those
            that learn from texts without labels first, which `unlabelled` adds.
        unlabelled: Files, folders or data sets of texts without labels for these arms to learn
            from, beside the training texts; see `kerasformer.data.raw.Documents`.
        seeds: The seeds to train each arm with; a number n stands for 0 to n - 1.
        minutes: Time budget: after the first seed of each arm, another one is trained only if it
            is expected to end within these minutes. None trains all seeds, and is the default
            where seeds are given.
        limit: About how many examples to use, over all splits; None for all.
        test_limit: About how many test examples to use, if `limit` is to count the other splits
            alone.
        epochs: Training epochs of the scratch and the fine-tuned arm; by default each arm's own.
        label_curve: Numbers of training labels, with each of which every arm is trained too, beside
            all of them, which `"all"` may stand for: how quality grows with labels.
        dtype: Keras dtype policy of the pretrained arms; by default `"mixed_bfloat16"` where the
            machine is faster with it, else `"float32"`.
        keep_models: Whether to save the model of the first seed of each arm that trains a
            transformer; the others have none that could be saved.
        quick: A first look: `QUICK` replaces the defaults.

    Raises:
        UserError: The task has no such arm or no data, the dtype is unknown, or a number is not
            positive.

    Example:

    >>> Settings.make(seeds=2, epochs=None).seeds
    (0, 1)
    """

    data: str = None  # type: ignore[assignment] # filled in
    task: str = "classification"
    text_column: str | None = None
    label_column: str | None = None
    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    pretrained: str = "all-MiniLM-L6-v2"
    arms: tuple[str, ...] = None  # type: ignore[assignment] # filled in
    unlabelled: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float | None = 8
    limit: int | None = None
    test_limit: int | None = None
    epochs: int | None = None
    label_curve: tuple[int, ...] | None = None
    dtype: str | None = None
    keep_models: bool = False
    quick: bool = False

    def __post_init__(self):
        self._fill_in()
        if self.dtype not in (None, *DTYPES):
            raise UserError(f"dtype is {self.dtype!r}; expected {' or '.join(DTYPES)}.")
        for name in ("data", "pretrained"):
            object.__setattr__(self, name, _as_source(name, getattr(self, name)))
        for name in ("limit", "test_limit", "epochs"):
            if not (self.__dict__[name] is None or _is_whole(self.__dict__[name], 1)):
                raise UserError(
                    f"{name} is {self.__dict__[name]!r}; expected a whole number of at least 1."
                )
        minutes = self.minutes
        if minutes is not None and not (isinstance(minutes, int | float) and minutes > 0):
            raise UserError(f"minutes is {minutes!r}; expected a number above 0.")
        if self.test_limit is not None and self.limit is None:
            raise UserError(
                f"test_limit is {self.test_limit} without a limit; give limit, for the other "
                "splits, as well."
            )
        object.__setattr__(self, "seeds", _as_seeds(self.seeds))
        if self.label_curve is not None:
            object.__setattr__(self, "label_curve", _as_counts(self.label_curve) or None)

    def _fill_in(self):
        """What follows from the task where it is not given."""
        if self.unlabelled is not None:
            given = [self.unlabelled] if isinstance(self.unlabelled, str) else self.unlabelled
            sources = tuple(_as_source("unlabelled", source) for source in given)
            if "-" in sources:  # which an arm's process and one that resumes cannot read again
                raise UserError("unlabelled has -, standard input: give a file.")
            object.__setattr__(self, "unlabelled", sources or None)
        object.__setattr__(self, "arms", self._chosen_arms())
        if self.data is not None:
            return
        if self.task != "classification":
            raise UserError(
                f"The task {self.task} was given without data; give data, a file or folder of "
                "your examples, as well."
            )
        object.__setattr__(self, "data", "rotten-tomatoes")

    def _chosen_arms(self) -> tuple[str, ...]:
        known = arms_of(self.task)
        own = [key for key, arm in known.items() if arm.own_texts]
        arms = [self.arms] if isinstance(self.arms, str) else self.arms
        if arms is None:
            arms = [key for key in known if self.unlabelled or key not in own]
        arms = tuple(dict.fromkeys(arms))
        if unknown := [arm for arm in arms if arm not in known]:
            raise UserError(
                f"There is no arm {unknown[0]!r} for {self.task}; choose from {', '.join(known)}."
            )
        if not arms:
            raise UserError(f"No arm was given; choose from {', '.join(known)}.")
        if self.unlabelled and not set(arms) & set(own):
            remedy = f"add {' or '.join(own)} to arms" if own else "leave unlabelled out"
            raise UserError(f"No arm that runs learns from texts without labels: {remedy}.")
        return arms

    @classmethod
    def make(cls, **given) -> "Settings":
        """The settings with the given ones changed; None leaves a default."""
        given = {name: value for name, value in given.items() if value is not None}
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := [name for name in given if name not in names]:
            raise UserError(f"There is no setting {unknown[0]!r}; choose from {', '.join(names)}.")
        if given.get("quick"):
            given = QUICK | given
        if "seeds" in given:
            given = {"minutes": None, **given}
        return cls(**given)

    def reading(self) -> dict:
        """How the data is read, as `load_dataset` takes it: what is given of it."""
        names = ("text_column", "label_column", "header", "delimiter", "encoding")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def command(self) -> str:
        """The shell command that runs the same comparison.

        Example:

        >>> Settings.make(data="films.csv", seeds=5, quick=True).command()
        'kerasformer compare --data films.csv --quick --seeds 5'
        """
        first: dict[str, Any] = {} if self.task == "classification" else {"task": self.task}
        first |= {"data": self.data} | ({"quick": True} if self.quick else {})
        default = dataclasses.asdict(Settings.make(**first))
        given = first | {k: v for k, v in dataclasses.asdict(self).items() if v != default[k]}
        minutes = given.pop("minutes", default["minutes"])
        if minutes is None and default["minutes"] is not None:
            given["seeds"] = self.seeds  # no time budget, as where seeds are given
        elif minutes != Settings.make(**given).minutes:
            given["minutes"] = minutes
        if self.seeds != tuple(range(len(self.seeds))):  # the command has no option for them
            arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
            call = f"from kerasformer.compare import compare; compare({arguments})"
            return shlex.join(["python", "-c", call])
        words = ["kerasformer", "compare"]
        for name, value in given.items():
            words.append(f"--{'no-' if value is False else ''}{name.replace('_', '-')}")
            if name == "seeds":
                words.append(str(len(value)))
            elif not isinstance(value, bool):
                words += map(str, value) if isinstance(value, tuple) else [str(value)]
        return shlex.join(words)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _as_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds; of a number n, 0 to n - 1."""
    if _is_whole(seeds, 1):
        return tuple(range(seeds))
    found = tuple(seeds) if isinstance(seeds, list | tuple | range) else ()
    if not found or not all(_is_whole(seed, 0) for seed in found):
        raise UserError(
            f"seeds is {seeds!r}; expected a number of at least 1, or a list of seeds from 0 on."
        )
    return found


def _as_counts(given: Any) -> tuple[int, ...]:
    """Numbers of labels, rising; "all" stands for what a comparison trains on in any case.

    >>> _as_counts(["300", 100, "all"])
    (100, 300)
    """
    given = given if isinstance(given, list | tuple | range) else [given]
    counts = [int(n) if isinstance(n, str) and n.isdecimal() else n for n in given if n != "all"]
    if wrong := [n for n in counts if not _is_whole(n, 1)]:
        raise UserError(
            f'label_curve has {wrong[0]!r}; expected whole numbers of at least 1, or "all".'
        )
    return tuple(sorted(set(counts)))


def _as_source(name: str, source: Any) -> str:
    """A name, or a path that holds in any folder, as a string, which the record can keep."""
    if not isinstance(source, str | os.PathLike):
        raise UserError(
            f"{name} is of type {type(source).__name__}; expected a path or a name: write the "
            "examples to a file."
        )
    source = os.fspath(source)
    path = os.path.expanduser(source)
    is_path = os.path.exists(path) or os.path.exists(f"{path}.index")  # or a checkpoint's prefix
    return os.path.abspath(path) if is_path and not _is_name(name, source) else source


def _is_name(name: str, source: str) -> bool:
    """Whether it is known by its name, whatever lies in the folder."""
    if name == "pretrained":
        from kerasformer.sources.presets import PRESETS

        return source in PRESETS
    from kerasformer.data.load import REVIEWS

    return source in REVIEWS
