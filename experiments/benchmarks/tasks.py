"""BERT's tasks, fine-tuned: ours against transformers + PyTorch, to the end, with several seeds.

    pip install -e '.[peers]' && python experiments/benchmarks/tasks.py tagging --data conll/

Both sides train with the same recipe (AdamW, warmup and decay, clipping) on the same batches in the
same order, and are measured by the same metrics, which equal scikit-learn's, seqeval's and the
SQuAD scripts'. Each has its own dropout and its own first weights of the head. They run in turns,
in one process group. A classifier has the mean of the tokens on both sides; taggers and answerers
are transformers' own classes, with their own losses.
"""

import argparse
import os
import statistics
import time
import unittest.mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
from extras import mean_classifier, parameter_groups, require_extra, start

from kerasformer import load_dataset, resolve
from kerasformer.tasks import prediction
from kerasformer.tasks.kinds import KINDS, main_metric


def make(task, dataset, folder, args):
    """Our model, and the recipe of both sides."""
    model = KINDS[task].new_model(dataset, folder, dtype=args.dtype)
    changes = {name: getattr(args, name) for name in ("epochs", "batch_size", "learning_rate")}
    return model, model.recipe.change(**changes)


def ours(connection, task, folder, dataset, args):
    """Trains with each seed that it is sent, and sends back seconds and scores."""
    import keras

    connection.send(f"kerasformer (keras {keras.__version__}, {keras.backend.backend()})")
    for seed in iter(connection.recv, None):
        keras.utils.set_random_seed(seed)
        model, recipe = make(task, dataset, folder, args)
        started = time.perf_counter()
        model.fit(dataset.train, recipe=recipe, seed=seed, verbose=0)
        seconds = time.perf_counter() - started
        scores = model.evaluate(dataset.test, return_dict=True, verbose=0)
        connection.send((seconds, scores[main_metric(scores)]))


def peer(connection, task, folder, dataset, args):
    """The same with transformers and PyTorch."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()  # a new head is what is wanted

    def new_model(classes):
        if task == "tagging":
            return transformers.AutoModelForTokenClassification.from_pretrained(
                folder, num_labels=classes
            )
        if task == "answering":
            return transformers.AutoModelForQuestionAnswering.from_pretrained(folder)
        return mean_classifier(folder, classes)

    def tensors(inputs):
        names = ("input_ids", "attention_mask", "token_type_ids")
        ours = ("input_word_ids", "input_mask", "input_type_ids")
        return {
            name: torch.tensor(inputs[our], dtype=torch.long)
            for name, our in zip(names, ours, strict=True)
        }

    def labels(data, index):
        """The labels of a batch as the arguments of transformers' forward."""
        if task == "answering":
            places = torch.tensor(data.labels[data.batches[index]], dtype=torch.long)
            return {"start_positions": places[:, 0], "end_positions": places[:, 1]}
        _, ids, *weights = data[index]
        ids = np.where(weights[0] > 0, ids, -100) if task == "tagging" else ids
        return {"labels": torch.tensor(ids, dtype=torch.long)}

    def optimizer_of(model, recipe, steps):
        groups = parameter_groups(model, recipe.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        warmup = round(recipe.warmup_ratio * steps)
        return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)

    def precision():
        """Half precision as Keras' policy has it: weights and losses stay float32."""
        half = args.dtype == "mixed_bfloat16"
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=half)

    def train(model, data, recipe):
        model.train()
        optimizer, schedule = optimizer_of(model, recipe, recipe.epochs * len(data))
        for epoch in range(recipe.epochs):
            data.start_epoch(epoch)
            for index in range(len(data)):
                with precision():
                    loss = model(**tensors(data[index][0]), **labels(data, index)).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()

    def answers(model):
        model.eval()

        def begin(_, inputs):
            with torch.inference_mode(), precision():
                outputs = model(**tensors(inputs))
            if task == "answering":
                return {n: outputs[n].float().numpy() for n in ("start_logits", "end_logits")}
            return outputs.logits.float().numpy()

        return begin

    connection.send(f"transformers {transformers.__version__} (torch {torch.__version__})")
    for seed in iter(connection.recv, None):
        torch.manual_seed(seed)
        batcher, recipe = make(task, dataset, folder, args)
        examples = batcher._read(dataset.train)
        data = batcher._batches(examples, recipe.batch_size, seed=seed)
        model = new_model(len(getattr(batcher, "class_names", ())))
        started = time.perf_counter()
        train(model, data, recipe)
        seconds = time.perf_counter() - started
        # The metrics are ours, of its logits.
        with unittest.mock.patch.object(prediction, "begin", answers(model)):
            scores = batcher.evaluate(dataset.test, return_dict=True, verbose=0)
        connection.send((seconds, scores[main_metric(scores)]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=tuple(KINDS))
    parser.add_argument("--data", required=True, help="as load_dataset takes it")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--test-size", type=float, default=0.2, help="where there is no test split")
    parser.add_argument("--pretrained", default="all-MiniLM-L6-v2", help="as resolve takes it")
    parser.add_argument("--epochs", type=int, help="by default those of our recipe")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--dtype", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="to add to an earlier run")
    args = parser.parse_args()
    require_extra("peers", "torch", "transformers")
    folder = str(resolve(args.pretrained))
    dataset = load_dataset(args.data, args.task, test_size=args.test_size, limit=args.limit)
    print(dataset)
    sides = [start(side, args.task, folder, dataset, args) for side in (ours, peer)]
    found = {name: [] for _, name in sides}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for connection, name in sides:
            connection.send(seed)
            found[name].append(connection.recv())
            seconds, score = found[name][-1]
            print(f"seed {seed}: {name:<44} {score:.4f} in {seconds:6.0f} s", flush=True)
    for connection, _ in sides:
        connection.send(None)
    report(found)


def report(found):
    """The means, and their difference with its standard error."""
    means, variances, times = [], [], []
    for name, runs in found.items():
        scores = [score for _, score in runs]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        means.append(statistics.mean(scores))
        variances.append(spread**2 / len(scores))
        times.append(statistics.median(seconds for seconds, _ in runs))
        print(f"{name:<44} {means[-1]:.4f} ± {spread:.4f} (standard deviation)")
    error = sum(variances) ** 0.5
    print(f"difference {means[0] - means[1]:+.4f}, standard error {error:.4f}")
    print(f"kerasformer trains {times[1] / times[0]:.2f} times as fast (median)")


if __name__ == "__main__":
    main()
