"""What of a checkpoint did not go into an encoder."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What of a file did not go into the encoder, by the names of the file's tensors.

    Attributes:
        missing: Tensors that the file lacks; these weights are left at random.
        misshapen: Tensors of another shape, with that of the file and the one expected; these
            weights are left at random too.
        unexpected: Tensors that no model of the format's architecture has.
        ignored: Tensors that are not the encoder's: heads, constants.
    """

    missing: tuple[str, ...]
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unexpected: tuple[str, ...]
    ignored: tuple[str, ...]

    def problems(self) -> list[str]:
        """All but what is ignored, each in a few words."""
        return [
            *(f"{name!r} is missing" for name in self.missing),
            *(
                f"{name!r} is {list(found)} in the file and {list(expected)} by its configuration"
                for name, (found, expected) in self.misshapen.items()
            ),
            *(f"{name!r} is unexpected" for name in self.unexpected),
        ]
