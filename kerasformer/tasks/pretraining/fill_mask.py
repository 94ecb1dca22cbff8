"""Which tokens fill the masks of texts best, as transformers' fill-mask pipeline has it."""

import dataclasses
import warnings
from collections.abc import Iterable

import numpy as np

from kerasformer.errors import UserError
from kerasformer.formatting import listed
from kerasformer.tasks.prediction import softmax
from kerasformer.text import Tokenized, WordPieceTokenizer
from kerasformer.text.texts import check_texts


@dataclasses.dataclass(frozen=True)
class FilledMask:
    """A token that may fill a mask.

    Attributes:
        token: The token, `token_str` of transformers' pipeline.
        token_id: Its id, `token` there.
        score: Its probability.
        sequence: The text with it in the mask's place, as the tokenizer decodes it; of a text with
            several masks the other ones, and the special tokens around it, are still there.
    """

    token: str
    token_id: int
    score: float
    sequence: str


def find_masks(
    tokenized: Tokenized, tokenizer: WordPieceTokenizer, max_length: int
) -> list[np.ndarray]:
    """The places of the masks of each text.

    Raises:
        UserError: A text has none, or more tokens than `max_length`.
    """
    refuse_longer(tokenized, max_length)
    masks = [np.flatnonzero(np.array(ids) == tokenizer.mask_id) for ids in tokenized.ids]
    for number, places in enumerate(masks):
        if not len(places):
            mask = tokenizer.special_tokens["mask_token"]
            raise UserError(
                f"texts[{number}] has no mask: write {mask} in the place of each word to guess."
            )
    return masks


def refuse_longer(tokenized: Tokenized, max_length: int) -> None:
    """Raises a UserError for a text of more than `max_length` tokens."""
    longer = np.flatnonzero(tokenized.lengths > max_length)
    if len(longer):
        raise UserError(
            f"texts[{longer[0]}] has {tokenized.lengths[longer[0]]:,} tokens and the model takes "
            f"at most {max_length:,}: shorten it."
        )


def target_ids(targets: str | Iterable[str], tokenizer: WordPieceTokenizer) -> np.ndarray:
    """The ids of the words that may fill a mask.

    Of a word that is no single token the first piece counts, with a warning, as in transformers.

    Raises:
        UserError: There is no word, or one is no str or has no tokens.
    """
    words = check_texts([targets] if isinstance(targets, str) else targets, "targets")
    if not words:
        raise UserError("targets names no word: give at least one, or None for all tokens.")
    ids, inexact = set(), []
    for number, (word, pieces) in enumerate(zip(words, tokenizer.ids(words), strict=True)):
        token_id = tokenizer.backend.token_to_id(word)
        if token_id is None:
            if not pieces:
                raise UserError(
                    f"targets[{number}] is {word!r}, which has no tokens: leave it out."
                )
            token_id = pieces[0]
            if len(pieces) > 1:
                inexact.append(word)
        ids.add(token_id)
    if inexact:
        warnings.warn(
            f"Only the first piece is scored of {listed(inexact, 5)}: these targets are no single "
            "tokens of the vocabulary.",
            stacklevel=3,
        )
    return np.array(sorted(ids))


def fill(
    ids: list[int],
    masks: np.ndarray,
    logits: np.ndarray,
    tokenizer: WordPieceTokenizer,
    top_k: int,
    targets: np.ndarray | None,
) -> list[list[FilledMask]]:
    """The best tokens of each mask of a text, the most probable first.

    Args:
        ids: The token ids of the text.
        masks: Where its masks are.
        logits: Of each mask, float `[masks, vocab_size]`.
        tokenizer: The tokenizer.
        top_k: How many tokens for each mask.
        targets: The ids of which they are to be; None for any.
    """
    # An encoder may have more embeddings than there are tokens.
    known = np.arange(tokenizer.vocab_size) if targets is None else targets
    padding = tokenizer.pad_id if "pad_token" in tokenizer.special_tokens else None
    top_k = min(top_k, len(known))
    filled = []
    for mask, scores in zip(masks.tolist(), softmax(logits)[:, known], strict=True):
        best = np.argpartition(-scores, top_k - 1)[:top_k]
        best = best[np.lexsort((best, -scores[best]))]
        tokens = known[best].tolist()
        sequences = [[*ids[:mask], token, *ids[mask + 1 :]] for token in tokens]
        sequences = [[one for one in row if one != padding] for row in sequences]
        texts = tokenizer.decode(sequences, skip_special_tokens=len(masks) == 1)
        names = tokenizer.decode([[token] for token in tokens], skip_special_tokens=False)
        columns = names, tokens, scores[best].tolist(), texts
        filled.append([FilledMask(*row) for row in zip(*columns, strict=True)])
    return filled
