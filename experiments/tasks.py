"""How good is a fine-tuned encoder at one of BERT's tasks on your data?

    python experiments/tasks.py tagging --data conll/ --pretrained all-MiniLM-L6-v2
    python experiments/tasks.py answering --data squad/ --epochs 2
    python experiments/tasks.py pairs --data pairs.csv

Fine-tunes on the train split, measures on the test split, writes results/TASK.json, and saves the
model to results/TASK.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
from experiment import arguments, finish, run

from kerasformer import load_dataset
from kerasformer.tasks.kinds import KINDS


def main():
    args = arguments(__doc__, pretrained=True, tasks=tuple(KINDS))
    dataset = load_dataset(args.data, args.task, limit=args.limit)
    keras.utils.set_random_seed(args.seed)

    model = KINDS[args.task].new_model(dataset, args.pretrained)
    history = model.fit(dataset, epochs=args.epochs, seed=args.seed)
    metrics = model.evaluate(dataset.test, return_dict=True)
    folder = f"results/{args.task}"
    model.save_pretrained(folder)
    finish(args.task, args, dataset, history, metrics)
    print(f"    model: {folder}")


if __name__ == "__main__":
    run(main)
