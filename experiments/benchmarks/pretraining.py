"""Pretraining steps: ours against transformers' BertForPreTraining + PyTorch, on the same arrays.

    pip install -e '.[peers]' && python experiments/benchmarks/pretraining.py

Both sides train the same new model, by default BERT mini (4 blocks, 256 wide, 30,522 tokens), in
float32 on the same packed batches of segment pairs with the same hidden tokens, with the same
settings of AdamW, which is PyTorch's fused one there, and clipping. Each side runs in turns of the
same steps, in one process group; the first turn, in which TensorFlow traces and oneDNN makes code,
is printed but not counted. Rates are of wall time and of the processors' time, which tell the same
on an idle machine. What the model needs are its products with weights and of the attention, three
times, with logits of hidden tokens alone; it stands beside the rate of a large product of float32
matrices in the same process.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np
from accelerator import operations
from extras import parameter_groups, require_extra, start

from kerasformer import EncoderConfig, load_dataset
from kerasformer.data.raw import TokenCorpus
from kerasformer.tasks.pretraining.corpus_batches import SegmentBatches
from kerasformer.text import WordPieceTokenizer

_SIDE = 2048  # of the square matrices


def batches_of(texts, args):
    """The batches of a turn, the same for both sides."""
    tokenizer = WordPieceTokenizer.train(texts, args.vocab_size)
    corpus = TokenCorpus.of(texts, tokenizer)
    data = SegmentBatches(corpus, tokenizer, args.batch_size, args.max_length, seed=0)
    data.batches = data.batches[: args.steps]
    return data


def config_of(args):
    """The sizes of the model."""
    return EncoderConfig.bert(args.size, vocab_size=args.vocab_size, max_length=args.max_length)


def timed(run):
    """The seconds of the wall clock, and of the processors, that a call takes."""
    started = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started[0], time.process_time() - started[1]


def ours(connection, texts, args):
    """Trains for each turn that it is told of, and sends back the seconds."""
    import keras

    from kerasformer import BertEncoder, PretrainingModel

    matrix = keras.ops.ones((_SIDE, _SIDE))
    products = [
        timed(lambda: keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix)[:1]))
        for _ in range(6)
    ]
    model, data = PretrainingModel(BertEncoder(config_of(args))), batches_of(texts, args)
    model.recipe.compile(model, 10**6, model._loss_for(data))
    connection.send(f"kerasformer (keras {keras.__version__}, {keras.backend.backend()})")
    connection.send([2 * _SIDE**3 / min(column) for column in zip(*products, strict=True)])
    for _ in iter(connection.recv, None):
        data.start_epoch(0)
        data.batches = data.batches[: args.steps]
        given = data.for_backend()
        connection.send(
            timed(lambda given=given: keras.Model.fit(model, given, shuffle=False, verbose=0))
        )


def peer(connection, texts, args):
    """The same with transformers and PyTorch."""
    import torch
    import transformers

    config, recipe = config_of(args), _recipe()
    data = batches_of(texts, args)
    model = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.max_length,
        )
    ).train()
    groups = parameter_groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 10**5, 10**6)
    names = {"input_ids": "input_word_ids", "attention_mask": "input_mask"}
    names["token_type_ids"] = "input_type_ids"

    def turn():
        for x, y, weights in (data[index] for index in range(len(data))):
            labels = np.full(x["input_word_ids"].shape, -100)
            row, place = np.nonzero(weights["mlm_logits"])
            labels[row, x["masked_lm_positions"][row, place]] = y["mlm_logits"][row, place]
            batch = {name: torch.tensor(x[our], dtype=torch.long) for name, our in names.items()}
            follows = torch.tensor(y["next_sentence_logits"], dtype=torch.long)
            model(**batch, labels=torch.tensor(labels), next_sentence_label=follows).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    connection.send(f"transformers {transformers.__version__} (torch {torch.__version__})")
    connection.send(None)
    for _ in iter(connection.recv, None):
        connection.send(timed(turn))


def _recipe():
    from kerasformer import PretrainingModel

    return PretrainingModel.SCRATCH_RECIPE


def needed(data, config):
    """The floating-point operations of training on a turn, and its real tokens."""
    lengths, guesses = [], 0
    for x, _, weights in (data[index] for index in range(len(data))):
        lengths.append(x["input_mask"].sum(axis=1))
        guesses += int(weights["mlm_logits"].sum())
    lengths = np.concatenate(lengths)
    head = 2 * guesses * config.hidden_size * (config.hidden_size + config.vocab_size)
    return 3 * (operations(config, lengths) + head), int(lengths.sum())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="imdb", help="as load_dataset takes it")
    parser.add_argument("--texts", type=int, default=1000, help="use the first N texts")
    parser.add_argument("--size", default="mini", help="a published size")
    parser.add_argument("--vocab-size", type=int, default=30522)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=3, help="turns of each, after the first")
    args = parser.parse_args()
    require_extra("peers", "torch", "transformers")
    texts = [str(text) for text in load_dataset(args.data).train.texts[: args.texts]]
    work, tokens = needed(batches_of(texts, args), config_of(args))
    sides = [start(side, texts, args) for side in (ours, peer)]
    rate, _ = (connection.recv() for connection, _ in sides)
    print(f"{rate[0] / 1e9:.0f} GFLOP/s of wall time in products of {_SIDE} x {_SIDE} float32, "
          f"{rate[1] / 1e9:.0f} of a processor's time")  # fmt: skip
    seconds = [[] for _ in sides]
    for turn in range(args.turns + 1):
        for (connection, name), of_side in zip(sides, seconds, strict=True):
            connection.send(turn)
            of_side.append(connection.recv())
            wall, cpu = of_side[-1]
            print(f"turn {turn}: {name:<44} {tokens / wall:7.0f} tokens/s, {tokens / cpu:7.0f} a "
                  f"second of a processor; {work / wall / rate[0]:.0%} and "
                  f"{work / cpu / rate[1]:.0%} of the matrix rate", flush=True)  # fmt: skip
    for connection, _ in sides:
        connection.send(None)
    mine, theirs = (np.median(np.array(one[1:]), axis=0) for one in seconds)
    print(f"kerasformer pretrains {theirs[0] / mine[0]:.2f} times the tokens a second, and "
          f"{theirs[1] / mine[1]:.2f} times those of a processor's second (median)")  # fmt: skip


if __name__ == "__main__":
    main()
