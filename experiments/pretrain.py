"""What is pretraining worth? A model pretrained on unlabelled reviews, and one that is not.

    python experiments/pretrain.py --minutes 20

Pretrains a model of BERT mini's size (4 blocks, 256 wide) on the IMDB reviews, whose labels are
not looked at: by default a causal one, which learns from every token, where one of masked words
learns from one in seven, and has not helped after 20 minutes on 2 cores. Then 1,000 labelled Rotten
Tomatoes reviews train a classifier on it, on what it was after a quarter, a half and three quarters
of the minutes, and on the same model with random weights, with three seeds each. Prints mean
accuracies and their difference with its standard error, and writes results/pretrain/accuracy.json
and curve.png. The minutes are those of pretraining; with the training of classifiers it takes about
half as long again. Run again with the same arguments it goes on where it was.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from experiment import run

from kerasformer import TextClassifier, load_dataset
from kerasformer.data.raw import Documents
from kerasformer.errors import UserError
from kerasformer.files import read_optional_json, write_whole
from kerasformer.hardware import describe_hardware, prefers_bfloat16, versions
from kerasformer.plots.curve import curve, standard_error
from kerasformer.tasks import load
from kerasformer.tasks.pretraining.pretrain import OBJECTIVES, pretrain
from kerasformer.tasks.pretraining.pretraining_folder import is_begun
from kerasformer.training import Recipe

QUARTERS = (0.25, 0.5, 0.75, 1.0)
# The arguments that the pretrained models follow from.
PRETRAINING = (
    *("minutes", "text", "size", "objective", "vocab_size"),
    *("batch_size", "learning_rate", "max_length", "dropout"),
)
# What is pretrained is changed gently; random weights have all to learn.
PRETRAINED = Recipe(epochs=5, batch_size=32, learning_rate=3e-4)
RANDOM = Recipe(epochs=5, batch_size=32, learning_rate=1e-3)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--text", nargs="+", default=["imdb"], help="as Documents takes it")
    parser.add_argument("--data", default="rotten-tomatoes", help="as load_dataset takes it")
    parser.add_argument("--labels", type=int, default=1000, help="labelled texts to train on")
    parser.add_argument("--size", default="mini", help="a published size")
    parser.add_argument("--objective", choices=OBJECTIVES, default="causal")
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=32, help="in pretraining")
    parser.add_argument("--learning-rate", type=float, help="in pretraining (default: the model's)")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of an example")
    parser.add_argument("--dropout", type=float, default=0.1, help="in pretraining, and after it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("results/pretrain"))
    return parser.parse_args()


def note_settings(args):
    """Notes how the models in the output folder are pretrained; refuses those of other settings."""
    settings = {name: getattr(args, name) for name in PRETRAINING}
    file = args.output / "pretraining.json"
    if any(args.output.glob("at-*")):
        noted = read_optional_json(file)
        changed = [name for name in PRETRAINING if noted.get(name) != settings[name]]
        if changed:
            raise UserError(
                f"{args.output} has models pretrained with other settings ({', '.join(changed)}): "
                "give the same, or another --output."
            )
    args.output.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(settings))


def pretrained_models(args):
    """The folders of the model at each quarter of the minutes."""
    note_settings(args)
    folders = {share: args.output / f"at-{share:.0%}" for share in QUARTERS}
    if not (folders[1.0] / "config.json").exists():
        pretrain(
            Documents(args.text),
            folders[1.0],
            minutes=args.minutes,
            size=args.size,
            objective=args.objective,
            vocab_size=args.vocab_size,
            max_length=args.max_length,
            dropout=args.dropout,
            dtype="mixed_bfloat16" if prefers_bfloat16() else None,
            recipe={"batch_size": args.batch_size, "learning_rate": args.learning_rate},
            at_milestone=lambda share, model: model.save_pretrained(folders[share]),
            resume=is_begun(folders[1.0]),
        )
    return {share: folder for share, folder in folders.items() if folder.exists()}


def accuracies(make, recipe, dataset, args):
    """Of classifiers that `make` makes, trained with each seed."""
    found = []
    for seed in range(args.seeds):
        keras.utils.set_random_seed(seed)
        # Other labelled texts for each seed: chance is in these too.
        chosen = np.random.default_rng(seed).permutation(len(dataset.train))[: args.labels]
        classifier = make()
        classifier.fit(dataset.train.take(chosen), recipe=recipe, seed=seed, verbose=0)
        found.append(classifier.evaluate(dataset.test, verbose=0, return_dict=True)["accuracy"])
    return found


def main():
    args = arguments()
    dataset, folders = load_dataset(args.data), pretrained_models(args)
    whole = load(folders[1.0])

    def with_random_weights():
        encoder = type(whole.encoder)(whole.encoder.config)
        return TextClassifier(dataset.class_names, encoder, whole.tokenizer)

    random = accuracies(with_random_weights, RANDOM, dataset, args)
    print(f"random weights: {np.mean(random):.4f} {np.round(random, 4).tolist()}", flush=True)
    found = {}
    for share, folder in folders.items():
        found[share] = accuracies(
            lambda folder=folder: TextClassifier.from_pretrained(folder, dataset.class_names),
            *(PRETRAINED, dataset, args),
        )
        print(f"{share * args.minutes:g} minutes: {np.mean(found[share]):.4f} "
              f"{np.round(found[share], 4).tolist()}", flush=True)  # fmt: skip
    gains = np.subtract(found[1.0], random)
    print(f"pretraining brings {gains.mean():+.4f} accuracy (standard error "
          f"{standard_error(gains):.4f}, {args.seeds} seeds)")  # fmt: skip
    record = {
        "settings": {name: str(value) for name, value in vars(args).items()},
        "random weights": random,
        "pretrained": {str(share): values for share, values in found.items()},
        "versions": versions(),
        "hardware": describe_hardware(),
    }
    write_whole(args.output / "accuracy.json", json.dumps(record, indent=1))
    picture = curve(
        [share * args.minutes for share in found],
        list(found.values()),
        x_label="Minutes of pretraining",
        y_label="Accuracy",
        level=random,
        level_label="random weights",
        title=f"{args.labels:,} labelled texts of {dataset.name}",
    )
    write_whole(args.output / "curve.png", picture)
    print(f"The curve: {args.output / 'curve.png'}")


if __name__ == "__main__":
    run(main)
