"""How good does a small transformer get on the labelled texts alone?

    python experiments/scratch.py --data rotten-tomatoes

Trains a `TransformerClassifier` from scratch and writes results/scratch.json.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
from experiment import arguments, finish, run

from kerasformer import TransformerClassifier, load_dataset


def main():
    args = arguments(__doc__)
    dataset = load_dataset(args.data, limit=args.limit)
    keras.utils.set_random_seed(args.seed)

    classifier = TransformerClassifier(dataset.class_names)
    history = classifier.fit(
        dataset.train.texts, dataset.train.labels, epochs=args.epochs, seed=args.seed
    )
    metrics = classifier.evaluate(dataset.test.texts, dataset.test.labels, return_dict=True)
    finish("scratch", args, dataset, history, metrics)


if __name__ == "__main__":
    run(main)
