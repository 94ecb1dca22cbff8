"""How good does a pretrained encoder get when all of it is trained on the labelled texts?

    python experiments/fine_tune.py --pretrained all-MiniLM-L6-v2

Fine-tunes, writes results/fine_tune.json, and saves the classifier to results/fine_tune.
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

    classifier = TextClassifier.from_pretrained(args.pretrained, dataset.class_names)
    history = classifier.fit(
        dataset.train.texts, dataset.train.labels, epochs=args.epochs, seed=args.seed
    )
    metrics = classifier.evaluate(dataset.test.texts, dataset.test.labels, return_dict=True)
    classifier.save_pretrained("results/fine_tune")
    finish("fine_tune", args, dataset, history, metrics)


if __name__ == "__main__":
    run(main)
