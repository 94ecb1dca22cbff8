"""The names of the weights of GPT-2 and of the OpenAI transformer in the Hugging Face layout.

Their dense layers are `Conv1D`, whose kernels are `[inputs, outputs]` as ours, and queries, keys
and values are one of them.
"""

from kerasformer.checkpoints.names import HIDDEN, INNER, Convention, NameTable, Weight, Weights

_CONV = Convention(".weight", ".bias", ".weight", ".bias", ".weight", heads=(HIDDEN,))
CLASSIFIER = "score"


def _embeddings(words: str, positions: str) -> Weights:
    tables = (
        ("word_embeddings", words, "vocab_size"),
        ("position_embedding", positions, "max_length"),
    )
    return tuple(
        Weight(f"embeddings/{ours}/embeddings", f"{theirs}.weight", (rows, HIDDEN))
        for ours, theirs, rows in tables
    )


_BLOCK = (
    *_CONV.fused((f"self_attention/{name}" for name in ("query", "key", "value")), "attn.c_attn"),
    *_CONV.dense("self_attention/attention_output", "attn.c_proj", HIDDEN, HIDDEN),
    *_CONV.layer_norm("self_attention_layer_norm", "ln_1"),
    *_CONV.dense("intermediate", "mlp.c_fc", HIDDEN, INNER),
    *_CONV.dense("output", "mlp.c_proj", INNER, HIDDEN),
    *_CONV.layer_norm("output_layer_norm", "ln_2"),
)
# The head over the vocabulary is the word embeddings: it has no weight of its own.
_HEADS: dict[str, Weights] = {"causal_lm": ()}

# `GPT2Model`, and the classifier of `GPT2ForSequenceClassification` over the last token's vector.
GPT2 = NameTable(
    embeddings=_embeddings("wte", "wpe"),
    block=_BLOCK,
    block_name="h.{}.",
    last=_CONV.layer_norm("final_layer_norm", "ln_f"),
    heads={
        **_HEADS,
        "classifier": (Weight("kernel", f"{CLASSIFIER}.weight", ("num_classes", HIDDEN), True),),
    },
)
# `OpenAIGPTModel`, post-LN.
OPENAI = NameTable(
    embeddings=_embeddings("tokens_embed", "positions_embed"),
    block=_BLOCK,
    block_name="h.{}.",
    heads=GPT2.heads,
)
