"""A `tokenizer.json`, made into a backend part by part.

The `tokenizers` library never sees the file: on some values it ends the process, on others it never
ends. Each part that is known here is checked, and made by the library's own constructor.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from kerasformer.errors import UserError
from kerasformer.formatting import printable
from kerasformer.text.files import WORD_END

# Scripts that are written without spaces: each character, with its marks, is a word.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS = rf"[\w&&[^{_UNSPACED}]]+"
# The words of `WordTokenizer`: the only regular expression by which a file may have texts split, as
# others can take forever. A word may hold apostrophes (don't, l'été, o'clock); all else is one
# sign, an emoji with its modifiers included (\X is what a reader sees as one character).
WORD_PATTERN = rf"[{_UNSPACED}]\p{{M}}*|{_LETTERS}(?:'{_LETTERS})*|(?!\s)\X"
_MOST_CHARACTERS = 1000  # of a word: finding its pieces takes time that grows with the cube
_MOST_TEXT = 1000  # characters of any other text in the file
_MOST_PARTS = 20
_MOST_ID = 2**31 - 1
# The normalizers without arguments.
_PLAIN = {
    kind.__name__: kind
    for kind in (
        *(normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD),
        *(normalizers.Lowercase, normalizers.StripAccents),
    )
}
_SPLITTERS = {
    kind.__name__: kind
    for kind in (
        *(pre_tokenizers.BertPreTokenizer, pre_tokenizers.Whitespace),
        pre_tokenizers.WhitespaceSplit,
    )
}


@dataclasses.dataclass(frozen=True)
class VocabularyModel:
    """The model of a `tokenizer.json`, or of a vocabulary.

    Attributes:
        kind: `"WordPiece"`, `"WordLevel"`, `"BPE"` of bytes or, with `</w>`, `"CharBPE"`.
        ids: The id of each token, 0, 1, 2...
        unk_token: The token for what the vocabulary lacks.
        prefix: How a piece within a word begins.
        most_characters: The length of the longest word that is split into pieces.
        merges: Of BPE the pairs of tokens that become one, in the order of their ranks.
    """

    kind: str
    ids: dict[str, int]
    unk_token: str = "[UNK]"
    prefix: str = "##"
    most_characters: int = 100
    merges: tuple[tuple[str, str], ...] = ()

    def backend(self) -> tokenizers.Tokenizer:
        """A backend with this model and nothing else."""
        if self.kind == "WordLevel":
            return tokenizers.Tokenizer(models.WordLevel(self.ids, unk_token=self.unk_token))
        if self.kind == "BPE":
            return tokenizers.Tokenizer(models.BPE(self.ids, list(self.merges)))
        if self.kind == "CharBPE":
            ends = {"unk_token": self.unk_token, "end_of_word_suffix": WORD_END}
            return tokenizers.Tokenizer(models.BPE(self.ids, list(self.merges), **ends))
        model = models.WordPiece(
            self.ids,
            unk_token=self.unk_token,
            max_input_chars_per_word=self.most_characters,
            continuing_subword_prefix=self.prefix,
        )
        return tokenizers.Tokenizer(model)


def read_model(saved: Mapping[str, Any], source: object) -> VocabularyModel:
    """The model of a `tokenizer.json`, its values checked.

    Args:
        saved: The object in the file.
        source: The file, for messages.

    Raises:
        UserError: It has no model, or one of another kind, or a value is of a wrong type or out of
            bounds.
    """
    values = _object(saved.get("model"), "model", source)
    kind = _model_kind(values)
    if kind not in ("WordPiece", "WordLevel", "BPE"):
        raise UserError(
            f"{source} holds a {printable(kind[:80])} model, but only WordLevel, WordPiece and BPE "
            "can be read here."
        )
    if kind == "BPE" and values.get("end_of_word_suffix"):
        kind = "CharBPE"
    ids = _object(values.get("vocab"), "vocab", source)
    for token, number in ids.items():
        _text(token, "token", source, least=0, most=2**20)
        if not _is_int(number, 0, _MOST_ID):
            raise _damaged(source, f"the token {token!r} has the id {number!r}")
    merges = tuple(_merges(values, ids, source)) if kind.endswith("BPE") else ()
    if kind == "BPE":
        return VocabularyModel(kind, dict(ids), merges=merges)
    unknown = _text(values.get("unk_token"), "unk_token", source)
    read = VocabularyModel(kind, dict(ids), unknown, merges=merges)
    if kind != "WordPiece":
        return read
    prefix = _text(values.get("continuing_subword_prefix", "##"), "prefix", source, least=0)
    most = values.get("max_input_chars_per_word", 100)
    if not _is_int(most, 1, _MOST_CHARACTERS):
        raise UserError(
            f"{source} has max_input_chars_per_word {str(most)[:80]}: expected an integer from 1 "
            f"to {_MOST_CHARACTERS}."
        )
    return dataclasses.replace(read, prefix=prefix, most_characters=most)


def _merges(values: Mapping[str, Any], ids: Mapping[str, int], source) -> Iterator[tuple[str, str]]:
    """The merges of a BPE model of bytes, as GPT-2's, or of characters, as its predecessor's."""
    others = {"dropout", "continuing_subword_prefix", "byte_fallback", "ignore_merges"}
    suffix = values.get("end_of_word_suffix") or None
    others |= {"end_of_word_suffix"} if suffix != WORD_END else {"fuse_unk"}
    for key in sorted(others):
        if values.get(key):
            raise unknown_part("model", f"BPE with {key}", source)
    merges = values.get("merges")
    if not isinstance(merges, list):
        raise _damaged(source, "its merges are no list")
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        is_pair = isinstance(pair, list) and len(pair) == 2 and all(type(p) is str for p in pair)
        if not is_pair or not {*pair, "".join(pair)} <= ids.keys():
            raise _damaged(source, f"its merge {str(merge)[:80]!r} is not of two of its tokens")
        yield pair[0], pair[1]


def read_backend(
    saved: Mapping[str, Any], model: VocabularyModel, source: object
) -> tokenizers.Tokenizer:
    """The backend that a `tokenizer.json` describes, without its added tokens.

    Args:
        saved: The object in the file.
        model: Its model.
        source: The file, for messages.

    Raises:
        UserError: A part is of a kind that is not known here, or has a wrong value.
    """
    backend = model.backend()
    if saved.get("normalizer") is not None:
        backend.normalizer = _normalizer(saved["normalizer"], source)
    if saved.get("pre_tokenizer") is not None:
        backend.pre_tokenizer = _pre_tokenizer(saved["pre_tokenizer"], source)
    decoder = saved.get("decoder")
    if isinstance(decoder, dict) and decoder.get("type") == "WordPiece":
        backend.decoder = decoders.WordPiece(model.prefix, decoder.get("cleanup") is not False)
    elif model.kind == "WordPiece":
        backend.decoder = decoders.WordPiece(model.prefix)
    return backend


def frames(saved: Mapping[str, Any], source: object) -> tuple[list, list] | None:
    """What a `tokenizer.json` puts around a text and around a pair: tokens and their segments.

    Each is a list of `(token, segment)`, with None for the texts themselves; None where the file
    says nothing.

    Raises:
        UserError: It does so in a way that is not known here.
    """
    values = saved.get("post_processor")
    if values is None:
        return None
    values = _object(values, "post_processor", source)
    kind = values.get("type")
    if kind == "TemplateProcessing":
        return tuple(_template(values.get(name), source) for name in ("single", "pair"))  # type: ignore[return-value]
    if kind not in ("BertProcessing", "RobertaProcessing"):
        raise unknown_part("post_processor", kind, source)
    try:
        cls, sep = values["cls"][0], values["sep"][0]
    except (KeyError, IndexError, TypeError):
        raise _damaged(source, f"its {kind} names no cls and sep") from None
    single = [(cls, 0), (None, 0), (sep, 0)]
    if kind == "BertProcessing":
        return single, [*single, (None, 1), (sep, 1)]
    return single, [*single, (sep, 0), (None, 0), (sep, 0)]


def refuse_frame(saved: Mapping[str, Any], source: object) -> None:
    """Raises a UserError for a `tokenizer.json` that puts tokens around a text."""
    for token, _ in (frames(saved, source) or ((),))[0]:
        if token is not None:
            raise unknown_part("post_processor", f"that adds {token}", source)


def _template(pieces, source) -> list[tuple[str | None, int]]:
    if not isinstance(pieces, list) or len(pieces) > _MOST_PARTS:
        raise _damaged(source, "its template is no list")
    read: list[tuple[str | None, int]] = []
    for piece in pieces:
        kind, values = next(iter(_object(piece, "template", source).items()), ("nothing", None))
        values = _object(values, "template", source)
        token = values.get("id") if kind == "SpecialToken" else None
        read.append((token, values.get("type_id", 0)))
    return read


def _model_kind(values: Mapping[str, Any]) -> str:
    kind = values.get("type")
    if kind is None and isinstance(values.get("vocab"), dict):  # of the library's first versions
        keys = {"max_input_chars_per_word": "WordPiece", "merges": "BPE"}
        return next((keys[key] for key in keys if key in values), "WordLevel")
    return "nameless" if kind is None else str(kind)


def _normalizer(values, source, depth: int = 2) -> Any:
    values = _object(values, "normalizer", source)
    kind = values.get("type")
    if kind == "Sequence" and depth:
        parts = values.get("normalizers")
        if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
            raise _damaged(source, f"its normalizers are no list of {_MOST_PARTS} or less")
        return normalizers.Sequence([_normalizer(part, source, depth - 1) for part in parts])
    if kind == "BertNormalizer":
        return normalizers.BertNormalizer(**_bert_settings(values, source))
    if kind == "Replace" and isinstance(values.get("pattern"), dict):
        pattern = _text(values["pattern"].get("String"), "pattern", source)
        return normalizers.Replace(
            pattern, _text(values.get("content"), "content", source, least=0)
        )
    if not isinstance(kind, str) or kind not in _PLAIN:
        raise unknown_part("normalizer", kind, source)
    return _PLAIN[kind]()


def _bert_settings(values, source) -> dict[str, Any]:
    settings = {
        "clean_text": values.get("clean_text", True),
        "handle_chinese_chars": values.get("handle_chinese_chars", True),
        "strip_accents": values.get("strip_accents"),
        "lowercase": values.get("lowercase", True),
    }
    for name, value in settings.items():
        if not isinstance(value, bool) and (name, value) != ("strip_accents", None):
            raise _damaged(source, f"its normalizer has {name} {str(value)[:80]!r}")
    return settings


def _pre_tokenizer(values, source) -> Any:
    values = _object(values, "pre_tokenizer", source)
    kind = values.get("type")
    own = {"type": "Split", "pattern": {"Regex": WORD_PATTERN}, "behavior": "Removed"}
    if values == own | {"invert": True}:
        return pre_tokenizers.Split(tokenizers.Regex(WORD_PATTERN), "removed", invert=True)
    if not isinstance(kind, str) or kind not in _SPLITTERS:
        raise unknown_part("pre_tokenizer", kind, source)
    make: Callable[[], Any] = _SPLITTERS[kind]
    return make()


def _object(values, name: str, source) -> dict:
    if not isinstance(values, dict):
        raise _damaged(source, f"its {name} is {str(values)[:80]!r}")
    return values


def _text(value, name: str, source, least: int = 1, most: int = _MOST_TEXT) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise _damaged(source, f"its {name} is {str(value)[:80]!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _damaged(source, f"its {name} {value[:80]!r} is no valid Unicode") from None
    return value


def _is_int(value, lowest: int, highest: int) -> bool:
    return type(value) is int and lowest <= value <= highest


def unknown_part(part: str, kind: object, source: object) -> UserError:
    """The error of a part of a `tokenizer.json` that is of a kind that is not known here."""
    return UserError(
        f"{source} has a {part} of the type {str(kind)[:80]!r}, which cannot be read here: "
        "expected a tokenizer of BERT's or GPT's kind, or one that kerasformer saved."
    )


def _damaged(source, what: str) -> UserError:
    return UserError(f"{source} is damaged, or not a file of the tokenizers library ({what}).")
