"""Questions, contexts and answers as a person has them, into and out of `QuestionAnswerer`."""

import json
import math

import keras
import numpy as np
import pytest

from kerasformer.data import AnsweringDataset, AnswerSplit
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig
from kerasformer.tasks import Answer, QuestionAnswerer
from kerasformer.tasks.answering import span_outputs
from kerasformer.tasks.answering.answers import best_answers
from kerasformer.tasks.answering.spans import SPAN, span_loss
from kerasformer.text import WordPieceTokenizer
from kerasformer.training import answer_metrics

PEOPLE = ["Ada", "Bo", "Zoë", "Dee"]
PLACES = ["Rome", "Åre", "Lima", "Oslo"]
CONTEXT = "Ada lives in Rome, and Bo in Åre."
PAIR = ("Where does Ada live?", CONTEXT)
eager = pytest.mark.usefixtures("eager")  # a few steps; `trained` is made in graphs
SPARSE = dict.fromkeys(SPAN, keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def make_encoder(**changes):
    sizes = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16}
    sizes |= {"max_length": 40, "dropout": 0.0, "attention_dropout": 0.0}
    keras.utils.set_random_seed(0)
    return BertEncoder(EncoderConfig(100, **sizes | changes))


def make(**options):
    return QuestionAnswerer(make_encoder(), **options)


def make_examples(count, unanswerable=0.0, seed=0):
    """Questions about sentences with one place each, and the places."""
    rng = np.random.default_rng(seed)
    pairs, answers = [], []
    for number in range(count):
        person, other = rng.choice(PEOPLE, 2, replace=False)
        place = str(rng.choice(PLACES))
        context = f"{person} lives in {place}."
        if number < unanswerable * count:
            context, place = f"{person} and {other} live.", None
        pairs.append((f"Where does {person} live?", context))
        answers.append([] if place is None else [(place, context.index(place))])
    return pairs, answers


@pytest.fixture(scope="module")
def trained():
    """A model of questions with and without an answer, and examples it has not seen."""
    model, held = make(), make_examples(32, 0.5, seed=1)
    options = {"epochs": 12, "learning_rate": 0.02, "batch_size": 16, "verbose": 0}
    history = model.fit(*make_examples(96, 0.5), validation_data=held, **options)
    return model, held, history.history


def test_it_learns_to_answer_and_when_there_is_no_answer(trained):
    model, (pairs, answers), history = trained
    scores = model.evaluate(pairs, answers, return_dict=True)
    assert scores["HasAns_exact"] > 0.9
    assert scores["NoAns_exact"] > 0.9
    assert len(history["val_f1"]) == len(history["loss"]) == 12
    assert history["val_loss"][-1] < history["val_loss"][0]
    answer = model.answer("Where does Zoë live?", "Zoë lives in Åre.", threshold=math.inf)
    assert (answer.text, answer.start, answer.end) == ("Åre", 13, 16)
    assert 0 < answer.score <= 1


def test_answers_in_several_forms(trained):
    model, (pairs, _), _ = trained
    questions, contexts = map(list, zip(*pairs, strict=True))
    answers = model.answer(questions, contexts)
    assert answers[0] == model.answer(questions[0], contexts[0])
    assert all(isinstance(each, Answer) for each in answers)
    assert all(c[a.start : a.end] == a.text for c, a in zip(contexts, answers, strict=True))
    assert model.answer(questions[:3], contexts[0]) == model.answer(questions[:3], contexts[:1] * 3)
    several = model.answer(*PAIR, top_k=4)
    assert len(several) == 4
    assert several[0] == model.answer(*PAIR)
    assert len(set(several)) == 4
    assert model.answer([], []) == []
    short = model.answer(*PAIR, top_k=25, max_answer_length=1)
    assert max(len(each.text.split()) for each in short) == 1


