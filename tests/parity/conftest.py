"""The other implementations, imported once, and only where the `oracle` extra is installed."""

import pytest


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="session")
def transformers(torch):
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


@pytest.fixture(scope="session")
def sentence_transformers(transformers):
    return pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="session")
def tfhub_models(tmp_path_factory):
    """Paths by name of SavedModels in TF Hub's formats and their checkpoint; see tfhub.py."""
    pytest.importorskip("official.nlp.tools.export_tfhub_lib")
    from .tfhub import export_all

    return export_all(tmp_path_factory.mktemp("tfhub"))
