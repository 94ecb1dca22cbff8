"""The other implementations, imported once, and only where the `oracle` extra is installed."""

import json
from pathlib import Path

import pytest
from filelock import FileLock


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
def tfhub_models(tmp_path_factory, worker_id):
    """Paths by name of SavedModels in TF Hub's formats and their checkpoint; see tfhub.py.

    Written once for all of xdist's processes, as it takes most of a minute.
    """
    pytest.importorskip("official.nlp.tools.export_tfhub_lib")
    from .tfhub import export_all

    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "tfhub"
    written = folder.with_suffix(".json")
    with FileLock(folder.with_suffix(".lock")):
        if not written.exists():
            paths = {name: str(path) for name, path in export_all(folder).items()}
            written.write_text(json.dumps(paths))
    return {name: Path(path) for name, path in json.loads(written.read_text()).items()}


@pytest.fixture
def random_model(torch, transformers, tmp_path):
    """Makes a random model of transformers and saves it; gives it and its folder."""
    from .models import make_model

    def make(name="BertModel", arguments=None, **config):
        return make_model(torch, transformers, tmp_path, name, arguments, **config), tmp_path

    return make
