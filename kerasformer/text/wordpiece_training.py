"""Learning a vocabulary of word pieces from texts."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, trainers

from kerasformer.errors import UserError
from kerasformer.text.texts import check_iterable, check_text

_PREFIX = "##"
# tokenizers' values for BERT
MOST_CHARACTERS = 1000
LEAST_FREQUENCY = 2
_MOST = 10_000_000  # of any number: tokenizers makes room for the vocabulary beforehand


def learn_pieces(
    texts: Iterable[str | list[str]],
    vocab_size: int,
    special_tokens: Iterable[str],
    normalizer: normalizers.Normalizer,
    min_frequency: int = LEAST_FREQUENCY,
    characters: int = MOST_CHARACTERS,
) -> list[str]:
    """The most useful word pieces of texts, as Hugging Face's `BertWordPieceTokenizer.train`.

    Its trainer numbers the pieces of one character within words in an order that changes from run
    to run, breaks ties by these numbers, drops any of equally rare characters, and takes more than
    `vocab_size` pieces where there are more characters. Here characters are chosen and sorted
    beforehand, so that the same texts in any order give the same pieces, and no more than that.

    The texts are read three times. What is kept of them is each different word, once.

    Args:
        texts: The texts, or documents as lists of sentences, to be read again and again.
        vocab_size: The most tokens, special tokens included.
        special_tokens: The first tokens.
        normalizer: What texts go through before they are split into words.
        min_frequency: How often a longer piece occurs at least.
        characters: The most different characters, the most frequent ones.

    Returns:
        The special tokens, single characters, those within words, and longer pieces in the order in
        which they were merged.

    Raises:
        UserError: There is no word in the texts, or no room for one, or an argument cannot be.
    """
    special_tokens = list(special_tokens)
    _check(
        special_tokens, vocab_size=vocab_size, min_frequency=min_frequency, characters=characters
    )
    if isinstance(texts, Iterator):  # which cannot be read again
        texts = list(texts)
    counts: Counter[str] = Counter()
    for text in _each(texts):
        counts.update(normalizer.normalize_str(text))
    del counts[" "]  # what the normalizer makes of every space

    def train(size, first, alphabet):
        backend = Backend(models.WordPiece(unk_token=special_tokens[1]))
        backend.normalizer = normalizer
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=min_frequency,
            show_progress=False,
            special_tokens=first,
            limit_alphabet=len(alphabet),
            initial_alphabet=alphabet,
            continuing_subword_prefix=_PREFIX,
        )
        backend.train_from_iterator(_each(texts), trainer)
        ids = backend.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    if not counts:
        raise UserError("The texts hold no word to learn: give texts with words.")
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    ranked = ranked[:characters]
    within = set(train(0, special_tokens, ranked)[len(special_tokens) :]).difference(ranked)
    chosen, room = [], vocab_size - len(special_tokens)
    for character in ranked:
        room -= 1 + (_PREFIX + character in within)
        if room < 0:
            break
        chosen.append(character)
    singles = [*sorted(chosen), *sorted(within.intersection(_PREFIX + c for c in chosen))]
    return train(vocab_size, [*special_tokens, *singles], chosen)


def _check(special_tokens: list[str], **numbers: int) -> None:
    for token in special_tokens:
        if special_tokens.count(token) > 1 or token.split() != [token]:
            raise UserError(
                f"The special token {token!r} cannot be one: name each once, without spaces, and "
                "none of BERT's own."
            )
    room = len(special_tokens) + 2  # a character, and it within words
    for name, least in (("vocab_size", room), ("min_frequency", 1), ("characters", 1)):
        if numbers[name] < least:
            raise UserError(f"{name} is {numbers[name]}, but must be at least {least}.")
        if numbers[name] > _MOST:
            raise UserError(f"{name} is {numbers[name]}, but must be at most {_MOST:,}.")


def _each(texts: Iterable[str | list[str]]) -> Iterator[str]:
    """The texts, those of documents one by one."""
    for number, text in enumerate(check_iterable(texts, "texts")):
        name = f"texts[{number}]"
        for part in text if isinstance(text, list) else [text]:
            yield check_text(part, name)
