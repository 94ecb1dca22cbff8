"""How good is a linear model on the vectors of a pretrained encoder that stays as it is?

    python experiments/frozen_features.py --pretrained all-MiniLM-L6-v2

Computes the vectors once, trains the head on them, and writes results/frozen_features.json.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
from experiment import arguments, finish, run

from kerasformer import TextClassifier, load_dataset


def main():
    args = arguments(__doc__, pretrained=True)
    dataset = load_dataset(args.data, limit=args.limit)
    keras.utils.set_random_seed(args.seed)

    classifier = TextClassifier.from_pretrained(
        args.pretrained, dataset.class_names, freeze_encoder=True
    )
    history = classifier.fit(
        dataset.train.texts, dataset.train.labels, epochs=args.epochs, seed=args.seed
    )
    metrics = classifier.evaluate(dataset.test.texts, dataset.test.labels, return_dict=True)
    finish("frozen_features", args, dataset, history, metrics)


if __name__ == "__main__":
    run(main)
