"""What training changes of a model, for people to read."""

import keras

from kerasformer.training.recipe import Recipe

_HEADER = ("variable", "shape", "trained", "rate", "decays")


def describe_training(model: keras.Model, recipe: Recipe) -> str:
    """A table of a model's weights: shape, whether trained, factor of the learning rate, decay.

    >>> model = keras.Sequential([keras.layers.Dense(2, name="head")], name="small")
    >>> model.build((None, 3))
    >>> print(describe_training(model, Recipe()))
    variable           shape   trained  rate  decays
    small/head/kernel  (3, 2)  yes      1     yes
    small/head/bias    (2,)    yes      1     no
    """
    optimizer = recipe.optimizer(model)
    trained = {id(variable) for variable in model.trainable_variables}
    rows = [_HEADER]
    for weight in model.weights:
        shape = str(tuple(weight.shape))
        if id(weight) in trained:
            rate = f"{optimizer.rate_factors.get(weight.path, 1):.4g}"
            decays = bool(recipe.weight_decay) and optimizer.has_weight_decay(weight)
            rows.append((weight.path, shape, "yes", rate, "yes" if decays else "no"))
        else:
            rows.append((weight.path, shape, "no", "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)
