"""What is measured at the milestones of a pretraining."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasformer.data.raw import TokenCorpus
from kerasformer.files import read_json, write_whole
from kerasformer.progress import say
from kerasformer.tasks.pretraining.corpus_task import CorpusTrained


class MilestoneScores:
    """What is done at a milestone: the model is evaluated, and its metrics noted in a file.

    Args:
        model: The model.
        held: The documents to evaluate on; None for no metrics.
        path: The file, which may have those before an interruption.
        then: What is called first, with the share of the budget and the model.
        verbose: Whether to say what they are.

    Attributes:
        seen: The metrics so far, and the `share` of each.
    """

    def __init__(
        self,
        model: CorpusTrained,
        held: TokenCorpus | None,
        path: Path,
        then: Callable[[float, CorpusTrained], object] | None,
        verbose: bool,
    ):
        self._model, self._held, self._path = model, held, path
        self._then, self._verbose = then, verbose
        self.seen: list[dict[str, Any]] = read_json(path, list) if path.exists() else []

    def __call__(self, share: float) -> None:
        """Does what is done at a share of the budget."""
        if self._then is not None:
            self._then(share, self._model)
        self.measure(share)

    def measure(self, share: float) -> None:
        """Evaluates the model, at a share of the budget."""
        if self._held is None:
            return
        scores = self._model.evaluate(self._held, verbose=0, return_dict=True)
        # What was killed since may come here again.
        self.seen = [one for one in self.seen if one["share"] < share]
        self.seen.append({"share": share, **scores})
        try:
            write_whole(self._path, json.dumps(self.seen))
        except OSError as error:
            warnings.warn(
                f"{self._path} cannot be written ({error.strerror or error}): training goes on, "
                "but these metrics are lost if it is interrupted.",
                stacklevel=2,
            )
        if self._verbose:
            values = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
            say(f"At {share:.0%}, held out: {values}.")
