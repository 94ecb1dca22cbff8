"""How fast are the examples of pretraining made, and how much of them is padding?

Batches of all kinds are made of a text's token ids, beside those of transformers' collators, which
pad and hide the same ids but make no examples of documents. One process, no model; with
`--train 4x256` also how fast such a model takes them, in tokens a second, on this machine.

    python experiments/benchmarks/preparing.py TEXT... --vocabulary FOLDER [--max-length 128]

TEXT and the vocabulary are as of `kerasformer vocab`. Rates are medians of rounds; the first pass
is planned before, and its time is a column of its own.
"""

import argparse
import os
import statistics
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from extras import require_extra

from kerasformer.data.raw import Documents, TokenCorpus
from kerasformer.tasks.pretraining.causal_batches import CausalBatches
from kerasformer.tasks.pretraining.corpus_batches import SegmentBatches
from kerasformer.text import Tokenizer
from kerasformer.text.masking import TokenMasking


class Collated:
    """Batches of full sequences as lists of ids, as a collator of transformers makes them."""

    def __init__(self, data, tokenizer, folder, whole_words):
        from transformers import AutoTokenizer, DataCollatorForLanguageModeling

        theirs = AutoTokenizer.from_pretrained(folder)
        self.collate = DataCollatorForLanguageModeling(
            theirs, whole_word_mask=whole_words, return_tensors="np"
        )
        # It knows a word by the offsets of its pieces, each of which begins where one ends.
        self.begins = np.array([not token.startswith("##") for token in tokenizer.vocabulary()])
        self.data, self.rows, self.whole_words = data, {}, whole_words

    def __len__(self):
        return len(self.data)

    def prepare(self, indices):
        """The ids before any is hidden, which takes no part in the time."""
        for index in indices:
            x, labels, weights = self.data[index]
            ids = x["input_word_ids"].copy()
            row, place = np.nonzero(weights)
            ids[row, x["masked_lm_positions"][row, place]] = labels[row, place]
            lengths = x["input_mask"].sum(axis=1)
            self.rows[index] = [self.example(*row) for row in zip(ids, lengths, strict=True)]

    def example(self, ids, length):
        """A row; where words are to be known padded, as offsets are not, and with made-up ones."""
        if not self.whole_words:
            return {"input_ids": ids[:length].tolist()}
        starts = np.arange(len(ids)) + np.cumsum(self.begins[ids])
        offsets = np.stack([starts, starts + 1], axis=1).tolist()
        mask = (np.arange(len(ids)) < length).astype(int).tolist()
        return {"input_ids": ids.tolist(), "attention_mask": mask, "offset_mapping": offsets}

    def __getitem__(self, index):
        batch = self.collate([dict(row) for row in self.rows[index]])
        return {"input_word_ids": batch["input_ids"], "input_mask": batch["attention_mask"]}, None


def contestants(corpus, tokenizer, options):
    """The kinds of batches by their names, each with the seconds that planning its pass took."""
    whole = TokenMasking.of(tokenizer, whole_words=True)
    sizes = (options.batch_size, options.max_length, 0)
    makers = {
        "pairs of segments": lambda: SegmentBatches(corpus, tokenizer, *sizes),
        "pairs, whole words": lambda: SegmentBatches(corpus, tokenizer, *sizes, masking=whole),
        "full sequences": lambda: SegmentBatches(corpus, tokenizer, *sizes, next_sentence=False),
        "causal windows": lambda: CausalBatches(corpus, tokenizer, *sizes),
    }
    found = {}
    for name, make in makers.items():
        start = time.perf_counter()
        found[name] = make(), time.perf_counter() - start
    for name, whole_words in (("transformers", False), ("transformers, words", True)):
        full = found["full sequences"][0]
        found[name] = Collated(full, tokenizer, options.vocabulary, whole_words), None
    return found


def measure(data, options):
    """Examples and tokens a second, and the share of the padding."""
    count = min(options.batches, len(data))
    indices = np.random.default_rng(0).choice(len(data), count, replace=False).tolist()
    if isinstance(data, Collated):
        data.prepare(indices)
    rates = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        batches = [data[index][0] for index in indices]
        rates.append(time.perf_counter() - start)
    seconds = statistics.median(rates)
    places = sum(x["input_word_ids"].size for x in batches)
    tokens = sum(x["input_mask"].sum() if "input_mask" in x else x["input_word_ids"].size
                 for x in batches)  # fmt: skip
    examples = sum(len(x["input_word_ids"]) for x in batches)
    return examples / seconds, tokens / seconds, 1 - tokens / places


def train(corpus, tokenizer, options):
    """The tokens a second that a model is pretrained with, compiled before."""
    import keras

    from kerasformer import BertEncoder, EncoderConfig, PretrainingModel

    layers, hidden = map(int, options.train.split("x"))
    config = EncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=hidden,
        num_layers=layers,
        num_heads=max(1, hidden // 64),
        intermediate_size=4 * hidden,
        max_length=options.max_length,
    )
    model = PretrainingModel(BertEncoder(config))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss={"mlm_logits": loss, "next_sentence_logits": loss})
    sizes = (options.batch_size, options.max_length)
    data = SegmentBatches(corpus, tokenizer, *sizes, seed=0, steps=options.steps)
    model.fit(data.for_backend(), epochs=1, verbose=0)
    data.start_epoch(1)
    tokens = sum(int(x["input_mask"].sum()) for x, *_ in data)
    start = time.perf_counter()
    model.fit(data.for_backend(), epochs=1, verbose=0)
    return tokens / (time.perf_counter() - start)


def main():
    """Prints the corpus, then a line for each kind of batches."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("text", nargs="+")
    parser.add_argument("--vocabulary", required=True, help="a folder of `kerasformer vocab`")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=200, help="the most batches of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", metavar="LAYERSxHIDDEN", help="train such a model, too")
    parser.add_argument("--steps", type=int, default=40, help="batches to train on")
    options = parser.parse_args()
    require_extra("peers", "transformers")
    tokenizer = Tokenizer.from_pretrained(options.vocabulary)
    start = time.perf_counter()
    corpus = TokenCorpus.of(Documents(options.text), tokenizer)
    seconds = time.perf_counter() - start
    print(f"{corpus}, {os.cpu_count()} cores")
    print(f"read and tokenized at {corpus.token_count / seconds:,.0f} tokens/s")
    print(f"{'':22}{'examples/s':>11}{'tokens/s':>12}{'padding':>9}{'plan of a pass':>16}")
    for name, (data, planned) in contestants(corpus, tokenizer, options).items():
        examples, tokens, padding = measure(data, options)
        plan = "" if planned is None else f"{planned:.2f} s"
        print(f"{name:22}{examples:11,.0f}{tokens:12,.0f}{padding:9.1%}{plan:>16}")
    if options.train:
        rate = train(corpus, tokenizer, options)
        print(f"a model of {options.train} is trained at {rate:,.0f} tokens/s")


if __name__ == "__main__":
    main()
