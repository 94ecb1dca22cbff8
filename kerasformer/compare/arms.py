"""The arms of a comparison: a new one takes a row here and the class that the row names."""

import pkgutil
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arm:
    """What is known of an arm before it runs."""

    key: str  # its name in commands and in the record
    title: str  # {pretrained} stands for the name of the pretrained model
    classifier: str  # the class in kerasformer.compare.classifiers
    color: str  # of Okabe and Ito, who chose them for any colour vision
    marker: str
    learns: bool = True  # from the texts
    pretrained: bool = False
    deterministic: bool = False  # every seed gives the same result, so one run is enough

    def load(self) -> Any:
        """The class that runs the arm, imported now."""
        return pkgutil.resolve_name(f"kerasformer.compare.classifiers:{self.classifier}")


# From the simplest to the most costly, which is the order in which ties are broken.
_ROWS = (
    Arm("majority", "Majority class", "Majority", "#555555", "X", learns=False, deterministic=True),
    Arm("tfidf", "TF-IDF + logistic regression", "Tfidf", "#E69F00", "s", deterministic=True),
    Arm("scratch", "Transformer from scratch", "Scratch", "#0072B2", "^"),
    Arm("frozen", "Frozen {pretrained}", "Frozen", "#009E73", "D", pretrained=True),
    Arm("fine_tuned", "Fine-tuned {pretrained}", "FineTuned", "#D55E00", "o", pretrained=True),
)
ARMS = {arm.key: arm for arm in _ROWS}
