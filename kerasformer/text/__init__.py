"""Strings to tensors: tokenizers, and the packing of their ids into the encoders' inputs.

>>> tokenizer = WordPieceTokenizer.from_vocabulary(
...     ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "film", "##s"])
>>> inputs = pack(tokenizer.tokenize(["Good films!", "good"]))
>>> inputs["input_word_ids"]
array([[2, 4, 5, 6, 1, 3],
       [2, 4, 3, 0, 0, 0]], dtype=int32)
"""

from kerasformer.text.tokenized import Tokenized, pack
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.word import WordTokenizer
from kerasformer.text.wordpiece import WordPieceTokenizer

__all__ = ["Tokenized", "Tokenizer", "WordPieceTokenizer", "WordTokenizer", "pack"]
