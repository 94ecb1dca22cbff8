"""Keras 3 layers of a transformer encoder, in `keras.ops` alone: they run on any Keras backend."""

from kerasformer.layers.activations import get_activation
from kerasformer.layers.attention import SelfAttention
from kerasformer.layers.attention_pooling import AdditiveAttentionPooling
from kerasformer.layers.embedding import BertEmbedding, TokenAndPositionEmbedding
from kerasformer.layers.heads import CausalLMHead, MaskedLMHead
from kerasformer.layers.layer_pooling import NAMED_LAYERS, LayerPooling
from kerasformer.layers.pooling import SequencePooling
from kerasformer.layers.transformer_block import TransformerBlock

__all__ = [
    "NAMED_LAYERS",
    "AdditiveAttentionPooling",
    "BertEmbedding",
    "CausalLMHead",
    "LayerPooling",
    "MaskedLMHead",
    "SelfAttention",
    "SequencePooling",
    "TokenAndPositionEmbedding",
    "TransformerBlock",
    "get_activation",
]