def test_the_threshold_says_when_there_is_no_answer(trained):
    model, (pairs, answers), _ = trained
    questions, contexts = map(list, zip(*pairs, strict=True))
    texts = {
        limit: model.answer(questions, contexts, threshold=limit) for limit in (-1e9, math.inf)
    }
    assert not any(each.text for each in texts[-1e9])
    assert all(each.text for each in texts[math.inf])
    # Tuned for the best F1 on the validation examples of fit.
    references = [[text for text, _ in each] for each in answers]
    tuned = model.evaluate(pairs, answers, return_dict=True)["f1"]
    for limit in np.linspace(-5, 5, 11):
        other = [each.text for each in model.answer(questions, contexts, threshold=limit)]
        assert answer_metrics(other, references)["f1"] <= tuned + 1e-9


def test_predict_gives_what_answers_are_chosen_from(trained):
    model, (pairs, _), _ = trained
    outputs = model.predict(pairs, batch_size=5)
    assert {name: (x.shape[0], x.dtype.name) for name, x in outputs.items()} == {
        "start_logits": (32, "float32"),
        "end_logits": (32, "float32"),
        "offsets": (32, "int32"),
        "questions": (32, "int64"),
    }
    contexts = [context for _, context in pairs]
    ranked = best_answers(**outputs, contexts=contexts, no_answer=True)
    chosen = [each.choose(model.threshold) for each in ranked]
    answers = model.answer([question for question, _ in pairs], contexts)
    assert [each.text for each in chosen] == [each.text for each in answers]


def test_evaluate_has_the_metrics_of_squad_and_the_loss_of_real_tokens(trained):
    model, (pairs, answers), _ = trained
    scores = model.evaluate(pairs, answers, return_dict=True)
    questions, contexts = map(list, zip(*pairs, strict=True))
    texts = [answer.text for answer in model.answer(questions, contexts)]
    expected = answer_metrics(texts, [[text for text, _ in each] for each in answers])
    assert {name: scores[name] for name in expected} == expected
    assert scores["total"] == 32
    # By Keras' own loss, of one question after another, which no padding is beside.
    losses = []
    for (question, context), given in zip(pairs, answers, strict=True):
        tokenized = model.tokenizer.tokenize([question], [context])
        offsets = model.tokenizer.offsets([context])[0]
        first = tokenized.type_ids[0].index(1)
        starts, ends = (list(each) for each in zip(*offsets, strict=True))
        place = (0, 0)
        if given:
            (text, start), *_ = given
            place = starts.index(start) + first, ends.index(start + len(text)) + first
        inputs = {
            "input_word_ids": np.array(tokenized.ids),
            "input_type_ids": np.array(tokenized.type_ids),
        }
        outputs = model(inputs)
        losses += [
            float(SPARSE[n](np.array([p]), outputs[n])) for n, p in zip(SPAN, place, strict=True)
        ]
    np.testing.assert_allclose(scores["loss"], np.mean(losses), rtol=1e-4)
    means = scores["start_logits_loss"], scores["end_logits_loss"]
    np.testing.assert_allclose(np.mean(means), scores["loss"], rtol=1e-5)
    assert model.evaluate(pairs, answers) == pytest.approx([scores["loss"], *means])


@eager
def test_the_loss_of_fit_is_that_of_evaluate():
    model, (pairs, answers) = make(), make_examples(8)
    options = {"batch_size": 8, "learning_rate": 0.0, "verbose": 0}
    history = model.fit(pairs, answers, epochs=1, validation_data=(pairs, answers), **options)
    np.testing.assert_allclose(history.history["loss"], history.history["val_loss"], rtol=1e-5)
    uncompiled = QuestionAnswerer(model.encoder, model.tokenizer)
    uncompiled.span.set_weights(model.span.get_weights())
    loss = uncompiled.evaluate(pairs, answers)
    np.testing.assert_allclose(loss, history.history["val_loss"][0], rtol=1e-5)


@eager
def test_weights_of_questions():
    model, (pairs, answers) = make(), make_examples(4)
    options = {"epochs": 1, "learning_rate": 0.0, "verbose": 0}
    model.fit(pairs, answers, **options)
    alone = model.evaluate(pairs[:1], answers[:1], return_dict=True)["loss"]
    weighted = QuestionAnswerer(model.encoder, model.tokenizer)
    weighted.span.set_weights(model.span.get_weights())
    weights = np.array([1.0, 0, 0, 0])
    np.testing.assert_allclose(
        weighted.evaluate(pairs, answers, sample_weight=weights), alone, rtol=1e-5
    )


