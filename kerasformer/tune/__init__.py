"""The best hyperparameters of a task on a data set, searched for with Optuna."""

from kerasformer.tune.space import Space

__all__ = ["Space", "tune"]


def __getattr__(name):
    if name == "tune":  # imported when used: `kerasformer --help` needs only the space
        from kerasformer.tune.search import tune

        return tune
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
