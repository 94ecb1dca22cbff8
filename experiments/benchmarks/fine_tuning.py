"""Fine-tuning steps: ours against transformers + PyTorch, at the same batches.

    pip install -e '.[peers]' && python experiments/benchmarks/fine_tuning.py

Both sides take the same batches of texts of similar length, padded alike, with the same settings of
AdamW, clipping and pooling; the peer has PyTorch's fused AdamW and scaled dot-product attention. In
mixed_bfloat16 it runs under autocast, with float32 weights as Keras has them. Each side runs in
turns of the same steps, in one process group; the first turn, in which TensorFlow traces and oneDNN
makes code for each shape, is printed but not counted. `tasks.py` trains to the end, and compares
what is learnt too.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
from extras import mean_classifier, parameter_groups, require_extra, start

from kerasformer import TextClassifier, load_dataset, resolve
from kerasformer.data.batches import TextBatches


def turn_of(model, dataset, args):
    """The batches of a turn, the same for both sides."""
    tokenized = model.tokenize(dataset.train.texts)
    batches = TextBatches(
        tokenized, dataset.train.labels, batch_size=args.batch_size, seed=0, max_length=512
    )
    batches.batches = batches.batches[: args.steps]
    return batches


def ours(connection, folder, dataset, dtype, args):
    """Trains for each turn that it is told of, and sends back the seconds."""
    import keras

    model = TextClassifier.from_pretrained(folder, dataset.class_names, dtype=dtype)
    connection.send(f"kerasformer (keras {keras.__version__}, {keras.backend.backend()})")
    for _ in iter(connection.recv, None):
        batches = turn_of(model, dataset, args)
        if not model.compiled:
            model.recipe.compile(model, 10**6)
        data = batches.for_backend()
        started = time.perf_counter()
        keras.Model.fit(model, data, shuffle=False, verbose=0)
        connection.send(time.perf_counter() - started)


def peer(connection, folder, dataset, dtype, args):
    """The same with transformers and PyTorch."""
    import torch
    import transformers

    batcher = TextClassifier.from_pretrained(folder, dataset.class_names)
    recipe = batcher.recipe
    model = mean_classifier(folder, len(dataset.class_names)).train()
    groups = parameter_groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 10**5, 10**6)
    half = dtype == "mixed_bfloat16"
    names = {"input_ids": "input_word_ids", "attention_mask": "input_mask"}
    names["token_type_ids"] = "input_type_ids"

    def step(inputs, labels):
        batch = {name: torch.tensor(inputs[our], dtype=torch.long) for name, our in names.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = model(**batch).logits
        labels = torch.tensor(labels, dtype=torch.long)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    connection.send(f"transformers {transformers.__version__} (torch {torch.__version__})")
    for _ in iter(connection.recv, None):
        batches = turn_of(batcher, dataset, args)
        started = time.perf_counter()
        for index in range(len(batches)):
            step(*batches[index])
        connection.send(time.perf_counter() - started)


def measure(dtype, folder, dataset, args):
    """Runs both sides in turns, and prints their rates and the ratio of these."""
    counts = TextClassifier.from_pretrained(folder, dataset.class_names)
    sides = [start(side, folder, dataset, dtype, args) for side in (ours, peer)]
    rates = [[] for _ in sides]
    batches = turn_of(counts, dataset, args)
    examples = sum(map(len, batches.batches))
    padded = sum(batches[i][0]["input_mask"].size for i in range(len(batches)))
    real = sum(int(batches[i][0]["input_mask"].sum()) for i in range(len(batches)))
    for turn in range(args.turns + 1):
        for (connection, name), of_side in zip(sides, rates, strict=True):
            connection.send(turn)
            seconds = connection.recv()
            of_side.append(real / seconds)
            print(f"{dtype}, turn {turn}: {name:<44} {examples / seconds:7.1f} examples/s, "
                  f"tokens/s: {real / seconds:7.0f} real, {padded / seconds:7.0f} padded",
                  flush=True)  # fmt: skip
    for connection, _ in sides:
        connection.send(None)
    ratio = np.median(rates[0][1:]) / np.median(rates[1][1:])
    print(f"{dtype}: kerasformer trains {ratio:.2f} times the real tokens a second (median)")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="rotten-tomatoes", help="as load_dataset takes it")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--pretrained", default="all-MiniLM-L6-v2", help="as resolve takes it")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "mixed_bfloat16"])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=4, help="turns of each, after the first")
    args = parser.parse_args()
    require_extra("peers", "torch", "transformers")
    dataset, folder = load_dataset(args.data, limit=args.limit), str(resolve(args.pretrained))
    for dtype in args.dtypes:
        measure(dtype, folder, dataset, args)


if __name__ == "__main__":
    main()
