"""The names of BERT's weights in TensorFlow: tf-models-official's, and those of 2018.

TF Hub's SavedModels and the checkpoints of tf-models-official have the first:
https://github.com/tensorflow/models/blob/master/official/nlp/modeling/networks/bert_encoder.py
Google's first release of BERT has the others:
https://github.com/google-research/bert/blob/master/modeling.py
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasformer.checkpoints.names import (
    EMBEDDING,
    HIDDEN,
    Convention,
    NameTable,
    Weight,
    Weights,
)
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.models.config import EncoderConfig

_TF_MODELS, _GOOGLE = Convention(), Convention(heads=(HIDDEN,))

# tf-models-official's `BertEncoder`, and what `BertPretrainerV2` has beside it. A kernel has an
# axis for the heads, as ours.
TF_MODELS = NameTable(
    embeddings=_TF_MODELS.embedding(
        "word_embeddings/embeddings",
        "position_embedding/embeddings",
        "type_embeddings/embeddings",
        "embeddings/layer_norm",
    ),
    projection=_TF_MODELS.dense("embedding_projection", "embedding_projection", EMBEDDING, HIDDEN),
    block_name="transformer/layer_{}/",
    block=_TF_MODELS.block(
        *("self_attention/query", "self_attention/key", "self_attention/value"),
        *("self_attention/attention_output", "self_attention_layer_norm"),
        *("intermediate", "output", "output_layer_norm"),
    ),
    pooler=_TF_MODELS.dense("pooler_transform", "pooler_transform", HIDDEN, HIDDEN),
    heads={
        "masked_lm": _TF_MODELS.masked_lm(
            "cls/predictions/transform/dense",
            "cls/predictions/transform/LayerNorm",
            "cls/predictions/output_bias/bias",
        ),
    },
)


def _output(name: str, outputs: int | str) -> Weights:
    """The lines of a head in Google's scripts, which multiply by the transposed matrix."""
    return (
        Weight("kernel", f"{name}_weights", (outputs, HIDDEN), transposed=True),
        Weight("bias", f"{name}_bias", (outputs,)),
    )


# `modeling.BertModel` of google-research/bert, and the heads of its scripts.
GOOGLE = NameTable(
    embeddings=_GOOGLE.embedding(
        "bert/embeddings/word_embeddings",
        "bert/embeddings/position_embeddings",
        "bert/embeddings/token_type_embeddings",
        "bert/embeddings/LayerNorm",
    ),
    block_name="bert/encoder/layer_{}/",
    block=_GOOGLE.block(
        *("attention/self/query", "attention/self/key", "attention/self/value"),
        *("attention/output/dense", "attention/output/LayerNorm"),
        *("intermediate/dense", "output/dense", "output/LayerNorm"),
    ),
    pooler=_GOOGLE.dense("pooler_transform", "bert/pooler/dense", HIDDEN, HIDDEN),
    heads={
        "masked_lm": _GOOGLE.masked_lm(
            "cls/predictions/transform/dense",
            "cls/predictions/transform/LayerNorm",
            "cls/predictions/output_bias",
        ),
        "next_sentence": _output("cls/seq_relationship/output", 2),
        "classifier": _output("output", "num_classes"),
        "span": _output("cls/squad/output", 2),
    },
)

# Prefixes of names that are not the encoder's; `names_of` adds the last.
IGNORED = ("cls/", "next_sentence/", "sentence_prediction/", "other/")
_KINDS = {
    r"(^|/)(electra|discriminator|generator)[_\w]*/": "an ELECTRA of Google's first release",
    r"/inner_group_\d|(^|/)transformer/self_attention/": "an ALBERT, whose blocks share weights",
    r"(^|/)bert_model/|/self_attention_output/": "a BERT of TF Hub's first versions",
}


def prefix_of(tensors: Iterable[str], table: NameTable) -> str | None:
    """What stands before the table's names, or None where there is no such name."""
    last = table.embeddings[0].theirs
    found = [name.removesuffix(last) for name in tensors if re.search(rf"(^|/){last}$", name)]
    return min(found, key=len, default=None)  # an optimizer's slots may have more before it


def names_of(tensors: Tensors, prefix: str) -> dict[str, str]:
    """The tensors' names by the table's: without prefixes, and `other/...` where no weight's.

    Others are single numbers and an optimizer's slots, whose names are those of the weights with
    more behind (`kernel/adam_m`) or before them (`Adam/m/dense/kernel`).
    """
    names: dict[str, str] = {}
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
        path: What is read, for the UserError where it is no encoder.
        **constants: What the shapes do not show, such as `activation`.
    """
    first = [weight.within("", TF_MODELS.block_name.format(0)) for weight in TF_MODELS.block]
    sizes: dict[str, Any] = {}
    for weight in (*TF_MODELS.embeddings, *first):
        if weight.theirs not in names:
            raise UserError(f"{path} has no {weight.theirs!r}, which every BERT encoder has.")
        shape = tensors.shape(names[weight.theirs])
        if len(shape) != len(weight.shape):
            raise UserError(
                f"{path} has {weight.theirs!r} of shape {list(shape)}: expected "
                f"{len(weight.shape)} axes, as in a BERT encoder."
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
