"""The types of models in the Hugging Face layout, and the names of the weights of BERT's kind."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

from kerasformer.checkpoints.formats.gpt_names import GPT2, OPENAI
from kerasformer.checkpoints.names import EMBEDDING, HIDDEN, Convention, NameTable, Weights

SEQUENCES, TOKENS = "ForSequenceClassification", "ForTokenClassification"
CHOICES = "ForMultipleChoice"

_TORCH = Convention(
    *(".weight", ".bias", ".weight", ".bias", ".weight"), transposed=True, heads=(HIDDEN,)
)
# The first versions of the layout kept TensorFlow's names of the LayerNorm's weights.
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Classifiers of sequences, of tokens and of choices may have the same names; `architectures` in
# config.json distinguishes them.
_TOKEN_CLASSIFIER = _TORCH.dense("", "classifier", HIDDEN, "num_classes")
_SPAN = _TORCH.dense("", "qa_outputs", HIDDEN, 2)
# Classifiers of ours that transformers has no class for, over other vectors than the pooler's, or
# of the tokens than the last block's; by the names of their heads.
OWN_CLASSIFIERS = {head: f"kerasformer.{head}" for head in ("classifier", "token_classifier")}


def own_classifier(head: str, feature_size: int) -> Weights:
    """The lines of a classifier of vectors of this size."""
    return _TORCH.dense("", OWN_CLASSIFIERS[head], feature_size, "num_classes")


class Pooler(NamedTuple):
    """The dense layer over the first token, and the head's layer behind it.

    BERT's belongs to the encoder. DistilBERT's and ELECTRA's belong to a head, and are a pooler
    with another activation to us.

    Attributes:
        dense: The name of the first layer.
        activation: Its activation.
        output: The name of the second.
        classes: What follows `class_name` in the names of the classes that have both.
    """

    dense: str
    activation: str
    output: str = "classifier"
    classes: tuple[str, ...] = (SEQUENCES, CHOICES)

    @property
    def is_encoders(self) -> bool:
        """Whether the first layer is the encoder's own."""
        return self == _BERT_POOLER or not self.classes

    @property
    def lines(self) -> Weights:
        """The lines of the first layer."""
        return _TORCH.dense("pooler_transform", self.dense, HIDDEN, HIDDEN)

    @property
    def heads(self) -> dict[str, Weights]:
        """The lines of the second layer, by the name of the head that it may be."""
        return {
            "classifier": _TORCH.dense("", self.output, HIDDEN, "num_classes"),
            "multiple_choice": _TORCH.dense("", self.output, HIDDEN, 1),
        }


_BERT_POOLER = Pooler("pooler.dense", "tanh")

# transformers' `BertModel`, and what its models with a head have beside it.
BERT = NameTable(
    embeddings=_TORCH.embedding(
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
        "embeddings.LayerNorm",
    ),
    block_name="encoder.layer.{}.",
    block=_TORCH.block(
        *("attention.self.query", "attention.self.key", "attention.self.value"),
        *("attention.output.dense", "attention.output.LayerNorm"),
        *("intermediate.dense", "output.dense", "output.LayerNorm"),
    ),
    pooler=_BERT_POOLER.lines,
    heads={
        **_BERT_POOLER.heads,
        "masked_lm": _TORCH.masked_lm(
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.bias",
        ),
        "next_sentence": _TORCH.dense("", "cls.seq_relationship", HIDDEN, 2),
        "token_classifier": _TOKEN_CLASSIFIER,
        "span": _SPAN,
    },
)

# `ElectraModel`, generator or discriminator.
ELECTRA = dataclasses.replace(
    BERT,
    projection=_TORCH.dense("embedding_projection", "embeddings_project", EMBEDDING, HIDDEN),
    heads={
        "masked_lm": _TORCH.masked_lm(
            "generator_predictions.dense",
            "generator_predictions.LayerNorm",
            "generator_lm_head.bias",
        ),
        "token_classifier": _TOKEN_CLASSIFIER,
        "span": _SPAN,
    },
)

