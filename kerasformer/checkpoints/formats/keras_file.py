"""Our own `BertEncoder` in a `.keras` file, as `encoder.save` writes it: read as data.

`keras.saving.load_model` reads such a file too, but makes any object that it names.
"""

import re
import struct
import zipfile
import zlib
from pathlib import Path

from kerasformer.checkpoints.checkpoint import Checkpoint
from kerasformer.checkpoints.io.hdf5 import H5Tensors, open_h5
from kerasformer.checkpoints.names import EMBEDDING, HIDDEN, Convention, NameTable
from kerasformer.errors import UserError
from kerasformer.files import parse_json
from kerasformer.models.config import EncoderConfig

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_CLASS = "kerasformer>BertEncoder"
_MOST_CONFIG = 10**6  # bytes; such a file has about 700
_MOST_LAYERS, _LARGEST = 1000, 10**8

# The variables of a layer are numbered.
KERAS = Convention("/vars/0", "/vars/1", "/vars/0", "/vars/1", "/vars/0")
# `BertEncoder`, as `save` and `save_weights` write it.
KERASFORMER = NameTable(
    embeddings=KERAS.embedding(
        "embedding/word_embeddings",
        "embedding/position_embedding",
        "embedding/type_embeddings",
        "embedding/layer_norm",
    ),
    projection=KERAS.dense("embedding_projection", "embedding_projection", EMBEDDING, HIDDEN),
    block_name="blocks/transformer_block_{}/",
    block=KERAS.block(
        *("self_attention/query_dense", "self_attention/key_dense", "self_attention/value_dense"),
        *("self_attention/output_dense", "self_attention_layer_norm"),
        *("intermediate", "output_dense", "output_layer_norm"),
    ),
    pooler=KERAS.dense("pooler_transform", "layers/dense", HIDDEN, HIDDEN),
)


# What the library of zip files raises; the last ones of names, and of passwords.
_DAMAGE = (
    *(OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(UnicodeDecodeError, RuntimeError),
)


def is_here(path: Path) -> bool:
    """Whether the path is such a file."""
    return path.suffix == ".keras" and path.is_file()


def open_path(path: Path) -> Checkpoint:
    """Opens a `.keras` file of a `BertEncoder`."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = _read_config(archive, path)
            tensors = _open_weights(archive, path)
    except _DAMAGE as error:
        raise UserError(f"{path} is no sound .keras file ({error}): save it again.") from None

    def read_tokenizer():
        raise UserError(
            f"{path} has no tokenizer, which a .keras file cannot hold: take that of the model "
            "that it was made from."
        )

    return Checkpoint(
        path=path,
        format="Keras",
        architecture="BertEncoder",
        config=config,
        table=KERASFORMER,
        tensors=tensors,
        names={_table_name(name): name for name in tensors},
        read_tokenizer=read_tokenizer,
        has_tokenizer=False,
    )


def _table_name(name: str) -> str:
    """The first of several layers of a class has no number; the pooler's does not matter."""
    name = re.sub(r"^blocks/transformer_block/", "blocks/transformer_block_0/", name)
    return re.sub(r"^layers/dense(_\d+)?/", "layers/dense/", name)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise UserError(
            f"{path} has {len(found) or 'no'} {name} in it, and a .keras file has one: save the "
            "model again."
        )
    if found[0].flag_bits & 1:
        raise UserError(f"{path} is encrypted, which Keras' files are not.")
    return found[0]


def _read_config(archive, path) -> EncoderConfig:
    with archive.open(_member(archive, _CONFIG, path)) as stream:
        text = stream.read(_MOST_CONFIG + 1)
    if len(text) > _MOST_CONFIG:
        raise UserError(
            f"{_CONFIG} in {path} describes no Keras model (it is too large): save it again."
        )
    described = parse_json(text, f"{_CONFIG} in {path}", remedy="save the model again")
    try:
        kind, values = described["registered_name"], described["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{_CONFIG} in {path} describes no Keras model ({error}): save the model again."
        ) from None
    if kind != _CLASS:
        raise UserError(
            f"{path} holds a {kind or described.get('class_name')}, and only a BertEncoder saved "
            "alone can be read: save model.encoder, or load it by Keras if you trust it."
        )
    if isinstance(values, dict) and values.get("quantized"):
        raise UserError(
            f"{path} holds a quantized BertEncoder, whose weights Keras alone reads: load it by "
            "keras.saving.load_model, or save it before quantize."
        )
    try:
        config = EncoderConfig(**values["config"])
        _check_sizes(config)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{_CONFIG} in {path} does not describe a BertEncoder ({error}): save it again."
        ) from None
    return config


def _check_sizes(config: EncoderConfig):
    """Bounds for what the loader compares with the weights."""
    for name, value in vars(config).items():
        largest = _MOST_LAYERS if name == "num_layers" else _LARGEST
        if isinstance(value, int) and value > largest:
            raise ValueError(f"{name} is {value:,}, more than {largest:,}")


def _open_weights(archive, path) -> H5Tensors:
    info = _member(archive, _WEIGHTS, path)
    if info.compress_type != zipfile.ZIP_STORED:
        raise UserError(
            f"{_WEIGHTS} in {path} is compressed, and Keras stores it as it is: save it again."
        )
    with archive.open(info) as stream:  # which compares the CRC once all is read
        while stream.read(1 << 20):
            pass
    # Behind the member's own header, whose lengths may differ from those of the directory.
    with open(path, "rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(30)
    if len(header) < 30 or not header.startswith(b"PK\3\4"):
        raise UserError(f"{path} is no sound .keras file: {_WEIGHTS} is not where it should be.")
    start = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    return open_h5(path, start, info.file_size)
