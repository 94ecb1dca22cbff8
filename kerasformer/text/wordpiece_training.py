"""Learning a vocabulary of word pieces from texts."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, trainers

_PREFIX = "##"
_MOST_CHARACTERS = 1000  # of these and of the frequency below, tokenizers' values for BERT
_LEAST_FREQUENCY = 2


def learn_pieces(
    texts: Sequence[str],
    vocab_size: int,
    special_tokens: Iterable[str],
    normalizer: normalizers.Normalizer,
) -> list[str]:
    """The most useful word pieces of texts, as Hugging Face's `BertWordPieceTokenizer.train`.

    Its trainer numbers the pieces of one character within words in an order that changes from run
    to run, breaks ties by these numbers, drops any of equally rare characters, and takes more than
    `vocab_size` pieces where there are more characters. Here characters are chosen and sorted
    beforehand, so that the same texts in any order give the same pieces, and no more than that.

    Args:
        texts: The texts.
        vocab_size: The most tokens, special tokens included.
        special_tokens: The first tokens.
        normalizer: What texts go through before they are split into words.

    Returns:
        The special tokens, single characters, those within words, and longer pieces in the order in
        which they were merged; no more than the special tokens where there is no word.
    """
    special_tokens = list(special_tokens)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    del counts[" "]  # what the normalizer makes of every space

    def train(size, first, characters):
        backend = Backend(models.WordPiece(unk_token=special_tokens[1]))
        backend.normalizer = normalizer
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=_LEAST_FREQUENCY,
            show_progress=False,
            special_tokens=first,
            limit_alphabet=len(characters),
            initial_alphabet=characters,
            continuing_subword_prefix=_PREFIX,
        )
        backend.train_from_iterator(texts, trainer)
        ids = backend.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    ranked = ranked[:_MOST_CHARACTERS]
    within = set(train(0, special_tokens, ranked)[len(special_tokens) :]).difference(ranked)
    chosen, room = [], vocab_size - len(special_tokens)
    for character in ranked:
        room -= 1 + (_PREFIX + character in within)
        if room < 0:
            break
        chosen.append(character)
    singles = [*sorted(chosen), *sorted(within.intersection(_PREFIX + c for c in chosen))]
    return train(vocab_size, [*special_tokens, *singles], chosen)
