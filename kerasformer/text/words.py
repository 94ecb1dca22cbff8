"""The words of a text, as BERT's tokenizers divide it before it looks into its vocabulary."""

import functools

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers


def split_words(text: str) -> list[tuple[int, int]]:
    """Where each word of a text stands: (start, end) in characters.

    Words are divided by white space; every punctuation mark and Chinese character is one.

    >>> [("It's 5km."[start:end]) for start, end in split_words("It's 5km.")]
    ['It', "'", 's', '5km', '.']
    """
    return _splitter().encode(text).offsets


@functools.cache
def _splitter():
    backend = Tokenizer(models.WordLevel({"": 0}, unk_token=""))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend
