"""Generating tokens against scoring as many: ours, and transformers', in turn in one process.

    python experiments/benchmarks/generating.py [--jit] [--sizes 4x256 12x768] [--batches 1 8]

Both have the same random weights, GPT-2's, in float32. Generating is 200 tokens from a prompt of
one, the likeliest ones, with a cache of keys and values; scoring is one pass over 200 tokens that
ends with the log-probability of each. Each step of generation has to read all weights for a few
rows, while scoring reads them once: the fewer the rows, the larger the ratio.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import extras

NEW, VOCAB_SIZES = 200, {"4x256": 8000, "12x768": 50257}


def best(run, turns):
    run()  # compiles
    seconds = []
    for _ in range(turns):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def make_pair(size, jit):
    """transformers' model and ours of the same weights."""
    import transformers

    from kerasformer.models import CausalDecoder
    from kerasformer.tasks import CausalLanguageModel
    from kerasformer.text import WordPieceTokenizer

    layers, width = map(int, size.split("x"))
    config = transformers.GPT2Config(
        vocab_size=VOCAB_SIZES.get(size, 50257), n_positions=256, n_layer=layers, n_embd=width,
        n_head=width // 64, bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    theirs = transformers.GPT2LMHeadModel(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        decoder = CausalDecoder.from_pretrained(folder)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"w{i}" for i in range(config.vocab_size - len(special)))]
    model = CausalLanguageModel(decoder, WordPieceTokenizer.from_vocabulary(words))
    if jit:
        model.compile(jit_compile=True)
    return theirs, model


def times_of(theirs, ours, rows, turns):
    """Seconds of generating and of scoring, for each of the two."""
    import numpy as np
    import torch

    ids = np.random.default_rng(0).integers(5, theirs.config.vocab_size, (rows, NEW))
    texts = [" ".join(f"w{i - 5}" for i in row) for row in ids]
    given = torch.from_numpy(ids)
    begin = given[:, :1]
    options = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}
    options |= {"attention_mask": torch.ones_like(begin), "pad_token_id": 0}

    def score():
        with torch.inference_mode():
            logits = theirs(given).logits[:, :-1].log_softmax(-1)
            return logits.gather(-1, given[:, 1:, None]).numpy()

    prompts = [text.split()[0] for text in texts]
    runs = {
        "transformers": (lambda: theirs.generate(begin, **options), score),
        "kerasformer": (
            lambda: ours.generate(prompts, NEW, batch_size=rows),
            lambda: ours.score(texts, batch_size=rows),
        ),
    }
    return {name: [best(run, turns) for run in pair] for name, pair in runs.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["4x256", "12x768"], help="layers x width")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], help="texts at once")
    parser.add_argument("--turns", type=int, default=3, help="of each measurement; the best counts")
    parser.add_argument("--jit", action="store_true", help="compile ours by XLA")
    args = parser.parse_args()
    extras.require_extra("peers", "torch", "transformers")
    import keras
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    print(f"keras {keras.__version__} on {keras.backend.backend()}, torch {torch.__version__}, "
          f"transformers {transformers.__version__}, {os.cpu_count()} cores")  # fmt: skip
    for size in args.sizes:
        theirs, ours = make_pair(size, args.jit)
        for rows in args.batches:
            for name, (made, scored) in times_of(theirs, ours, rows, args.turns).items():
                print(f"{size}, {rows} at once, {name:<12}: {NEW} tokens generated in "
                      f"{made:6.3f} s, scored in {scored:6.3f} s: {made / scored:5.1f} times as "
                      "long", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
