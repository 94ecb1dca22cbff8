"""The tiny SavedModels of golden/, unpacked and loaded once; a cache of the tests' own."""

import pytest

from .golden_models import golden_arrays, unpack_golden


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Remembers nothing in the person's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASFORMER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def golden(tmp_path_factory):
    """The paths of a tiny `encoder` and `preprocessor` SavedModel; see golden_models.py."""
    return unpack_golden(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="session")
def arrays():
    """What these SavedModels gave when they were written."""
    return golden_arrays()


@pytest.fixture(scope="session")
def preprocessor(golden):
    """A layer on the preprocessor, for tests that do not change it."""
    pytest.importorskip("tensorflow_text")
    from kerasformer.hub import HubPreprocessor

    return HubPreprocessor(golden["preprocessor"], seq_length=11)


@pytest.fixture(scope="session")
def encoder(golden):
    """A layer that is not trainable on the encoder, for tests that do not change it."""
    from kerasformer.hub import HubEncoder

    return HubEncoder(golden["encoder"])


@pytest.fixture(scope="session")
def raw(golden):
    """What TensorFlow loads from the encoder."""
    import tensorflow as tf

    return tf.saved_model.load(str(golden["encoder"]))


@pytest.fixture
def save_module(tmp_path):
    """Saves a function as a SavedModel that is called with it, and gives the folder."""
    import tensorflow as tf

    def save(function, name="module", **attributes):
        module = tf.Module()
        module.__call__ = function
        for attribute, value in attributes.items():
            setattr(module, attribute, value)
        tf.saved_model.save(module, str(tmp_path / name))
        return tmp_path / name

    return save
