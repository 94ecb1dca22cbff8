"""BERT's tokenizer."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from kerasformer.errors import UserError
from kerasformer.files import read_text
from kerasformer.text.files import read_config
from kerasformer.text.tokenizer import Tokenizer

# What a tokenizer_config.json calls the settings of tokenizers' BertNormalizer.
_NORMALIZER_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
# The classes of transformers that read a vocab.txt as BertTokenizer does. Others may split words
# in their own way first (BertJapaneseTokenizer by MeCab), which the file does not say.
_VOCAB_TXT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")


class WordPieceTokenizer(Tokenizer):
    """BERT's tokenizer: words and punctuation marks, split into the vocabulary's longest pieces.

    `tokenize` gives `[CLS] text [SEP]`, or `[CLS] text [SEP] pair [SEP]` with type ids 0 and 1.
    A special token that is typed out in a text ("[SEP]") is that token, as in transformers.

    Tokens and offsets are those of transformers by construction: Hugging Face's `tokenizers` does
    the work. `tensorflow_text.FastBertTokenizer` is 8.5 times faster (on AG News, 2 cores), but
    tokenizing takes only 2 to 4 % of the time of a small encoder, and tensorflow-text differs on
    some characters, pins its own TensorFlow, and lacks wheels for some platforms.

    Source: Devlin et al., 2018, BERT (https://arxiv.org/abs/1810.04805), `tokenization.py` of
    https://github.com/google-research/bert; `transformers.BertTokenizer`.

    Example:

    >>> tokenizer = WordPieceTokenizer.from_vocabulary(
    ...     ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "film", "##s"])
    >>> tokenizer.tokens(["Good films, good"])
    [['good', 'film', '##s', '[UNK]', 'good']]
    >>> tokenizer.tokenize(["good"], pairs=["films"]).ids
    [[2, 4, 3, 5, 6, 3]]
    """

    model_class = models.WordPiece
    required_roles = ("pad_token", "unk_token", "cls_token", "sep_token")
    optional_roles = ("mask_token",)
    takes_pairs = True

    def _set_up(self, source):
        backend = self.backend
        self._before, self._after = [self.cls_id], [self.sep_id]
        if backend.post_processor is None:
            cls, sep = self.special_tokens["cls_token"], self.special_tokens["sep_token"]
            backend.post_processor = processors.BertProcessing(
                (sep, self.sep_id), (cls, self.cls_id)
            )
        empty = backend.encode("", "")
        if (empty.ids, empty.type_ids) != ([self.cls_id, self.sep_id, self.sep_id], [0, 0, 1]):
            raise UserError(
                f"{source} puts {' '.join(empty.tokens) or 'nothing'} around a pair of texts, but "
                "BERT's tokenizer puts one cls_token, then a sep_token after each text."
            )

    @property
    def cls_id(self) -> int:
        """The id of the token that begins every sequence."""
        return self._id("cls_token")

    @property
    def sep_id(self) -> int:
        """The id of the token that ends each text."""
        return self._id("sep_token")

    @property
    def mask_id(self) -> int | None:
        """The id of the token that hides another one, or `None` if the vocabulary has none."""
        return self._id("mask_token") if "mask_token" in self.special_tokens else None

    @classmethod
    def from_vocabulary(
        cls,
        vocabulary: str | Path | Iterable[str],
        lowercase: bool | None = True,
        *,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        special_tokens: Mapping[str, str] | None = None,
    ) -> Self:
        """Makes the tokenizer of a vocabulary.

        Args:
            vocabulary: The path of a `vocab.txt`, one token a line, or the tokens in the order
                of their ids. Pieces inside a word begin with `##`.
            lowercase: Whether to lower-case the text: `False` for a cased vocabulary. `None`:
                unless a file's vocabulary has capital letters.
            strip_accents: Whether to strip accents. `None`: if `lowercase`, as in BERT.
            tokenize_chinese_chars: Whether each Chinese character is a word.
            special_tokens: The names of special tokens that are not BERT's, such as
                `{"cls_token": "[START]", "sep_token": "[END]"}`.

        Raises:
            UserError: The file cannot be read, or the vocabulary is empty, has a token twice or
                lacks a special token.
        """
        if isinstance(vocabulary, str | Path):
            source: str | Path = Path(vocabulary)
            ids = _file_ids(Path(vocabulary))
        else:
            source = "the vocabulary"
            ids = _token_ids(vocabulary, source, first=0)
        if lowercase is None:
            words = (token for token in ids if not re.fullmatch(r"\[.*\]", token))
            lowercase = all(word == word.lower() for word in words)
        config = {
            **(special_tokens or {}),
            "do_lower_case": lowercase,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
        }
        return cls._from_ids(ids, config, source)

    @classmethod
    def _from_vocabulary_file(cls, file, is_alone):
        if is_alone:
            return cls.from_vocabulary(file, lowercase=None)
        config = read_config(file.parent)
        made_for = config.get("tokenizer_class") or "BertTokenizer"
        if str(made_for).removesuffix("Fast") not in _VOCAB_TXT_CLASSES:
            raise UserError(
                f"{file} is for {made_for}, which may split words in another way than BERT: put "
                "its tokenizer.json beside it."
            )
        return cls._from_ids(_file_ids(file), config, file)

    @classmethod
    def _from_ids(cls, ids, config, source):
        backend = Backend(models.WordPiece(ids, unk_token=cls._roles(config, source)["unk_token"]))
        backend.normalizer = normalizers.BertNormalizer()
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece(prefix="##")
        return cls._from_backend(backend, config, source)

    @classmethod
    def _from_backend(cls, backend, config, source):
        # In transformers, too, the configuration wins over the normalizer of a tokenizer.json.
        normalizer = backend.normalizer
        if isinstance(normalizer, normalizers.BertNormalizer):
            for name, setting in _NORMALIZER_SETTINGS.items():
                if name in config:
                    value = config[name]
                    if not isinstance(value, bool) and (value, name) != (None, "strip_accents"):
                        raise UserError(
                            f"{source} has {name} {value!r}, but it must be true or false."
                        )
                    setattr(normalizer, setting, value)
        return super()._from_backend(backend, config, source)

    def _config(self):
        config, normalizer = super()._config(), self.backend.normalizer
        if not isinstance(normalizer, normalizers.BertNormalizer):
            return config  # transformers' BertTokenizer would put one there
        settings = {
            name: getattr(normalizer, setting) for name, setting in _NORMALIZER_SETTINGS.items()
        }
        return config | {"tokenizer_class": "BertTokenizer"} | settings


def _file_ids(path: Path) -> dict[str, int]:
    lines = read_text(path).split("\n")  # not splitlines(): a token may be another line separator
    while lines and not lines[-1]:
        lines.pop()
    return _token_ids(lines, path, first=1)


def _token_ids(tokens: Iterable[str], source: str | Path, first: int) -> dict[str, int]:
    """The id of each token; `first` is the number of the first one in error messages."""
    ids: dict[str, int] = {}
    for number, token in enumerate(tokens, first):
        if not isinstance(token, str):
            raise UserError(f"{source} has {token!r} at {number}, but every token must be a str.")
        if token in ids:
            raise UserError(
                f"{source} has {token!r} twice, at {ids[token] + first} and {number}: "
                "each token must be there once."
            )
        ids[token] = number - first
    if not ids:
        raise UserError(f"{source} is empty: expected one token a line, [PAD] and [UNK] included.")
    return ids