def test_an_answer_beyond_the_first_window(trained):
    model, _, _ = trained
    context = "He lives. " * 20 + "Ada lives in Lima." + " He lives." * 20
    outputs = model.predict([("Where does Ada live?", context)])
    assert len(outputs["questions"]) > 3
    assert model.answer("Where does Ada live?", context, top_k=3)[0].start >= 0
    ends = outputs["offsets"][..., 1].max(axis=1)
    assert ends.max() == len(context)
    assert (np.diff(ends) > 0).all()
    # Only the windows with all of the answer have it as their label.
    batches = model._batches(model._read([("Where?", context)], [("Lima", 213)]), 8)
    with_answer = batches.labels[batches.labels[:, 0] > 0]
    assert 1 <= len(with_answer) < len(batches.labels)
    window = int(np.argmax(batches.labels[:, 0] > 0))
    offsets = batches.windows.window_offsets(window)
    start, end = batches.labels[window]
    assert context[offsets[start, 0] : offsets[end, 1]] == "Lima"


def forms():
    pairs, answers = make_examples(6, 0.5)
    questions, contexts = map(list, zip(*pairs, strict=True))
    texts = [[text for text, _ in each] for each in answers]
    starts = [[start for _, start in each] for each in answers]
    squad = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    return {
        "lists": (list(map(list, pairs)), [[list(one) for one in each] for each in answers]),
        "one or none": (pairs, [each[0] if each else None for each in answers]),
        "dicts": (pairs, squad),
        "arrays": (np.array(pairs), answers),
        "bytes": (np.array(pairs).astype(object), answers),
        "split": (AnswerSplit(questions, contexts, answers, list("123456")), None),
    }


@pytest.mark.parametrize("form", forms())
def test_what_questions_can_be_given_as(form):
    pairs, answers = make_examples(6, 0.5)
    model = make()
    examples = model._read(*forms()[form])
    assert model._holds(forms()[form][0])
    assert list(examples.texts) == pairs
    assert examples.labels == answers


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("squad", [False, True])
def test_a_tensorflow_data_set(batched, squad):
    tf = pytest.importorskip("tensorflow")
    pairs, answers = make_examples(6, 0.5)
    questions, contexts = map(list, zip(*pairs, strict=True))
    texts = tf.ragged.constant([[t for t, _ in each] for each in answers], dtype=tf.string)
    starts = tf.ragged.constant([[s for _, s in each] for each in answers], dtype=tf.int32)
    parts = ((questions, contexts), (texts, starts))
    if squad:  # as tensorflow_datasets has it
        parts = {
            "question": questions,
            "context": contexts,
            "answers": {"text": texts, "answer_start": starts},
        }
    dataset = tf.data.Dataset.from_tensor_slices(parts)
    dataset = dataset.ragged_batch(4) if batched else dataset
    model = make()
    assert model._holds(dataset)
    examples = model._read(dataset)
    assert examples.texts == pairs
    assert examples.labels == answers
    assert examples.batch_size == (4 if batched else None)
    assert len(model._read(dataset, steps=1, batch_size=2).texts) == (4 if batched else 2)
    with pytest.raises(ValueError, match="holds its answers: leave y out"):
        model._read(dataset, answers)
    with pytest.raises(ValueError, match="endless"):
        model._read(dataset.repeat())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([PAIR], [("Paris", 13)], r"answers\[0\] is 'Paris', which its context does not have"),
        ([PAIR], [("Rome", 3)], r"'Rome' at character 3, .* has ' liv': it is at 13"),
        ([PAIR], [("Rome", -20)], r"'Rome' at character -20, .* has '': it is at 13"),
        ([PAIR, PAIR], [("Rome", 13), [("Åre", 29), ("Oslo", 1)]], r"answers\[1\] is 'Oslo'"),
        ([PAIR], [["Rome", "Åre"]], r"answers\[0\] has .*'Rome', .* must be pairs \(text, start\)"),
        ([PAIR], [[("Rome", "13")]], r"answers\[0\] has \('Rome', '13'\)"),
        ([PAIR], [[("", 0)]], r"answers\[0\] has an empty text: give \[\]"),
        ([PAIR], ["Rome"], r"answers\[0\] is 'Rome', but must be a list of \(text, start\)"),
        ([PAIR], [{"text": ["Rome"]}], r"answers\[0\] has no 'text' and 'answer_start'"),
        ([PAIR], [[], []], "got 1 questions and answers to 2"),
        ([PAIR], None, "Got 1 questions and no answers"),
        ([], [], "There is no question"),
        ([(" ", CONTEXT)], [[]], r"questions\[0\] is empty"),
        ([PAIR, ("Who?", "")], [[], []], r"contexts\[1\] is empty"),
        ([("Who?", 3)], [[]], r"contexts\[0\] is 3, a int"),
        ([("Who?", "a", "b")], [[]], r"x\[0\] is .* must be a pair \(question, context\)"),
        (["Who?"], [[]], "Expected a list of .question, context. pairs, got a list of strings"),
        ("Who?", [[]], "got one string"),
        (np.array(["Who?"]), [[]], r"pairs, got an array of shape \(1,\)"),
    ],
)
def test_what_is_wrong_with_questions_and_answers(x, y, message):
    with pytest.raises(UserError, match=message) as error:
        make().fit(x, y, verbose=0)
    assert "\n" not in str(error.value)


