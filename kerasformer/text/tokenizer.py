"""What every tokenizer does: texts to ids, tokens and offsets; saved and loaded as data."""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import tokenizers

from ..errors import UserError
from ..files import write_whole
from .files import parse_json, read_config, read_text
from .texts import check_texts, chunks
from .tokenized import Tokenized


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
        unknown, expected = backend.model.unk_token, special_tokens["unk_token"]
        if unknown != expected or backend.model.token_to_id(unknown) is None:
            raise UserError(
                f"{source} has a model whose unk_token is {unknown!r}, but it must be "
                f"{expected!r}, in the model's own vocabulary: correct the file, or the "
                "tokenizer_config.json beside it."
            )
        self.special_tokens = {
            role: token for role, token in special_tokens.items() if token in vocabulary
        }
        backend.no_truncation()
        backend.no_padding()
        backend.add_special_tokens(list(self.special_tokens.values()))
        self.backend = backend
        # The ids before a text, and after it and its pair.
        self._before, self._after = [], []

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

    def tokenize(
        self,
        texts: Iterable[str],
        pairs: Iterable[str] | None = None,
        *,
        max_length: int | None = None,
    ) -> Tokenized:
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
        texts = check_texts(texts)
        if pairs is not None:
            pairs = check_texts(pairs, "pairs")
            if len(pairs) != len(texts):
                raise UserError(
                    f"There are {len(texts)} texts but {len(pairs)} pairs: give one for each text."
                )
        room = self._room(max_length, with_pairs=pairs is not None)
        before, after, unknown = self._before, self._after, [self.unk_id]
        if pairs is None:
            rows = ((before + ids[:room] + after) or unknown for ids in self.ids(texts))
            return Tokenized(rows, pad_id=self.pad_id)
        rows, type_ids = [], []
        for ids, pair_ids in zip(self.ids(texts), self.ids(pairs), strict=True):
            keep, keep_pair = longest_first(len(ids), len(pair_ids), room)
            first = before + ids[:keep] + after
            second = pair_ids[:keep_pair] + after
            rows.append(array("i", first + second))
            type_ids.append(bytes(len(first)) + b"\1" * len(second))
        return Tokenized(rows, type_ids, pad_id=self.pad_id)

    def _room(self, max_length, *, with_pairs):
        """How many tokens of the texts themselves `max_length` allows."""
        if max_length is None:
            return None
        special = len(self._before) + len(self._after) * (2 if with_pairs else 1)
        least = max(1, special)
        if max_length < least:
            raise UserError(f"max_length is {max_length}, but must be at least {least}.")
        return max_length - special

    def ids(self, texts: list[str]) -> Iterator[list[int]]:
        """The ids of each text alone: not cut, and no special tokens around them.

        The truncation and the special tokens are not left to the backend: it keeps all that it
        cuts off, in as many encodings as there are combinations of cut-off pieces of a pair, and
        its truncation is state that threads would share.

        Args:
            texts: Checked texts.

        Yields:
            The ids of each text, in order.
        """
        for chunk in chunks(texts):
            for encoding in self.backend.encode_batch_fast(chunk, add_special_tokens=False):
                yield encoding.ids

    def encodings(self, texts: list, *, are_words=False) -> Iterator[tokenizers.Encoding]:
        """All that `tokenizers` knows of each text's tokens: ids, tokens, offsets, words.

        Args:
            texts: Checked texts, or lists of checked words.
            are_words: Whether each text is the list of its words, which `word_ids` then counts.

        Yields:
            The `tokenizers.Encoding` of each text, in order, not cut and without special tokens.
        """
        for chunk in chunks(texts):
            yield from self.backend.encode_batch(
                chunk, is_pretokenized=are_words, add_special_tokens=False
            )

    def tokens(self, texts: Iterable[str]) -> list[list[str]]:
        """The tokens of each text, without special tokens around them.

        Args:
            texts: The texts, as for `tokenize`.

        Returns:
            The tokens of each text; an empty list for a text without any.

        Raises:
            UserError: Something is not a str.
        """
        return [encoding.tokens for encoding in self.encodings(check_texts(texts))]

    def offsets(self, texts: Iterable[str]) -> list[list[tuple[int, int]]]:
        """Where each token that `tokens` gives stands in its text.

        Args:
            texts: The texts, as for `tokenize`.

        Returns:
            For each token `(start, end)`, in characters of the text as it was given:
            `text[start:end]` is what the token was made from.

        Raises:
            UserError: Something is not a str.
        """
        return [encoding.offsets for encoding in self.encodings(check_texts(texts))]

    def decode(self, ids: Iterable[Sequence[int]], *, skip_special_tokens=True) -> list[str]:
        """Readable text for each sequence of ids; its spaces and case may not be the original's.

        Args:
            ids: Sequences of token ids, such as `Tokenized.ids` or a padded int array.
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

    def _config(self):
        """What `tokenizer_config.json` says: the roles of the special tokens."""
        return {"tokenizer_class": "PreTrainedTokenizerFast", **self.special_tokens}

    def to_json(self) -> str:
        """The whole tokenizer as one string, of which `from_json` makes it again.

        Returns:
            A JSON object of what `save` writes into two files.
        """
        saved = {"tokenizer": json.loads(self.backend.to_str()), "config": self._config()}
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
        write_whole(folder / "tokenizer_config.json", config + "\n")
        write_whole(folder / "tokenizer.json", self.backend.to_str())

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
        return cls._build(read_text(path), read_config(path.parent), path)

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


def longest_first(length, pair_length, room):
    """How many tokens to keep of each of two texts: those of the longer one go first.

    Once both are equally long they share the room, and an odd token goes to the longer text, or
    to the second of two that are equally long: as in tokenizers, strategy "longest_first".

    Args:
        length: The tokens of the first text.
        pair_length: The tokens of the second text.
        room: The most tokens of the two together, or None.
    """
    if room is None or length + pair_length <= room:
        return length, pair_length
    shorter = min(length, pair_length, room // 2)
    longer = room - shorter
    return (longer, shorter) if length > pair_length else (shorter, longer)
