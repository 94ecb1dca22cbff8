"""BERT's tokenizer inside a TensorFlow graph, for SavedModels that take strings."""

import functools
import re

import numpy as np
from tokenizers import normalizers, pre_tokenizers

from kerasformer.errors import UserError, require
from kerasformer.text.wordpiece import WordPieceTokenizer

tf = require("tensorflow", what="a tokenizer in a graph")

_PAGE = 256  # characters; most of the pages that Unicode divides into are alike
_SURROGATES = range(0xD800 // _PAGE, 0xE000 // _PAGE)
# Some of Unicode's noncharacters "for internal use" stand for the special tokens that are typed out
# in a text. No vocabulary holds them, so that where a text does, they are as good as the last one.
_MARKS = range(0xFDD0, 0xFDF0)
_ANCHOR = "\ua4d0"  # a letter that no other one turns into, and that stays as it is


class InGraphTokenizer:
    """A `WordPieceTokenizer` as TensorFlow operations: strings to ids within a graph.

    What the tokenizer's normalizer and pre-tokenizer make of each Unicode character is a table in
    the graph, so that the words are the tokenizer's whatever its settings;
    `tensorflow_text.FastBertTokenizer` has rules of its own for NUL, zero-width and compatibility
    characters, and `BertTokenizer` others for case. `tensorflow_text.FastWordpieceTokenizer` splits
    the words, so a process that loads a SavedModel with this in it must `import tensorflow_text`
    first. A special token that is typed out in a text is that token, as in `WordPieceTokenizer`.

    The ids are those of `WordPieceTokenizer.tokenize`, with two exceptions. Bytes that are not
    UTF-8, which `tokenize` does not take, are left out. And where accents are stripped, a text with
    several combining signs on one letter, of which one is not an accent (U+302E, U+302F and the
    note stems U+1D165 to U+1D172), keeps these in the order in which they were typed.

    `tokenize` is a `tf.function`: texts, string `[batch]`, to the ids of their pieces, int32
    `[batch, (words), (pieces)]`, without special tokens around them.
    """

    def __init__(self, tokenizer: WordPieceTokenizer):
        text = require("tensorflow_text", extra="hub")
        _check(tokenizer)
        self.tokenizer = tokenizer
        model, normalizer = tokenizer.backend.model, tokenizer.backend.normalizer
        self._most_characters = model.max_input_chars_per_word
        self._pieces = text.FastWordpieceTokenizer(
            tokenizer.vocabulary(),
            suffix_indicator=model.continuing_subword_prefix,
            max_bytes_per_word=4 * self._most_characters,  # the limit is one of characters
            token_out_type=tf.int32,
            unknown_token=model.unk_token,
            no_pretokenization=True,
        )
        # A longer one first: it may hold a shorter one.
        self._specials = sorted(tokenizer.special_tokens.values(), key=len, reverse=True)
        codes, rewritings = _character_table(
            normalizer.lowercase, normalizer.strip_accents, normalizer.handle_chinese_chars
        )
        codes = codes.copy()
        for code, mark in enumerate(_MARKS[: len(self._specials)], len(rewritings)):
            codes[mark] = code
        rewritings = [*rewritings, *(f" {token} " for token in self._specials)]
        pages, page_of = np.unique(codes.reshape(-1, _PAGE), axis=0, return_inverse=True)
        self._codes = tf.constant(pages.ravel(), tf.int32)
        self._page_of = tf.constant(page_of.ravel(), tf.int32)
        # The NUL in a rewriting stands for the character itself.
        characters = [ord(c) or -1 for rewriting in rewritings for c in rewriting]
        self._rewritings = tf.RaggedTensor.from_row_lengths(
            tf.constant(characters, tf.int32), [len(rewriting) for rewriting in rewritings]
        )
        # A function of its own, so that all which call it share one copy of the tables.
        self.tokenize = tf.function(
            self._tokenize, input_signature=[tf.TensorSpec([None], tf.string, name="texts")]
        )

    def __call__(self, texts, pairs=None, *, max_length=None):
        """The encoders' inputs, as `WordPieceTokenizer.tokenize` and `kerasformer.text.pack` do."""
        segments = [self.tokenize(texts)] + ([] if pairs is None else [self.tokenize(pairs)])
        segments = [segment.merge_dims(1, 2) for segment in segments]
        if max_length is not None:
            lengths = [segment.row_lengths() for segment in segments]
            # An odd token goes to the longer text, or to the second of two equally long ones.
            to_first = tf.cast(lengths[0] > lengths[-1], tf.int64)
            segments = _truncate(segments, max_length - len(segments) - 1, to_first)
        return self._pack(segments)

    def pack(self, segments, seq_length):
        """Packs ids into the encoders' inputs as TF Hub's `bert_pack_inputs` does.

        Source: `BertPackInputs` in `official/nlp/modeling/layers/text_layers.py` of
        https://github.com/tensorflow/models. It differs from `__call__` in one token: where a
        pair is truncated to an odd number of tokens, the first text keeps one more. The one or two
        segments are ragged, `[batch, (pieces)]` or `[batch, (words), (pieces)]`.
        """
        segments = [s.merge_dims(1, 2) if s.shape.rank == 3 else s for s in segments]
        seq_length = tf.convert_to_tensor(seq_length)
        room = tf.cast(seq_length, tf.int64) - len(segments) - 1
        return self._pack(_truncate(segments, room, to_first=1), seq_length)

    def _tokenize(self, texts):
        marks = f"[{chr(_MARKS[0])}-{chr(_MARKS[-1])}]"
        texts = tf.strings.regex_replace(texts, marks, chr(_MARKS[-1]))
        for mark, token in zip(_MARKS, self._specials, strict=False):
            texts = tf.strings.regex_replace(texts, re.escape(token), chr(mark))
        words = tf.strings.split(self._normalize(texts))
        lengths = tf.strings.length(words.values, unit="UTF8_CHAR")
        unknown = self.tokenizer.special_tokens["unk_token"]
        short = tf.where(lengths > self._most_characters, unknown, words.values)
        return self._pieces.tokenize(words.with_values(short))

    def _normalize(self, texts):
        """The texts with one space, or several, between their words."""
        characters = tf.strings.unicode_decode(texts, "UTF-8")  # U+FFFD where it is not UTF-8
        page = tf.gather(self._page_of, characters.values // _PAGE)
        code = tf.gather(self._codes, page * _PAGE + characters.values % _PAGE)
        rewritten = tf.gather(self._rewritings, code)
        itself = tf.repeat(characters.values, rewritten.row_lengths())
        rewritten = rewritten.with_values(tf.where(rewritten.values < 0, itself, rewritten.values))
        characters = characters.with_values(rewritten).merge_dims(1, 2)
        return tf.strings.unicode_encode(characters, "UTF-8")

    def _pack(self, segments, seq_length=None):
        before, after = self.tokenizer.cls_id, self.tokenizer.sep_id
        column = tf.ones([segments[0].nrows(), 1], tf.int32)
        ids, type_ids = [before * column], [0 * column]
        for number, segment in enumerate(segments):
            ids += [segment, after * column]
            type_ids += [number * tf.ones_like(segment), number * column]
        ids, type_ids = tf.concat(ids, axis=1), tf.concat(type_ids, axis=1)
        shape = width = None
        if seq_length is not None:
            width = tf.get_static_value(seq_length)
            shape = tf.stack([-1, tf.cast(seq_length, tf.int64)])

        def pad(ragged, value=0):
            return tf.ensure_shape(ragged.to_tensor(value, shape=shape), [None, width])

        return {
            "input_word_ids": pad(ids, self.tokenizer.pad_id),
            "input_mask": pad(tf.ones_like(ids)),
            "input_type_ids": pad(type_ids),
        }


def _truncate(segments, room, to_first):
    """One segment cut to `room` tokens, or two that share it, `[batch, (tokens)]`.

    Each of two gets half of the room and what the other one leaves of its half; `to_first`, 0 or 1
    for each row, says whether the odd token is the first one's.
    """
    room = tf.maximum(tf.cast(room, tf.int64), 0)
    if len(segments) == 1:
        return [segments[0][:, :room]]
    first, second = segments
    half = room // 2 + room % 2 * to_first
    keep_first = tf.maximum(half, room - second.row_lengths())
    keep_second = tf.maximum(room - half, room - first.row_lengths())
    return [_keep(first, keep_first), _keep(second, keep_second)]


def _keep(ragged, lengths):
    """The first of each row's values, at most as many as `lengths` says, int64 `[batch]`."""
    position = tf.ragged.range(ragged.row_lengths()).values
    kept = position < tf.gather(lengths, ragged.value_rowids())
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(ragged.values, kept), tf.minimum(ragged.row_lengths(), lengths)
    )


def _check(tokenizer):
    """Raises a UserError where the tokenizer cannot be built of this class's operations."""
    backend = tokenizer.backend
    if not isinstance(backend.normalizer, normalizers.BertNormalizer) or not isinstance(
        backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer
    ):
        raise UserError(
            "The tokenizer normalizes or splits texts in another way than BERT's, which cannot be "
            "written as TensorFlow operations: tokenize outside of the graph."
        )
    if not backend.normalizer.clean_text:
        raise UserError(
            "The tokenizer keeps control characters, which a graph cannot: set clean_text in it."
        )
    for token in backend.get_added_tokens_decoder().values():
        plain = not (token.single_word or token.lstrip or token.rstrip or token.normalized)
        is_special = token.content in tokenizer.special_tokens.values()
        if not (is_special and plain) or token.content.split() != [token.content]:
            raise UserError(
                f"The tokenizer has {token.content!r} beside its vocabulary, which a graph cannot "
                "look for: take a tokenizer without tokens of its own, or tokenize outside of it."
            )


@functools.lru_cache(maxsize=4)
def _character_table(lowercase, strip_accents, handle_chinese_chars):
    """What a BertNormalizer and the BertPreTokenizer make of each character.

    An int32 array with a code for each code point, and for each code what to write instead of the
    character: a string with `\\0` for the character itself and a space where a word ends.
    """
    normalizer = normalizers.BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents, handle_chinese_chars=handle_chinese_chars
    )
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    codes = np.zeros((0x110000 // _PAGE, _PAGE), np.int32)
    code_of = {"\0": 0, " \0 ": 1}
    for number, row in enumerate(codes):
        if number in _SURROGATES:
            continue
        page = [chr(c) for c in range(number * _PAGE, (number + 1) * _PAGE)]
        page = ["a" if c == _ANCHOR else c for c in page]  # another that stays as it is
        text = normalizer.normalize_str(_ANCHOR.join(["", *page, ""]))
        words = " ".join(word for word, _ in pre_tokenizer.pre_tokenize_str(text))
        written = words.split(_ANCHOR)[1:-1]
        if written != page:
            rewritings = map(str.replace, written, page, "\0" * _PAGE)
            row[:] = [code_of.setdefault(rewriting, len(code_of)) for rewriting in rewritings]
    return codes.ravel(), list(code_of)
