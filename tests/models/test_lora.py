"""LoRA of an encoder by Keras' own: what is trained, saved and merged."""

import keras
import numpy as np
import pytest

from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import TextClassifier
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "dull", "film"]
TEXTS, LABELS = ["a fine film", "dull", "fine", "dull film"] * 2, [1, 0, 1, 0] * 2


def array(variable):
    return keras.ops.convert_to_numpy(variable)


def make(**options):
    keras.utils.set_random_seed(0)
    config = EncoderConfig(
        len(WORDS), 12, 2, 3, 20, max_length=16, initializer_range=0.2, attention_dropout=0.2
    )
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    return TextClassifier(2, BertEncoder(config), tokenizer, **options)


@pytest.fixture
def trained(eager):
    """A classifier whose matrices were trained, and its weights from before by their paths."""
    model = make()
    model.encoder.enable_lora(2, alpha=6)
    before = {weight.path: array(weight) for weight in model.weights}
    model.fit(TEXTS, LABELS, epochs=3, batch_size=4, learning_rate=0.05, verbose=0)
    return model, before


def test_the_matrices_and_the_head_alone_are_trained(trained):
    model, before = trained
    changed = {w.path for w in model.weights if (array(w) != before[w.path]).any()}
    heads = {weight.path for weight in model.head.weights}
    assert {w.path for w in model.trainable_weights} == changed
    assert changed - heads == {path for path in before if "lora_kernel" in path}
    assert len(changed - heads) == 2 * 2 * 6  # two matrices, two blocks, six layers


def test_the_optimizer_is_small(trained):
    model, _ = trained
    sizes = [sum(int(np.prod(v.shape)) for v in each) for each in
             (model.optimizer.variables, model.trainable_weights, model.weights)]  # fmt: skip
    assert sizes[0] - 2 * sizes[1] < 3  # two moments of each, and the counter
    assert sizes[1] < sizes[2] / 3


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("attention", {"query", "key", "value", "attention_output"}),
        (["feed_forward"], {"intermediate", "output"}),
    ],
)
def test_targets_are_the_parts_of_a_block(targets, names):
    encoder = make().encoder
    encoder.enable_lora(1, targets=targets)
    assert {weight.path.split("/")[-2] for weight in encoder.trainable_weights} == names


def test_merging_changes_no_output(trained):
    model, before = trained
    expected = model.predict(TEXTS)
    kernel = model.encoder.blocks[0].intermediate
    down, up = array(kernel.lora_kernel_a), array(kernel.lora_kernel_b)
    model.encoder.merge_lora()
    np.testing.assert_allclose(
        array(kernel.kernel), before[kernel.kernel.path] + down @ up * 6 / 2, atol=1e-6
    )
    np.testing.assert_allclose(model.predict(TEXTS), expected, atol=1e-5)
    plain = make()
    assert len(model.weights) == len(plain.weights)
    assert len(model.trainable_weights) == len(plain.trainable_weights)
    model.encoder.enable_lora(1)  # anew


def test_what_was_trained_is_saved(trained, tmp_path):
    model, _ = trained
    expected = model.predict(TEXTS)
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "folder")
    copies = [
        keras.saving.load_model(tmp_path / "model.keras"),
        TextClassifier.from_pretrained(tmp_path / "folder"),
    ]
    for copy in copies:
        np.testing.assert_allclose(copy.predict(TEXTS), expected, atol=1e-5)
        assert len(copy.weights) == len(make().weights)


def test_one_seed_repeats_a_run_to_the_bit(eager):
    runs = []
    for _ in range(2):
        model = make()
        model.encoder.enable_lora(2)
        model.fit(TEXTS, LABELS, epochs=2, batch_size=4, seed=3, verbose=0)
        runs.append([array(weight) for weight in model.weights])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lora_of_the_last_blocks_alone():
    model = make(trained_blocks=1)
    model.encoder.enable_lora(2)
    assert {w.path.split("/")[1] for w in model.trainable_weights} == {"layer_1", "head"}


def test_what_is_impossible_is_refused():
    encoder = make().encoder
    for rank in (0, 1.5, None):
        with pytest.raises(ValueError, match=f"rank={rank} is not a positive integer"):
            encoder.enable_lora(rank)
    for targets in ("query", []):
        with pytest.raises(ValueError, match="are not one or both of attention and feed_forward"):
            encoder.enable_lora(2, targets=targets)
    with pytest.raises(ValueError, match="There is no LoRA to merge"):
        encoder.merge_lora()
    encoder.enable_lora(2)
    with pytest.raises(ValueError, match="LoRA is enabled already"):
        encoder.enable_lora(2)
