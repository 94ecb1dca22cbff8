"""`embed_corpus`: plans a job, has its shards made, and continues it after an interruption."""

import dataclasses
import os
import re
from collections.abc import Sequence

from kerasformer.corpus import ray_engine
from kerasformer.corpus.embedded import EmbeddedCorpus
from kerasformer.corpus.embedding import ConfiguredEmbedder, EmbeddingConfig
from kerasformer.corpus.input import CorpusInput, choose_columns
from kerasformer.corpus.manifest import MANIFEST, Job, Manifest, ShardRecord
from kerasformer.corpus.shard_plan import ShardReader, plan_shards
from kerasformer.corpus.shards import Shard, write_files
from kerasformer.corpus.stdin_spool import SPOOLED, STDIN, find_spooled, spool_stdin
from kerasformer.data.columns import say_joined
from kerasformer.data.input_files import list_files
from kerasformer.data.text_file import Dialect
from kerasformer.errors import UserError, require
from kerasformer.files import expanded, only_writer, refuse_used
from kerasformer.progress import WorkProgress, say, step

ENGINES = ("local", "ray")
_OF_INPUT = ("text_column", "id_column", "header", "delimiter", "encoding")
_OF_JOB = ("format", "text", "shard_size", "limit")


def embed_corpus(
    inputs: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    resume: bool = False,
    engine: str = "local",
    stdin_format: str = "txt",
    **settings,
) -> EmbeddedCorpus:
    """Embeds the texts of files that may be larger than memory, and writes the vectors in shards.

    All of the input is read once at the start, so that a row that cannot be read is an error then.
    The shards are written one by one; an interruption loses no finished one. Standard input is
    saved in the output folder first, and kept there until all of it is embedded.

    Args:
        inputs: Text files (a text for each line), CSV, TSV, JSONL or Parquet files, folders of such
            files, and `"-"`, standard input. With `resume` it may be empty: then the files are
            those of the job.
        output: The folder to write to.
        resume: Whether to continue the interrupted job in that folder. Its settings are kept. The
            finished shards are read, a gigabyte in about a second, and those whose sha256 is not
            that in the manifest are made again.
        engine: "local", or "ray" to work on the cluster that `RAY_ADDRESS` names.
        stdin_format: How standard input is read: as a "txt", "csv", "tsv" or "jsonl" file.
        **settings: `text_column`, `id_column`, `header`, `delimiter` and `encoding` of
            `CorpusInput.of`; `format`, `text`, `shard_size` and `limit` of `Job`; `model`, `policy`
            and the others of `EmbeddingConfig`. None is the default.

    Raises:
        UserError: A mistake in the settings or the input, a folder that is in use, or a job that
            cannot be resumed because its settings, model or input have changed.
        KeyboardInterrupt: Interrupted; finished shards stay, and `resume` continues.

    Example:

    >>> embed_corpus(["reviews.csv"], "vectors", normalize=True)  # doctest: +SKIP
    <EmbeddedCorpus vectors: 25,000 texts, 384 numbers each, float32>
    """
    if engine not in ENGINES:
        raise UserError(f"engine is {engine!r}: give one of {', '.join(ENGINES)}.")
    settings = {name: value for name, value in settings.items() if value is not None}
    dialect = Dialect(*(settings.get(name) for name in ("header", "delimiter", "encoding")))
    settings |= {name: getattr(dialect, name) for name in dialect.given()}
    inputs = [os.fspath(path) for path in inputs]
    if inputs.count(STDIN) > 1:
        raise UserError("Standard input (-) can be given only once.")
    folder = expanded(output)
    if folder.is_file():
        refuse_used(folder)
    with only_writer(folder, "run"):
        complete = False
        _clear(folder)
        try:
            if resume and (folder / MANIFEST).exists():
                manifest = _resumed(folder, inputs, settings, stdin_format)
                embedder = None if manifest.complete else _load(manifest.job.config)
            else:
                manifest, embedder = _begun(folder, inputs, settings, stdin_format)
            if embedder is None:
                say(f"{folder} is complete: there is nothing to resume.")
            else:
                _make(folder, manifest, embedder, engine)
            complete = True
        finally:
            _clear(folder, complete)
    return EmbeddedCorpus(folder)


