"""Which hyperparameters are searched, within which bounds, and where the search begins."""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerasformer.errors import UserError

if TYPE_CHECKING:
    from optuna import Trial

ALL, HEAD = "all", "head"
# The recipe's value times and divided by these; batches of half and twice the size.
_RATE_FACTOR, _EPOCHS_FACTOR = 5, 2
_MOST_WARMUP = 0.3
SEARCHED = ("learning_rate", "batch_size", "epochs", "warmup_ratio")


@dataclasses.dataclass(frozen=True)
class Choice:
    """The hyperparameters of a trial.

    Attributes:
        trained: What is trained: `"all"`, the number of the last blocks, or the `"head"` alone.
        learning_rate: As of `kerasformer.training.Recipe`, like the following.
        batch_size: As of `Recipe`.
        epochs: As of `Recipe`.
        warmup_ratio: As of `Recipe`.

    Example:

    >>> Choice("2", 1e-4, batch_size=32, epochs=2, warmup_ratio=0.1).options
    {'trained_blocks': 2}
    """

    trained: str
    learning_rate: float
    batch_size: int
    epochs: int
    warmup_ratio: float

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the model that freeze what is not trained."""
        return freezing(self.trained)

    @property
    def changes(self) -> dict[str, Any]:
        """What it changes of a recipe."""
        return {name: getattr(self, name) for name in SEARCHED}


def freezing(trained: str) -> dict[str, Any]:
    """The arguments of a model that freeze what is not trained.

    >>> freezing("all"), freezing("head"), freezing("3")
    ({}, {'freeze_encoder': True}, {'trained_blocks': 3})
    """
    named: dict[str, dict[str, Any]] = {ALL: {}, HEAD: {"freeze_encoder": True}}
    return named[trained] if trained in named else {"trained_blocks": int(trained)}


@dataclasses.dataclass(frozen=True)
class Space:
    """What a search chooses from. None stands for values around those of the model's recipe.

    Args:
        learning_rate: The lowest and the highest, or the one.
        batch_size: The sizes to choose from.
        epochs: The fewest and the most, or the one.
        warmup_ratio: The least and the most, or the one.
        trained: What to train, some of `"all"`, numbers of blocks, the last ones, and `"head"`.
            By default all, the upper half of the blocks, and the head; of a model from scratch all.

    Raises:
        UserError: A value that is out of range.

    Example:

    >>> Space(learning_rate=(1e-5, 1e-4), trained=("all",)).epochs is None
    True
    """

    learning_rate: tuple[float, ...] | None = None
    batch_size: tuple[int, ...] | None = None
    epochs: tuple[int, ...] | None = None
    warmup_ratio: tuple[float, ...] | None = None
    trained: tuple[str, ...] | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _tuple(field.name, value))
        self._check("learning_rate", "numbers above 0", lambda x: 0 < x < math.inf)
        self._check("warmup_ratio", "numbers from 0 to 1", lambda x: 0 <= x <= 1)
        for name in ("batch_size", "epochs"):
            self._check(name, "whole numbers of at least 1", _is_count)
        trained = self.trained and tuple(map(str, self.trained))
        object.__setattr__(self, "trained", trained and tuple(dict.fromkeys(trained)))
        for what in self.trained or ():
            if what not in (ALL, HEAD) and not (what.isascii() and what.isdigit() and int(what)):
                raise UserError(
                    f"trained is {what!r}: expected {ALL}, {HEAD}, or how many of the last blocks."
                )

    def _check(self, name, wanted, is_within):
        values = getattr(self, name)
        if values is None:
            return
        if not all(isinstance(x, numbers.Real) and is_within(x) for x in values):
            raise UserError(f"{name} is {_listed(values)}: expected {wanted}.")
        if name != "batch_size" and (len(values) > 2 or values[0] > values[-1]):
            raise UserError(
                f"{name} is {_listed(values)}: expected the lowest and the highest value, or one."
            )

    def around(self, recipes: Mapping[str, Mapping[str, Any]], blocks: int | None) -> "Bounds":
        """The bounds of a search on a model.

        Args:
            recipes: The model's default hyperparameters by what is trained, `ALL` or `HEAD`.
            blocks: Of a pretrained encoder; None of a model from scratch.

        Raises:
            UserError: It has not as many blocks.
        """
        default = (ALL,) if blocks is None else _parts(blocks)
        trained = self.trained or default
        for what in trained:
            if what != ALL and blocks is None:
                raise UserError(
                    f"trained is {what}, but all is trained from scratch: leave it out."
                )
            if what.isdigit() and int(what) > (blocks or 0):
                raise UserError(
                    f"trained is {what}, but the encoder has {blocks} blocks: give less."
                )
        values = {name: self._values(name, recipe) for name, recipe in recipes.items()}
        return Bounds(trained, values, {k: dict(v) for k, v in recipes.items()})

    def _values(self, kind: str, recipe: Mapping[str, Any]) -> dict[str, tuple]:
        """The lowest and the highest values of each, of the batch size all."""
        rate, size, epochs = (recipe[name] for name in SEARCHED[:3])
        ranges: dict[str, tuple] = {
            "learning_rate": (rate / _RATE_FACTOR, rate * _RATE_FACTOR),
            "batch_size": tuple(sorted({max(1, size // 2), size, 2 * size})),
            "epochs": (max(1, -(-epochs // _EPOCHS_FACTOR)), max(1, epochs * _EPOCHS_FACTOR)),
            "warmup_ratio": (0.0, max(_MOST_WARMUP, recipe["warmup_ratio"])),
        }
        given = {name: getattr(self, name) for name in SEARCHED}
        return {name: given[name] or ranges[name] for name in SEARCHED}


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A space around the recipes of a model.

    Attributes:
        trained: What may be trained.
        values: Of `ALL`, which stands for blocks too, and of `HEAD`: the values of each
            hyperparameter, the lowest and the highest, or of the batch size all.
        recipes: The model's default hyperparameters of both.
    """

    trained: tuple[str, ...]
    values: dict[str, dict[str, tuple]]
    recipes: dict[str, dict[str, Any]]

    def default(self) -> dict[str, Any]:
        """The parameters of the first trial: the recipe's, or the nearest within the bounds."""
        trained = ALL if ALL in self.trained else self.trained[0]
        kind = HEAD if trained == HEAD else ALL
        found = {"trained": trained}
        for name, values in self.values[kind].items():
            value = self.recipes[kind][name]
            if name == "batch_size":
                nearest = min(values, key=lambda size: abs(math.log(size / value)))
            else:
                nearest = min(max(value, values[0]), values[-1])
            found[_name(kind, name)] = nearest
        return found

    def suggest(self, trial: "Trial") -> Choice:
        """What Optuna has a trial try.

        The head alone has parameters of its own: what is best for it says nothing of the rest.
        """
        trained = trial.suggest_categorical("trained", self.trained)
        kind = HEAD if trained == HEAD else ALL
        values = self.values[kind]
        rates, epochs, warmup = (values[n] for n in ("learning_rate", "epochs", "warmup_ratio"))
        return Choice(
            trained,
            trial.suggest_float(_name(kind, "learning_rate"), rates[0], rates[-1], log=True),
            trial.suggest_categorical(_name(kind, "batch_size"), values["batch_size"]),
            trial.suggest_int(_name(kind, "epochs"), epochs[0], epochs[-1]),
            trial.suggest_float(_name(kind, "warmup_ratio"), warmup[0], warmup[-1]),
        )

    @classmethod
    def choice(cls, params: Mapping[str, Any]) -> Choice:
        """The hyperparameters of a trial that Optuna has the parameters of."""
        kind = HEAD if params["trained"] == HEAD else ALL
        return Choice(params["trained"], *(params[_name(kind, name)] for name in SEARCHED))


def _name(kind: str, name: str) -> str:
    return name if kind == ALL else f"{kind}_{name}"


def _parts(blocks: int) -> tuple[str, ...]:
    half = blocks // 2
    return (ALL, str(half), HEAD) if half else (ALL, HEAD)


def _tuple(name: str, value: Any) -> tuple:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not values:
        raise UserError(f"{name} is empty: give a value, or leave it out.")
    return values


def _is_count(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and int(value) >= 1


def _listed(values: tuple) -> str:
    return " ".join(map(str, values))
