"""The names of BERT's weights in the Hugging Face layout."""

from kerasformer.checkpoints.names import Layout, Weight


def dense(ours: str, theirs: str, outputs, inputs) -> tuple[Weight, Weight]:
    """The two lines of a torch `Linear`."""
    below = f"{ours}/" if ours else ""
    return (
        Weight(f"{below}kernel", f"{theirs}.weight", (outputs, inputs), transposed=True),
        Weight(f"{below}bias", f"{theirs}.bias", (outputs,)),
    )


def layer_norm(ours: str, theirs: str, width: str = "hidden_size") -> tuple[Weight, Weight]:
    """The two lines of a torch `LayerNorm`."""
    return (
        Weight(f"{ours}/gamma", f"{theirs}.weight", (width,)),
        Weight(f"{ours}/beta", f"{theirs}.bias", (width,)),
    )


def table(ours: str, theirs: str, rows: str) -> Weight:
    """The line of a torch `Embedding`, one of the embeddings' tables."""
    shape = (rows, "embedding_size")
    return Weight(f"embeddings/{ours}/embeddings", f"embeddings.{theirs}.weight", shape)


_HIDDEN, _INNER = "hidden_size", "intermediate_size"

# transformers' `BertModel`, and what its models with a head have beside it.
BERT = Layout(
    embeddings=(
        table("word_embeddings", "word_embeddings", "vocab_size"),
        table("position_embedding", "position_embeddings", "max_length"),
        table("type_embeddings", "token_type_embeddings", "type_vocab_size"),
        *layer_norm("embeddings/layer_norm", "embeddings.LayerNorm", "embedding_size"),
    ),
    block_name="encoder.layer.{}.",
    block=(
        *dense("self_attention/query", "attention.self.query", _HIDDEN, _HIDDEN),
        *dense("self_attention/key", "attention.self.key", _HIDDEN, _HIDDEN),
        *dense("self_attention/value", "attention.self.value", _HIDDEN, _HIDDEN),
        *dense("self_attention/attention_output", "attention.output.dense", _HIDDEN, _HIDDEN),
        *layer_norm("self_attention_layer_norm", "attention.output.LayerNorm"),
        *dense("intermediate", "intermediate.dense", _INNER, _HIDDEN),
        *dense("output", "output.dense", _HIDDEN, _INNER),
        *layer_norm("output_layer_norm", "output.LayerNorm"),
    ),
    pooler=dense("pooler_transform", "pooler.dense", _HIDDEN, _HIDDEN),
    heads={
        "masked_lm": (
            *dense("transform", "cls.predictions.transform.dense", "embedding_size", _HIDDEN),
            *layer_norm("layer_norm", "cls.predictions.transform.LayerNorm", "embedding_size"),
            Weight("bias", "cls.predictions.bias", ("vocab_size",)),
        ),
        "next_sentence": dense("", "cls.seq_relationship", 2, _HIDDEN),
        "classifier": dense("", "classifier", "num_classes", _HIDDEN),
        "span": dense("", "qa_outputs", 2, _HIDDEN),
    },
)
