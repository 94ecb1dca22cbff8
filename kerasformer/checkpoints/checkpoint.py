"""A published model, opened: what it is, which tensors it has, and how they go into our layers."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasformer.checkpoints.io.arrays import to_tensor
from kerasformer.checkpoints.load_report import LoadReport
from kerasformer.checkpoints.names import NameTable, Weight
from kerasformer.checkpoints.tensors import Tensors
from kerasformer.errors import UserError
from kerasformer.models.config import AnyConfig, DecoderConfig, EncoderConfig
from kerasformer.private_api import set_initializer

if TYPE_CHECKING:
    import keras  # imported for weights alone: it takes seconds, and looking at a file needs none

    from kerasformer.text import Tokenizer

# The table that a format may do without: zeros in it change nothing.
_SEGMENTS = "embeddings/type_embeddings/embeddings"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A published BERT or GPT, opened by `open_checkpoint`: no tensor is read yet.

    Attributes:
        path: The folder, or the file.
        format: The format's name, for people: `"Hugging Face"`, `"TF Hub SavedModel"`...
        architecture: What the source calls its model, such as `"BertForMaskedLM"`.
        config: The encoder's configuration.
        table: The table of names of the format.
        tensors: The tensors by the names that they have in the files.
        names: Those names by the table's: without prefixes, old spellings replaced.
        ignored: Prefixes of names that belong to no encoder: constants, heads that are not read,
            an optimizer's slots.
        class_names: The names of a classifier's classes, where the source has them.
        refused: Heads in the files that cannot be read, with the reason.
        settings: Arguments of the head's task in `kerasformer.tasks`, such as `dropout`.
        read_tokenizer: Reads the tokenizer; raises a `UserError` where the source has none.
        has_tokenizer: Whether the source has one.
        prefix: What the files put before the encoder's names, for messages.
        defaults: The keys that the configuration's file leaves out, with the values taken.
    """

    path: Path
    format: str
    architecture: str
    config: AnyConfig
    table: NameTable
    tensors: Tensors
    names: dict[str, str]
    read_tokenizer: Callable
    ignored: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    has_tokenizer: bool = True
    prefix: str = ""
    defaults: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of which the file holds every tensor."""
        return tuple(
            head
            for head, weights in self.table.heads.items()
            if all(weight.theirs in self.names for weight in weights)
        )

    def report(self) -> LoadReport:
        """Compares the names and shapes with the encoder's table; no tensor is read."""
        weights = list(self.table.encoder_weights(self.config))
        missing, misshapen = self._compare(weights, self.prefix)
        used = {self.names.get(weight.theirs) for weight in weights}
        heads = {weight.theirs for lines in self.table.heads.values() for weight in lines}
        table_name = {file_name: name for name, file_name in self.names.items()}
        ignored: list[str] = []
        unexpected: list[str] = []
        for file_name in self.tensors:
            name = table_name.get(file_name, file_name)
            if file_name not in used:
                known = name in heads or name.startswith(self.ignored)
                (ignored if known else unexpected).append(file_name)
        return LoadReport(tuple(missing), misshapen, tuple(unexpected), tuple(ignored))

    def _compare(self, weights: Iterable[Weight], prefix: str = ""):
        missing, misshapen = [], {}
        for weight in weights:
            name = self.names.get(weight.theirs)
            if name is None:
                missing += [] if weight.part else [prefix + weight.theirs]  # one of parts is enough
            elif self.tensors.shape(name) != weight.shape:
                misshapen[name] = (self.tensors.shape(name), weight.shape)
        return missing, misshapen

    def read(self, weight: Weight, *dtypes: str) -> np.ndarray:
        """A weight's tensor, which must be finite in these types; see `Tensors.read_floats`."""
        return self.tensors.read_floats(self.names[weight.theirs], *dtypes)

    def load_encoder(self, encoder_class, *, strict: bool = True, **kwargs):
        """Makes an encoder and reads its weights; see `BertEncoder.from_pretrained`.

        Args:
            encoder_class: `BertEncoder` or `CausalDecoder`; they cannot be imported here, as they
                import this module to load themselves.
            strict: As of `BertEncoder.from_pretrained`, as are the result and the errors.
            **kwargs: Keras arguments of the encoder.
        """
        from kerasformer.models.fingerprint import rows_fingerprint  # with it comes Keras

        self.check_kind(encoder_class)
        report, kind = self.report(), encoder_class.config_class
        if strict and report.problems():
            what = "BERT encoder" if kind is EncoderConfig else "decoder"
            raise UserError(self._refusal(report.problems(), f"the {what}"))
        self._check_size()
        weights = {
            weight.ours: weight
            for weight in self.table.encoder_weights(self.config)
            if weight.theirs in self.names and self.names[weight.theirs] not in report.misshapen
        }
        absent = {_SEGMENTS} - {weight.ours for weight in self.table.embeddings}
        encoder = _build_encoder(encoder_class, self, weights, absent, **kwargs)
        encoder.origin = rows_fingerprint(encoder.weights)
        return encoder if strict else (encoder, report)

    def check_kind(self, encoder_class):
        """Raises a UserError for an encoder that is to be a decoder, or the other way round."""
        if isinstance(self.config, encoder_class.config_class):
            return
        is_decoder = isinstance(self.config, DecoderConfig)
        told = "a decoder and no encoder" if is_decoder else "an encoder and no decoder"
        name = "CausalDecoder or CausalLanguageModel" if is_decoder else "BertEncoder"
        raise UserError(
            f"{self.path} holds a {self.architecture}, which is {told}: load it as a {name}."
        )

    def num_classes(self, head: str) -> int | None:
        """The number of a head's classes by its tensors; None where it has another shape."""
        for weight in self.table.heads[head]:
            shape = self.tensors.shape(self.names[weight.theirs])
            if "num_classes" in weight.shape and len(shape) == len(weight.shape):
                return shape[weight.shape.index("num_classes")]
        return None

    def check_vocabulary(self, tokenizer: Tokenizer | None) -> None:
        """Raises a UserError for a tokenizer with more tokens than the encoder has embeddings."""
        rows = self.config.vocab_size
        if tokenizer is not None and tokenizer.vocab_size > rows:
            raise UserError(
                f"The tokenizer has {tokenizer.vocab_size:,} tokens and the encoder of "
                f"{self.path} embeddings for {rows:,}: they do not belong together."
            )

    def check_head(self, head: str, num_classes: int = 2) -> list[Weight]:
        """Compares a head's names and shapes with its table; no tensor is read.

        Args:
            head: The head's name, one of `table.heads`.
            num_classes: The number of its outputs, where its kind leaves it open.

        Returns:
            The lines of the table.

        Raises:
            UserError: The head cannot be read, or is not as described.
        """
        if head in self.refused:
            raise UserError(
                f"{self.path} has a {_words(head)} head that cannot be read: {self.refused[head]}."
            )
        if head not in self.table.heads:
            raise UserError(f"{self.path} is a {self.format}, which has no {_words(head)} head.")
        weights = list(self.table.head_weights(head, self.config, num_classes))
        if weights and not any(weight.theirs in self.names for weight in weights):
            raise UserError(
                f"{self.path} holds a {self.architecture} without a {_words(head)} head: give a "
                "model that has one."
            )
        missing, misshapen = self._compare(weights)
        problems = LoadReport(tuple(missing), misshapen, (), ()).problems()
        if problems:
            raise UserError(self._refusal(problems, f"a model with a {_words(head)} head"))
        return weights

    def load_head(self, head: str, layer: keras.layers.Layer, num_classes: int = 2):
        """Reads a head's weights into its built layer; arguments and errors as of `check_head`."""
        variables = {v.path.removeprefix(f"{layer.path}/"): v for v in layer.weights}
        for weight in self.check_head(head, num_classes):
            variable = variables[weight.ours]
            tensor = self.read(weight, variable.dtype, layer.compute_dtype)
            variable.assign(weight.to_keras(tensor, tuple(variable.shape)))

    def _refusal(self, problems: list[str], what: str) -> str:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        taken = ", ".join(f"{key} {value}" for key, value in self.defaults.items())
        defaults = f" (with the defaults of what it leaves out: {taken})" if taken else ""
        return (
            f"The weights in {self.path} are not those of {what} that its configuration "
            f"describes{defaults}: {'; '.join(problems[:3])}{more}."
        )

    def _check_size(self):
        """Refuses to make an encoder that is mostly random, and could be of any size."""
        weights = self.table.encoder_weights(self.config)
        described = sum(weight.size for weight in weights)
        held = sum(math.prod(self.tensors.shape(name)) for name in self.tensors)
        if described > 2 * held:
            raise UserError(
                f"The configuration in {self.path} describes an encoder of {described:,} weights, "
                f"but its files hold {held:,}: they do not belong together."
            )


def _build_encoder(
    encoder_class, checkpoint: Checkpoint, weights: dict[str, Weight], absent: set[str], **kwargs
):
    """Makes an encoder whose variables are initialized by the values in the files.

    Made first and filled afterwards, the model would be in memory twice while its largest table
    is read. In a stateless scope Keras makes variables without a value, and initializes one after
    another when the scope ends.
    """
    import keras

    failures: list[UserError] = []

    def read(weight, shape, dtype=None):
        try:
            if not failures:
                tensor = checkpoint.read(weight, dtype, encoder.compute_dtype)
                return to_tensor(weight.to_keras(tensor, tuple(shape)), dtype)
        except UserError as error:
            failures.append(error)  # raised below: Keras would be left with half a model
        return keras.ops.zeros(shape, dtype)

    with keras.StatelessScope():
        encoder = encoder_class(checkpoint.config, **kwargs)
        for variable in encoder.weights:
            name = variable.path.removeprefix(f"{encoder.path}/")
            if name in weights:
                set_initializer(variable, functools.partial(read, weights[name]))
            elif name in absent:
                set_initializer(variable, keras.initializers.Zeros())
    if failures:
        raise failures[0]
    return encoder


def _words(head: str) -> str:
    return head.replace("_", "-")
