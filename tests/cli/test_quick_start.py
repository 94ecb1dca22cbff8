"""What is left out while Keras is imported, each time in a process of its own."""

import gc
import subprocess
import sys

from kerasformer.cli.quick_start import QuickKeras

CORNERS = ("sklearn", "scipy.stats", "matplotlib")


def run(code):
    """The last line that a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_an_embedder_imports_no_corner_of_keras_and_a_collector_that_is_off_stays_off():
    code = """
import gc, sys
gc.disable()
from kerasformer.cli import quick_start
quick_start.install()
from kerasformer import BertEncoder, EncoderConfig, TextEmbedder
from kerasformer.text import WordPieceTokenizer
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fine", "film"]
tokenizer = WordPieceTokenizer.from_vocabulary(words)
config = EncoderConfig(len(words), 4, num_layers=1, num_heads=1, intermediate_size=4)
TextEmbedder(BertEncoder(config), tokenizer)
"""
    assert (
        run(f"{code}\nprint(gc.isenabled(), sys.modules.keys() & set({CORNERS}))") == "False set()"
    )


def test_the_corners_are_there_when_they_are_used_and_the_finder_is_gone():
    code = """
import gc, sys
from kerasformer.cli import quick_start
quick_start.install()
assert sys.meta_path[0] is quick_start.QuickKeras
import keras
from keras import wrappers
quick_start.install()
assert quick_start.QuickKeras not in sys.meta_path
assert gc.isenabled()
assert type(keras.__loader__).__name__ == "SourceFileLoader" == type(keras.__spec__.loader).__name__
assert wrappers is keras.wrappers and "sklearn" not in sys.modules
print(keras.wrappers.SKLearnClassifier.__name__, keras.visualization.plot_image_gallery.__name__,
      keras.src.visualization.plot_image_gallery.__name__, "sklearn" in sys.modules)
"""
    names = "SKLearnClassifier plot_image_gallery keras.src.visualization.plot_image_gallery True"
    assert run(code) == names


def test_only_keras_is_found():
    for name in ("tensorflow", "keras.layers", "kerasformer.keras", "sklearn"):
        assert QuickKeras.find_spec(name, None) is None
    assert gc.isenabled()
