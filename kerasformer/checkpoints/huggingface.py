"""BERT encoders in the Hugging Face layout: a folder with `config.json` and safetensors.

The layout's reference is transformers' own reader, `BertConfig` and `BertModel`:
https://github.com/huggingface/transformers/tree/main/src/transformers/models/bert
"""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np

from kerasformer.checkpoints.huggingface_config import read_config
from kerasformer.checkpoints.huggingface_names import POOLER, encoder_weights
from kerasformer.checkpoints.resolve import resolve
from kerasformer.checkpoints.tensor_file import Tensors, open_tensors
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, EncoderConfig

_PREFIX = "bert."
# The first versions of the layout kept TensorFlow's names of the LayerNorm's weights.
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Not the encoder's: constants that older versions of transformers saved, and the heads.
_IGNORED = (
    *("embeddings.position_ids", "embeddings.token_type_ids"),
    *("cls.", "classifier.", "qa_outputs.", "dropout."),
)


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What of a file did not go into the encoder, by the names of the file's tensors.

    Attributes:
        missing: Tensors that the file lacks; these weights are left at random.
        misshapen: Tensors of another shape, with that of the file and the one expected; these
            weights are left at random too.
        unexpected: Tensors that no BERT model of transformers has.
        ignored: Tensors that are not the encoder's: heads, constants.
    """

    missing: tuple[str, ...]
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unexpected: tuple[str, ...]
    ignored: tuple[str, ...]

    def problems(self) -> list[str]:
        """All but what is ignored, each in a few words."""
        return [
            *(f"{name!r} is missing" for name in self.missing),
            *(
                f"{name!r} is {list(found)} in the file and {list(expected)} by config.json"
                for name, (found, expected) in self.misshapen.items()
            ),
            *(f"{name!r} is unexpected" for name in self.unexpected),
        ]


def load_encoder(source: str | os.PathLike, *, strict: bool = True, **kwargs):
    """Reads a BERT encoder from a folder with `config.json` and `model.safetensors`.

    The weights of a `BertModel`, or those under `bert.` in a model with a head, which itself is
    not read. A file without a pooler gives an encoder without one. Every number, float16 and
    bfloat16 too, goes into variables of the dtype that `kwargs` ask for, float32 by default. No
    code is run and no pickle is read; config.json is compared with the shapes in the file before
    any memory is taken for it.

    Args:
        source: The folder, a preset's name or `hf://owner/name`; see `kerasformer.resolve`.
        strict: Whether a missing, unexpected or wrongly shaped tensor is an error. If not, the
            encoder comes with a report, as long as the file has at least half of its weights.
        **kwargs: Keras arguments of the model, such as `dtype` or `name`.

    Returns:
        A `BertEncoder`; with `strict=False`, the pair of it and a `LoadReport`.

    Raises:
        UserError: There is no such source, it is not a BERT encoder's, or a weight is missing,
            unexpected, wrongly shaped or not finite.

    Example:

    >>> encoder = load_encoder("all-MiniLM-L6-v2")  # doctest: +SKIP
    >>> encoder.config.hidden_size  # doctest: +SKIP
    384
    """
    folder = resolve(source)
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give the folder that holds it and its config.json.")
    config = read_config(folder)
    tensors = open_tensors(folder)
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors) else ""
    named = _by_table_name(tensors, prefix)
    # Where the file has no pooler, one made of random weights would pass for a trained one.
    has_pooler = any(weight.theirs in named for weight in POOLER)
    config = dataclasses.replace(config, pooler=has_pooler)
    report = _compare(config, tensors, named, prefix)
    if strict and report.problems():
        raise UserError(_refusal(folder, report))
    _check_size(config, tensors, folder)

    # Where every weight is read, none is drawn at random first.
    unread = config if report.problems() else dataclasses.replace(config, initializer_range=0.0)
    encoder = BertEncoder(unread, **kwargs)
    encoder.config = config
    variables = {v.path.removeprefix(f"{encoder.path}/"): v for v in encoder.weights}
    for weight in encoder_weights(config):
        name = named.get(weight.theirs)
        if name is not None and name not in report.misshapen:
            variable = variables[weight.ours]
            variable.assign(weight.to_keras(_read(tensors, name, folder), variable.shape))
    return encoder if strict else (encoder, report)


def _by_table_name(tensors: Tensors, prefix: str) -> dict[str, str]:
    """The file's names, those under the prefix, by their names in the table."""
    named = {}
    for name in tensors:
        if name.startswith(prefix):
            bare = name.removeprefix(prefix)
            for old, new in _OLD_NAMES.items():
                bare = bare.removesuffix(old) + new if bare.endswith(old) else bare
            named.setdefault(bare, name)
    return named


def _compare(
    config: EncoderConfig, tensors: Tensors, named: dict[str, str], prefix: str
) -> LoadReport:
    """Compares the names and shapes with the table; no tensor is read."""
    missing, misshapen, used = [], {}, set()
    for weight in encoder_weights(config):
        name = named.get(weight.theirs)
        used.add(name)
        if name is None:
            missing.append(prefix + weight.theirs)
        elif tensors.shape(name) != weight.shape:
            misshapen[name] = (tensors.shape(name), weight.shape)
    ignored, unexpected = [], []
    for name in tensors:
        if name not in used:
            known = name.removeprefix(prefix).startswith(_IGNORED)
            (ignored if known else unexpected).append(name)
    return LoadReport(tuple(missing), misshapen, tuple(unexpected), tuple(ignored))


def _refusal(folder: Path, report: LoadReport) -> str:
    problems = report.problems()
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return (
        f"The weights in {folder} are not those of the BERT encoder that its config.json "
        f"describes: {'; '.join(problems[:3])}{more}."
    )


def _check_size(config: EncoderConfig, tensors: Tensors, folder: Path):
    """Refuses to make an encoder that is mostly random, and could be of any size."""
    described = sum(math.prod(weight.shape) for weight in encoder_weights(config))
    held = sum(math.prod(tensors.shape(name)) for name in tensors)
    if described > 2 * held:
        raise UserError(
            f"The config.json in {folder} describes an encoder of {described:,} weights, and the "
            f"files beside it hold {held:,}: they do not belong together."
        )


def _read(tensors: Tensors, name: str, folder: Path) -> np.ndarray:
    tensor = tensors[name]
    if tensor.dtype.kind != "f":
        raise UserError(
            f"The tensor {name!r} in {folder} is of type {tensor.dtype}, and weights are floats."
        )
    if not np.isfinite(tensor).all():
        raise UserError(
            f"The tensor {name!r} in {folder} has a value that is NaN or infinite: the training "
            "that wrote it has diverged, or the file is damaged."
        )
    return tensor
