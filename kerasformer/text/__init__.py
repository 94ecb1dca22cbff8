"""Strings to tensors: tokenizers, and the packing of their ids into the encoders' inputs."""

from kerasformer.text.byte_level import ByteLevelTokenizer
from kerasformer.text.char_bpe import CharBPETokenizer
from kerasformer.text.tokenized import Tokenized, pack
from kerasformer.text.tokenizer import Tokenizer
from kerasformer.text.word import WordTokenizer
from kerasformer.text.wordpiece import WordPieceTokenizer

__all__ = [
    "ByteLevelTokenizer",
    "CharBPETokenizer",
    "Tokenized",
    "Tokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "pack",
]
