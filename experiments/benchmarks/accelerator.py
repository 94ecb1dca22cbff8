"""Training and embedding on an accelerator, cold and steady, beside PyTorch where it is installed.

    KERAS_BACKEND=jax python experiments/benchmarks/accelerator.py [--data SOURCE]

One side after the other has the device, in a process of its own: kerasformer on the backend that
Keras has, and transformers + PyTorch with batches of texts of similar length, bfloat16, scaled
dot-product attention and its fused AdamW; sentence-transformers embeds with its default arguments.
The first epoch and the first pass are cold: they compile. What is compiled is counted on JAX. Rates
of arithmetic count the products with weights and of the attention, of real tokens, three times in
training, and stand beside the rate of a large product of bfloat16 matrices alone. On a machine
without an accelerator everything runs on its processor.
"""

import argparse
import importlib.util
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
from extras import mean_classifier, parameter_groups, start

from kerasformer import TextClassifier, TextEmbedder, load_dataset, resolve

_SIDE = 4096  # of the square matrices


def ours(connection, folder, dataset, args):
    """Sends the rate of a product, and then seconds and compilations of epochs and passes."""
    import keras

    compiled = []
    if keras.backend.backend() == "jax":
        import jax

        def listen(name, seconds, **_):
            if name.endswith("backend_compile_duration"):
                compiled.append(seconds)

        jax.monitoring.register_event_duration_secs_listener(listen)
    connection.send(f"kerasformer (keras {keras.__version__}, {keras.backend.backend()})")
    connection.send(_rate_of_keras(keras))

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                self.tell()

        def on_train_end(self, logs=None):
            self.tell()

        def tell(self):
            connection.send((time.perf_counter() - self.started, compiled[:]))
            self.started = time.perf_counter()
            compiled.clear()

    model = TextClassifier.from_pretrained(folder, dataset.class_names, dtype="mixed_bfloat16")
    epochs = Epochs()
    compiled.clear()
    recipe = model.recipe.change(epochs=args.epochs, batch_size=args.batch_size)
    epochs.started = time.perf_counter()
    model.fit(dataset.train, recipe=recipe, seed=0, verbose=0, callbacks=[epochs])
    del model
    embedder = TextEmbedder.from_pretrained(folder, dtype="bfloat16")
    for _ in range(args.epochs):
        compiled.clear()
        started = time.perf_counter()
        embedder.encode(dataset.train.texts, show_progress_bar=False)
        connection.send((time.perf_counter() - started, compiled[:]))
    connection.recv()


def _rate_of_keras(keras):
    matrix = keras.ops.cast(np.ones((_SIDE, _SIDE)), "bfloat16")
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix)[:1])
        best = min(best, time.perf_counter() - started)
    return 2 * _SIDE**3 / best


def peer(connection, folder, dataset, args):
    """The same with transformers, sentence-transformers and PyTorch."""
    import torch
    import transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    connection.send(
        f"transformers {transformers.__version__} (torch {torch.__version__}, {device})"
    )
    connection.send(None)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(dataset.train.texts, truncation=True, max_length=512)["input_ids"]
    lengths, labels = np.array(list(map(len, encoded))), torch.tensor(dataset.train.labels).long()
    model = mean_classifier(folder, len(dataset.class_names)).to(device).train()
    recipe = TextClassifier.RECIPE
    groups = parameter_groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)

    def epoch(rng):
        from kerasformer.data.batches import length_batches

        for rows in length_batches(lengths, args.batch_size, rng):
            batch = tokenizer.pad({"input_ids": [encoded[i] for i in rows]}, return_tensors="pt")
            batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
            with torch.autocast(device, dtype=torch.bfloat16):
                logits = model(**batch).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), labels[rows].to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()  # waits for the device

    rng = np.random.default_rng(0)
    for _ in range(args.epochs):
        started = time.perf_counter()
        epoch(rng)
        connection.send((time.perf_counter() - started, []))
    if importlib.util.find_spec("sentence_transformers"):
        from sentence_transformers import SentenceTransformer

        half = {"dtype": torch.bfloat16}
        embedder = SentenceTransformer(folder, device=device, model_kwargs=half)
        for _ in range(args.epochs):
            started = time.perf_counter()
            embedder.encode(dataset.train.texts, show_progress_bar=False)
            connection.send((time.perf_counter() - started, []))
    else:
        for _ in range(args.epochs):
            connection.send(None)
    connection.recv()


def operations(config, lengths):
    """Floating-point operations of the forward pass for texts of so many tokens."""
    hidden, inner = config.hidden_size, config.intermediate_size
    lengths = np.minimum(lengths, config.max_length).astype("float64")
    products = 2 * lengths * (4 * hidden * hidden + 2 * hidden * inner)
    return config.num_layers * float((products + 4 * lengths**2 * hidden).sum())


def measure(side, folder, dataset, work, args):
    """Runs one side, prints its figures, and gives the steady rates of training and embedding."""
    connection, name = start(side, folder, dataset, args)
    rate = connection.recv()
    if rate:
        print(f"{name}: {rate / 1e12:.2f} TFLOP/s in products of {_SIDE} x {_SIDE} bfloat16")
    steady = []
    for kind, passes in (("training", 3), ("embedding", 1)):
        seconds = []
        for turn in range(args.epochs):
            told = connection.recv()
            if told is None:
                continue
            seconds.append(told[0])
            programs = (
                f", {len(told[1])} programs compiled in {sum(told[1]):.1f} s" if told[1] else ""
            )
            share = f", {passes * work / told[0] / rate:.0%} of that rate" if rate else ""
            print(f"{name}: {kind}, pass {turn + 1}: {told[0]:7.2f} s, "
                  f"{len(dataset.train) / told[0]:8.0f} texts/s{share}{programs}",
                  flush=True)  # fmt: skip
        steady.append(len(dataset.train) / min(seconds) if seconds else None)
    connection.send(None)
    return steady


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="rotten-tomatoes", help="as load_dataset takes it")
    parser.add_argument("--limit", type=int, help="use about N examples")
    parser.add_argument("--pretrained", default="all-MiniLM-L6-v2", help="as resolve takes it")
    parser.add_argument("--batch-size", type=int, default=64, help="in training")
    parser.add_argument("--epochs", type=int, default=4, help="of training, and passes to embed")
    args = parser.parse_args()
    dataset, folder = load_dataset(args.data, limit=args.limit), str(resolve(args.pretrained))
    model = TextClassifier.from_pretrained(folder, dataset.class_names)
    work = operations(model.encoder.config, model.tokenize(dataset.train.texts).lengths)
    del model
    found = [measure(ours, folder, dataset, work, args)]
    if all(map(importlib.util.find_spec, ("torch", "transformers"))):
        found.append(measure(peer, folder, dataset, work, args))
        for kind, mine, theirs in zip(("trains", "embeds"), *found, strict=True):
            if theirs:
                print(f"kerasformer {kind} {mine / theirs:.2f} times the texts a second (best)")


if __name__ == "__main__":
    main()
