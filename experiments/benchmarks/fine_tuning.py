"""Fine-tuning: ours against transformers + PyTorch, float32, same batch, same optimizer settings.

    pip install -e '.[peers]' && python experiments/benchmarks/fine_tuning.py

The peer pads each batch to its longest text (transformers' dynamic padding) and pools the same
mean. Each side runs in turns of some steps on the same texts, in one process group; the first turn
is not counted. With --epochs both train to the end instead, and the test accuracies are printed
too.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
from extras import is_plain, require_extra, start

from kerasformer import load_dataset, resolve


def ours(connection, folder, dataset, args):
    """Trains on request, and sends back seconds, examples and tokens."""
    import keras

    from kerasformer import TextClassifier
    from kerasformer.data.batches import TextBatches

    model = TextClassifier.from_pretrained(folder, dataset.class_names)
    tokenized = model.tokenize(dataset.train.texts)
    connection.send(f"kerasformer (keras {keras.__version__}, {keras.backend.backend()})")
    for command, value in iter(connection.recv, None):
        if command == "steps":
            labels, turn = dataset.train.labels, value
            batches = TextBatches(tokenized, labels, batch_size=args.batch_size, seed=turn)
            if not model.compiled:
                model.recipe.compile(model, len(batches))
            batches.batches = batches.batches[: args.steps]
            count = sum(map(len, batches.batches))
            padded = sum(batches[i][0]["input_word_ids"].size for i in range(len(batches)))
            dataset_of_steps = batches.for_backend()
            started = time.perf_counter()
            keras.Model.fit(model, dataset_of_steps, shuffle=False, verbose=0)
            connection.send((time.perf_counter() - started, count, padded))
        else:
            keras.utils.set_random_seed(value)
            model = TextClassifier.from_pretrained(folder, dataset.class_names)
            started = time.perf_counter()
            model.fit(
                dataset.train.texts,
                dataset.train.labels,
                epochs=args.epochs,
                batch_size=args.batch_size,
                learning_rate=args.learning_rate,
                seed=value,
                verbose=0,
            )
            seconds = time.perf_counter() - started
            test = dataset.test
            accuracy = model.evaluate(test.texts, test.labels, return_dict=True)["accuracy"]
            connection.send((seconds, accuracy))


def peer(connection, folder, dataset, args):
    """The same with transformers and PyTorch."""
    import torch
    import transformers

    from kerasformer import TextClassifier

    recipe = TextClassifier.RECIPE.change(epochs=args.epochs, learning_rate=args.learning_rate)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    class MeanClassifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False)
            self.dropout = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(self.encoder.config.hidden_size, len(dataset.class_names))
            torch.nn.init.trunc_normal_(self.head.weight, std=0.02)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, batch):
            hidden = self.encoder(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            return self.head(self.dropout(mean))

    def tokenize(texts):
        return tokenizer(list(texts), truncation=True, max_length=512)["input_ids"]

    def batch_of(encoded, rows):
        return tokenizer.pad({"input_ids": [encoded[i] for i in rows]}, return_tensors="pt")

    train, test = tokenize(dataset.train.texts), tokenize(dataset.test.texts)

    def trainer(model, steps):
        decayed = [p for n, p in model.named_parameters() if not is_plain(n)]
        plain = [p for n, p in model.named_parameters() if is_plain(n)]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        warmup = round(recipe.warmup_ratio * steps)
        schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)

        def step(rows):
            batch = batch_of(train, rows)
            labels = torch.tensor(dataset.train.labels[rows], dtype=torch.long)
            loss = torch.nn.functional.cross_entropy(model(batch), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            return batch["input_ids"].numel()

        return step

    def accuracy(model):
        model.eval()
        predicted = []
        with torch.inference_mode():
            for start in range(0, len(dataset.test), 64):
                batch = batch_of(test, range(start, min(start + 64, len(test))))
                predicted += model(batch).argmax(-1).tolist()
        return float(np.mean(np.array(predicted) == dataset.test.labels))

    def shuffled(rng):
        order = rng.permutation(len(dataset.train))
        return [order[i : i + args.batch_size] for i in range(0, len(order), args.batch_size)]

    model = MeanClassifier().train()
    step = trainer(model, 10**6)
    connection.send(f"transformers {transformers.__version__} (torch {torch.__version__})")
    for command, value in iter(connection.recv, None):
        if command == "steps":
            batches = shuffled(np.random.default_rng(value))[: args.steps]
            started = time.perf_counter()
            padded = sum(step(rows) for rows in batches)
            seconds = time.perf_counter() - started
            connection.send((seconds, sum(map(len, batches)), padded))
        else:
            torch.manual_seed(value)
            model = MeanClassifier().train()
            steps = recipe.epochs * -(-len(dataset.train) // args.batch_size)
            step, rng = trainer(model, steps), np.random.default_rng(value)
            started = time.perf_counter()
            for _ in range(recipe.epochs):
                for rows in shuffled(rng):
                    step(rows)
            connection.send((time.perf_counter() - started, accuracy(model)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="rotten-tomatoes", help="as load_dataset takes it")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--pretrained", default="all-MiniLM-L6-v2", help="as resolve takes it")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--steps", type=int, default=20, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=4, help="turns of each, after the first")
    parser.add_argument("--epochs", type=int, help="train both to the end, for N epochs")
    parser.add_argument("--seeds", type=int, default=1, help="with --epochs, how often")
    args = parser.parse_args()
    require_extra("peers", "torch", "transformers")
    dataset, folder = load_dataset(args.data, limit=args.limit), str(resolve(args.pretrained))
    sides = [start(target, folder, dataset, args) for target in (ours, peer)]

    rates = {name: [] for _, name in sides}
    if args.epochs:
        for seed in range(args.seeds):
            for connection, name in sides:
                connection.send(("train", seed))
                seconds, accuracy = connection.recv()
                rates[name].append(args.epochs * len(dataset.train) / seconds)
                print(f"seed {seed}: {name:<44} {rates[name][-1]:7.1f} examples/s, "
                      f"test accuracy {accuracy:.4f}", flush=True)  # fmt: skip
    else:
        for turn in range(args.turns + 1):
            for connection, name in sides:
                connection.send(("steps", turn))
                seconds, examples, padded = connection.recv()
                if turn:  # the first one warms up
                    rates[name].append(examples / seconds)
                    print(f"turn {turn}: {name:<44} {examples / seconds:7.1f} examples/s, "
                          f"{padded / seconds:7.0f} padded tokens/s", flush=True)  # fmt: skip
    for connection, _ in sides:
        connection.send(None)
    ours_rate, peer_rate = (float(np.median(values)) for values in rates.values())
    print(f"kerasformer trains {ours_rate / peer_rate:.2f} times the examples a second (median)")


if __name__ == "__main__":
    main()
