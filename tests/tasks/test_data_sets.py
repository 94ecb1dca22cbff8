"""Splits and data sets of `kerasformer.data`, given to a task as they are."""

import numpy as np
import pytest

from kerasformer.data import AnswerSplit, LabeledDataset, Split, TaggedSplit
from kerasformer.errors import UserError

pytestmark = pytest.mark.usefixtures("eager")


def dataset_of(texts, ids, class_names=("bad", "good"), names=("train", "test"), **options):
    splits = {name: Split(texts, ids) for name in names}
    return LabeledDataset("films", class_names, splits, **options)


@pytest.mark.parametrize("make", ["scratch"], indirect=True)
class TestOfOneKind:
    def test_a_split_is_its_texts_and_labels(self, make, texts, ids, weights_of):
        by_split, by_columns = make(dropout=0.0), make(dropout=0.0)
        split = Split(texts, ids)
        options = {"epochs": 2, "verbose": 0}
        by_split.fit(split, validation_data=split, **options)
        by_columns.fit(texts, ids, validation_data=(texts, ids), **options)
        np.testing.assert_array_equal(weights_of(by_split), weights_of(by_columns))
        assert by_split.history.history == by_columns.history.history
        assert by_split.evaluate(split) == by_columns.evaluate(texts, ids)
        np.testing.assert_array_equal(by_split.predict(split), by_columns.predict(texts))
        with pytest.raises(ValueError, match="A Split holds its labels: leave y out"):
            by_split.fit(split, ids)

    def test_a_data_set_has_a_split_for_each_method(self, make, texts, ids):
        model = make(dropout=0.0)
        dataset = dataset_of(texts, ids, names=("train", "validation", "test"))
        history = model.fit(dataset, epochs=1, verbose=0).history
        assert history["val_loss"][-1] == pytest.approx(model.evaluate(texts, ids)[0], rel=1e-4)
        assert model.evaluate(dataset) == model.evaluate(texts, ids)
        np.testing.assert_array_equal(model.predict(dataset), model.predict(texts))
        other = model.fit(dataset, validation_split=0.5, epochs=1, verbose=0).history
        assert other["val_loss"] != history["val_loss"]
        without = dataset_of(texts, ids)
        assert "val_loss" not in model.fit(without, epochs=1, verbose=0).history
        with pytest.raises(UserError, match="films has no validation split: give another one"):
            model.fit(texts, ids, validation_data=without, verbose=0)
        with pytest.raises(UserError, match=r"films has no test split: .* such as dataset\.train"):
            model.evaluate(dataset_of(texts, ids, names=("train",)))

    def test_classes_are_the_models_by_their_names(self, make, texts, ids):
        model = make(dropout=0.0)
        turned = dataset_of(texts, 1 - ids, ("good", "bad"))
        assert model.evaluate(turned) == model.evaluate(texts, ids)
        with pytest.raises(UserError, match="has the class 'so so', which is not one of the mode"):
            model.fit(dataset_of(texts, ids, ("bad", "so so")), verbose=0)
        numbers = ids[:, None].astype("float32")
        regression = dataset_of(texts, numbers, ("x",), problem_type="regression")
        with pytest.raises(UserError, match="is of problem_type='regression', and this model of"):
            model.fit(regression)

    def test_what_is_of_another_task_is_one_sentence(self, make):
        model = make()
        tagged = TaggedSplit([["A", "film"]], [["O", "O"]])
        answers = AnswerSplit(["Who?"], ["Ada."], [[("Ada", 0)]], ["1"])
        for data in (tagged, answers):
            for call in (model.fit, model.evaluate, model.predict):
                with pytest.raises(UserError, match=f"got a {type(data).__name__}: give a Split"):
                    call(data)


def test_several_labels_and_numbers_in_the_models_order():
    from kerasformer.tasks.texts.labels import in_order_of

    hot = np.array([[1, 0], [1, 1]], "float32")
    given = in_order_of(hot, ("new", "good"), ("good", "other", "new"), is_regression=False)
    assert given.tolist() == [[0, 0, 1], [1, 0, 1]]
    numbers = np.array([[1.5, 2.5]], "float32")
    assert in_order_of(numbers, ("a", "b"), ("b", "a"), True).tolist() == [[2.5, 1.5]]
    assert in_order_of(numbers, ("a", "b"), ("x", "y"), True) is numbers
    ids = np.array([0, 1], "int32")
    assert in_order_of(ids, ("no", "yes"), ("0", "1"), False) is ids
    assert in_order_of(ids, ("1", "0"), ("0", "1"), False).tolist() == [1, 0]
