"""BERT's tokenizer."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, normalizers, pre_tokenizers, processors

from kerasformer.errors import UserError
from kerasformer.text import casing
from kerasformer.text.files import class_kind, read_config
from kerasformer.text.texts import check_texts
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.tokenizer_json import VocabularyModel, frames
from kerasformer.text.vocabulary import number_tokens, read_vocabulary
from kerasformer.text.wordpiece_training import LEAST_FREQUENCY, MOST_CHARACTERS, learn_pieces

# What a tokenizer_config.json calls the settings of tokenizers' BertNormalizer.
_NORMALIZER_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


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

    model_kind = "WordPiece"
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    optional_roles = ("pad_token", "mask_token")
    takes_pairs = True

    def _set_up(self, source):
        backend = self.backend
        self.before, self.after = [self.cls_id], [self.sep_id]
        if backend.post_processor is None:
            cls, sep = self.special_tokens["cls_token"], self.special_tokens["sep_token"]
            backend.post_processor = processors.BertProcessing(
                (sep, self.sep_id), (cls, self.cls_id)
            )
        empty = backend.encode("", "")
        if (empty.ids, empty.type_ids) != ([self.cls_id, self.sep_id, self.sep_id], [0, 0, 1]):
            raise _wrong_frame(source, empty.tokens)

    @property
    def pad_id(self) -> int:
        """The id of the padding token: of a vocabulary without one, the unknown token's.

        Under the mask any id does.
        """
        return self._id("pad_token") if "pad_token" in self.special_tokens else self.unk_id

    @property
    def cls_id(self) -> int:
        """The id of the token that begins every sequence."""
        return self._id("cls_token")

    @property
    def sep_id(self) -> int:
        """The id of the token that ends each text."""
        return self._id("sep_token")

    @property
    def bos_id(self) -> int:
        """What a language model takes for the beginning of a text: `cls_id`."""
        return self.cls_id

    @property
    def eos_id(self) -> int:
        """What a language model takes for the end of a text: `sep_id`."""
        return self.sep_id

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
                a guess from its Latin words, of which a warning tells.
            strip_accents: Whether to strip accents. `None`: if `lowercase`, as in BERT.
            tokenize_chinese_chars: Whether each Chinese character is a word.
            special_tokens: The names of special tokens that are not BERT's, such as
                `{"cls_token": "[START]", "sep_token": "[END]"}`.

        Raises:
            UserError: The file cannot be read, or the vocabulary is empty, lacks a special token,
                or is a list that has a token twice.
        """
        if isinstance(vocabulary, str | Path):
            source: str | Path = Path(vocabulary)
            ids = read_vocabulary(Path(vocabulary))
        else:
            source = "the vocabulary"
            ids = number_tokens(vocabulary, source)
        if lowercase is None:
            lowercase, guessed = casing.guess(ids, source)
            strip_accents = guessed if strip_accents is None else strip_accents
        config = {
            **(special_tokens or {}),
            "do_lower_case": lowercase,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
        }
        return cls._from_ids(ids, config, source)

    @classmethod
    def train(
        cls,
        texts: Iterable[str | list[str]],
        vocab_size: int = 30_522,
        lowercase: bool = True,
        *,
        strip_accents: bool | None = None,
        min_frequency: int = LEAST_FREQUENCY,
        characters: int = MOST_CHARACTERS,
        special_tokens: Iterable[str] = (),
    ) -> Self:
        """Learns the vocabulary from texts, which should be of the training split only.

        As Hugging Face's `BertWordPieceTokenizer.train`, but for the same texts always the same:
        `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`, the characters, and longer pieces that occur
        twice at least.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str; or documents,
                lists of sentences. What gives them again and again, such as
                `kerasformer.data.raw.Documents`, may be larger than the memory.
            vocab_size: The most tokens to keep, the special tokens included.
            lowercase: Whether the text is lower-cased.
            strip_accents: Whether its accents are stripped; by default if it is lower-cased.
            min_frequency: How often a piece of several characters occurs at least.
            characters: The most different characters to keep, the most frequent ones: more than
                1,000 are for Chinese and Japanese.
            special_tokens: Further special tokens, such as `"[SPEAKER]"`, which texts have typed
                out; their ids follow those of BERT's.

        Raises:
            UserError: A text is not a str, there is no word in the texts, `vocab_size` has no room
                for one, or a special token cannot be one.

        Example:

        >>> tokenizer = WordPieceTokenizer.train(["the film", "The films"], vocab_size=20)
        >>> tokenizer.vocabulary()[5:]
        ['e', 'f', 'h', 'i', 'l', 'm', 's', 't', '##e', '##h', '##i', '##l', '##m', '##s', 'fi']
        """
        more = check_texts(special_tokens, "special_tokens")
        first = [*cls._roles({}, "").values(), *more]
        normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
        pieces = learn_pieces(texts, vocab_size, first, normalizer, min_frequency, characters)
        config: dict[str, Any] = {"do_lower_case": lowercase, "strip_accents": strip_accents}
        config |= {"tokenize_chinese_chars": True, "extra_special_tokens": more}
        return cls._from_ids(number_tokens(pieces, "the vocabulary"), config, "the vocabulary")

    @classmethod
    def _from_vocabulary_file(cls, file, is_alone):
        if is_alone:
            return cls.from_vocabulary(file, lowercase=casing.of_release(file.parent))
        config = read_config(file.parent)
        if class_kind(config) not in (None, cls.model_kind):
            raise UserError(
                f"{file} is for {config['tokenizer_class']}, which takes a tokenizer.json: put it "
                "beside it."
            )
        return cls._from_ids(read_vocabulary(file), config, file)

    @classmethod
    def _from_ids(cls, ids, config, source):
        config = {**config, "tokenizer_class": "BertTokenizer"}
        model = VocabularyModel("WordPiece", ids, cls._roles(config, source)["unk_token"])
        return cls._from_backend(_berts_backend(model, config, source), None, config, source)

    @classmethod
    def _read_backend(cls, saved, model, config, source):
        settings = _settings(config, source)
        if class_kind(config) == cls.model_kind:
            if model.prefix != "##":
                raise UserError(
                    f"{source} begins the pieces within a word with {model.prefix!r}, but "
                    f"{config['tokenizer_class']} with '##': the files do not belong together."
                )
            return _berts_backend(model, config, source)
        backend = super()._read_backend(saved, model, config, source)
        if "tokenizer_class" in config and class_kind(config) is None:
            _check_agreement(backend.normalizer, settings, source)
        around = frames(saved, source)
        if around is not None:
            roles = cls._roles(config, source)
            cls_token, sep_token = roles["cls_token"], roles["sep_token"]
            single = [(cls_token, 0), (None, 0), (sep_token, 0)]
            if around != (single, [*single, (None, 1), (sep_token, 1)]):
                raise _wrong_frame(source, [token for token, _ in around[1] if token is not None])
        return backend

    def _is_berts(self) -> bool:
        """Whether transformers' BertTokenizer splits texts in this way."""
        backend = self.backend
        return (
            isinstance(backend.normalizer, normalizers.BertNormalizer)
            and backend.normalizer.clean_text
            and isinstance(backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
            and backend.model.continuing_subword_prefix == "##"
            and backend.model.max_input_chars_per_word == 100
        )

    def _config(self):
        config, normalizer = super()._config(), self.backend.normalizer
        if not self._is_berts():
            return config  # transformers' BertTokenizer would make another of it
        settings = {
            name: getattr(normalizer, setting) for name, setting in _NORMALIZER_SETTINGS.items()
        }
        return config | {"tokenizer_class": "BertTokenizer"} | settings


def _berts_backend(model: VocabularyModel, config, source) -> Backend:
    """The backend that transformers' BertTokenizer makes of a vocabulary and its configuration."""
    standard = VocabularyModel(model.kind, model.ids, model.unk_token)
    backend = standard.backend()
    backend.normalizer = normalizers.BertNormalizer(**_settings(config, source))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def _settings(config, source) -> dict[str, Any]:
    """The arguments of a BertNormalizer that a configuration names."""
    settings = {}
    for name, argument in _NORMALIZER_SETTINGS.items():
        if name in config:
            value = config[name]
            if not isinstance(value, bool) and (value, name) != (None, "strip_accents"):
                raise UserError(f"{source} has {name} {value!r}, but it must be true or false.")
            settings[argument] = value
    return settings


def _check_agreement(normalizer, settings, source):
    """Refuses a configuration and a `tokenizer.json` of which transformers takes now one, now the
    other: its BertTokenizer the first, its AutoTokenizer the second.
    """
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return
    for name, argument in _NORMALIZER_SETTINGS.items():
        said = getattr(normalizer, argument)
        if argument in settings and said != settings[argument]:
            raise UserError(
                f"{source} has {argument} {said}, but the tokenizer_config.json beside it "
                f"{name} {settings[argument]}, and no tokenizer_class that says which one counts: "
                "add it, BertTokenizer for the latter."
            )


def _wrong_frame(source, tokens) -> UserError:
    return UserError(
        f"{source} puts {' '.join(map(str, tokens)) or 'nothing'} around a pair of texts, but "
        "BERT's tokenizer puts one cls_token, then a sep_token after each text."
    )
