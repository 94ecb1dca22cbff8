"""A student that learns its teacher's guesses; tests/parity has torch's loss of them."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig, shallower
from kerasformer.tasks import Distillation, MaskedLanguageModel
from kerasformer.text import WordPieceTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "ran", "on", "a"]
TOKENIZER = WordPieceTokenizer.from_vocabulary(WORDS)
TEXTS = ["the cat sat on a dog", "a dog ran", "the dog sat on the cat", "a cat ran on"] * 4
SIZES = {"hidden_size": 8, "num_heads": 2, "intermediate_size": 12, "max_length": 10}
SIZES |= {"vocab_size": 12, "num_layers": 2, "initializer_range": 0.5, "pooler": False}


def encoder(**changes):
    return BertEncoder(EncoderConfig(**{**SIZES, **changes}))


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(4)
    made = MaskedLanguageModel(encoder(), TOKENIZER)
    made.masked_lm.bias.assign(np.linspace(-1, 1, 12))
    return made


def values(layer):
    return [ops.convert_to_numpy(weight) for weight in layer.weights]


def assert_same_weights(one, other):
    for mine, its in zip(values(one), values(other), strict=True):
        np.testing.assert_array_equal(mine, its)


@pytest.mark.usefixtures("eager")
def test_a_whole_copy_is_no_distance_away(teacher):
    model = Distillation(shallower(teacher.encoder, 2), teacher)
    assert model.parts == ("hidden_states", "attention", "logits")
    assert np.abs(model.predict(TEXTS)).max() < 1e-6
    assert model.student.fill_mask("the [MASK] sat") == teacher.fill_mask("the [MASK] sat")
    alone = Distillation(shallower(teacher.encoder, 2), teacher, parts=["logits"])
    alone.masked_lm.bias.assign(np.zeros(12))
    assert (alone.predict(TEXTS) > 1e-3).any()  # the head counts too


def test_training_takes_the_student_to_its_teacher(teacher, tmp_path):
    before = values(teacher)
    model = Distillation(shallower(teacher.encoder, 1), teacher, parts="logits")
    assert_same_weights(model.student.masked_lm, teacher.masked_lm)
    first = model.evaluate(TEXTS, verbose=0)
    history = model.fit(TEXTS, epochs=10, batch_size=8, learning_rate=2e-2, verbose=0).history
    last = model.evaluate(TEXTS, verbose=0)
    assert last < 0.9 * first
    assert history["loss"][-1] < history["loss"][0]
    for one, other in zip(values(teacher), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (values(model.student.masked_lm)[0] != values(teacher.masked_lm)[0]).any()

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same_weights(again, model)
    assert again.student.encoder is again.encoder
    for number, saved in enumerate((model, model.student)):
        saved.save_pretrained(folder := tmp_path / str(number))
        read = MaskedLanguageModel.from_pretrained(folder)
        assert_same_weights(read.encoder, model.encoder)
        assert_same_weights(read.masked_lm, model.student.masked_lm)
    on = Distillation.from_pretrained(folder, teacher=teacher, parts=["logits"])
    assert_same_weights(on.student.masked_lm, model.student.masked_lm)


@pytest.mark.usefixtures("eager")
def test_the_loss_is_a_mean_over_the_tokens_hidden(teacher):
    """As each text weighs as much as its tokens do, and may weigh more."""
    model = Distillation(encoder(num_layers=1), teacher, parts=["logits"])
    weights = np.linspace(0, 2, len(TEXTS)).astype("float32")
    ((x, y, counts),) = model._batches(model._read(TEXTS, None, weights), 16)
    hidden = (x["masked_lm_positions"] > 0).sum(axis=1)
    assert len(set(hidden.tolist())) > 1
    loss = float(model._loss_for(model._batches(model._read(TEXTS), 16))(y, model(x), counts))
    told = {"sample_weight": weights, "batch_size": 3, "verbose": 0}
    assert model.evaluate(TEXTS, **told) == pytest.approx(loss, rel=1e-5)
    model.compile(loss=model._loss_for(model._batches(model._read(TEXTS), 16)))
    assert model.evaluate(TEXTS, **told) == pytest.approx(loss, rel=1e-5)


def test_each_epoch_hides_others_and_a_seed_always_the_same(teacher):
    model = Distillation(encoder(num_layers=1), teacher, parts=["logits"])

    def hidden(seed, epoch):
        data = model._batches(model._read(TEXTS), 16, seed=seed)
        data.start_epoch(epoch)
        return data.inputs(np.arange(16))["input_word_ids"]

    np.testing.assert_array_equal(hidden(1, 1), hidden(1, 1))
    assert (hidden(1, 1) != hidden(1, 2)).any()
    assert (hidden(1, 1) != hidden(2, 1)).any()


@pytest.mark.usefixtures("eager")
def test_without_positions_all_tokens_are_compared(teacher):
    model = Distillation(encoder(num_layers=1), teacher, parts=["logits"])
    ids = np.array([[2, 6, 8, 3], [2, 7, 3, 0]])
    places = np.array([[1, 2, 3], [1, 2, 0]])
    both = model.predict({"input_word_ids": ids, "masked_lm_positions": places}, verbose=0)
    first = model.predict({"input_word_ids": ids, "masked_lm_positions": places * 0}, verbose=0)
    np.testing.assert_array_equal(first, 0)  # none is compared
    one = model.predict({"input_word_ids": ids, "masked_lm_positions": places * 0 + 1}, verbose=0)
    assert (np.minimum(one, both) > 0).all()
    assert (one != both).all()


@pytest.mark.usefixtures("eager")
def test_a_narrower_student_has_a_new_head(teacher, set_dtype_policy):
    set_dtype_policy("mixed_bfloat16")
    narrow = Distillation(encoder(hidden_size=4, num_heads=1, num_layers=1), teacher)
    assert narrow.parts == ("hidden_states", "logits")
    assert narrow.student.masked_lm.transform.kernel.shape == (4, 4)
    narrow.fit(TEXTS[:4], epochs=1, verbose=0)
    assert np.isfinite(narrow.predict(TEXTS)).all()
    assert narrow.student.score(["the cat sat"]).shape == (1,)


@pytest.mark.usefixtures("eager")
def test_a_teacher_without_a_head_is_refused(teacher, tmp_path):
    teacher.encoder.save_pretrained(tmp_path / "encoder", TOKENIZER)
    with pytest.raises(UserError, match="a BertModel without a masked-lm head: give a model"):
        Distillation.from_teacher(tmp_path / "encoder", parts=["logits"])
    assert Distillation.from_teacher(tmp_path / "encoder").student is None
    teacher.save_pretrained(tmp_path / "whole")
    model = Distillation.from_teacher(tmp_path / "whole", 1, parts=["attention", "logits"])
    assert_same_weights(model.student.masked_lm, teacher.masked_lm)
    with pytest.raises(UserError, match="have fewer than 7 tokens"):
        model.fit(["a cat"], verbose=0)
    with pytest.raises(UserError, match="None of so few tokens was chosen"):
        model.evaluate([""], verbose=0)


@pytest.mark.usefixtures("eager")
def test_a_quantized_student_is_saved_and_loaded(tmp_path):
    """Its teacher is quantized with it."""
    model = Distillation(encoder(num_layers=1), MaskedLanguageModel(encoder(), TOKENIZER))
    model.quantize("int8")
    for name, saved in (("all", model), ("student", model.student)):
        saved.save(file := tmp_path / f"{name}.keras")
        again = keras.saving.load_model(file)
        assert again.masked_lm.transform.quantization_mode == "int8"
        assert_same_weights(again, saved)
    assert_same_weights(again.masked_lm, model.masked_lm)


@pytest.mark.usefixtures("eager")
def test_a_head_that_cannot_be_copied_is_refused():
    changed = [MaskedLanguageModel(encoder(), TOKENIZER) for _ in range(2)]
    changed[0].masked_lm.transform.quantize("int8")
    changed[1].masked_lm.transform.enable_lora(2)
    for teacher in changed:
        with pytest.raises(ValueError, match="masked_lm of the teacher is quantized or has LoRA"):
            Distillation(encoder(num_layers=1), teacher)
        narrow = Distillation(encoder(hidden_size=4, num_layers=1), teacher)  # has a head anyway
        assert narrow.masked_lm.transform.kernel.shape == (4, 4)


@pytest.mark.usefixtures("eager")
def test_the_loss_that_fit_validates_is_that_of_evaluate(teacher):
    model = Distillation(encoder(num_layers=1), teacher, parts=["logits"])
    told = {"validation_data": TEXTS[:9], "validation_batch_size": 2, "verbose": 0}
    history = model.fit(TEXTS[:4], epochs=1, **told).history
    expected = model.evaluate(TEXTS[:9], batch_size=9, verbose=0)
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-5)]


def test_a_batch_is_not_as_large_as_the_device_where_logits_are_compared(teacher):
    parts = {"logits": {}, "hidden_states": {"tokens": 512}}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kerasformer.tasks.batch_methods.device_tokens", lambda: 512)
        for part, sizes in parts.items():
            model = Distillation(encoder(num_layers=1), teacher, parts=[part])
            assert model._whole_device(None) == sizes


def test_a_student_is_not_its_own_teacher(teacher):
    for its in (teacher, teacher.encoder):
        with pytest.raises(ValueError, match="The student is the teacher's own encoder: give"):
            Distillation(teacher.encoder, its)
