"""The files of a tokenizer, read as data and checked with errors that name the file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kerasformer.errors import UserError
from kerasformer.files import read_json, read_optional_json, read_text
from kerasformer.formatting import printable
from kerasformer.text.vocabulary import usual_token

# The classes of transformers that take of a tokenizer.json the vocabulary and the added tokens
# alone, by the model types that have them where no file names another; and their models' kinds.
_CLASSES = {
    "bert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "gpt2": "GPT2Tokenizer",
    "openai-gpt": "OpenAIGPTTokenizer",
}
_KINDS = dict(zip(_CLASSES.values(), (*["WordPiece"] * 3, "BPE", "CharBPE"), strict=True))
# Those that take the whole file as it is.
_GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
WORD_END = "</w>"  # the end of a word's last token
# What the OpenAI transformer's tokenizer does beside the merges, in terms of a tokenizer.json.
OPENAI_PARTS = {
    "normalizer": {"type": "BertNormalizer"},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "BPEDecoder", "suffix": WORD_END},
}
OPENAI_TOKENS = {"unk_token": "<unk>"}
_SPACE = "Ġ"  # among GPT-2's bytes, and lower-cased away in the OpenAI transformer's texts
# key: its only value with which BertJapaneseTokenizer and its like split as BertTokenizer does.
_SPLITTERS = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "wordpiece"}
_NO_LIMIT = 10**9  # of tokens; where there is none, transformers writes 10**30

# What another program writes of a tokenizer, and reads beside or in place of `tokenizer.json`.
REPLACED_FILES = (
    *("vocab.txt", "vocab.json", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)


def read_config(folder: Path) -> dict[str, Any]:
    """Reads what the files beside a vocabulary say of a tokenizer, with the keys of transformers.

    That is `tokenizer_config.json`. Where that lists no added tokens, the older files count too, as
    in transformers: `special_tokens_map.json`, whose tokens win, and `added_tokens.json` under the
    key `added_tokens`. `tokenizer_class` may stand in `config.json`, and is else that of its model.

    Raises:
        UserError: A file is not sound, or is for a tokenizer that splits words in another way.
    """
    config = read_optional_json(folder / "tokenizer_config.json")
    further = config.pop("additional_special_tokens", None)  # the older name
    config["extra_special_tokens"] = further = config.get("extra_special_tokens") or further
    if config.get("added_tokens_decoder") is None:
        older = read_optional_json(folder / "special_tokens_map.json")
        more = older.get("extra_special_tokens")
        if isinstance(more, list) and isinstance(further, list):
            older["extra_special_tokens"] = further + more
        config |= older
        config["added_tokens"] = read_optional_json(folder / "added_tokens.json")
    if not config.get("tokenizer_class"):
        model = read_optional_json(folder / "config.json")
        default = _CLASSES.get(str(model.get("model_type")))
        config["tokenizer_class"] = model.get("tokenizer_class") or default
    _check_class(config, folder)
    return config


def class_kind(config: Mapping[str, Any]) -> str | None:
    """The kind of model of the class that a tokenizer is of, by which all else is known.

    transformers then takes the vocabulary and the added tokens alone. "" for a class that takes
    the whole `tokenizer.json`, None where no file names one.
    """
    made_for = config.get("tokenizer_class")
    return None if made_for is None else _KINDS.get(_base(made_for), "")


def read_saved(file: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The object in a `tokenizer.json`; of a `vocab.json` with its `merges.txt`, what it would be.

    Where no class is named, the vocabulary shows whether it is of characters or of bytes.
    """
    saved = read_json(file)
    if file.name != "vocab.json":
        return saved
    lines = read_text(file.with_name("merges.txt")).split("\n")
    merges = [line for line in lines if line.strip() and not line.startswith("#version")]
    model = {"type": "BPE", "vocab": saved, "merges": merges}
    kind = class_kind(config)
    has_ends = _SPACE not in saved and any(token.endswith(WORD_END) for token in saved)
    if not (has_ends if kind is None else kind == "CharBPE"):
        splitting = {"type": "ByteLevel", "add_prefix_space": False}
        return {"model": model, "pre_tokenizer": splitting}
    model |= read_roles(config, ("unk_token",), file, OPENAI_TOKENS)
    return {"model": model | {"end_of_word_suffix": WORD_END}, **OPENAI_PARTS}


def read_max_length(config: Mapping[str, Any], source: object) -> int | None:
    """The most tokens of a text, special tokens included, that a configuration names, if any.

    Raises:
        UserError: It is no number, or smaller than 3.

    >>> read_max_length({"max_len": 512}, "tokenizer_config.json")
    512
    """
    return check_max_length(config.get("model_max_length", config.get("max_len")), source)


def check_max_length(length: Any, source: object) -> int | None:
    """The most tokens of a text as a whole number; None where a source sets no limit."""
    if length is None:
        return None
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if not is_number or not length >= 3:  # of NaN too
        raise UserError(
            f"{source} has {str(length)[:80]!r} as the most tokens of a text: expected 3 or more."
        )
    return int(length) if length < _NO_LIMIT else None


def read_roles(
    config: Mapping[str, Any],
    names: Iterable[str],
    source: object,
    defaults: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The special token of each role, such as `pad_token`, by default BERT's or as given."""
    tokens, defaults = {}, defaults or {}
    for role in names:
        token = config.get(role) or defaults.get(role) or usual_token(role)
        if isinstance(token, Mapping):  # an AddedToken with its settings
            token = token.get("content")
        if not isinstance(token, str):
            raise UserError(f"{source} has the {role} {token!r}, but it must be a string.")
        tokens[role] = token
    return tokens


def find_tokenizer_file(path: Path) -> Path:
    """The `tokenizer.json`, or else the vocabulary, of a folder; or the path, if it is a file."""
    names = ("tokenizer.json", "vocab.txt", "vocab.json")
    files = [path / name for name in names] if path.is_dir() else [path]
    for file in files:
        if file.suffix in (".json", ".txt") and (file.is_file() or file.is_symlink()):
            return file
    raise UserError(
        f"{path} has no tokenizer: expected a folder with tokenizer.json, vocab.txt, or vocab.json "
        "and merges.txt, or one of the first three files."
    )


def _check_class(config, folder: Path):
    made_for = config.get("tokenizer_class")
    if made_for is not None and _base(made_for) not in (*_KINDS, *_GENERIC_CLASSES):
        raise UserError(
            f"The tokenizer in {folder} is for {printable(str(made_for)[:80])}, which may split "
            f"words in another way than BERT: expected one of {', '.join(_KINDS)}."
        )
    for key, expected in _SPLITTERS.items():
        if config.get(key) not in (None, expected):
            raise UserError(
                f"The tokenizer in {folder} has the {key} {str(config[key])[:80]!r}, which splits "
                f"words in another way than BERT: expected {expected!r}."
            )
    if config.get("truncation_side", "right") != "right":
        raise UserError(
            f"The tokenizer in {folder} has the truncation_side "
            f"{str(config['truncation_side'])[:80]!r}: expected 'right', as texts are cut off at "
            "their ends here."
        )
    code = config.get("auto_map")
    if code and (not isinstance(code, Mapping) or code.get("AutoTokenizer")):
        raise UserError(
            f"The tokenizer in {folder} is code of its own (auto_map), which is not run: give a "
            "model with BERT's tokenizer."
        )


def _base(made_for) -> str:
    name = str(made_for)
    return name if name in _GENERIC_CLASSES else name.removesuffix("Fast")
