"""How long JAX compiles a step of fine-tuning: by blocks, and one after another or side by side.

    KERAS_BACKEND=jax python experiments/benchmarks/compiling.py

What a scan over the blocks could save at most is the difference between all of them and one. The
cache of programs is off; each number is of a new model. `lower` is the tracing in Python, which
holds the interpreter's lock, and `compile` XLA's part, which does not.
"""

import argparse
import functools
import os
import time

os.environ.update(KERAS_BACKEND="jax", JAX_ENABLE_COMPILATION_CACHE="false")

import jax
import keras
import numpy as np

from kerasformer import BertEncoder, EncoderConfig
from kerasformer.models.ahead import compile_all
from kerasformer.tasks import TextClassifier
from kerasformer.training.losses import cross_entropy

SIZES = {"hidden_size": 384, "num_heads": 12, "intermediate_size": 1536, "vocab_size": 30522}


def step_of(blocks):
    """The step of a classifier of MiniLM's sizes, and its state."""
    model = TextClassifier(2, BertEncoder(EncoderConfig(num_layers=blocks, **SIZES)))
    model.recipe.compile(model, 100, cross_entropy(one_hot=False), False)
    model.test_on_batch(*batch((2, 8)))  # makes the metrics
    model.optimizer.build(model.trainable_variables)
    state = [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]
    return jax.jit(model.train_step, donate_argnums=0), (*state, model.metrics_variables)


def batch(shape):
    names = ("input_word_ids", "input_mask", "input_type_ids")
    return {name: np.ones(shape, "int32") for name in names}, np.zeros(shape[0], "int32")


def described(arrays):
    return keras.tree.map_structure(
        lambda one: jax.ShapeDtypeStruct(one.shape, keras.backend.standardize_dtype(one.dtype)),
        arrays,
    )


def timed(work):
    started, used = time.perf_counter(), time.process_time()
    result = work()
    return result, f"{time.perf_counter() - started:.1f} s ({time.process_time() - used:.1f} s CPU)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--lengths", type=int, nargs="+", default=[48, 72, 120, 192])
    args = parser.parse_args()
    for blocks in (1, 6):
        step, state = step_of(blocks)
        given = described((state, batch((args.rows, args.lengths[0]))))
        lowered, lowering = timed(functools.partial(step.lower, *given))
        print(f"{blocks} blocks: lower {lowering}, compile {timed(lowered.compile)[1]}", flush=True)
    batches = [batch((args.rows, length)) for length in args.lengths]
    step, state = step_of(6)
    one_by_one = timed(lambda: [step.lower(*described((state, b))).compile() for b in batches])[1]
    print(f"6 blocks, {len(batches)} shapes one after another: {one_by_one}", flush=True)
    step, state = step_of(6)
    at_once = timed(lambda: compile_all([(step, (state, one)) for one in batches]))[1]
    print(f"6 blocks, {len(batches)} shapes side by side: {at_once}")


if __name__ == "__main__":
    main()
