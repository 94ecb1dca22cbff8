"""BERT's table 7 on a person's data: what a frozen encoder's layers are worth as features."""

from collections import Counter
from dataclasses import dataclass

from kerasformer.compare.report.summary import Estimate
from kerasformer.compare.settings import Settings

# As Devlin et al., https://arxiv.org/abs/1810.04805, table 7, name them.
_TITLES = {
    "embeddings": "Embeddings",
    "second_to_last": "Second-to-last hidden layer",
    "last": "Last hidden layer",
    "weighted_last_four": "Weighted sum of last four hidden layers",
    "concat_last_four": "Concatenation of last four hidden layers",
    "weighted_all": "Weighted sum of all hidden layers",
}


@dataclass(frozen=True)
class Option:
    """One choice of layers, over the seeds, each measured on the test split."""

    title: str
    measures: dict[str, Estimate | None]  # the metrics, `validation` and `train_seconds`
    seeds: int
    chosen: int  # with so many seeds, because it was the best on the validation split

    @property
    def times_chosen(self) -> str:
        """With which share of the seeds it was chosen, in words; empty for none."""
        if self.chosen == 0:
            return ""
        return "yes" if self.chosen == self.seeds else f"{self.chosen} of {self.seeds} seeds"


def layer_options(record: dict, metrics: list[str]) -> list[Option]:
    """The options of the frozen arm, in the order of the paper; none where it has not run.

    Args:
        record: A record.
        metrics: The keys of the metrics to summarise.
    """
    if Settings.make(**record["settings"]).task != "tagging":
        return []
    runs = record["arms"].get("frozen", {"runs": []})["runs"]
    chosen = Counter(run["chosen"] for run in runs)
    by_name: dict[str, list[dict]] = {name: [] for name in _TITLES}
    for option in (option for run in runs for option in run["options"]):
        by_name[option["name"]].append(option)
    return [
        Option(
            _TITLES[name],
            {
                **{key: Estimate.of(each["metrics"][key] for each in found) for key in metrics},
                "validation": Estimate.of(each["validation"] for each in found),
                "train_seconds": Estimate.of(each["train_seconds"] for each in found),
            },
            seeds=len(found),
            chosen=chosen[name],
        )
        for name, found in by_name.items()
        if found
    ]
