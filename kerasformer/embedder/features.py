"""The model from token ids to the vectors of tokens or, pooled, of sentences."""

import keras
from keras import ops

from kerasformer.layers import SequencePooling
from kerasformer.models.config import INPUTS


class Features(keras.Model):
    """An encoder, then a mix of its layers, then a pooling of its tokens.

    Args:
        encoder: A `BertEncoder`.
        layers: A `LayerPooling`.
        pooling: Modes, each one of `SequencePooling` or `"pooled"`, whose vectors are
            concatenated; without any, the tokens' vectors are the output.
        first: The place of the token that `"cls"` takes.

    Call arguments:
        inputs: The dict of `kerasformer.text.pack`; for a pooling also `pooling_mask`, 1 where a
            token is pooled, int32 `[batch, seq]`.

    Returns:
        In float32 whatever the encoder's policy, `[batch, size]`; of tokens `[batch, seq, size]`,
        where layers that are kept apart stand side by side.
    """

    def __init__(self, encoder, layers, pooling=(), first=0):
        super().__init__(dtype="float32")
        self.encoder = encoder
        self.layer_pooling = layers
        self.modes = pooling
        self.first = first
        self.poolings = {
            mode: SequencePooling(mode, dtype="float32")
            for mode in pooling
            if mode not in ("cls", "pooled")
        }

    def build(self, input_shape=None):
        """The encoder has its variables already; a scalar mix may not."""
        config = self.encoder.config
        if not self.layer_pooling.built:
            state = (None, None, config.hidden_size)
            self.layer_pooling.build([state] * (config.num_layers + 1))
        self.built = True

    def call(self, inputs):
        """See the class."""
        tokens, pooled = self._encode({name: inputs[name] for name in INPUTS})
        if not self.modes:
            return tokens
        vectors = [self._pool(mode, tokens, pooled, inputs["pooling_mask"]) for mode in self.modes]
        return ops.concatenate(vectors, axis=-1) if vectors[1:] else vectors[0]

    @property
    def taken(self):
        """The names of the inputs."""
        return (*INPUTS, "pooling_mask") if self.modes else INPUTS

    def _encode(self, ids):
        """The tokens' vectors, and the pooler's output where it is asked for."""
        count = self.encoder.config.num_layers + 1
        further = ["pooled_output"] if "pooled" in self.modes else []
        mix = self.layer_pooling
        if mix.combine != "scalar_mix" and mix.indices(count) == (count - 1,):
            outputs = self.encoder(ids, outputs=["sequence_output", *further], training=False)
            tokens = outputs["sequence_output"]
        else:
            # What is not used of these is in the graph, but is never computed.
            names = ["embedding_output", "encoder_outputs", *further]
            outputs = self.encoder(ids, outputs=names, training=False)
            states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
            tokens = mix([ops.cast(state, "float32") for state in states])
        if len(tokens.shape) == 4:
            tokens = ops.reshape(tokens, (*ops.shape(tokens)[:2], -1))
        return ops.cast(tokens, "float32"), outputs.get("pooled_output")

    def _pool(self, mode, tokens, pooled, mask):
        if mode == "cls":
            return tokens[:, self.first]
        if mode == "pooled":
            return ops.cast(pooled, "float32")
        return self.poolings[mode](tokens, padding_mask=mask)
