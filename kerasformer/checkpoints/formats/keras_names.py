"""The names of BERT's weights in files that Keras writes: ours, and KerasHub's."""

from kerasformer.checkpoints.names import Layout, Weight

_HIDDEN, _INNER = "hidden_size", "intermediate_size"
_HEADS = ("num_heads", "head_size")


def _layer(ours: str, theirs: str, kernel: tuple, bias: tuple, names=("kernel", "bias")):
    """The two lines of a Keras layer, whose variables are numbered."""
    return tuple(
        Weight(f"{ours}/{name}", f"{theirs}/vars/{i}", shape)
        for i, (name, shape) in enumerate(zip(names, (kernel, bias), strict=True))
    )


def _dense(ours, theirs, inputs, outputs):
    return _layer(ours, theirs, (inputs, outputs), (outputs,))


def _norm(ours, theirs, width=_HIDDEN):
    return _layer(ours, theirs, (width,), (width,), ("gamma", "beta"))


def _table(ours, theirs, rows):
    return Weight(f"embeddings/{ours}/embeddings", f"{theirs}/vars/0", (rows, "embedding_size"))


def _attention(theirs):
    """The lines of `keras.layers.MultiHeadAttention`, heads on an axis of their own."""
    inputs = [
        _layer(f"self_attention/{name}", f"{theirs}/{name}_dense", (_HIDDEN, *_HEADS), _HEADS)
        for name in ("query", "key", "value")
    ]
    output = _layer(
        "self_attention/attention_output", f"{theirs}/output_dense", (*_HEADS, _HIDDEN), (_HIDDEN,)
    )
    return (*(line for lines in inputs for line in lines), *output)


# `BertEncoder`, as `save` and `save_weights` write it.
KERASFORMER = Layout(
    embeddings=(
        _table("word_embeddings", "embedding/word_embeddings", "vocab_size"),
        _table("position_embedding", "embedding/position_embedding", "max_length"),
        _table("type_embeddings", "embedding/type_embeddings", "type_vocab_size"),
        *_norm("embeddings/layer_norm", "embedding/layer_norm", "embedding_size"),
    ),
    projection=_dense("embedding_projection", "embedding_projection", "embedding_size", _HIDDEN),
    block_name="blocks/transformer_block_{}/",
    block=(
        *_attention("self_attention"),
        *_norm("self_attention_layer_norm", "self_attention_layer_norm"),
        *_dense("intermediate", "intermediate", _HIDDEN, _INNER),
        *_dense("output", "output_dense", _INNER, _HIDDEN),
        *_norm("output_layer_norm", "output_layer_norm"),
    ),
    pooler=_dense("pooler_transform", "layers/dense", _HIDDEN, _HIDDEN),
)

# `keras_hub.models.BertBackbone`, as `save_to_preset` writes it.
KERASHUB = Layout(
    embeddings=(
        _table("word_embeddings", "layers/reversible_embedding", "vocab_size"),
        _table("position_embedding", "layers/position_embedding", "max_length"),
        _table("type_embeddings", "layers/embedding", "type_vocab_size"),
        *_norm("embeddings/layer_norm", "layers/layer_normalization", "embedding_size"),
    ),
    block_name="layers/transformer_encoder_{}/",
    block=(
        *_attention("_self_attention_layer"),
        *_norm("self_attention_layer_norm", "_self_attention_layer_norm"),
        *_dense("intermediate", "_feedforward_intermediate_dense", _HIDDEN, _INNER),
        *_dense("output", "_feedforward_output_dense", _INNER, _HIDDEN),
        *_norm("output_layer_norm", "_feedforward_layer_norm"),
    ),
    pooler=_dense("pooler_transform", "layers/dense", _HIDDEN, _HIDDEN),
)
