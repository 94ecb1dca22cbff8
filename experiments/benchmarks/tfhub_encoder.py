"""A TF Hub BERT run as it is, against the same one read into native layers.

    pip install -e '.[peers,hub]' && python experiments/benchmarks/tfhub_encoder.py [SAVEDMODEL]

Without a SavedModel one is written first, by tf-models-official's exporter, which wrote those on
TF Hub: random weights, as the time does not depend on them. Forward passes and training steps (the
pooled vector, dropout, a dense layer, the same AdamW) are timed in turn on the same batch of ids,
whose rows are between half and fully real tokens; the best of each counts.
"""

import argparse
import importlib.metadata
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
from extras import require_extra

from kerasformer import BertEncoder, EncoderConfig
from kerasformer.hub import HubEncoder
from kerasformer.training import adamw


def write_savedmodel(folder, size):
    """A random BERT of a published size, by tf-models-official."""
    from official.legacy.bert.configs import BertConfig
    from official.nlp.tools.export_tfhub_lib import export_model, get_bert_encoder

    config = EncoderConfig.bert(size)
    official = BertConfig(
        config.vocab_size,
        config.hidden_size,
        config.num_layers,
        config.num_heads,
        config.intermediate_size,
    )
    checkpoint = tf.train.Checkpoint(encoder=get_bert_encoder(official))
    vocabulary = os.path.join(folder, "vocab.txt")
    with open(vocabulary, "w") as file:
        file.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
        file.writelines(f"word{i}\n" for i in range(5, config.vocab_size))
    export_model(
        os.path.join(folder, "encoder"),
        bert_config=official,
        model_checkpoint_path=checkpoint.save(os.path.join(folder, "checkpoint")),
        with_mlm=False,
        vocab_file=vocabulary,
        do_lower_case=True,
    )
    return os.path.join(folder, "encoder")


def make_batch(vocab_size, batch_size, length):
    rng = np.random.default_rng(0)
    lengths = rng.integers(length // 2, length + 1, (batch_size, 1))
    mask = (np.arange(length) < lengths).astype("int32")
    ids = rng.integers(5, vocab_size, mask.shape, dtype="int32") * mask
    arrays = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": np.zeros_like(mask)}
    return {name: tf.constant(array) for name, array in arrays.items()}


def forward_of(encoder):
    # Every output of the contract, as TF Hub's encoders give them.
    return tf.function(lambda batch: encoder(batch, training=False))


def training_step_of(encoder):
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("input_word_ids", "input_mask", "input_type_ids")
    }
    x = keras.layers.Dropout(0.1)(encoder(inputs)["pooled_output"])
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamw(5e-5, total_steps=1000), loss)
    return lambda batch: model.train_on_batch(batch, np.zeros(len(batch["input_mask"])))


def seconds(run, batch):
    started = time.perf_counter()
    tf.nest.map_structure(np.asarray, run(batch))
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("savedmodel", nargs="?", help="folder or handle of an encoder")
    parser.add_argument("--size", default="base", help="of the one that is written otherwise")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    require_extra("peers,hub", *([] if args.savedmodel else ["official"]))

    with tempfile.TemporaryDirectory() as folder:
        source = args.savedmodel or write_savedmodel(folder, args.size)
        started = time.perf_counter()
        hub = HubEncoder(source, trainable=True)
        loaded = time.perf_counter()
        native = BertEncoder.from_pretrained(source)
        print(f"loading: SavedModel {loaded - started:.1f} s, "
              f"native {time.perf_counter() - loaded:.1f} s")  # fmt: skip
        batch = make_batch(native.config.vocab_size, args.batch_size, args.length)
        theirs, ours = hub(batch)["sequence_output"], native(batch)["sequence_output"]
        difference = np.abs(np.asarray(theirs - ours))[np.asarray(batch["input_mask"]) == 1].max()
        versions = ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")
        )
        print(f"{versions}; {args.batch_size} x {args.length} ids, float32, "
              f"largest difference at a real token {difference:.1e}")  # fmt: skip
        for what, runner in (("forward", forward_of), ("training step", training_step_of)):
            runs = {"SavedModel": runner(hub), "native": runner(native)}
            times = {name: [] for name in runs}
            for _ in range(args.turns + 1):  # the first includes tracing
                for name, run in runs.items():
                    times[name].append(seconds(run, batch))
            best = {name: min(values[1:]) for name, values in times.items()}
            print(f"{what:>13}: SavedModel {best['SavedModel'] * 1e3:.0f} ms, native "
                  f"{best['native'] * 1e3:.0f} ms, {best['SavedModel'] / best['native']:.2f} "
                  "times as fast", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