def test_what_is_wrong_with_arguments(trained):
    model, (pairs, answers), _ = trained
    with pytest.raises(UserError, match="The model has no vocabulary yet"):
        make().answer(*PAIR)
    with pytest.raises(UserError, match="class_weight is of classes"):
        model.fit(pairs, answers, class_weight="balanced", verbose=0)
    with pytest.raises(UserError, match="2 questions and 1 contexts"):
        model.answer(["Who?", "Where?"], [CONTEXT])
    with pytest.raises(UserError, match=r"contexts\[0\] is empty"):
        model.answer("Who?", "")
    with pytest.raises(ValueError, match="top_k=0"):
        model.answer(*PAIR, top_k=0)
    with pytest.raises(UserError, match=r"has room for 11 of a context .* give 0 to 10"):
        make(max_length=24, overlap=11)
    with pytest.raises(UserError, match="max_length is 41"):
        make(max_length=41)
    with pytest.raises(UserError, match="sample_weight"):
        model.fit(pairs, answers, sample_weight=[1.0], verbose=0)


def test_weights_that_are_no_numbers():
    model = make(tokenizer=WordPieceTokenizer.train([*PAIR], 100))
    model.span.bias.assign([math.nan, 0.0])
    with pytest.raises(UserError, match=r"answer to questions\[0\] is not a number"):
        model.answer(*PAIR)


@pytest.mark.parametrize(
    ("width", "frozen", "rate", "size"), [(16, 0, 1e-4, 16), (512, 0, 3e-5, 16), (16, 1, 3e-3, 128)]
)
def test_the_recipe(width, frozen, rate, size):
    encoder = make_encoder(hidden_size=width)
    tokenizer = WordPieceTokenizer.train([*PAIR], 100)
    recipe = QuestionAnswerer(encoder, tokenizer, freeze_encoder=bool(frozen)).recipe
    assert (recipe.learning_rate, recipe.batch_size) == (rate, size)


def test_windows_by_default():
    long = make_encoder(max_length=512)
    assert (QuestionAnswerer(long).max_length, QuestionAnswerer(long).overlap) == (384, 128)
    assert (make().max_length, make().overlap) == (40, 13)
    assert QuestionAnswerer(long, max_length=500).max_length == 500


