"""What every tokenizer does: texts to ids, tokens and offsets; saved and loaded as data."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import tokenizers

from ..errors import UserError
from .encoded import Encoded
from .files import parse_json, read_json, read_text, write_text

_CHUNK_CHARACTERS = 1_000_000  # encoded at a time: bounds the memory, and keeps every core busy


class Tokenizer:
    """Texts to token ids, by a `tokenizers.Tokenizer` of Hugging Face.

    `WordPieceTokenizer` and `WordTokenizer` say how each is made; what they do afterwards, and
    how they are saved, is here. `Tokenizer.load` gives back the right one of the two.

    Args:
        backend: The `tokenizers.Tokenizer`. Its own truncation and padding are switched off.
        special_tokens: The token of each role, under the names that transformers uses:
            `pad_token`, `unk_token` and, for WordPiece, `cls_token`, `sep_token`, `mask_token`.
        source: What the tokenizer was made from, for error messages.

    Attributes:
        backend: As given, for what this class does not do.
        special_tokens: As given, without those that the vocabulary lacks.

    Raises:
        UserError: The vocabulary lacks a special token that is needed, or its ids are not
            0, 1, 2... each once.
    """

    model_class: type  # of tokenizers.models, by which `load` picks the subclass
    required_roles = ("pad_token", "unk_token")
    optional_roles = ()

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special_tokens: Mapping[str, str],
        *,
        source="the tokenizer",
    ):
        vocabulary = backend.get_vocab(with_added_tokens=True)
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise UserError(
                f"{source} has {len(vocabulary)} different tokens, whose ids must be "
                f"0 to {len(vocabulary) - 1}, each once: a token is missing, or is there twice."
            )
        for role in self.required_roles:
            if special_tokens[role] not in vocabulary:
                raise UserError(
                    f"{source} lacks the {role} {special_tokens[role]!r}: "
                    "give a whole vocabulary, or the name that this token has in it."
                )
        self.special_tokens = {
            role: token for role, token in special_tokens.items() if token in vocabulary
        }
        backend.no_truncation()
        backend.no_padding()
        backend.add_special_tokens(list(self.special_tokens.values()))
        self.backend = backend
        self._lock = threading.Lock()  # the backend's truncation is state that calls share

    def __repr__(self):
        return f"{type(self).__name__}(vocab_size={self.vocab_size})"

    def __reduce__(self):
        return type(self).from_json, (self.to_json(),)

    @property
    def vocab_size(self) -> int:
        """The number of tokens; every id is smaller."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def pad_id(self) -> int:
        """The id of the token that fills up a batch."""
        return self._id("pad_token")

    @property
    def unk_id(self) -> int:
        """The id of the token that stands for what the vocabulary lacks."""
        return self._id("unk_token")

    def _id(self, role):
        return self.backend.token_to_id(self.special_tokens[role])

    def vocabulary(self) -> list[str]:
        """The tokens, in the order of their ids."""
        vocabulary = self.backend.get_vocab(with_added_tokens=True)
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def encode(
        self,
        texts: Iterable[str],
        pairs: Iterable[str] | None = None,
        *,
        max_length: int | None = None,
    ) -> Encoded:
        """Token ids of each text, or of each pair of texts, special tokens included.

        A text that yields no token at all (which only `WordTokenizer` knows) becomes a single
        unknown token, so that no row of a batch is all padding.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str.
            pairs: The second text of each pair, as many as `texts`; their tokens get type id 1.
            max_length: The most tokens to keep of a text, special tokens included. Of a pair,
                tokens are dropped from the end of whichever text is longer.

        Returns:
            The ids, ragged: `pack` makes batches of them.

        Raises:
            UserError: Something is not a str, `pairs` has another length, or `max_length` leaves
                no room for the special tokens.
        """
        texts = _check_texts(texts, "texts")
        if pairs is not None:
            pairs = _check_texts(pairs, "pairs")
            if len(pairs) != len(texts):
                raise UserError(
                    f"There are {len(texts)} texts but {len(pairs)} pairs: give one for each text."
                )
        least = max(1, self.backend.num_special_tokens_to_add(pairs is not None))
        if max_length is not None and max_length < least:
            raise UserError(f"max_length is {max_length}, but must be at least {least}.")
        parts = []
        for chunk in _chunks(texts, pairs):
            encodings = self._run(chunk, max_length, ids_only=True)
            unknown = [self.unk_id]
            ids = [encoding.ids or unknown for encoding in encodings]
            type_ids = None if pairs is None else [encoding.type_ids for encoding in encodings]
            parts.append(Encoded(ids, type_ids))
        return Encoded.concatenate(parts, pad_id=self.pad_id)

    def tokenize(self, texts: Iterable[str]) -> list[list[str]]:
        """The tokens of each text, without special tokens around them.

        Args:
            texts: The texts, as for `encode`.

        Returns:
            The tokens of each text; an empty list for a text without any.

        Raises:
            UserError: Something is not a str.
        """
        chunks = _chunks(_check_texts(texts, "texts"))
        return [encoding.tokens for chunk in chunks for encoding in self._run(chunk)]

    def offsets(self, texts: Iterable[str]) -> list[list[tuple[int, int]]]:
        """Where each token that `tokenize` gives stands in its text.

        Args:
            texts: The texts, as for `encode`.

        Returns:
            For each token `(start, end)`, in characters of the text as it was given:
            `text[start:end]` is what the token was made from.

        Raises:
            UserError: Something is not a str.
        """
        chunks = _chunks(_check_texts(texts, "texts"))
        return [encoding.offsets for chunk in chunks for encoding in self._run(chunk)]

    def decode(self, ids: Iterable[Sequence[int]], *, skip_special_tokens=True) -> list[str]:
        """Readable text for each sequence of ids; its spaces and case may not be the original's.

        Args:
            ids: Sequences of token ids, such as `Encoded.ids` or a padded int array.
            skip_special_tokens: Whether to leave out padding and the other special tokens.

        Returns:
            A text for each sequence.

        Raises:
            UserError: An id is not in the vocabulary.
        """
        rows = [[int(token_id) for token_id in row] for row in ids]
        last = self.vocab_size - 1
        for row in rows:
            if row and not 0 <= min(row) <= max(row) <= last:
                wrong = min(row) if min(row) < 0 else max(row)
                raise UserError(f"Id {wrong} is not in the vocabulary: its ids are 0 to {last}.")
        return self.backend.decode_batch(rows, skip_special_tokens=skip_special_tokens)

    def _run(self, chunk, max_length=None, *, ids_only=False):
        # The fast one keeps neither tokens nor offsets.
        encode = self.backend.encode_batch_fast if ids_only else self.backend.encode_batch
        with self._lock:
            if max_length is None:
                self.backend.no_truncation()
            else:
                self.backend.enable_truncation(max_length)
            return encode(chunk, add_special_tokens=ids_only)

    def _backend_json(self):
        with self._lock:
            self.backend.no_truncation()
            return self.backend.to_str()

    def _config(self):
        """What `tokenizer_config.json` says: the roles of the special tokens."""
        return {"tokenizer_class": "PreTrainedTokenizerFast", **self.special_tokens}

    def to_json(self) -> str:
        """The whole tokenizer as one string, of which `from_json` makes it again.

        Returns:
            A JSON object of what `save` writes into two files.
        """
        saved = {"tokenizer": json.loads(self._backend_json()), "config": self._config()}
        return json.dumps(saved, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """Makes a tokenizer of the string that `to_json` gave.

        Args:
            text: The string.

        Returns:
            A `WordPieceTokenizer` or a `WordTokenizer`, whichever it was.

        Raises:
            UserError: The string is not that of a tokenizer of this class.
        """
        source = "the tokenizer's JSON"
        saved = parse_json(text, source)
        backend = json.dumps(saved.get("tokenizer"), ensure_ascii=False)
        return cls._build(backend, saved.get("config") or {}, source)

    def save(self, folder):
        """Writes `tokenizer.json` and `tokenizer_config.json`, which transformers reads too.

        Each file is written beside and renamed into place.

        Args:
            folder: The folder, made if need be.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = json.dumps(self._config(), ensure_ascii=False, indent=2)
        write_text(folder / "tokenizer_config.json", config + "\n")
        write_text(folder / "tokenizer.json", self._backend_json())

    @classmethod
    def load(cls, folder) -> "Tokenizer":
        """Reads a tokenizer that `save` or transformers wrote.

        Args:
            folder: A folder with `tokenizer.json` and, where there is one,
                `tokenizer_config.json`.

        Returns:
            A `WordPieceTokenizer` or a `WordTokenizer`, whichever the file holds.

        Raises:
            UserError: The file is missing or broken, or holds no tokenizer of this class.
        """
        path = Path(folder) / "tokenizer.json"
        return cls._build(read_text(path), _read_config(path.parent), path)

    @classmethod
    def _build(cls, backend_json, config, source):
        """The tokenizer of `backend_json`, the text of a `tokenizer.json`."""
        try:
            backend = tokenizers.Tokenizer.from_str(backend_json)
        except Exception as error:  # the library raises Exception itself
            raise UserError(
                f"{source} is not whole, or no file of the tokenizers library ({error})."
            ) from None
        kinds = cls.__subclasses__() or [cls]
        for kind in kinds:
            if isinstance(backend.model, kind.model_class):
                return kind._from_backend(backend, config, source)
        raise UserError(
            f"{source} holds a {type(backend.model).__name__} model, but this reads "
            f"{' and '.join(kind.model_class.__name__ for kind in kinds)} only."
        )

    @classmethod
    def _from_backend(cls, backend, config, source):
        return cls(backend, cls._roles(config, source), source=source)

    @classmethod
    def _roles(cls, config, source):
        """The token of each role, as `config` names it or as BERT does."""
        tokens = {}
        for role in (*cls.required_roles, *cls.optional_roles):
            token = config.get(role) or f"[{role.removesuffix('_token').upper()}]"
            if isinstance(token, Mapping):  # an AddedToken with its settings
                token = token.get("content")
            if not isinstance(token, str):
                raise UserError(f"{source} comes with a {role} that is no string: {token!r}.")
            tokens[role] = token
        return tokens


def _read_config(folder: Path) -> dict:
    """`tokenizer_config.json`, over the older file that named the special tokens."""
    older = read_json(folder / "special_tokens_map.json")
    return older | read_json(folder / "tokenizer_config.json")


def _check_texts(texts, name) -> list[str]:
    """The texts as a list, each a str that can be encoded."""
    one_dimensional = getattr(texts, "ndim", 1) == 1
    if isinstance(texts, (str, bytes, Mapping, Set)) or not one_dimensional:
        raise UserError(f"{name} is a {type(texts).__name__}, but must be a list of str.")
    try:
        texts = list(texts)
    except TypeError:
        raise UserError(f"{name} is {texts!r}, but must be a list of str.") from None
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(
                f"{name}[{index}] is {text!r}, a {type(text).__name__}, but must be a str: "
                "leave it out, or decode it."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"{name}[{index}] holds half a surrogate pair at character {error.start}, "
                "which is no Unicode text: decode its source again with errors='replace'."
            ) from None
    return texts


def _chunks(texts, pairs=None) -> Iterator[list]:
    """Consecutive parts of the texts, or of the pairs, of about `_CHUNK_CHARACTERS` each."""
    items = texts if pairs is None else list(zip(texts, pairs, strict=True))
    sizes = map(len, texts) if pairs is None else (len(a) + len(b) for a, b in items)
    start = characters = 0
    for end, size in enumerate(sizes, 1):
        characters += size
        if characters >= _CHUNK_CHARACTERS or end == len(items):
            yield items[start:end]
            start, characters = end, 0
