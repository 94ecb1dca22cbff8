"""What all tokenizers share: texts to ids, tokens and offsets; saving and loading."""

import dataclasses
import itertools
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import tokenizers

from kerasformer.errors import UserError
from kerasformer.files import parse_json, write_whole
from kerasformer.sources.resolve import resolve
from kerasformer.text import files
from kerasformer.text.added_tokens import add_tokens, named_tokens, read_added_tokens
from kerasformer.text.texts import check_texts, chunks
from kerasformer.text.tokenized import Tokenized, longest_first
from kerasformer.text.tokenizer_json import VocabularyModel, read_backend, read_model
from kerasformer.text.vocabulary import check_vocabulary, complete
from kerasformer.transaction import saving


class Tokenizer:
    """Texts to token ids, by a `tokenizers.Tokenizer` of Hugging Face.

    The base of `WordPieceTokenizer`, `ByteLevelTokenizer`, `CharBPETokenizer` and `WordTokenizer`;
    `Tokenizer.from_pretrained` gives whichever of these a source holds.

    Args:
        backend: The `tokenizers.Tokenizer`, also an attribute. Its own truncation and padding are
            switched off.
        special_tokens: The token of each role, under transformers' names, such as `pad_token`;
            also an attribute, without those that the vocabulary lacks.
        max_length: The most tokens of a text that its model was made for, special tokens included,
            where that is known; also an attribute. `tokenize` does not truncate by itself.
        source: Where the tokenizer comes from, for error messages.

    Raises:
        UserError: The vocabulary lacks a required special token, or its ids are not 0, 1, 2...
    """

    model_kind: ClassVar[str]  # of a VocabularyModel
    roles: ClassVar[tuple[str, ...]] = ("pad_token", "unk_token")
    optional_roles: ClassVar[tuple[str, ...]] = ()  # of these
    takes_pairs: ClassVar[bool] = False

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special_tokens: Mapping[str, str],
        *,
        max_length: int | None = None,
        source: str | Path = "the tokenizer",
    ):
        ids = check_vocabulary(backend, special_tokens, self.optional_roles, source)
        self.special_tokens = {r: token for r, token in special_tokens.items() if token in ids}
        backend.no_truncation()
        backend.no_padding()
        backend.add_special_tokens(list(self.special_tokens.values()))
        self.backend = backend
        self.max_length = max_length
        # The ids before a text, and after it and its pair.
        self.before: list[int] = []
        self.after: list[int] = []
        self._set_up(source)

    def _set_up(self, source: str | Path):
        """Sets what a subclass needs beside the backend."""

    def __repr__(self):
        return f"{type(self).__name__}(vocab_size={self.vocab_size})"

    def __reduce__(self):
        return type(self).from_json, (self.to_json(),), {"max_length": self.max_length}

    @property
    def vocab_size(self) -> int:
        """The number of tokens; every id is smaller."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def pad_id(self) -> int:
        """The id of the padding token."""
        return self._id("pad_token")

    @property
    def unk_id(self) -> int:
        """The id of the token for what the vocabulary lacks."""
        return self._id("unk_token")

    def _id(self, role):
        return self.backend.token_to_id(self.special_tokens[role])

    def names(self, role: str) -> bool:
        """Whether a token of its own has a role, and no other one stands for it."""
        return role in self.special_tokens or role not in self.optional_roles

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
        """Token ids of each text or pair of texts, special tokens included; `pack` batches them.

        A text without tokens of a Word-, CharBPE- or ByteLevelTokenizer gets one `unk_id`.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str.
            pairs: The second text of each pair, as many as `texts`, of a `WordPieceTokenizer`
                alone; their tokens get type id 1.
            max_length: The most tokens to keep of a text, special tokens included. Of a pair,
                tokens are dropped from the end of whichever text is longer.

        Raises:
            UserError: A text is not a str, the pairs are more or fewer than the texts or not taken,
                or `max_length` leaves no room for the special tokens.
        """
        texts = check_texts(texts)
        if pairs is not None:
            if not self.takes_pairs:
                raise UserError(
                    f"A {type(self).__name__} takes no pairs: join the two texts, or use a "
                    "WordPieceTokenizer."
                )
            pairs = check_texts(pairs, "pairs")
            if len(pairs) != len(texts):
                raise UserError(
                    f"There are {len(texts)} texts but {len(pairs)} pairs: give one for each text."
                )
        special = len(self.before) + len(self.after) * (1 if pairs is None else 2)
        if max_length is not None and max_length < (least := max(1, special)):
            raise UserError(f"max_length is {max_length}, but must be at least {least}.")
        room = None if max_length is None else max_length - special
        before, after, unknown = self.before, self.after, [self.unk_id]
        if pairs is None:
            given = ((before + ids[:room] + after) or unknown for ids in self.ids(texts))
            return Tokenized(given, pad_id=self.pad_id)
        rows, type_ids = [], []
        for ids, pair_ids in zip(self.ids(texts), self.ids(pairs), strict=True):
            keep, keep_pair = longest_first(len(ids), len(pair_ids), room)
            first = before + ids[:keep] + after
            second = pair_ids[:keep_pair] + after
            rows.append(array("i", first + second))
            type_ids.append(bytes(len(first)) + b"\1" * len(second))
        return Tokenized(rows, type_ids, pad_id=self.pad_id)

    def ids(self, texts: list[str]) -> Iterator[list[int]]:
        """The ids of each of some checked texts, not truncated and without special tokens."""
        # The backend adds neither: it keeps all that it cuts off, in as many encodings as there are
        # combinations of cut-off pieces of a pair, and its truncation is state that threads share.
        for chunk in chunks(texts):
            for encoding in self.backend.encode_batch_fast(chunk, add_special_tokens=False):
                yield encoding.ids

    def encodings(self, texts: list, *, are_words: bool = False) -> Iterator[tokenizers.Encoding]:
        """As `ids`, but all that `tokenizers` gives: ids, tokens, offsets and words.

        With `are_words` each text is the list of its words, which `word_ids` then counts.
        """
        for chunk in chunks(texts):
            yield from self.backend.encode_batch(
                chunk, is_pretokenized=are_words, add_special_tokens=False
            )

    def tokens(self, texts: Iterable[str]) -> list[list[str]]:
        """The tokens of each text as strings, without special tokens; errors as of `tokenize`."""
        return [encoding.tokens for encoding in self.encodings(check_texts(texts))]

    def offsets(self, texts: Iterable[str]) -> list[list[tuple[int, int]]]:
        """The `(start, end)` of each of the `tokens`, which was made from `text[start:end]`."""
        return [encoding.offsets for encoding in self.encodings(check_texts(texts))]

    def decode(self, ids: Iterable[Sequence[int]], skip_special_tokens: bool = True) -> list[str]:
        """Readable text for each sequence of ids; its spaces and case may not be the original's.

        Args:
            ids: Sequences of token ids, such as `Tokenized.ids` or a padded int array.
            skip_special_tokens: Whether to leave out padding and the other special tokens.

        Raises:
            UserError: An id is not in the vocabulary.
        """
        rows = [[int(token_id) for token_id in row] for row in ids]
        last = self.vocab_size - 1
        for token_id in itertools.chain.from_iterable(rows):
            if not 0 <= token_id <= last:
                raise UserError(f"Id {token_id} is not in the vocabulary: its ids are 0 to {last}.")
        return self.backend.decode_batch(rows, skip_special_tokens=skip_special_tokens)

    def _config(self) -> dict[str, Any]:
        """The content of `tokenizer_config.json` that the tokenizer's ids follow from."""
        return {"tokenizer_class": "PreTrainedTokenizerFast", **self.special_tokens}

    def to_json(self, *, with_max_length: bool = False) -> str:
        """The tokenizer as one string, for `from_json`: what the ids follow from, or that and more.

        Args:
            with_max_length: Whether `max_length` is in it, which no id follows from.
        """
        saved = {"tokenizer": parse_json(self.backend.to_str(), self), "config": self._config()}
        if with_max_length and self.max_length is not None:
            saved["config"]["model_max_length"] = self.max_length
        return json.dumps(saved, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Makes the tokenizer of a `to_json` string, or raises a UserError."""
        source = "the tokenizer's JSON"
        saved = parse_json(text, source)
        config = saved.get("config")
        config = dict(config) if isinstance(config, dict) else {}
        config.pop("tokenizer_class", None)  # the JSON has all that the tokenizer does
        return cls._from_saved(saved.get("tokenizer"), config, source)

    def save_pretrained(self, folder: str | os.PathLike, *, vocab_txt: bool = False) -> None:
        """Writes `tokenizer.json` and `tokenizer_config.json`, which transformers reads too.

        The folder is created if missing, and the files are replaced in one step; a UserError where
        the folder cannot be written to. With `vocab_txt` there is one too, which TF Text reads.
        """
        # With the added tokens, older files of the folder do not count.
        added = sorted(self.backend.get_added_tokens_decoder().items())
        config = self._config() | {"added_tokens_decoder": {i: t.__getstate__() for i, t in added}}
        if self.max_length is not None:
            config["model_max_length"] = self.max_length
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        contents = {"tokenizer_config.json": text, "tokenizer.json": self.backend.to_str()}
        contents |= {"vocab.txt": "\n".join([*self.vocabulary(), ""])} if vocab_txt else {}
        with saving(folder, "tokenizer.json", files.REPLACED_FILES) as new:
            for name in contents:
                write_whole(new / name, contents[name])

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike) -> Self:
        """Reads the tokenizer of a published model, as transformers does.

        Args:
            source: A folder, a preset's name such as `"all-MiniLM-L6-v2"` or `hf://owner/name`,
                see `kerasformer.resolve`, with `tokenizer.json`, `vocab.txt`, or `vocab.json` and
                `merges.txt`; or one of the first three. Whether a `vocab.txt` alone is lowercase is
                said by a folder named as Google's releases, or guessed, with a warning.

        Returns:
            A tokenizer of the class that the source is of, which neither truncates nor pads.

        Raises:
            UserError: There is no such source, or it has no valid tokenizer of this class; those
                of TensorFlow's formats are read by `kerasformer.checkpoints.open_checkpoint`.
        """
        path = resolve(source)
        file = files.find_tokenizer_file(path)
        if file.suffix == ".txt":
            kind: Any = cls._kind("WordPiece", file)
            return kind._from_vocabulary_file(file, is_alone=file == path)
        config = files.read_config(file.parent)
        return cls._from_saved(files.read_saved(file, config), config, file)

    @classmethod
    def _from_saved(cls, saved, config, source) -> Self:
        """The tokenizer of the object in a `tokenizer.json`, and of `read_config`."""
        if not isinstance(saved, dict):
            raise UserError(f"{source} holds no tokenizer: save it again.")
        model = read_model(saved, source)
        model = dataclasses.replace(model, ids=complete(model.ids, source))
        kind = cls._kind(model.kind, source)
        backend = kind._read_backend(saved, model, config, source)
        return kind._from_backend(backend, saved.get("added_tokens"), config, source)

    @classmethod
    def _kind(cls, model_kind: str, source) -> type[Self]:
        kinds = {kind.model_kind: kind for kind in cls.__subclasses__() or [cls]}
        if model_kind not in kinds:
            known = f"only {' and '.join(kinds)} can be read here"
            raise UserError(f"{source} holds a {model_kind} model, but {known}.")
        return kinds[model_kind]

    @classmethod
    def _read_backend(cls, saved, model: VocabularyModel, config, source) -> tokenizers.Tokenizer:
        return read_backend(saved, model, source)

    @classmethod
    def _from_backend(cls, backend: tokenizers.Tokenizer, added, config, source) -> Self:
        roles, alone = cls._roles(config, source), bool(files.class_kind(config))
        tokens = read_added_tokens(config, added, config_alone=alone, source=source)
        add_tokens(backend, tokens, named_tokens(config, source), roles.values(), source)
        return cls(backend, roles, max_length=files.read_max_length(config, source), source=source)

    @classmethod
    def _roles(cls, config, source) -> dict[str, str]:
        return files.read_roles(config, cls.roles, source)
