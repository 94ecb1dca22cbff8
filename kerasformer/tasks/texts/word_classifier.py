"""What the classifiers share that have no pretrained encoder: their vocabulary and their folder."""

import hashlib
import json
import math
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

from kerasformer.checkpoints.io.hdf5 import H5Tensors, open_h5
from kerasformer.errors import UserError
from kerasformer.files import read_json, sha256_of, write_whole
from kerasformer.layers.arguments import check_sizes
from kerasformer.models.finite import refuse_to_save
from kerasformer.private_api import weights_as_h5
from kerasformer.sources import resolve
from kerasformer.tasks.examples import Examples
from kerasformer.tasks.texts.reading import columns, read_texts
from kerasformer.tasks.texts.string_classifier import NO_VOCABULARY, StringClassifier
from kerasformer.text import Tokenized, Tokenizer, WordTokenizer
from kerasformer.transaction import saving

_CONFIG, _WEIGHTS = "classifier.json", "classifier.weights.h5"
_DIGEST, _CLASS = "weights_sha256", "class"  # in the configuration
_OLDEST = "TransformerClassifier"  # of whose folders the first do not say the class
# By which a folder holds a model of another kind.
_OTHER_MODELS = ("config.json", "model.safetensors", "model.safetensors.index.json", "modules.json")


