"""The tiny SavedModels of golden/, unpacked once."""

import pytest

from .golden_models import unpack_golden


@pytest.fixture(scope="session")
def golden(tmp_path_factory):
    """The paths of a tiny `encoder` and `preprocessor` SavedModel; see golden_models.py."""
    return unpack_golden(tmp_path_factory.mktemp("golden"))
