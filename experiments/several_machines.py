"""Fine-tune a classifier on the devices of several machines, on Keras' JAX backend.

Start it on each machine, and tell it which one that is; see DISTRIBUTED.md:

    KERAS_BACKEND=jax python experiments/several_machines.py reviews.csv --output model \
        --coordinator 10.0.0.1:1234 --processes 2 --process 0
"""

import argparse
import json

import jax
import keras

from kerasformer import TextClassifier, load_dataset

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("data", help="file or folder of texts and labels, on every machine")
parser.add_argument("--pretrained", default="all-MiniLM-L6-v2")
parser.add_argument("--output", required=True, help="folder of the model, on the first machine")
parser.add_argument("--coordinator", metavar="HOST:PORT", help="the first machine, a free port")
parser.add_argument("--processes", metavar="N", type=int, default=1, help="as many as machines")
parser.add_argument("--process", metavar="I", type=int, default=0, help="this one, from 0")
parser.add_argument("--batch-size", type=int, default=32, help="texts of all devices together")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--learning-rate", type=float, default=5e-5)
parser.add_argument("--resume", metavar="FOLDER", help="of checkpoints, seen by all machines")
arguments = parser.parse_args()

if arguments.processes > 1:  # before anything is computed
    jax.distributed.initialize(arguments.coordinator, arguments.processes, arguments.process)
keras.utils.set_random_seed(0)  # all processes start from the same head
keras.distribution.set_distribution(keras.distribution.DataParallel())

dataset = load_dataset(arguments.data)
model = TextClassifier.from_pretrained(arguments.pretrained, dataset.class_names)
sizes = {"batch_size": arguments.batch_size, "epochs": arguments.epochs}
given = {"learning_rate": arguments.learning_rate, "resume": arguments.resume}
history = model.fit(dataset, verbose=2, **sizes, **given)
scores = {}
if "test" in dataset.splits:
    scores = model.evaluate(dataset, return_dict=True, verbose=0)  # in all processes, as fit
if jax.process_index() == 0:  # files are one process's
    model.save_pretrained(arguments.output)
    print(json.dumps({"history": history.history, "accuracy": scores.get("accuracy")}))
