"""The model from token ids to the vectors of tokens or, pooled, of sentences."""

import keras
from keras import ops

from kerasformer.layers import LayerPooling, SequencePooling
from kerasformer.models import BertEncoder
from kerasformer.models.config import INPUTS


class FeatureExtractor(keras.Model):
    """An encoder, then a mix of its layers, then a pooling of its tokens.

    Args:
        encoder: The encoder.
        layers: The layers to take.
        poolings: Each one of `SequencePooling` or `"pooled"`, whose vectors are concatenated;
            without any, the tokens' vectors are the output.
        cls_position: The position of the token that `"cls"` takes.

    Call arguments:
        inputs: The dict of `kerasformer.text.pack`; for a pooling also `pooling_mask`, 1 where a
            token is pooled, int32 `[batch, seq]`.

    Returns:
        float32 `[batch, size]`, whatever the encoder's policy; of tokens `[batch, seq, size]`, with
        stacked layers side by side.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        layers: LayerPooling,
        poolings: tuple[str, ...] = (),
        cls_position: int = 0,
    ):
        super().__init__(dtype="float32")
        self.encoder = encoder
        self.layer_pooling = layers
        self.poolings = poolings
        self.cls_position = cls_position
        self.pooling_layers = {
            pooling: SequencePooling(pooling, dtype="float32")
            for pooling in poolings
            if pooling not in ("cls", "pooled")
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
        if not self.poolings:
            return tokens
        mask = inputs["pooling_mask"]
        vectors = [self._pool(pooling, tokens, pooled, mask) for pooling in self.poolings]
        return ops.concatenate(vectors, axis=-1) if vectors[1:] else vectors[0]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return (*INPUTS, "pooling_mask") if self.poolings else INPUTS

    def _encode(self, ids):
        """The tokens' vectors, and the pooler's output where it is asked for."""
        count = self.encoder.config.num_layers + 1
        further = ["pooled_output"] if "pooled" in self.poolings else []
        mix = self.layer_pooling
        if mix.combine != "scalar_mix" and mix.indices(count) == (count - 1,):
            outputs = self.encoder(ids, outputs=["sequence_output", *further], training=False)
            tokens = outputs["sequence_output"]
        else:
            # Those that are not used are in the graph, but never computed.
            names = ["embedding_output", "encoder_outputs", *further]
            outputs = self.encoder(ids, outputs=names, training=False)
            states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
            tokens = mix([ops.cast(state, "float32") for state in states])
        if len(tokens.shape) == 4:
            tokens = ops.reshape(tokens, (*ops.shape(tokens)[:2], -1))
        return ops.cast(tokens, "float32"), outputs.get("pooled_output")

    def _pool(self, pooling, tokens, pooled, mask):
        if pooling == "cls":
            return tokens[:, self.cls_position]
        if pooling == "pooled":
            return ops.cast(pooled, "float32")
        return self.pooling_layers[pooling](tokens, padding_mask=mask)
