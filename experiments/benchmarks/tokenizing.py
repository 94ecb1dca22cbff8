"""How fast is our tokenizer, beside transformers' and TF Text's?

All three tokenize the same texts with the same uncased vocabulary, in turn, round after round;
the median of the rounds counts. TF Text takes part where `tensorflow-text` is installed.

    python experiments/benchmarks/tokenizing.py [--texts FILE] [--vocabulary vocab.txt]

Without a file, texts of made-up words are used: the ratios are similar, but real texts are the
honest measure. Nothing is padded: each returns ragged ids, with [CLS] and [SEP].
"""

import argparse
import importlib.metadata
import importlib.util
import os
import random
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from extras import require_extra

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def made_up(texts, seed=0):
    """Texts of random words, with a vocabulary that holds a part of them whole."""
    rng = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]  # Zipf's law
    pieces = [*letters, *("##" + letter for letter in letters), ".", ","]
    pairs = ["##" + a + b for a in letters for b in letters]
    vocabulary = list(dict.fromkeys([*SPECIAL, *pieces, *pairs, *words[:10_000]]))
    lines = (rng.choices(words, weights, k=rng.randint(5, 60)) for _ in range(texts))
    return [", ".join([" ".join(line[:4]), " ".join(line[4:])]) + "." for line in lines], vocabulary


def contestants(vocabulary):
    """The names of the tokenizers, and for each a function from texts to the number of tokens."""
    from transformers import BertTokenizer

    from kerasformer.text import WordPieceTokenizer

    ours = WordPieceTokenizer.from_vocabulary(vocabulary)
    theirs = BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)})
    runs = {
        "kerasformer": lambda texts: int(ours.tokenize(texts).lengths.sum()),
        "transformers": lambda texts: sum(map(len, theirs(texts)["input_ids"])),
    }
    if importlib.util.find_spec("tensorflow_text"):
        import tensorflow as tf
        import tensorflow_text as tf_text

        fast = tf_text.FastBertTokenizer(
            vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=True
        )
        around = [tf.constant([[vocabulary.index(name)]]) for name in ("[CLS]", "[SEP]")]

        def tf_text_run(texts):
            ids = fast.tokenize(tf.constant(texts)).merge_dims(1, -1)
            first, last = (tf.repeat(token, ids.nrows(), axis=0) for token in around)
            return int(tf.size(tf.concat([first, ids, last], axis=1).flat_values))

        runs["tensorflow_text"] = tf_text_run
    return runs


def main():
    """Prints the versions, then texts and tokens a second for each, and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=Path, help="a text file: every line that is not blank")
    parser.add_argument("--vocabulary", type=Path, help="an uncased vocab.txt, for --texts")
    parser.add_argument("--limit", type=int, default=10_000, help="the most texts to take")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts, vocabulary = made_up(options.limit)
    if options.texts:
        lines = options.texts.read_text(encoding="utf-8").split("\n")
        texts = [line for line in lines if line.strip()][: options.limit]
    if options.vocabulary:
        vocabulary = options.vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
    elif options.texts:
        parser.error("--texts needs --vocabulary: made-up pieces would split real words unfairly")

    require_extra("peers", "transformers")
    runs = contestants(vocabulary)
    for name in ("tokenizers", "transformers", "tensorflow", "tensorflow-text"):
        try:
            print(f"{name} {importlib.metadata.version(name)}", end="  ")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} not installed", end="  ")
    print(f"\n{len(texts):,} texts, {os.cpu_count()} cores, median of {options.rounds} rounds")

    tokens = {name: run(texts[:1_000]) and run(texts) for name, run in runs.items()}  # warm-up
    seconds = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run(texts)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{'':16}{'texts/s':>10}{'tokens/s':>12}{'tokens':>12}{'x kerasformer':>15}")
    for name, median in medians.items():
        print(
            f"{name:16}{len(texts) / median:10,.0f}{tokens[name] / median:12,.0f}"
            f"{tokens[name]:12,}{medians['kerasformer'] / median:15.2f}"
        )


if __name__ == "__main__":
    main()
