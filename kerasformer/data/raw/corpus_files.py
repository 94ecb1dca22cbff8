"""The files of a corpus of token ids: arrays, their tokenizer, and a manifest, written last."""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasformer.data.raw.encoding import (
    Document,
    Encoded,
    Encoder,
    about_tokenizer,
    fingerprint_of,
    no_tokens,
    spans,
    token_dtype,
)
from kerasformer.errors import UserError
from kerasformer.files import (
    map_array,
    only_writer,
    open_whole,
    read_json,
    refuse_used,
    sha256_of,
    write_whole,
    writing,
)
from kerasformer.progress import WorkProgress
from kerasformer.text import Tokenizer
from kerasformer.text.texts import check_iterable

MANIFEST = "corpus.json"
ARRAYS = ("tokens.npy", "sentence_starts.npy", "document_starts.npy")
TOKENIZER = "tokenizer"  # a folder as any other program has it
_VERSION = 1
_REMEDY = "free some space, or give another folder"


def is_here(folder: Path) -> bool:
    """Whether a folder is that of a corpus, whole or damaged.

    >>> is_here(Path("no-such-folder"))
    False
    """
    return (folder / MANIFEST).is_file() and any((folder / name).exists() for name in ARRAYS)


def refuse_used_folder(folder: Path) -> None:
    """Refuses a folder with anything in it but what a killed `write` has left.

    A tokenizer alone is somebody else's: it is written behind the arrays.
    """
    written = all((folder / name).is_file() for name in ARRAYS)
    leftovers = (*ARRAYS, TOKENIZER) if written else ARRAYS
    refuse_used(folder, " folder for the corpus", leftovers)


def write(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    folder: Path,
    verbose: bool,
    encode: Encoder,
) -> None:
    """Writes the corpus of documents; see `TokenCorpus.write`."""
    refuse_used_folder(folder)
    check_iterable(documents, "documents")
    parts = encode(documents, tokenizer)
    with only_writer(folder, "corpus"), contextlib.ExitStack() as failed:
        refuse_used_folder(folder)  # another process may just have written to it
        shutil.rmtree(folder / TOKENIZER, ignore_errors=True)  # of a killed run
        for name in ARRAYS:
            failed.callback((folder / name).unlink, missing_ok=True)
        counts = _write_arrays(parts, tokenizer, folder, verbose)
        failed.callback(shutil.rmtree, folder / TOKENIZER, ignore_errors=True)
        tokenizer.save_pretrained(folder / TOKENIZER)
        with writing(folder, _REMEDY):
            files = {name: sha256_of(folder / name) for name in ARRAYS}
            about = about_tokenizer(tokenizer) | counts | {"files": files}
            content = json.dumps({"version": _VERSION, **about}, indent=1) + "\n"
            write_whole(folder / MANIFEST, content)
        failed.pop_all()


def _write_arrays(
    parts: Iterable[Encoded], tokenizer: Tokenizer, folder: Path, verbose: bool
) -> dict[str, int]:
    """Writes the arrays; returns how many documents, sentences and tokens there are."""
    ends = np.zeros(3, "int64")  # of documents, sentences and tokens
    with contextlib.ExitStack() as open_files:
        progress = WorkProgress("Tokenizing", None, unit="tokens") if verbose else None
        if progress:
            open_files.enter_context(progress)
        dtypes = (token_dtype(tokenizer.vocab_size), "int64", "int64")
        with writing(folder, _REMEDY):
            tokens, sentences, documents = (
                open_files.enter_context(_growing(folder / name, dtype))
                for name, dtype in zip(ARRAYS, dtypes, strict=True)
            )
            sentences(np.zeros(1, "int64"))
            documents(np.zeros(1, "int64"))
        for part in parts:
            with writing(folder, _REMEDY):
                tokens(part.tokens)
                sentences(ends[2] + np.cumsum(part.sentences))
                documents(ends[1] + np.cumsum(part.documents))
            ends += len(part.documents), len(part.sentences), len(part.tokens)
            if progress:
                progress.advance(len(part.tokens))
        if not ends[2]:
            raise no_tokens()
        if progress:
            progress.finish()
        with writing(folder, _REMEDY):
            open_files.close()  # what is still in memory is written here
    return dict(zip(("documents", "sentences", "tokens"), ends.tolist(), strict=True))


@contextlib.contextmanager
def _growing(path: Path, dtype: str) -> Iterator[Any]:
    """A function that adds to an array in a file, which is there at the end alone."""
    count = 0

    def header():
        descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
        about = {"descr": descr, "fortran_order": False, "shape": (count,)}
        np.lib.format.write_array_header_1_0(stream, about)

    def add(values):
        nonlocal count
        stream.write(values.astype(dtype, copy=False).data)
        count += len(values)

    with open_whole(path) as stream:
        header()
        yield add
        stream.seek(0)
        header()  # of the same length, as numpy leaves room for a longer shape


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any], Path]:
    """The arguments of `TokenCorpus` of a folder."""
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{folder} holds no tokenized corpus (no {MANIFEST}): check the path.")
    manifest = read_json(path)
    about = {name: manifest.get(name) for name in ("tokenizer", "vocab_size", "end_id")}
    if manifest.get("version") != _VERSION or not _is_sound(about, manifest.get("files")):
        raise UserError(f"{path} is not a manifest that can be read: tokenize the texts again.")
    try:
        for name in ARRAYS:
            if sha256_of(folder / name) != manifest["files"][name]:
                raise ValueError(f"the content of {name} is not what was written")
        tokens, sentences, documents = (map_array(folder / name) for name in ARRAYS)
        _check(tokens, sentences, documents, about["vocab_size"])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{folder} is damaged ({reason}): tokenize the texts again.") from None
    return tokens, sentences, spans(documents), about, (folder / TOKENIZER).absolute()


def read_tokenizer(folder: Path, fingerprint: str) -> Tokenizer:
    """The tokenizer of a corpus, which has to be the one that made it."""
    with contextlib.suppress(UserError):  # which would say what to do with a model's
        tokenizer = Tokenizer.from_pretrained(folder)
        if fingerprint_of(tokenizer) == fingerprint:
            return tokenizer
    raise UserError(
        f"{folder} does not hold the tokenizer that the corpus was made with: tokenize the texts "
        "again."
    )


def _is_sound(about, files) -> bool:
    kinds = (str, int, int | None)
    known = all(isinstance(about[n], kind) for n, kind in zip(about, kinds, strict=True))
    ends = known and (about["end_id"] is None or about["end_id"] in range(about["vocab_size"]))
    return ends and isinstance(files, dict) and all(name in files for name in ARRAYS)


def _check(tokens, sentences, documents, vocab_size):
    """Refuses arrays that are not those of one corpus; anyone may have written them."""
    if any(array.ndim != 1 for array in (tokens, sentences, documents)):
        raise ValueError("its arrays have another shape")
    for starts, end in ((sentences, len(tokens)), (documents, len(sentences) - 1)):
        if starts.dtype != "int64" or len(starts) < 2:
            raise ValueError("there is no document")
        # Compared, as differences may overflow.
        if starts[0] != 0 or starts[-1] != end or (starts[1:] <= starts[:-1]).any():
            raise ValueError("its arrays do not belong together")
    if tokens.dtype != token_dtype(vocab_size):
        raise ValueError("its tokens are of another type")
    most = max(int(tokens[i : i + (1 << 24)].max()) for i in range(0, len(tokens), 1 << 24))
    if most >= vocab_size or (tokens.dtype == "int32" and tokens.min() < 0):
        raise ValueError("it has tokens that are not in its vocabulary")