def _make(folder, manifest, embedder, engine):
    """Has the shards made that are not, writes them, and records each in the manifest."""
    run = ray_engine.run if engine == "ray" else _run
    job, done = manifest.job, manifest.done_rows
    planned = [shard for shard in manifest.planned if shard.index not in manifest.done]
    shards = run(job, planned, embedder)
    with WorkProgress("Embedding", manifest.rows, done) as progress:
        embedder.advance = progress.advance
        try:
            for index, (ids, texts), (vectors, *cut) in shards:
                shard = Shard(ids, texts if job.text else None, vectors)
                files = write_files(folder, index, shard, job.format)
                manifest.done[index] = ShardRecord(files, *cut)
                manifest.save(folder)
                done += len(ids)
                progress.move_to(done)
        finally:
            shards.close()
        progress.finish()


def _run(job, planned, embedder):
    """The local engine, which embeds in this process; see `kerasformer.corpus.ray_engine.run`."""
    reader = ShardReader(job.input)
    for shard in planned:
        rows = reader.read(shard)
        yield shard.index, rows, embedder(rows.texts)


def _begun(folder, inputs, settings, stdin_format):
    """The manifest of a new job, and its model at work."""
    if (folder / MANIFEST).exists():
        raise UserError(
            f"{folder} holds an embedded corpus already: give --resume to continue it, or another "
            "--output."
        )
    refuse_used(folder)
    if not inputs:
        raise UserError("No input given: name files or folders of texts, or - for standard input.")
    of_model = {field.name for field in dataclasses.fields(EmbeddingConfig)}
    if unknown := ", ".join(sorted(settings.keys() - {*_OF_INPUT, *_OF_JOB, *of_model})):
        raise UserError(f"Unknown setting {unknown}: see embed_corpus.")
    model, reading, rest = (
        {name: value for name, value in settings.items() if name in names}
        for names in (of_model, _OF_INPUT, _OF_JOB)
    )
    config = EmbeddingConfig(**model)
    job = Job(config, CorpusInput((), ()), **rest)
    if job.format == "parquet":
        try:
            require("pyarrow", extra="parquet")
        except UserError as error:
            raise UserError(f"{str(error).rstrip('.')}; or give --format npy.") from None
    inputs = _with_stdin(inputs, folder, stdin_format)
    # A mistake is found before the model is loaded.
    say_joined(choose_columns(inputs, **reading).text_columns)
    embedder = _load(config)
    width = embedder([""]).vectors.shape[-1]
    with WorkProgress("Reading the input", None) as progress:
        source = CorpusInput.of(inputs, **reading)
        planned = plan_shards(source, job.shard_size, job.limit, progress.move_to)
    source.check()
    job = dataclasses.replace(job, config=embedder.config, input=source)
    manifest = Manifest(job, width, planned)
    manifest.save(folder)
    return manifest, embedder


def _load(config):
    with step(f"Loading {config.model}"):
        return ConfiguredEmbedder(config)


def _with_stdin(inputs, folder, format, known=()):
    """The inputs with the file that standard input is saved in, in its place."""
    return [spool_stdin(folder, format, known) if path == STDIN else path for path in inputs]


def _resumed(folder, inputs, settings, stdin_format) -> Manifest:
    """The manifest of a job that was begun, once it is sure that it is still the same job."""
    manifest = Manifest.load(folder)
    job = manifest.job
    recorded = vars(job.config) | vars(job) | vars(job.input)
    recorded["text_column"] = job.input.text_columns
    for name, value in settings.items():
        was, now = _plain(recorded.get(name)), _plain(value)
        if str(was) != str(now):  # a column may be given by its number
            raise UserError(
                f"{name} was {was!r} when the job in {folder} was begun and is {now!r} now: resume "
                "without it, or embed into a new folder."
            )
    for index, problem in manifest.damage(folder).items():
        say(f"{problem}; it is made again.")
        del manifest.done[index]
    files = job.input.files
    if inputs:
        paths = list_files(_with_stdin(inputs, folder, stdin_format, files))
    elif manifest.complete:
        return manifest
    else:
        paths = [find_spooled(folder, file) for file in files]
    if len(paths) != len(files):
        raise UserError(
            f"The job in {folder} was begun with {len(files)} files and has {len(paths)} now: give "
            "the same ones, or embed into a new folder."
        )
    present = tuple(file.at(path, read=True) for file, path in zip(files, paths, strict=True))
    manifest.job = dataclasses.replace(job, input=dataclasses.replace(job.input, files=present))
    return manifest


def _plain(value):
    """A setting as the command line takes it, the same for all ways to write it."""
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return re.sub(r"\s*,\s*", ",", value) if isinstance(value, str) else value


def _clear(folder, complete=False):
    """Removes a standard input that nobody needs any more."""
    needed = (folder / MANIFEST).exists() and not complete
    for path in folder.iterdir():
        if SPOOLED.fullmatch(path.name) and not needed:
            path.unlink(missing_ok=True)
