"""Training that ends with a number of steps or minutes; tests/tasks/test_resume.py resumes it."""

import types

import keras
import numpy as np
import pytest

from kerasformer.tasks import TransformerClassifier
from kerasformer.text import WordTokenizer
from kerasformer.training import Recipe, budget
from kerasformer.training.callback_state import set_state, state_of
from kerasformer.training.recipe import inner

pytestmark = pytest.mark.usefixtures("eager")

TEXTS = ["a fine film", "so dull", "fine", "so dull acting"] * 3
LABELS = [1, 0] * 6


def make(**options):
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer.train(TEXTS, vocab_size=20)
    sizes = {"vocab_size": 20, "max_length": 8, "hidden_size": 8}
    return TransformerClassifier(2, **sizes, tokenizer=tokenizer, **options)


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of each batch, and lets time pass."""

    def __init__(self, clock=None, seconds=0.0):
        super().__init__()
        self.rates, self.clock, self.seconds = [], clock, seconds

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        rate = inner(self.model.optimizer).learning_rate
        self.rates.append(float(keras.ops.convert_to_numpy(rate)))

    def on_train_batch_begin(self, batch, logs=None):
        if self.clock is not None:
            self.clock.now += self.seconds


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def fit(model, callbacks=(), **changes):
    recipe = Recipe(batch_size=4, learning_rate=1.0, weight_decay=0.0).change(**changes)
    return model.fit(TEXTS, LABELS, recipe=recipe, verbose=0, callbacks=list(callbacks))


def test_steps_take_as_many_epochs_as_they_need():
    model, rates = make(), Rates()
    history = fit(model, [rates], max_steps=8, epochs=1)
    assert history.epoch == [0, 1, 2]
    assert len(rates.rates) == 8
    # The schedule is that of as many steps of one epoch, whose next step would have the rate 0.
    assert rates.rates[-1] == 0
    assert int(model.optimizer.iterations) == 8
    fit(other := make(), max_steps=3)
    assert int(other.optimizer.iterations) == 3


def test_accumulated_batches_are_one_step():
    model = make()
    fit(model, max_steps=3, accumulate=2)
    assert int(model.optimizer.iterations) == 3  # of 2, 1 and 2 batches


def test_the_learning_rate_follows_the_time(clock):
    model, rates = make(), Rates(clock, seconds=6.0)
    fit(model, [rates], minutes=2.0, warmup_ratio=0.25)
    assert len(rates.rates) == 20  # of 6 seconds each
    elapsed = np.arange(20) / 20
    expected = np.where(elapsed < 0.25, elapsed / 0.25, (1 - elapsed) / 0.75)
    np.testing.assert_allclose(rates.rates, expected, atol=2e-3)


def test_steps_that_are_sooner_over_than_the_time(clock):
    model, rates = make(), Rates(clock, seconds=1.0)
    fit(model, [rates], minutes=60.0, max_steps=10, warmup_ratio=0.0)
    np.testing.assert_allclose(rates.rates, 1 - np.arange(10) / 10, atol=2e-3)


def test_a_callback_that_sets_the_rate_is_left_alone(clock):
    rates = Rates(clock, seconds=30.0)
    fit(make(), [keras.callbacks.LearningRateScheduler(lambda *_: 0.125), rates], minutes=2.0)
    assert rates.rates == [0.125] * 4


def test_what_was_used_before_an_interruption_counts(clock):
    first = budget.Budget(Recipe(minutes=1.0, max_steps=100))
    first.on_train_begin()
    clock.now += 45
    first.steps = 7
    state = state_of(first)
    second = budget.Budget(Recipe(minutes=1.0, max_steps=100))
    clock.now += 1e6  # between the two processes
    second.on_train_begin()
    assert set_state(second, state)
    clock.now += 6
    assert (second.seconds, second.steps) == (51, 7)
    assert second.share == pytest.approx(0.85)


class SlowMilestones:
    """Milestones of a minute, each of which takes 15 seconds, in batches of 6 seconds."""

    def __init__(self, clock):
        self.clock, self.reached = clock, []
        self.milestones = budget.Milestones((0.25, 0.5, 0.75), self.reach)
        self.callbacks = budget.with_budget(Recipe(minutes=1.0), [self.milestones])
        for one in self.callbacks:
            one.set_params({"steps": 100})
            one.set_model(types.SimpleNamespace(jax_state_sync=lambda: None))
            one.on_train_begin()

    def reach(self, share):
        self.reached.append(share)
        self.clock.now += 15

    def train(self, batches):
        for batch in range(batches):
            self.clock.now += 6
            for one in self.callbacks:
                one.on_train_batch_end(batch)
            self.clock.now += 1  # such as for a checkpoint
        return self.reached


def test_no_milestone_is_lost_in_the_time_between_batches(clock):
    slow = SlowMilestones(clock)
    assert slow.train(3) == [0.25]  # from 20 to 35 seconds
    assert slow.train(1) == [0.25, 0.5]  # from 42 to 57 seconds
    assert slow.train(1) == [0.25, 0.5, 0.75]


def test_a_milestone_that_was_due_at_an_interruption_is_reached(clock):
    first, second = SlowMilestones(clock), SlowMilestones(clock)
    first.train(3)
    for one, other in zip(first.callbacks, second.callbacks, strict=True):
        assert set_state(other, state_of(one))  # at 36 seconds, 0.5 being due
    assert second.train(1) == [0.5]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"minutes": 0}, "minutes=0 is not a number above 0"),
        ({"max_steps": 0}, "max_steps=0 is not an integer of at least 1"),
        ({"minutes": 1, "head_epochs": 1}, "head_epochs=1 counts epochs: leave it at 0"),
    ],
)
def test_what_is_no_budget(wrong, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)