class WordClassifier(StringClassifier):
    """A classifier whose `fit` learns its words from the training texts.

    A child names its arguments: `SIZES`, of which its weights have as many axes or more, `KERNELS`,
    those of them whose product its weights have as many numbers as or more, and `OPTIONS`, the
    others.
    """

    SIZES: ClassVar[tuple[str, ...]]
    KERNELS: ClassVar[tuple[tuple[str, ...], ...]]
    OPTIONS: ClassVar[tuple[str, ...]]

    vocab_size: int

    def __init__(self, class_names: int | Iterable[str], max_length: int, **kwargs: Any):
        check_sizes(max_length=max_length)
        super().__init__(class_names, max_length, **kwargs)

    def _new_tokenizer(self, texts: list[str]) -> Tokenizer:
        return WordTokenizer.train(texts, vocab_size=self.vocab_size)

    def _bare_tokens(self, texts: Iterable[Any]) -> Tokenized:
        """The token ids of texts, with nothing around them; of no tokens an unknown one."""
        if self.tokenizer is None:
            raise UserError(NO_VOCABULARY)
        unknown, singles = [self.tokenizer.unk_id], self._singles(read_texts(texts))
        rows = (ids[: self.max_length] or unknown for ids in self.tokenizer.ids(singles))
        return Tokenized(rows, pad_id=self.tokenizer.pad_id)

    def _read(self, *args: Any, **kwargs: Any) -> Examples:
        examples = super()._read(*args, **kwargs)
        can_be_pairs = self.tokenizer is not None and self.tokenizer.takes_pairs
        if not can_be_pairs:
            self._singles(examples.texts)
        return examples

    def _singles(self, texts: list[Any]) -> list[str]:
        """The texts, none of which may be a pair."""
        firsts, seconds = columns(texts)
        if seconds is not None:
            raise UserError(
                f"A {type(self).__name__} reads single texts, as nothing separates two among its "
                "words: for pairs take TextClassifier.from_scratch."
            )
        return firsts

    def save_pretrained(self, folder: Any) -> None:
        """Writes the classifier as one folder: configuration, tokenizer, class names, weights.

        Args:
            folder: Output folder, created if missing.

        Raises:
            UserError: The folder cannot be written to, or a weight is not finite.
        """
        refuse_to_save(self)
        weights = weights_as_h5(self)
        config = {_CLASS: type(self).__name__, **self.get_config()}
        config[_DIGEST] = hashlib.sha256(weights).hexdigest()
        with saving(folder, _CONFIG, _OTHER_MODELS) as new:
            write_whole(new / _WEIGHTS, weights)
            write_whole(new / _CONFIG, json.dumps(config, indent=1))

    @staticmethod
    def is_here(folder: pathlib.Path) -> bool:
        """Whether a folder is one that `save_pretrained` wrote."""
        return (folder / _CONFIG).is_file()

    @classmethod
    def from_pretrained(cls, source: Any, **kwargs: Any) -> Self:
        """Reads what `save_pretrained` of this class or a child wrote.

        Args:
            source: The folder, or a handle of it; see `kerasformer.resolve`.
            **kwargs: Keras arguments of the model, such as `dtype` or `name`.

        Returns:
            The classifier.

        Raises:
            UserError: The folder holds no such classifier, or a damaged one.
        """
        folder = resolve(source)
        if not cls.is_here(folder):
            raise UserError(
                f"{folder} has no {_CONFIG}; give a folder that {cls.__name__}.save_pretrained "
                "wrote."
            )
        config = read_json(folder / _CONFIG)
        name = str(config.pop(_CLASS, _OLDEST))
        kind = next((each for each in _with_children(cls) if each.__name__ == name), None)
        if kind is None:
            raise UserError(
                f"{folder} holds a model of the class {name!r:.80}, and no {cls.__name__}: read it "
                "by kerasformer.tasks.load."
            )
        tensors = _check_weights(folder / _WEIGHTS, config, kind)
        config.pop(_DIGEST, None)
        config.pop("name", None)  # which says nothing, and may be none that TensorFlow takes
        try:
            if not isinstance(config.get("tokenizer"), str | None):
                raise TypeError("its tokenizer is no text")
            model = kind.from_config({**config, **kwargs})
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{folder / _CONFIG} makes no {kind.__name__} ({str(error).splitlines()[0]}); "
                "write it anew."
            ) from None
        try:
            model.load_weights(folder / _WEIGHTS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(
                f"{folder / _WEIGHTS} cannot be read ({str(error).splitlines()[0]}); save the "
                "classifier anew."
            ) from None
        tensors[next(iter(tensors))]  # refused where the file was replaced since it was checked
        return model

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = (*self.SIZES, *self.OPTIONS)
        return super().get_config() | {name: getattr(self, name) for name in names}


def _with_children(kind: type[WordClassifier]) -> Iterator[type[WordClassifier]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _with_children(child)


def _check_weights(path: pathlib.Path, config: dict, kind: type[WordClassifier]) -> H5Tensors:
    """Refuses weights that are damaged, or too few for the sizes of the configuration.

    Before Keras makes as many layers as it says, and HDF5's library waits at what is damaged.
    """
    if path.is_file() and config.get(_DIGEST) not in (None, sha256_of(path)):
        raise UserError(
            f"{path} cannot be read (it is damaged, or of another save than the configuration); "
            "save the classifier anew."
        )
    tensors = open_h5(path)
    if config.get(_DIGEST) not in (None, sha256_of(path)):  # replaced since
        raise UserError(f"{path} has changed while it was read: load the model again.")
    shapes = [tensors.shape(name) for name in tensors]
    longest = max([len(shapes), *(size for shape in shapes for size in shape)])
    numbers = 2 * sum(map(math.prod, shapes))  # int4 packs two into one
    for name in kind.SIZES:
        if not isinstance(config.get(name), int):
            raise UserError(
                f"{path.with_name(_CONFIG)} makes no {kind.__name__} (its {name} is no integer); "
                "write it anew."
            )
    names = config.get("class_names")
    if not isinstance(names, list) or len(names) > longest:
        raise UserError(
            f"{path.with_name(_CONFIG)} makes no {kind.__name__} (its class_names are no list of "
            "as many names as there are outputs); write it anew."
        )
    most = [((name,), longest) for name in kind.SIZES]
    for names, limit in most + [(names, numbers) for names in kind.KERNELS]:
        if (size := math.prod(config[name] for name in names)) > limit:
            raise UserError(
                f"{path} cannot be read (it has no tensors for the {' * '.join(names)} of {size:,} "
                f"in {_CONFIG}); save the classifier anew."
            )
    return tensors
