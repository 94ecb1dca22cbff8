"""The names of BERT's weights in TensorFlow: tf-models-official's, and those of 2018.

TF Hub's SavedModels and the checkpoints of tf-models-official have the first:
https://github.com/tensorflow/models/blob/master/official/nlp/modeling/networks/bert_encoder.py
Google's first release of BERT has the others:
https://github.com/google-research/bert/blob/master/modeling.py
"""

import re
from collections.abc import Iterable
from pathlib import Path

from kerasformer.checkpoints.names import Layout, Weight
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.models.config import EncoderConfig

_HIDDEN, _INNER, _EMBEDDING = ("hidden_size",), ("intermediate_size",), ("embedding_size",)
_HEADS = ("num_heads", "head_size")


def dense(ours: str, theirs: str, inputs: tuple, outputs: tuple) -> tuple[Weight, Weight]:
    """The two lines of a dense layer."""
    return (
        Weight(f"{ours}/kernel", f"{theirs}/kernel", inputs + outputs),
        Weight(f"{ours}/bias", f"{theirs}/bias", outputs),
    )


def layer_norm(ours: str, theirs: str, width: tuple = _HIDDEN) -> tuple[Weight, Weight]:
    """The two lines of a LayerNorm."""
    return (
        Weight(f"{ours}/gamma", f"{theirs}/gamma", width),
        Weight(f"{ours}/beta", f"{theirs}/beta", width),
    )


def _tables(words: str, positions: str, types: str, width: str) -> tuple[Weight, ...]:
    return (
        Weight("embeddings/word_embeddings/embeddings", words, ("vocab_size", width)),
        Weight("embeddings/position_embedding/embeddings", positions, ("max_length", width)),
        Weight("embeddings/type_embeddings/embeddings", types, ("type_vocab_size", width)),
    )


# tf-models-official's `BertEncoder`, and what `BertPretrainerV2` has beside it. A kernel has an
# axis for the heads, as ours.
TF_MODELS = Layout(
    embeddings=(
        *_tables(
            "word_embeddings/embeddings",
            "position_embedding/embeddings",
            "type_embeddings/embeddings",
            "embedding_size",
        ),
        *layer_norm("embeddings/layer_norm", "embeddings/layer_norm", _EMBEDDING),
    ),
    projection=dense("embedding_projection", "embedding_projection", _EMBEDDING, _HIDDEN),
    block_name="transformer/layer_{}/",
    block=(
        *dense("self_attention/query", "self_attention/query", _HIDDEN, _HEADS),
        *dense("self_attention/key", "self_attention/key", _HIDDEN, _HEADS),
        *dense("self_attention/value", "self_attention/value", _HIDDEN, _HEADS),
        *dense(
            "self_attention/attention_output", "self_attention/attention_output", _HEADS, _HIDDEN
        ),
        *layer_norm("self_attention_layer_norm", "self_attention_layer_norm"),
        *dense("intermediate", "intermediate", _HIDDEN, _INNER),
        *dense("output", "output", _INNER, _HIDDEN),
        *layer_norm("output_layer_norm", "output_layer_norm"),
    ),
    pooler=dense("pooler_transform", "pooler_transform", _HIDDEN, _HIDDEN),
    heads={
        "masked_lm": (
            *dense("transform", "cls/predictions/transform/dense", _HIDDEN, _EMBEDDING),
            *layer_norm("layer_norm", "cls/predictions/transform/LayerNorm", _EMBEDDING),
            Weight("bias", "cls/predictions/output_bias/bias", ("vocab_size",)),
        ),
    },
)

# `modeling.BertModel` of google-research/bert, and the heads of its scripts.
GOOGLE = Layout(
    embeddings=(
        *_tables(
            "bert/embeddings/word_embeddings",
            "bert/embeddings/position_embeddings",
            "bert/embeddings/token_type_embeddings",
            "hidden_size",
        ),
        *layer_norm("embeddings/layer_norm", "bert/embeddings/LayerNorm"),
    ),
    block_name="bert/encoder/layer_{}/",
    block=(
        *dense("self_attention/query", "attention/self/query", _HIDDEN, _HIDDEN),
        *dense("self_attention/key", "attention/self/key", _HIDDEN, _HIDDEN),
        *dense("self_attention/value", "attention/self/value", _HIDDEN, _HIDDEN),
        *dense("self_attention/attention_output", "attention/output/dense", _HIDDEN, _HIDDEN),
        *layer_norm("self_attention_layer_norm", "attention/output/LayerNorm"),
        *dense("intermediate", "intermediate/dense", _HIDDEN, _INNER),
        *dense("output", "output/dense", _INNER, _HIDDEN),
        *layer_norm("output_layer_norm", "output/LayerNorm"),
    ),
    pooler=dense("pooler_transform", "bert/pooler/dense", _HIDDEN, _HIDDEN),
    heads={
        "masked_lm": (
            *dense("transform", "cls/predictions/transform/dense", _HIDDEN, _HIDDEN),
            *layer_norm("layer_norm", "cls/predictions/transform/LayerNorm"),
            Weight("bias", "cls/predictions/output_bias", ("vocab_size",)),
        ),
        "next_sentence": (
            Weight("kernel", "cls/seq_relationship/output_weights", (2, "hidden_size"), True),
            Weight("bias", "cls/seq_relationship/output_bias", (2,)),
        ),
        "classifier": (
            Weight("kernel", "output_weights", ("num_classes", "hidden_size"), True),
            Weight("bias", "output_bias", ("num_classes",)),
        ),
        "span": (
            Weight("kernel", "cls/squad/output_weights", (2, "hidden_size"), True),
            Weight("bias", "cls/squad/output_bias", (2,)),
        ),
    },
)

