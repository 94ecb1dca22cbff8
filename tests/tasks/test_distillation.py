"""Distillation: a student follows its teacher, which stays as it is."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig, shallower
from kerasformer.models.depth import spread
from kerasformer.tasks import Distillation, TextClassifier
from kerasformer.text import WordPieceTokenizer

TEXTS = ["the cat sat on the mat", "a dog ran", "the dog sat", "the mat is a fine one", "cats run"]
SIZES = {"hidden_size": 8, "num_heads": 2, "intermediate_size": 12, "max_length": 12}


def config(**changes):
    made = {"vocab_size": 60, "num_layers": 4, "initializer_range": 0.5, **SIZES, **changes}
    return EncoderConfig(**made)


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer.train(TEXTS, vocab_size=60)


@pytest.fixture(scope="module")
def teacher():
    return BertEncoder(config())


def values(layer):
    return [ops.convert_to_numpy(weight) for weight in layer.weights]


def test_the_distance_is_that_of_the_papers(teacher, tokenizer):
    student = BertEncoder(config(num_layers=2))
    model = Distillation(student, teacher, tokenizer)
    ids = np.array([[2, 17, 30, 9, 3], [2, 8, 3, 0, 0]])
    names = ["embedding_output", "encoder_outputs", "attention_scores"]
    (ours, its) = ({**each(ids, outputs=names)} for each in (student, teacher))
    expected = np.zeros(2)
    for row, tokens in enumerate((5, 3)):

        def of(tensor, row=row, tokens=tokens):
            return ops.convert_to_numpy(tensor)[row][..., :tokens, :]

        states = [(ours["embedding_output"], its["embedding_output"])]
        states += [
            (ours["encoder_outputs"][i], its["encoder_outputs"][j]) for i, j in ((0, 1), (1, 3))
        ]
        expected[row] += sum(((of(a) - of(b)) ** 2).mean() for a, b in states)
        for i, j in ((0, 1), (1, 3)):
            p, q = of(its["attention_scores"][j]), of(ours["attention_scores"][i])
            p, q = p[..., :tokens], q[..., :tokens]  # what is padding has no attention
            expected[row] += (p * np.log(p / q)).sum(axis=-1).mean()
    np.testing.assert_allclose(ops.convert_to_numpy(model(ids))[:, 0], expected, rtol=1e-5)


def test_only_the_student_learns(teacher, tokenizer):
    before = values(teacher)
    model = Distillation(shallower(teacher, 2), teacher, tokenizer)
    first = model.evaluate(TEXTS, verbose=0)
    history = model.fit(TEXTS, epochs=6, batch_size=2, learning_rate=1e-2, verbose=0)
    assert list(history.history) == ["loss"]
    last = model.evaluate(TEXTS, verbose=0)
    assert last < 0.8 * first
    np.testing.assert_allclose(model.predict(TEXTS).mean(), last, rtol=1e-5)
    for one, other in zip(values(teacher), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert TextClassifier(2, model.encoder, tokenizer).predict(TEXTS).shape == (5, 2)


def test_a_whole_copy_is_no_distance_away(teacher, tokenizer):
    model = Distillation(shallower(teacher, range(4)), teacher, tokenizer)
    assert np.abs(model.predict(TEXTS)).max() < 1e-6


def test_a_narrower_student(teacher, tokenizer, tmp_path):
    student = BertEncoder(config(hidden_size=4, num_heads=1, num_layers=3))
    model = Distillation(student, teacher, tokenizer)
    assert model.parts == ("hidden_states",)
    model.fit(TEXTS, epochs=1, validation_data=TEXTS[:2], verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(TEXTS), model.predict(TEXTS), rtol=1e-5)
    model.save_pretrained(tmp_path / "student")
    read = BertEncoder.from_pretrained(tmp_path / "student")
    for one, other in zip(values(read), values(student), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_of_an_encoder(teacher):
    assert spread(6, 12) == [1, 3, 5, 7, 9, 11]
    for blocks, chosen in ((2, (1, 3)), ([0, 2], (0, 2))):
        student = shallower(teacher, blocks)
        assert student.config.num_layers == 2
        for new, old in zip(student.blocks, chosen, strict=True):
            for one, other in zip(values(new), values(teacher.blocks[old]), strict=True):
                np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(*(values(each.pooler)[0] for each in (student, teacher)))
    for blocks in (0, 5, [4], []):
        with pytest.raises(ValueError, match="are not blocks of the encoder, which has 4"):
            shallower(teacher, blocks)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"vocab_size": 61}, {}, "The student has 61 tokens and its teacher 60"),
        ({"num_layers": 5}, {}, "The student has 5 blocks and its teacher 4"),
        ({}, {"parts": ["logits"]}, "A teacher without a masked-LM head"),
        ({"num_heads": 1}, {"parts": "attention"}, "different numbers of heads"),
    ],
)
def test_what_is_no_student(teacher, tokenizer, changes, options, message):
    with pytest.raises(ValueError, match=message):
        Distillation(BertEncoder(config(**changes)), teacher, tokenizer, **options)


def test_there_must_be_a_teacher(teacher, tokenizer, tmp_path):
    teacher.save_pretrained(tmp_path, tokenizer)
    sizes = {"config": config(num_layers=1)}
    for make, given in (
        (Distillation.from_scratch, sizes),
        (Distillation.from_pretrained, {"source": tmp_path}),
    ):
        with pytest.raises(UserError, match="needs a teacher: make it by from_teacher"):
            make(**given)
        assert make(**given, teacher=teacher).teacher is teacher


def test_no_vocabulary_is_learnt_but_the_teachers_is_taken(teacher):
    model = Distillation(shallower(teacher, 2), teacher)
    with pytest.raises(UserError, match="has no tokenizer: make it with its teacher's"):
        model.fit(TEXTS, verbose=0)


def test_labels_are_refused(teacher, tokenizer):
    model = Distillation(shallower(teacher, 2), teacher, tokenizer)
    with pytest.raises(ValueError, match="takes texts without labels"):
        model.fit(TEXTS, [0] * 5, verbose=0)
    with pytest.raises(ValueError, match="There is no text"):
        model.fit([], verbose=0)


def test_a_student_of_a_published_teacher(teacher, tokenizer, tmp_path):
    teacher.save_pretrained(tmp_path, tokenizer)
    model = Distillation.from_teacher(tmp_path)
    assert model.encoder.config.num_layers == 2
    for one, other in zip(values(model.teacher), values(teacher), strict=True):
        np.testing.assert_array_equal(one, other)
    assert Distillation.from_teacher(tmp_path, [0]).tokenizer.vocab_size == tokenizer.vocab_size
