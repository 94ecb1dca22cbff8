"""Training from scratch: ours in length buckets against the classic Keras code padded to 256.

    python experiments/benchmarks/scratch_training.py

The peer is keras.io's "Text classification with Transformer": the same sizes and batch, Keras' own
TextVectorization, MultiHeadAttention and Adam, every text padded to 256 words. Both train on the
same split for the same number of epochs, in turn, twice in one process; the second time counts, as
the first includes tracing.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np

from kerasformer import TransformerClassifier, load_dataset

MAX_LENGTH, VOCAB_SIZE, HIDDEN, HEADS, FEED_FORWARD = 256, 20_000, 32, 2, 32


class ClassicBlock(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.attention = keras.layers.MultiHeadAttention(num_heads=HEADS, key_dim=HIDDEN)
        self.feed_forward = keras.Sequential(
            [keras.layers.Dense(FEED_FORWARD, activation="relu"), keras.layers.Dense(HIDDEN)]
        )
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-6)
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = keras.layers.Dropout(0.1)
        self.dropout2 = keras.layers.Dropout(0.1)

    def call(self, x, training=None):
        x = self.norm1(x + self.dropout1(self.attention(x, x), training=training))
        return self.norm2(x + self.dropout2(self.feed_forward(x), training=training))


class ClassicEmbedding(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.tokens = keras.layers.Embedding(VOCAB_SIZE, HIDDEN)
        self.positions = keras.layers.Embedding(MAX_LENGTH, HIDDEN)

    def call(self, ids):
        return self.tokens(ids) + self.positions(keras.ops.arange(MAX_LENGTH))


def classic(classes):
    inputs = keras.Input((MAX_LENGTH,), dtype="int64")
    x = ClassicBlock()(ClassicEmbedding()(inputs))
    x = keras.layers.Dropout(0.1)(keras.layers.GlobalAveragePooling1D()(x))
    x = keras.layers.Dropout(0.1)(keras.layers.Dense(20, activation="relu")(x))
    model = keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run_classic(dataset, epochs, batch_size):
    vectorize = keras.layers.TextVectorization(VOCAB_SIZE, output_sequence_length=MAX_LENGTH)
    started = time.perf_counter()
    vectorize.adapt(dataset.train.texts)
    train = np.asarray(vectorize(np.array(dataset.train.texts)))
    model = classic(len(dataset.class_names))
    model.fit(train, dataset.train.labels, epochs=epochs, batch_size=batch_size, verbose=0)
    seconds = time.perf_counter() - started
    test = np.asarray(vectorize(np.array(dataset.test.texts)))
    predicted = model.predict(test, verbose=0).argmax(axis=-1)
    return seconds, float((predicted == dataset.test.labels).mean())


def run_ours(dataset, epochs, batch_size):
    model = TransformerClassifier(dataset.class_names)
    started = time.perf_counter()
    model.fit(
        dataset.train.texts, dataset.train.labels, epochs=epochs, batch_size=batch_size, verbose=0
    )
    seconds = time.perf_counter() - started
    metrics = model.evaluate(dataset.test.texts, dataset.test.labels, return_dict=True)
    return seconds, metrics["accuracy"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="rotten-tomatoes", help="as load_dataset takes it")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--epochs", type=int, default=TransformerClassifier.RECIPE.epochs)
    parser.add_argument("--batch-size", type=int, default=TransformerClassifier.RECIPE.batch_size)
    args = parser.parse_args()
    dataset = load_dataset(args.data, limit=args.limit)
    print(f"keras {keras.__version__} on {keras.backend.backend()}, {len(dataset.train):,} texts, "
          f"{args.epochs} epochs, batches of {args.batch_size}")  # fmt: skip

    rates, accuracies = {}, {}
    for turn in range(2):
        for name, run in (("classic, padded to 256", run_classic), ("kerasformer", run_ours)):
            keras.utils.set_random_seed(turn)
            seconds, accuracy = run(dataset, args.epochs, args.batch_size)
            rates[name] = args.epochs * len(dataset.train) / seconds
            accuracies[name] = accuracy
            print(f"turn {turn + 1}: {name:<24} {seconds:7.1f} s  {rates[name]:8.0f} examples/s  "
                  f"test accuracy {accuracy:.3f}", flush=True)  # fmt: skip
    theirs, ours = rates.values()
    print(f"kerasformer trains {ours / theirs:.1f} times the examples a second, vocabulary and "
          f"tokenizing included; accuracy {accuracies['kerasformer']:.3f} against "
          f"{accuracies['classic, padded to 256']:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
