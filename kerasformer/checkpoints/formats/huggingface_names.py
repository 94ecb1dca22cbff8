"""The names of the weights of BERT, DistilBERT and ELECTRA in the Hugging Face layout."""

import dataclasses

from kerasformer.checkpoints.names import Layout, Weight

_HIDDEN, _INNER, _WIDTH = "hidden_size", "intermediate_size", "embedding_size"


def dense(ours: str, theirs: str, outputs, inputs) -> tuple[Weight, Weight]:
    """The two lines of a torch `Linear`."""
    below = f"{ours}/" if ours else ""
    return (
        Weight(f"{below}kernel", f"{theirs}.weight", (outputs, inputs), transposed=True),
        Weight(f"{below}bias", f"{theirs}.bias", (outputs,)),
    )


def layer_norm(ours: str, theirs: str, width: str = _HIDDEN) -> tuple[Weight, Weight]:
    """The two lines of a torch `LayerNorm`."""
    return (
        Weight(f"{ours}/gamma", f"{theirs}.weight", (width,)),
        Weight(f"{ours}/beta", f"{theirs}.bias", (width,)),
    )


def table(ours: str, theirs: str, rows: str) -> Weight:
    """The line of a torch `Embedding`, one of the embeddings' tables."""
    return Weight(f"embeddings/{ours}/embeddings", f"embeddings.{theirs}.weight", (rows, _WIDTH))


def _masked_lm(transform: str, norm: str, bias: str) -> tuple[Weight, ...]:
    return (
        *dense("transform", transform, _WIDTH, _HIDDEN),
        *layer_norm("layer_norm", norm, _WIDTH),
        Weight("bias", bias, ("vocab_size",)),
    )


_WORDS = table("word_embeddings", "word_embeddings", "vocab_size")
_POSITIONS = table("position_embedding", "position_embeddings", "max_length")
_SEGMENTS = table("type_embeddings", "token_type_embeddings", "type_vocab_size")
_NORM = layer_norm("embeddings/layer_norm", "embeddings.LayerNorm", _WIDTH)
# A classifier of sequences and one of tokens have the same names; `architectures` in config.json
# tells which it is.
_CLASSIFIER = dense("", "classifier", "num_classes", _HIDDEN)
_SPAN = dense("", "qa_outputs", 2, _HIDDEN)
# A classifier of ours that transformers has no class for, over other vectors than the pooler's.
OWN_CLASSIFIER = "kerasformer.classifier"


def own_classifier(feature_size: int) -> tuple[Weight, Weight]:
    """The lines of a classifier of vectors of this size."""
    return dense("", OWN_CLASSIFIER, "num_classes", feature_size)


# transformers' `BertModel`, and what its models with a head have beside it.
BERT = Layout(
    embeddings=(_WORDS, _POSITIONS, _SEGMENTS, *_NORM),
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
        "masked_lm": _masked_lm(
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.bias",
        ),
        "next_sentence": dense("", "cls.seq_relationship", 2, _HIDDEN),
        "classifier": _CLASSIFIER,
        "token_classifier": _CLASSIFIER,
        "span": _SPAN,
    },
)

# `ElectraModel`, generator or discriminator. It has no pooler: the pooler's lines are for an
# encoder of ours that has one beside embeddings of another width.
ELECTRA = dataclasses.replace(
    BERT,
    projection=dense("embedding_projection", "embeddings_project", _HIDDEN, _WIDTH),
    heads={
        "masked_lm": _masked_lm(
            "generator_predictions.dense",
            "generator_predictions.LayerNorm",
            "generator_lm_head.bias",
        ),
        "token_classifier": _CLASSIFIER,
        "span": _SPAN,
    },
)

# `DistilBertModel`: no segments, no pooler.
DISTILBERT = Layout(
    embeddings=(_WORDS, _POSITIONS, *_NORM),
    block_name="transformer.layer.{}.",
    block=(
        *dense("self_attention/query", "attention.q_lin", _HIDDEN, _HIDDEN),
        *dense("self_attention/key", "attention.k_lin", _HIDDEN, _HIDDEN),
        *dense("self_attention/value", "attention.v_lin", _HIDDEN, _HIDDEN),
        *dense("self_attention/attention_output", "attention.out_lin", _HIDDEN, _HIDDEN),
        *layer_norm("self_attention_layer_norm", "sa_layer_norm"),
        *dense("intermediate", "ffn.lin1", _INNER, _HIDDEN),
        *dense("output", "ffn.lin2", _HIDDEN, _INNER),
        *layer_norm("output_layer_norm", "output_layer_norm"),
    ),
    heads={
        "masked_lm": _masked_lm("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
        "token_classifier": _CLASSIFIER,
        "span": _SPAN,
    },
)


@dataclasses.dataclass(frozen=True)
class ModelType:
    """What a `model_type` of config.json means for the names in the files.

    Attributes:
        class_name: What its classes' names begin with, `"Bert"` of `BertForMaskedLM`.
        layout: The table of names.
        decoder: The masked-LM head's own copy of the word embeddings, where a file has one.
        ignored: Beginnings of names that are not the encoder's: constants that older versions of
            transformers saved, and heads.
    """

    class_name: str
    layout: Layout
    decoder: str
    ignored: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """What is before the encoder's names in a model with a head."""
        return f"{self.class_name.lower()}."


_CONSTANTS = ("embeddings.position_ids", "embeddings.token_type_ids")
_HEADS = ("classifier.", "qa_outputs.", "dropout.", f"{OWN_CLASSIFIER}.")

MODEL_TYPES = {
    "bert": ModelType(
        "Bert", BERT, "cls.predictions.decoder.weight", (*_CONSTANTS, *_HEADS, "cls.")
    ),
    "distilbert": ModelType(
        "DistilBert",
        DISTILBERT,
        "vocab_projector.weight",
        (
            *(*_CONSTANTS, *_HEADS, "pre_classifier."),
            *("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
        ),
    ),
    "electra": ModelType(
        "Electra",
        ELECTRA,
        "generator_lm_head.weight",
        (
            *(*_CONSTANTS, *_HEADS, "discriminator_predictions.", "generator_predictions."),
            *("generator_lm_head.", "sequence_summary."),
        ),
    ),
}

# What follows `class_name` in the name of the class that has these heads, and no others.
ARCHITECTURES = {
    (): "Model",
    ("masked_lm",): "ForMaskedLM",
    ("next_sentence",): "ForNextSentencePrediction",
    ("masked_lm", "next_sentence"): "ForPreTraining",
    ("classifier",): "ForSequenceClassification",
    ("token_classifier",): "ForTokenClassification",
    ("span",): "ForQuestionAnswering",
}
# Those whose encoder has no pooler in transformers.
WITHOUT_POOLER = ("ForMaskedLM", "ForTokenClassification", "ForQuestionAnswering")
