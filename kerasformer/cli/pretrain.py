"""Pretrain a model on raw text, as BERT was, within minutes or steps.

Learns a vocabulary from the text, unless --vocab has one, and a new model of a published size; or
goes on from a published model (--from), on your own text. In place of text it takes the folder of
kerasformer corpus, whose text is tokenized already. Measures the model on documents held out, and
writes it, a record and its metrics into --output, in the Hugging Face layout. Interrupted
pretraining goes on with --resume.
"""

from kerasformer.cli.options import VOCABULARY, add_raw_text, read_raw_text, take_reading
from kerasformer.cli.running import add_running, logs, on_devices
from kerasformer.cli.scores import scores_table
from kerasformer.cli.text import show
from kerasformer.errors import UserError
from kerasformer.files import expanded
from kerasformer.progress import step

_TEXT: dict[str, dict] = VOCABULARY | {
    "--held-out": {
        "metavar": "SHARE",
        "type": float,
        "default": 0.02,
        "help": "share of the documents to measure on (default: 0.02)",
    },
}
_MODEL: dict[str, dict] = {
    "--size": {
        "metavar": "NAME",
        "default": "mini",
        "help": "tiny, mini, small, medium, base or large (default: mini)",
    },
    "--from": {
        "metavar": "SOURCE",
        "dest": "pretrained",
        "help": "go on from a published model, with its vocabulary: a folder, hf://owner/name, or "
        "a preset",
    },
    "--objective": {
        "metavar": "NAME",
        "help": "bert, hidden words and the next sentence; masked, hidden words alone; or causal, "
        "the next token (default: bert, or what the model of --from has heads for)",
    },
    "--whole-words": {
        "action": "store_true",
        "help": "hide all pieces of a word together (bert and masked)",
    },
    "--max-length": {
        "metavar": "N",
        "type": int,
        "default": 128,
        "help": "tokens of an example, and positions of a new model (default: 128)",
    },
    "--dropout": {
        "metavar": "SHARE",
        "type": float,
        "default": 0.1,
        "help": "dropout of a new model; 0 suits a budget that ends before the text has been read "
        "a few times (default: 0.1)",
    },
    "--dtype": {
        "metavar": "POLICY",
        "help": "Keras dtype policy, such as mixed_bfloat16 (default: float32)",
    },
}
_RECIPE: dict[str, dict] = {
    "--batch-size": {"type": int, "metavar": "N", "help": "examples in a batch"},
    "--learning-rate": {"type": float, "metavar": "N", "help": "the highest learning rate"},
    "--weight-decay": {"type": float, "metavar": "N", "help": "of AdamW"},
    "--warmup-ratio": {
        "type": float,
        "metavar": "N",
        "help": "part of the budget in which the rate rises",
    },
    "--schedule": {"choices": ("linear", "cosine", "constant"), "help": "how the rate falls"},
    "--accumulate": {"type": int, "metavar": "N", "help": "batches whose gradients make one step"},
}


def add_options(command):
    """Adds the options to the parser of the command."""
    add_raw_text(command, also="; or the one folder that kerasformer corpus wrote")
    command.add_argument("--output", metavar="DIR", required=True, help="folder of the model")
    command.add_argument(
        "--minutes", metavar="M", type=float, help="train for so long; the learning rate follows"
    )
    command.add_argument("--steps", metavar="N", type=int, help="train for so many steps")
    command.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    add_running(command, "go on with the interrupted pretraining in --output")
    for title, options in (("text", _TEXT), ("model", _MODEL), ("training", _RECIPE)):
        group = command.add_argument_group(title)
        for option, given in options.items():
            group.add_argument(option, **given)


def run(arguments):
    """Runs the command."""
    from kerasformer.tasks.pretraining.pretrain import pretrain
    from kerasformer.tasks.pretraining.pretraining_folder import is_begun

    options = vars(arguments)
    recipe = {name: options[name] for name in map(_name, _RECIPE) if options[name] is not None}
    given = {option.get("dest", _name(name)) for name, option in (_TEXT | _MODEL).items()}
    given |= {"minutes", "steps", "seed"}
    folder = expanded(arguments.output)
    try:
        with on_devices(arguments.devices or 1):
            made = pretrain(
                _documents(arguments),
                folder,
                recipe=recipe,
                resume=arguments.resume,
                callbacks=logs(arguments.log),
                **{name: options[name] for name in given},
            )
    except KeyboardInterrupt:
        if not is_begun(folder):
            raise KeyboardInterrupt("training had not begun") from None
        raise KeyboardInterrupt(
            f"the training so far is in {folder}: to go on, add --resume to the command"
        ) from None
    if made.scores:
        show(f"On the documents held out:\n\n{scores_table(made.scores)}\n")
    show(f"The model: {folder}\nTo train it on labels: kerasformer train classification "
         f"--pretrained {folder} --data FILE --output DIR")  # fmt: skip


def _documents(arguments):
    """The raw text, or what `kerasformer corpus` made of it."""
    from kerasformer.data.raw import TokenCorpus, corpus_files

    given = arguments.text
    written = [path for path in given if corpus_files.is_here(expanded(path))]
    if not written:
        return read_raw_text(arguments)
    if len(given) > 1:
        raise UserError(f"{written[0]} is a tokenized corpus: give it alone, or the text of all.")
    if reading := take_reading(dict(vars(arguments))):
        option = next(iter(reading)).replace("_", "-")
        raise UserError(f"{written[0]} is tokenized already: leave --{option} out.")
    with step(f"Opening {written[0]}"):
        return TokenCorpus.open(expanded(written[0]))


def _name(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")