@pytest.mark.parametrize("saved", ["keras", "pretrained"])
def test_saved_with_its_settings(saved, tmp_path):
    model = make(max_length=32, overlap=4, threshold=-0.5)
    model.tokenizer = WordPieceTokenizer.train([*PAIR], 100)
    if saved == "keras":
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
    else:
        model.save_pretrained(tmp_path)
        own = json.loads((tmp_path / "config.json").read_text())["kerasformer"]
        assert own["threshold"] == -0.5
        again = QuestionAnswerer.from_pretrained(tmp_path)
    assert (again.max_length, again.overlap, again.threshold) == (32, 4, -0.5)
    assert again.answer(*PAIR, top_k=3) == model.answer(*PAIR, top_k=3)


def test_a_saved_model_with_other_windows(tmp_path):
    model = make(max_length=32, overlap=12)
    model.save_pretrained(tmp_path)
    assert QuestionAnswerer.from_pretrained(tmp_path).threshold is None
    new = QuestionAnswerer.from_pretrained(tmp_path, new_head=True)
    assert new.head_is_new
    assert new.max_length == QuestionAnswerer(new.encoder, new.tokenizer).max_length
    other = QuestionAnswerer.from_pretrained(tmp_path, max_length=16)
    assert (other.max_length, other.overlap) == (16, 5)
    config = json.loads((tmp_path / "config.json").read_text())
    config["kerasformer"]["threshold"] = "high"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="'threshold' as high, which save_pretrained does not"):
        QuestionAnswerer.from_pretrained(tmp_path)


