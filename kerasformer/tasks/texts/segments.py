"""The segments of pairs of texts, by what an encoder has learnt of them."""

import keras

from kerasformer.models import BertEncoder
from kerasformer.models.transformer import Transformer
from kerasformer.text import Tokenized


def segmented(tokenized: Tokenized, encoder: Transformer) -> Tokenized:
    """The tokens of pairs as an encoder takes them: without segments where it has none.

    Args:
        tokenized: The tokens.
        encoder: One with a table of segments that is all zeros but for the first, as it is read
            from DistilBERT, has none: training is not to begin another, which DistilBERT could not
            hold.

    Example:

    >>> from kerasformer.models import EncoderConfig
    >>> pair = Tokenized([[2, 5, 3, 6, 3]], [[0, 0, 0, 1, 1]])
    >>> segmented(pair, BertEncoder(EncoderConfig.bert("tiny", type_vocab_size=1))).type_ids
    [[0, 0, 0, 0, 0]]
    """
    has_segments = isinstance(encoder, BertEncoder)
    if has_segments:
        rows = encoder.embedding.type_embeddings.embeddings
        has_segments = keras.ops.convert_to_numpy(rows)[1:].any()
    return tokenized if has_segments else Tokenized(tokenized.ids, pad_id=tokenized.pad_id)
