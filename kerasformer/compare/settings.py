"""What a comparison is asked to do."""

import dataclasses

from kerasformer.compare.report.record import ARMS
from kerasformer.errors import UserError

DTYPES = ("float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of one comparison, as its record keeps them.

    Attributes:
        data: What `kerasformer.load_dataset` takes.
        text_column: The column of the text, where the file's names do not tell.
        label_column: The column of the class, likewise.
        header: How the files are read, as in `kerasformer.load_dataset`; like the following.
        delimiter: As in `load_dataset`.
        encoding: As in `load_dataset`.
        pretrained: What `kerasformer.resolve` takes.
        arms: The arms to run, some of `ARMS`.
        seeds: The seeds that each arm is trained with; a number n stands for 0 to n - 1.
        minutes: After a first seed of each arm, further ones are trained only if they will end
            within these minutes; None to train with all. Where seeds are given, None is the
            default.
        limit: About how many examples to use; None for all.
        epochs: Passes over the training texts by the scratch and the fine-tuned arm; None for
            each one's own default.
        dtype: Keras dtype policy of the pretrained arms; None for `"mixed_bfloat16"` where that
            is quicker on the processor, else `"float32"`.

    Raises:
        UserError: An arm or the dtype is unknown, or a number is not positive.

    Example:

    >>> Settings.make(seeds=2, epochs=None).seeds
    (0, 1)
    """

    data: str = "rotten-tomatoes"
    text_column: str | None = None
    label_column: str | None = None
    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    pretrained: str = "all-MiniLM-L6-v2"
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float | None = 8
    limit: int | None = None
    epochs: int | None = None
    dtype: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "arms", tuple(self.arms))
        for arm in self.arms:
            if arm not in ARMS:
                raise UserError(f"There is no arm {arm!r}; choose from {', '.join(ARMS)}.")
        if not self.arms:
            raise UserError(f"No arm was named; choose from {', '.join(ARMS)}.")
        if self.dtype not in (None, *DTYPES):
            raise UserError(f"There is no dtype {self.dtype!r} here; use {' or '.join(DTYPES)}.")
        for name in ("seeds", "limit", "epochs"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise UserError(f"{name} is {value}, where a number of at least 1 is expected.")
        if self.minutes is not None and not self.minutes > 0:
            raise UserError(f"minutes is {self.minutes}, where a number above 0 is expected.")
        seeds = range(self.seeds) if isinstance(self.seeds, int) else self.seeds
        object.__setattr__(self, "seeds", tuple(seeds))

    @classmethod
    def make(cls, **given) -> "Settings":
        """The settings with the given ones changed; None leaves a default."""
        given = {name: value for name, value in given.items() if value is not None}
        if "seeds" in given:
            given = {"minutes": None, **given}
        return cls(**given)

    def needs_pretrained(self) -> bool:
        """Whether an arm uses the pretrained model."""
        return bool({"frozen", "fine_tuned"} & set(self.arms))