@eager
def test_a_frozen_encoder_is_computed_once(monkeypatch):
    pairs, answers = make_examples(20)
    tokenizer = WordPieceTokenizer.train([text for pair in pairs for text in pair], 100)
    options = {"epochs": 3, "batch_size": 4, "verbose": 0}
    models = []
    for most in (span_outputs.MOST_FEATURES, 0):  # once, or in each epoch
        monkeypatch.setattr(span_outputs, "MOST_FEATURES", most)
        model = make(tokenizer=tokenizer, freeze_encoder=True)
        before = model.encoder.get_weights()
        history = model.fit(pairs, answers, **options).history["loss"]
        assert history[-1] < history[0]
        for one, other in zip(before, model.encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        models.append(model)
    batches = models[0]._training_batches(models[0]._read(pairs, answers), 4)
    assert batches.features is None  # by now
    monkeypatch.undo()
    batches = models[0]._training_batches(models[0]._read(pairs, answers), 4)
    assert list(batches[0][0]) == ["features"]
    # Not the biases, which cancel in the softmax.
    np.testing.assert_allclose(*(model.span.get_weights()[0] for model in models), atol=1e-4)


@eager
@pytest.mark.parametrize("kind", ["sparse", "rows"])
def test_compiled_by_hand(kind):
    pairs, answers = make_examples(8)
    tokenizer = WordPieceTokenizer.train([text for pair in pairs for text in pair], 100)
    model = make(tokenizer=tokenizer)
    rows = keras.losses.CategoricalCrossentropy(from_logits=True)
    losses = SPARSE if kind == "sparse" else dict.fromkeys(SPAN, rows)
    model.compile(keras.optimizers.Adam(0.01), losses)
    history = model.fit(pairs, answers, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    before = model.test_on_batch(pairs, answers, return_dict=True)["loss"]
    # Without the padding, which a batch has and these losses do not know of.
    expected = 2 * span_loss(
        model._batches(model._read(pairs, answers), 8).labels, model.predict(pairs)
    )
    assert model.evaluate(pairs, answers, return_dict=True)["loss"] == pytest.approx(expected, 1e-4)
    model.train_on_batch(pairs, answers)
    assert model.test_on_batch(pairs, answers, return_dict=True)["loss"] < before
    assert model.predict_on_batch(pairs)["start_logits"].shape[0] == 8


@eager
def test_the_best_epoch_by_f1_is_kept():
    pairs, answers = make_examples(24)
    model = make()
    recipe = model.recipe.change(monitor="val_f1", learning_rate=0.02, epochs=4)
    history = model.fit(pairs, answers, validation_split=0.25, recipe=recipe, verbose=0).history
    kept = model.evaluate(pairs[18:], answers[18:], return_dict=True)["f1"]
    assert kept == pytest.approx(max(history["val_f1"]))


@eager
def test_a_data_set_with_its_validation_split():
    pairs, answers = make_examples(24, 0.5)
    questions, contexts = map(list, zip(*pairs, strict=True))
    split = AnswerSplit(questions, contexts, answers, list(map(str, range(24))))
    dataset = AnsweringDataset("places", {"train": split, "validation": split.take(range(4, 20))})
    model = QuestionAnswerer.from_scratch(config=make_encoder().config)
    history = model.fit(dataset, epochs=1, verbose=0).history
    assert {"val_f1", "val_NoAns_exact"} <= history.keys()
    assert model.threshold is not None
    scores = model.evaluate(dataset.validation, return_dict=True)
    assert scores["total"] == 16
    assert scores["f1"] >= history["val_f1"][0]  # tuned since
    assert len(model.predict(dataset.validation)["questions"]) == 16


def test_an_answer_without_a_token_is_refused():
    pairs, answers = make_examples(3)
    model = make()
    hidden = ("Where does Dee live?", "Dee lives in \u200b.")
    with pytest.raises(UserError, match=r"answer to questions\[3\] is .* makes no token: leave"):
        model.fit([*pairs, hidden], [*answers, ("\u200b", 13)], verbose=0)
    model.evaluate([*pairs, hidden], [*answers, ("\u200b", 13)], verbose=0)  # by its text


@eager
def test_an_answer_that_no_window_has_all_of_is_warned_of():
    pairs, answers = make_examples(3)
    long = "Lima and Oslo and Rome and " * 9
    model = make(max_length=32, overlap=4)
    with pytest.warns(UserWarning, match=r"all of the answer to questions\[1\] \(1 of 2 qu"):
        model.fit([pairs[0], ("Where?", long)], [answers[0], (long, 0)], epochs=1, verbose=0)


@eager
def test_questions_from_a_generator():
    pairs, answers = make_examples(4)
    model = make()
    history = model.fit((pair for pair in pairs), iter(answers), epochs=1, verbose=0)
    assert len(history.history["loss"]) == 1
    assert len(model.predict(pair for pair in pairs)["questions"]) == 4
    assert model.predict_on_batch(iter(pairs))["start_logits"].shape[0] == 4
    with pytest.raises(UserError, match=r"Expected .question, context. pairs, got a generator tha"):
        model.fit((both for both in zip(pairs, answers, strict=True)), verbose=0)
    with pytest.raises(UserError, match="got a list of strings"):
        model.predict(question for question, _ in pairs)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_collapse_to_one_answer_is_said(frozen):
    pairs, answers = make_examples(40, 0.5)
    tokenizer = WordPieceTokenizer.train([text for pair in pairs for text in pair], 100)
    model = make(tokenizer=tokenizer, freeze_encoder=frozen)
    model.fit(pairs, [None] * 40, batch_size=8, epochs=6, learning_rate=0.05, verbose=0)
    options = {"epochs": 1, "learning_rate": 1e-6, "verbose": 0}
    said = "finds no answer in any of 40 {} windows, .*: fewer than 20 steps are too few to tell"
    with pytest.warns(UserWarning, match=said.format("validation")):
        model.fit(pairs, answers, **options, validation_data=(pairs, answers))
    with pytest.warns(UserWarning, match=said.format("training")):
        model.fit(pairs, answers, **options)
    data = model._batches(model._read(pairs, answers), 8)
    assert model.same_answers(data, "training", 41, 8) == ""  # too few


def test_ordinary_training_is_not_said_to_have_collapsed(trained):
    model, (pairs, answers), _ = trained
    data = model._batches(model._read(pairs, answers), 8)
    assert model.same_answers(data, "validation", 32, 8) == ""


def test_an_untrained_head_is_warned_of():
    model = make(tokenizer=WordPieceTokenizer.train([*PAIR], 100))
    with pytest.warns(UserWarning, match="head of this QuestionAnswerer has not been trained"):
        model.answer(*PAIR)
