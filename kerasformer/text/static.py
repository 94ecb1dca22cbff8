"""The tokenizer of a static model."""

from pathlib import Path
from typing import Self

from kerasformer.errors import UserError
from kerasformer.files import read_json
from kerasformer.text.files import check_max_length
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.tokenizer_json import read_model


class StaticTokenizer(Tokenizer):
    """A `tokenizer.json` as it is, of WordPiece or of words, that puts nothing around a text.

    For models that have a vector for each token and no encoder: sentence-transformers'
    `StaticEmbedding`. They need neither a `[CLS]` nor padding.

    Example:

    >>> from kerasformer.text import WordTokenizer
    >>> WordTokenizer.train(["A good film."]).save_pretrained("words")
    >>> tokenizer = StaticTokenizer.from_file("words/tokenizer.json")
    >>> list(tokenizer.ids(["Good, good film!", ""]))
    [[5, 1, 5, 4, 1], []]
    """

    model_kind = "any"
    roles = ("unk_token",)

    @property
    def pad_id(self) -> int:
        """The unknown token's id: under the mask any will do."""
        return self.unk_id

    @classmethod
    def from_file(cls, file: str | Path) -> Self:
        """Reads a `tokenizer.json`, without what stands beside it; a UserError if it is not sound.

        Where it truncates texts, it names the tokenizer's `max_length`.
        """
        saved = read_json(Path(file))
        tokenizer = cls._from_saved(saved, {"unk_token": read_model(saved, file).unk_token}, file)
        truncation = saved.get("truncation")
        if truncation is not None:
            is_plain = isinstance(truncation, dict) and truncation.get("direction") != "Left"
            if not is_plain:
                raise UserError(
                    f"{file} truncates texts by {str(truncation)[:80]}: expected a max_length, "
                    "and that the beginning stays."
                )
            tokenizer.max_length = check_max_length(truncation.get("max_length"), file)
        return tokenizer

    @classmethod
    def _kind(cls, model_kind, source):
        if model_kind.endswith("BPE"):
            raise UserError(
                f"{source} holds a BPE model, but only WordPiece and WordLevel can be read here."
            )
        return cls