# Beginnings of names that are not the encoder's; `names_of` gives the last.
IGNORED = ("cls/", "next_sentence/", "sentence_prediction/", "other/")
_KINDS = {
    r"(^|/)(electra|discriminator|generator)[_\w]*/": "an ELECTRA of Google's first release",
    r"/inner_group_\d|(^|/)transformer/self_attention/": "an ALBERT, whose blocks share weights",
    r"(^|/)bert_model/|/self_attention_output/": "a BERT of TF Hub's first versions",
}


def prefix_of(tensors: Iterable[str], layout: Layout) -> str | None:
    """What stands before the layout's names, or None where there is no such name."""
    last = layout.embeddings[0].theirs
    found = [name.removesuffix(last) for name in tensors if re.search(rf"(^|/){last}$", name)]
    return min(found, key=len, default=None)  # an optimizer's slots may have more before it


def names_of(tensors: Tensors, prefix: str) -> dict[str, str]:
    """The tensors' names by the layout's: without prefixes, and `other/...` where no weight's.

    Others are single numbers and an optimizer's slots, whose names are those of the weights with
    more behind (`kernel/adam_m`) or before them (`Adam/m/dense/kernel`).
    """
    names = {}
    for name in tensors:
        bare = name.removeprefix(prefix)
        head = re.search(r"(^|/)((cls|next_sentence)/.*)", name)
        if not tensors.shape(name) or _is_slot(name, tensors):
            bare = f"other/{name}"
        elif head:
            bare = head[2]
        names.setdefault(bare, name)
    return names


def _is_slot(name: str, tensors: Tensors) -> bool:
    if name.startswith("optimizer/") or "/.OPTIMIZER_SLOT/" in name:  # keys of object graphs
        return True
    parts = name.split("/")
    ends = ("/".join(parts[i:]) for i in range(1, len(parts) - 1))
    return "/".join(parts[:-1]) in tensors or any(end in tensors for end in ends)


def config_of_shapes(
    tensors: Tensors, names: dict[str, str], path: Path, **constants
) -> EncoderConfig:
    """The configuration of an encoder of tf-models-official, by the shapes of its weights.

    Args:
        tensors: The tensors.
        names: Their names by those of `TF_MODELS`, whose kernels have an axis for the heads.
        path: What is read, for messages.
        **constants: What the shapes do not tell, such as `activation`.

    Raises:
        UserError: They are no encoder's.
    """
    first = [weight.within("", TF_MODELS.block_name.format(0)) for weight in TF_MODELS.block]
    sizes = {}
    for weight in (*TF_MODELS.embeddings, *first):
        if weight.theirs not in names:
            raise UserError(f"{path} has no {weight.theirs!r}, which every BERT encoder has.")
        shape = tensors.shape(names[weight.theirs])
        if len(shape) != len(weight.shape):
            raise UserError(
                f"{path} has {weight.theirs!r} of shape {list(shape)}, and a BERT encoder has it "
                f"with {len(weight.shape)} axes."
            )
        sizes = dict(zip(weight.shape, shape, strict=True)) | sizes
    sizes.pop("head_size")
    blocks = (re.match(r"transformer/layer_(\d{1,4})/", name) for name in names)
    sizes["num_layers"] = 1 + max(int(match[1]) for match in blocks if match)
    sizes["pooler"] = any(weight.theirs in names for weight in TF_MODELS.pooler)
    try:
        return EncoderConfig(**sizes, **constants)
    except ValueError as error:
        raise UserError(f"{path} is no sound BERT encoder: {error}") from None


def kind_of(tensors: Tensors) -> str | None:
    """What these tensors are in words, where they are known and no BERT encoder's."""
    for pattern, kind in _KINDS.items():
        if any(re.search(pattern, name) for name in tensors):
            return kind
    return None
