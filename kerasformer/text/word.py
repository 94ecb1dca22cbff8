"""A word-level tokenizer, learnt from texts."""

from collections.abc import Iterable
from typing import Self

from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from kerasformer.errors import UserError
from kerasformer.text.texts import check_texts
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.tokenizer_json import WORD_PATTERN
from kerasformer.text.vocabulary import number_tokens


class WordTokenizer(Tokenizer):
    """Words and punctuation marks as tokens, the most frequent ones of the training texts.

    The tokenizer of classic text classifiers. Texts are normalised to Unicode's NFKC (so that
    "ﬁlm" is "film") and lower-cased; accents stay, as they make other words. A word keeps its
    apostrophes ("don't"), every punctuation mark is a token, and in scripts without spaces, such
    as Chinese, every character is one.

    Id 0 is `[PAD]` and 1 is `[UNK]`; a text that spells these out gets neither. Words follow by
    falling frequency, equally frequent ones by their characters' order. There are no tokens around
    a text, and no pairs.

    Example:

    >>> tokenizer = WordTokenizer.train(["It's good, good!", "A good film."])
    >>> tokenizer.vocabulary()
    ['[PAD]', '[UNK]', 'good', '!', ',', '.', 'a', 'film', "it's"]
    >>> tokenizer.tokenize(["A bad film", ""]).ids
    [[6, 1, 7], [1]]
    """

    model_kind = "WordLevel"

    def _set_up(self, source):
        self.backend.encode_special_tokens = True  # "[PAD]" in a text is three signs, not padding

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 20_000) -> Self:
        """Learns the vocabulary from texts, which should be of the training split only.

        Args:
            texts: The texts: a list, a tuple, an array or another iterable of str.
            vocab_size: The most tokens to keep, `[PAD]` and `[UNK]` included.

        Raises:
            UserError: A text is not a str, there is no word in the texts, or `vocab_size` has no
                room for one.
        """
        if vocab_size < 3:
            raise UserError(f"vocab_size is {vocab_size}, but must be at least 3.")
        texts = check_texts(texts)
        roles = cls._roles({}, "")
        backend = _backend(models.WordLevel(unk_token=roles["unk_token"]), lowercase=True)
        trainer = trainers.WordLevelTrainer(
            vocab_size=vocab_size, special_tokens=list(roles.values()), show_progress=False
        )
        backend.train_from_iterator(texts, trainer)
        if backend.get_vocab_size() == len(roles):
            raise UserError("The texts hold no word to learn: give texts with words.")
        return cls(backend, roles)

    @classmethod
    def from_vocabulary(cls, words: Iterable[str], lowercase: bool = True) -> Self:
        """Makes the tokenizer of a list of words, such as those that there are vectors of.

        Args:
            words: The words, all different, in the order of their ids, which begin at 2.
            lowercase: Whether to lower-case texts: `False` for words with capitals.

        Raises:
            UserError: There is no word, or one is no str or there twice.

        Example:

        >>> WordTokenizer.from_vocabulary(["film", "a"]).tokenize(["A film, a film"]).ids
        [[3, 2, 1, 3, 2]]
        """
        roles = cls._roles({}, "")
        ids = number_tokens([*roles.values(), *words], "the vocabulary")
        model = models.WordLevel(ids, unk_token=roles["unk_token"])
        return cls(_backend(model, lowercase), roles)


def _backend(model, lowercase):
    backend = Backend(model)
    lower = [normalizers.Lowercase()] if lowercase else []
    backend.normalizer = normalizers.Sequence(
        [
            # First of all, control characters go, and every space becomes a plain one.
            normalizers.BertNormalizer(
                handle_chinese_chars=False, strip_accents=False, lowercase=False
            ),
            *(normalizers.NFKC(), *lower, normalizers.Replace("’", "'")),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    return backend