# `DistilBertModel`: no segments, no pooler.
DISTILBERT = NameTable(
    embeddings=_TORCH.embedding(
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        None,
        "embeddings.LayerNorm",
    ),
    block_name="transformer.layer.{}.",
    block=_TORCH.block(
        *("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        *("attention.out_lin", "sa_layer_norm"),
        *("ffn.lin1", "ffn.lin2", "output_layer_norm"),
    ),
    heads={
        "masked_lm": _TORCH.masked_lm(
            "vocab_transform", "vocab_layer_norm", "vocab_projector.bias"
        ),
        "token_classifier": _TOKEN_CLASSIFIER,
        "span": _SPAN,
    },
)


@dataclasses.dataclass(frozen=True)
class ModelType:
    """What a `model_type` of config.json means for the names in the files.

    Attributes:
        model_type: The `model_type`.
        class_name: What its classes' names begin with, `"Bert"` of `BertForMaskedLM`.
        table: The table of names.
        decoder: The masked-LM head's own copy of the word embeddings, where a file has one.
        ignored: Beginnings of names that are not the encoder's: constants that older versions of
            transformers saved, and heads.
        poolers: Those of its classes.
        dropout: The key of `config.json` for the dropout before a classifier of sequences, and its
            default, None for the encoder's.
        base: What is before the names in a model with a head, by default the class's name.
        constants: Beginnings of names of constants within each block.
    """

    model_type: str
    class_name: str
    table: NameTable
    decoder: str
    ignored: tuple[str, ...]
    poolers: tuple[Pooler, ...] = (_BERT_POOLER,)
    dropout: tuple[str, float | None] = ("classifier_dropout", None)
    base: str | None = None
    constants: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What is before the encoder's names in a model with a head."""
        return f"{self.base or self.class_name.lower()}."

    @property
    def is_decoder(self) -> bool:
        """Whether its tokens attend to those before them alone."""
        return "causal_lm" in self.table.heads

    def ignored_names(self, num_layers: int) -> tuple[str, ...]:
        """`ignored`, with the constants of so many blocks."""
        blocks = map(self.table.block_name.format, range(num_layers))
        return (*self.ignored, *(block + name for block in blocks for name in self.constants))


_CONSTANTS = ("embeddings.position_ids", "embeddings.token_type_ids")
_HEADS = (
    "classifier.",
    "qa_outputs.",
    "dropout.",
    *(f"{name}." for name in OWN_CLASSIFIERS.values()),
)

_KINDS = (
    ModelType(
        *("bert", "Bert", BERT, "cls.predictions.decoder.weight"),
        (*_CONSTANTS, *_HEADS, "cls."),
    ),
    ModelType(
        *("distilbert", "DistilBert", DISTILBERT, "vocab_projector.weight"),
        (
            *(*_CONSTANTS, *_HEADS, "pre_classifier."),
            *("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
        ),
        poolers=(Pooler("pre_classifier", "relu"),),
        dropout=("seq_classif_dropout", 0.2),
    ),
    ModelType(
        *("electra", "Electra", ELECTRA, "generator_lm_head.weight"),
        (
            *(*_CONSTANTS, *_HEADS, "discriminator_predictions.", "generator_predictions."),
            *("generator_lm_head.", "sequence_summary."),
        ),
        poolers=(
            Pooler("classifier.dense", "gelu", "classifier.out_proj", (SEQUENCES,)),
            Pooler("sequence_summary.summary", "gelu", classes=(CHOICES,)),
            # Not transformers': of an encoder of ours with embeddings of another width.
            _BERT_POOLER._replace(classes=()),
        ),
    ),
    *(
        ModelType(
            *(model_type, class_name, table, "lm_head.weight"),
            # The heads of `DoubleHeads`, whose choice among texts is not read, are others.
            (*_HEADS, "score.", "lm_head.", "multiple_choice_head.", "position_ids"),
            poolers=(),
            base="transformer",
            constants=("attn.bias", "attn.masked_bias"),  # the causal mask
        )
        for model_type, class_name, table in (
            ("gpt2", "GPT2", GPT2),
            ("openai-gpt", "OpenAIGPT", OPENAI),
        )
    ),
)
MODEL_TYPES = {kind.model_type: kind for kind in _KINDS}

# What follows `class_name` in the name of the class that has these heads, and no others.
ARCHITECTURES = {
    (): "Model",
    ("masked_lm",): "ForMaskedLM",
    ("next_sentence",): "ForNextSentencePrediction",
    ("masked_lm", "next_sentence"): "ForPreTraining",
    ("classifier",): SEQUENCES,
    ("token_classifier",): TOKENS,
    ("multiple_choice",): CHOICES,
    ("span",): "ForQuestionAnswering",
    ("causal_lm",): "LMHeadModel",
}
# Those whose encoder has no pooler in transformers.
WITHOUT_POOLER = ("ForMaskedLM", TOKENS, "ForQuestionAnswering")


def table_names(names: Iterable[str], kind: ModelType) -> tuple[str, dict[str, str]]:
    """What is before the encoder's names, and the file's names by those in the table."""
    prefix = kind.prefix if any(name.startswith(kind.prefix) for name in names) else ""
    named: dict[str, str] = {}
    for name in names:
        bare = name.removeprefix(prefix)
        for old, new in _OLD_NAMES.items():
            bare = bare.removesuffix(old) + new if bare.endswith(old) else bare
        named.setdefault(bare, name)
    return prefix, named
