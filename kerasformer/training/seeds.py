"""The random numbers of training, by a seed."""

import keras


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Sets the random state of every layer of a model, each to one of its own.

    Args:
        model: The model, built.
        seed: The same seed gives the same random numbers.
    """
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    # From the last, a head's: it has the same state whatever is below it.
    for number, state in enumerate(reversed(states)):
        own = (int(seed) + number) % 2**32
        state.assign(keras.random.SeedGenerator(own).state)
