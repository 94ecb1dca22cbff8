"""What Keras offers, on every public class: each cell runs, or is refused in a sentence."""

import fnmatch

import keras
import pytest

from kerasformer.errors import UserError

from .features import FEATURES, Cell
from .subjects import LAYERS, ON_TEXTS, SUBJECTS, TENSORS

pytestmark = pytest.mark.usefixtures("eager")
REFUSED = {
}


def refusal(feature, name):
    for (refused, pattern), sentence in REFUSED.items():
        if refused == feature and fnmatch.fnmatchcase(name, pattern):
            return sentence
    return None


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("feature", FEATURES)
def test_cell(feature, name, tmp_path):
    cell, sentence = Cell(name, tmp_path), refusal(feature, name)
    if sentence is None:
        FEATURES[feature](cell)
    else:
        with pytest.raises((UserError, ValueError, TypeError), match=sentence):
            FEATURES[feature](cell)
