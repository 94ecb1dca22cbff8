"""How fast are sentence vectors on this machine, beside sentence-transformers and ONNX Runtime?

    pip install -e '.[peers]' && python experiments/benchmarks/embedding.py [--turns 3] [--quick]

2,000 reviews (1,600 of Rotten Tomatoes, 400 of IMDB, seed 0), cut at 256 tokens, all-MiniLM-L6-v2.
The contestants run in turn, warm, and the best turn of each counts. Rates of arithmetic count the
floating-point operations of real tokens only, in the products with weights and of the attention;
they stand beside the rate of the largest matrix products of the model alone, in the same turns.
"""

import argparse
import collections
import functools
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from extras import require_extra

MODEL, MAX_LENGTH = "all-MiniLM-L6-v2", 256
COLD = {
    "kerasformer": "from kerasformer import TextEmbedder\n"
    "TextEmbedder.from_pretrained({source!r}).encode(['A first text.'])",
    "sentence-transformers": "from sentence_transformers import SentenceTransformer\n"
    "SentenceTransformer({source!r}, device='cpu').encode(['A first text.'])",
}


def reviews(count):
    """Texts of the training parts, four fifths short and one fifth long."""
    from kerasformer import load_dataset

    rng, texts = np.random.default_rng(0), []
    for name, share in (("rotten-tomatoes", count * 4 // 5), ("imdb", count // 5)):
        found = load_dataset(name).train.texts
        texts += [found[i] for i in rng.choice(len(found), share, replace=False)]
    return [texts[i] for i in rng.permutation(len(texts))]


def operations(lengths, config):
    """Floating-point operations for texts of the given numbers of real tokens."""
    lengths = np.asarray(lengths, "float64")
    hidden, inner = config.hidden_size, config.intermediate_size
    products = 2 * lengths * (4 * hidden * hidden + 2 * hidden * inner)
    return config.num_layers * float((products + 4 * lengths**2 * hidden).sum())


class OnnxRuntime:
    """transformers' model as ONNX, optimized by ONNX Runtime's own tool, in sorted batches."""

    def __init__(self, source, folder, int8=False):
        import onnx
        import onnxruntime
        from onnxruntime.quantization import quantize_dynamic

        path = folder / "model.onnx"
        if not path.exists():
            _write_onnx(source, path)
        if int8:
            path, whole = folder / "int8.onnx", path
            quantize_dynamic(
                whole, path, extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT}
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def encode(self, tokenized):
        from kerasformer.data.batches import length_batches
        from kerasformer.text import pack

        vectors = np.zeros((len(tokenized), self.session.get_outputs()[0].shape[-1]), "float32")
        for rows in length_batches(tokenized.lengths, 32):
            batch = {name: array.astype("int64") for name, array in pack(tokenized, rows).items()}
            mask = batch["input_mask"]
            inputs = dict(zip(_ONNX_INPUTS, batch.values(), strict=True))
            hidden = self.session.run(None, inputs)[0]
            vectors[rows] = np.einsum("bsh,bs->bh", hidden, mask) / mask.sum(1, keepdims=True)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


_ONNX_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _write_onnx(source, path):
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

        def forward(self, *inputs):
            return self.bert(**dict(zip(_ONNX_INPUTS, inputs, strict=True))).last_hidden_state

    model = Hidden()
    config = model.bert.config
    example = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in _ONNX_INPUTS)
    axes = {name: {0: "batch", 1: "seq"} for name in (*_ONNX_INPUTS, "hidden")}
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=list(_ONNX_INPUTS),
        output_names=["hidden"],
        dynamic_axes=axes,
        dynamo=False,
    )
    optimized = optimizer.optimize_model(
        str(path),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    optimized.save_model_to_file(str(path))


def contestants(source, folder):
    """A function from texts to normalized vectors for each."""
    import torch
    from sentence_transformers import SentenceTransformer

    from kerasformer import TextEmbedder

    def ours(dtype):
        embedder = TextEmbedder.from_pretrained(source, dtype=dtype, max_length=MAX_LENGTH)
        return lambda texts: embedder.encode(texts, show_progress_bar=False)

    def theirs(dtype):
        model = SentenceTransformer(source, device="cpu", model_kwargs={"dtype": dtype})
        model.max_seq_length = MAX_LENGTH

        def run(texts):
            vectors = model.encode(texts, convert_to_tensor=True, show_progress_bar=False)
            vectors = vectors.float().numpy()
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        return run

    def onnx(int8):
        model, tokenizer = OnnxRuntime(source, folder, int8), TextEmbedder.from_pretrained(source)
        return lambda texts: model.encode(
            tokenizer.tokenizer.tokenize(texts, max_length=MAX_LENGTH)
        )

    return {
        "kerasformer float32": ours("float32"),
        "sentence-transformers float32": theirs(torch.float32),
        "ONNX Runtime float32": onnx(int8=False),
        "kerasformer bfloat16": ours("bfloat16"),
        "sentence-transformers bfloat16": theirs(torch.bfloat16),
        "ONNX Runtime int8": onnx(int8=True),
    }


class MatrixProducts:
    """TensorFlow's rate for the largest products of the model, alone."""

    def __init__(self, config, dtype):
        import tensorflow as tf

        shapes = (2048, config.hidden_size), (config.hidden_size, config.intermediate_size)
        self.factors = [tf.cast(tf.random.normal(shape, seed=0), dtype) for shape in shapes]
        self.run = tf.function(tf.matmul)
        self.operations = 2 * 2048 * config.hidden_size * config.intermediate_size

    def seconds(self):
        return min(timed(lambda: self.run(*self.factors))[0] for _ in range(50))


def timed(run):
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def speed(source, texts, config, lengths, turns):
    """Prints texts a second, ratios and rates; returns the vectors of each contestant."""
    with tempfile.TemporaryDirectory() as folder:
        runs = contestants(source, pathlib.Path(folder))
        products = {dtype: MatrixProducts(config, dtype) for dtype in ("float32", "bfloat16")}
        best, rates = collections.defaultdict(lambda: np.inf), dict.fromkeys(products, np.inf)
        vectors = {name: run(texts) for name, run in runs.items()}  # the first is not timed
        for turn in range(turns):
            for dtype, product in products.items():
                rates[dtype] = min(rates[dtype], product.seconds())
            for name, run in runs.items():
                best[name] = min(best[name], timed(lambda run=run: run(texts))[0])
            print(f"turn {turn + 1} of {turns} done", file=sys.stderr, flush=True)
    work = operations(lengths, config)
    rates = {dtype: products[dtype].operations / seconds / 1e9 for dtype, seconds in rates.items()}
    reference = vectors["sentence-transformers float32"]
    print(f"\n{'':32}texts/s  GFLOP/s  of products  smallest cosine")
    for name, seconds in best.items():
        rate = work / seconds / 1e9
        share = f"{rate / rates[name.split()[-1]]:11.0%}" if "int8" not in name else " " * 11
        cosine = (vectors[name] * reference).sum(axis=1).min()
        print(f"{name:32}{len(texts) / seconds:7.1f}{rate:9.0f}  {share}{cosine:17.4f}")
    for dtype, rate in rates.items():
        print(f"{'matrix products ' + dtype:39}{rate:9.0f}")
    for ours, peer in (
        ("kerasformer float32", "sentence-transformers float32"),
        ("kerasformer float32", "ONNX Runtime float32"),
        ("kerasformer bfloat16", "sentence-transformers bfloat16"),
        ("kerasformer bfloat16", "ONNX Runtime int8"),
    ):
        print(f"{ours} / {peer}: {best[peer] / best[ours]:.2f}")
    return vectors, runs


def agreement(texts, vectors, runs):
    """Prints how far vectors are from the peer's, and from those of a text alone."""
    ours, theirs = vectors["kerasformer float32"], vectors["sentence-transformers float32"]
    print(f"largest difference to sentence-transformers: {np.abs(ours - theirs).max():.1e}")
    run = runs["kerasformer float32"]
    alone = np.concatenate([run([text]) for text in texts[:100]])
    print(f"of a text alone and among {len(texts):,}: {np.abs(alone - ours[:100]).max():.1e}")


def tokenizing(tokenizer, texts, lengths):
    seconds = min(timed(lambda: tokenizer.tokenize(texts, max_length=MAX_LENGTH))[0] for _ in "123")
    print(f"tokenizing alone: {sum(lengths) / seconds:,.0f} tokens/s")


def cold_starts(source):
    for name, code in COLD.items():
        command = [sys.executable, "-c", code.format(source=source)]
        run = functools.partial(subprocess.run, command, check=True, capture_output=True)
        seconds = min(timed(run)[0] for _ in range(3))
        print(f"from a fresh process to the first vector, {name}: {seconds:.1f} s")


def curves(source, lengths=(8, 16, 32, 64, 128, 256, 512), sizes=(1, 8, 32, 128)):
    """Prints tokens a second by length of text and texts in a batch."""
    import torch
    from sentence_transformers import SentenceTransformer

    from kerasformer import TextEmbedder

    embedder = TextEmbedder.from_pretrained(source, max_length=512)
    model = SentenceTransformer(source, device="cpu")
    model.max_seq_length = 512
    torch.set_grad_enabled(False)
    print("\nthousand tokens/s, kerasformer / sentence-transformers, float32, by texts in a batch")
    print("length" + "".join(f"{size:>15}" for size in sizes))
    for length in lengths:
        cells = []
        for size in sizes:
            texts = ["film " * (length - 2)] * size
            runs = (
                lambda texts=texts: embedder.encode(
                    texts, batch_size=len(texts), show_progress_bar=False
                ),
                lambda texts=texts: model.encode(texts, batch_size=len(texts)),
            )
            repeats = max(2, 4096 // (length * size))
            best = [min(timed(run)[0] for _ in range(repeats)) for run in runs]
            cells.append(" / ".join(f"{length * size / seconds / 1e3:.1f}" for seconds in best))
        print(f"{length:6}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="no curves and cold starts")
    args = parser.parse_args()
    require_extra("peers", "sentence_transformers", "torch", "transformers", "onnx", "onnxruntime")
    warnings.simplefilter("ignore")  # of texts that are cut, which is meant

    from kerasformer import TextEmbedder, resolve

    source = str(resolve(MODEL))
    texts = reviews(args.texts)
    embedder = TextEmbedder.from_pretrained(source)
    lengths = embedder.tokenizer.tokenize(texts, max_length=MAX_LENGTH).lengths.tolist()
    names = ("tensorflow", "keras", "torch", "transformers", "sentence-transformers", "onnxruntime")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))
    print(f"{len(texts):,} texts, {sum(lengths):,} tokens, {os.cpu_count()} cores")
    vectors, runs = speed(source, texts, embedder.encoder.config, lengths, args.turns)
    agreement(texts, vectors, runs)
    tokenizing(embedder.tokenizer, texts, lengths)
    if not args.quick:
        cold_starts(source)
        curves(source)


if __name__ == "__main__":
    main()
