"""What is damaged: how each kind of file or folder is written, and how the package reads it."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from safetensors.numpy import save_file

from kerasformer.errors import UserError
from kerasformer.sources.places import FetchError

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "hub"), str(TESTS / "checkpoints"), str(TESTS / "corpus")]

CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "vocab_size": 17,
    "hidden_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 5,
    "max_position_embeddings": 4,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijkl"]


def write_huggingface(folder):
    from kerasformer.checkpoints.formats.huggingface_names import BERT
    from kerasformer.models import EncoderConfig
    from kerasformer.text import WordPieceTokenizer

    config = EncoderConfig(17, 6, 2, 3, 5, 4)
    weights = list(BERT.encoder_weights(config)) + list(BERT.head_weights("masked_lm", config))
    tensors = {weight.theirs: np.ones(weight.shape, "float32") for weight in weights}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    WordPieceTokenizer.from_vocabulary(WORDS).save_pretrained(folder)


def write_gpt2(folder):
    from kerasformer.checkpoints.formats.gpt_names import GPT2
    from kerasformer.models import DecoderConfig

    sizes = {"vocab_size": 260, "n_embd": 6, "n_layer": 2, "n_head": 3, "n_positions": 4}
    config = DecoderConfig(260, 6, 2, 3, max_length=4)
    weights = list(GPT2.encoder_weights(config))
    tensors = {weight.theirs: np.ones(weight.shape, "float32") for weight in weights}
    write_byte_level(folder)
    save_file(tensors, folder / "model.safetensors")
    values = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **sizes}
    (folder / "config.json").write_text(json.dumps(values))
    read_pair(folder).save_pretrained(folder)


def write_byte_level(folder):
    """GPT-2's vocabulary, and its merges in a file beside it."""
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = [*sorted(ByteLevel.alphabet()), "ab", "abc", "Ġl", "<|endoftext|>"]
    folder.mkdir()
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nab c\nĠ l\n")


def write_char_bpe(folder):
    """The OpenAI transformer's vocabulary, and its merges."""
    tokens = ["<unk>", *"abcl", *(f"{letter}</w>" for letter in "abcl"), "ab", "abc</w>"]
    folder.mkdir()
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nab c</w>\n")
    (folder / "config.json").write_text('{"model_type": "openai-gpt"}')


def read_pair(folder):
    from kerasformer.text import Tokenizer

    tokenizer = Tokenizer.from_pretrained(folder)
    use_tokenizer(tokenizer)
    return tokenizer


def write_shards(folder):
    from safetensors.numpy import load_file

    write_huggingface(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards, weight_map = [{}, {}, {}], {}
    for i, (name, tensor) in enumerate(tensors.items()):
        shards[i % 3][name] = tensor
        weight_map[name] = f"model-{i % 3}.safetensors"
    for i, shard in enumerate(shards):
        save_file(shard, folder / f"model-{i}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "vocab.txt").write_text("\n".join(WORDS))


def write_adapter(folder):
    folder.mkdir()
    write_huggingface(folder / "base")
    config = {"peft_type": "LORA", "base_model_name_or_path": "base", "r": 2, "lora_alpha": 6}
    config |= {"target_modules": ["query"], "bias": "none", "rank_pattern": {"layer.1": 2}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.bert.encoder.layer.0.attention.self.query"
    shapes = {f"{name}.lora_A.weight": (2, 6), f"{name}.lora_B.weight": (6, 2)}
    tensors = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
    save_file(tensors, folder / "adapter_model.safetensors")


def write_sentence_transformers(folder):
    folder.mkdir()
    write_huggingface(folder / "0_Transformer")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))


def write_kerashub(folder):
    from kerasformer.checkpoints.formats.kerashub import KERASHUB
    from kerasformer.models import EncoderConfig

    sizes = {"vocabulary_size": 17, "hidden_dim": 6, "num_layers": 2, "num_heads": 3}
    sizes |= {"intermediate_dim": 5, "max_sequence_length": 4, "num_segments": 2, "dropout": 0.1}
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "assets" / "tokenizer" / "vocabulary.txt").write_text("\n".join(WORDS))
    for name, kind, config in (
        ("config.json", "BertBackbone", sizes),
        ("tokenizer.json", "BertTokenizer", {"lowercase": True}),
    ):
        (folder / name).write_text(json.dumps({"class_name": kind, "config": config}))
    with h5py.File(folder / "model.weights.h5", "w") as file:
        for weight in KERASHUB.encoder_weights(EncoderConfig(17, 6, 2, 3, 5, 4)):
            name = weight.theirs.replace("transformer_encoder_0/", "transformer_encoder/")
            file[name] = np.ones(weight.shape, "float32")


def write_keras_file(folder):
    from kerasformer.models import BertEncoder, EncoderConfig

    folder.mkdir()
    BertEncoder(EncoderConfig(17, 6, 2, 3, 5, 4)).save(folder / "encoder.keras")


def write_savedmodel(folder):
    from golden_models import unpack_golden

    unpack_golden(folder.with_name(f"{folder.name}-golden"))["encoder"].rename(folder)


def write_object_checkpoint(folder):
    from golden_models import unpack_golden

    prefix = unpack_golden(folder.with_name(f"{folder.name}-golden"))["checkpoint"]
    prefix.parent.rename(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))


def write_google(folder):
    from tf_files import save

    from kerasformer.checkpoints.formats.tf_names import GOOGLE
    from kerasformer.models import EncoderConfig

    folder.mkdir()
    config = EncoderConfig(17, 6, 2, 3, 5, 4)
    weights = [*GOOGLE.encoder_weights(config), *GOOGLE.head_weights("masked_lm", config)]
    save(folder / "bert_model.ckpt", {w.theirs: np.ones(w.shape, "float32") for w in weights})
    (folder / "bert_config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


def read_checkpoint(path):
    """All that a reader does with a model, short of making Keras layers of it."""
    from kerasformer.checkpoints import formats

    files = list(path.iterdir())
    is_file = len(files) == 1 and files[0].suffix == ".keras"
    checkpoint = formats.open_checkpoint(files[0] if is_file else path)
    checkpoint.report()
    weights = list(checkpoint.table.encoder_weights(checkpoint.config))
    for head in checkpoint.heads:
        weights += checkpoint.table.head_weights(head, checkpoint.config)
    for weight in weights:
        name = checkpoint.names.get(weight.theirs)
        if name is not None and checkpoint.tensors.shape(name) == weight.shape:
            checkpoint.read(weight)
    if not is_file:  # which has none
        use_tokenizer(checkpoint.read_tokenizer())


def use_tokenizer(tokenizer):
    if tokenizer is not None:
        tokenizer.decode(tokenizer.tokenize(["abc é 体", "l " * 50], max_length=16).ids)


def inspect_model(path):
    from kerasformer.checkpoints.inspect import inspect

    inspect(path)


def write_tokenizer(folder):
    from kerasformer.text import WordPieceTokenizer

    folder.mkdir()
    WordPieceTokenizer.from_vocabulary(WORDS).save_pretrained(folder)


def read_tokenizer(folder):
    from kerasformer.text import WordPieceTokenizer

    use_tokenizer(WordPieceTokenizer.from_pretrained(folder))


def write_vocabulary(folder):
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))


def write_text_classifier(folder):
    from kerasformer.models import BertEncoder, EncoderConfig
    from kerasformer.tasks import TextClassifier
    from kerasformer.text import WordPieceTokenizer

    encoder = BertEncoder(EncoderConfig(17, 6, 2, 3, 5, 4))
    tokenizer = WordPieceTokenizer.from_vocabulary(WORDS)
    TextClassifier(["bad", "good"], encoder, tokenizer).save_pretrained(folder)


def write_transformer_classifier(folder):
    from kerasformer.tasks import TransformerClassifier
    from kerasformer.text import WordTokenizer

    sizes = {"vocab_size": 20, "max_length": 4, "hidden_size": 8}
    tokenizer = WordTokenizer.train(["a fine film", "a dull film"], vocab_size=20)
    TransformerClassifier(["bad", "good"], **sizes, tokenizer=tokenizer).save_pretrained(folder)


def write_older_classifier(folder):
    """As before the configuration had the sha256 of the weights."""
    write_transformer_classifier(folder)
    config = json.loads((folder / "classifier.json").read_text())
    del config["weights_sha256"]
    (folder / "classifier.json").write_text(json.dumps(config))


def load_task(folder):
    import keras

    from kerasformer.tasks import load

    keras.backend.clear_session()
    load(folder)


def load_embedder(folder):
    import keras

    from kerasformer import TextEmbedder

    keras.backend.clear_session()
    TextEmbedder.from_pretrained(folder)


def load_hub(folder):
    from kerasformer.hub.saved_model import find_saved_model, load_saved_model, read_vocabulary

    load_saved_model(find_saved_model(folder))
    read_vocabulary(folder)


def write_static_model(folder):
    write_tokenizer(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "modules.json").write_text(
        json.dumps([{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}])
    )
    save_file({"embedding.weight": np.ones((17, 4), "float32")}, folder / "model.safetensors")


def write_table(suffix):
    """A writer of one file of labelled texts."""

    def write(folder):
        import pandas

        folder.mkdir()
        texts = ["fine", "né 体, 🙂", 'a "quote"', "dull", "a; b"] * 8
        table = pandas.DataFrame({"text": texts, "label": ["good", "bad"] * 20})
        path = folder / f"train{suffix}"
        if suffix == ".parquet":
            table.to_parquet(path)
        elif suffix == ".jsonl":
            table.to_json(path, orient="records", lines=True)
        else:
            table.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)

    return write


def read_table(folder):
    """As a labelled data set, and as texts to embed."""
    from kerasformer.corpus.input import CorpusInput
    from kerasformer.data import load_dataset

    def as_corpus():
        return sum(1 for _ in CorpusInput.of([path]).rows())

    path = folder / f"train.{folder.name}"
    try:
        load_dataset(path)
    finally:
        as_corpus()


EXAMPLES = {
    "pairs": {"sentence1": "It rains.", "sentence2": "né 体, 🙂", "label": "same"},
    "several": {"text": "fine", "labels": ["good", "short"]},
    "numbers": {"text": "fine", "label": 0.5},
    "words": {"tokens": ["Ada", "codes", "né"], "tags": ["B-person", "O", "O"]},
    "spans": {"text": "Ada codes né", "spans": [{"start": 0, "end": 3, "label": "person"}]},
    "questions": {
        "id": "1",
        "title": "Ada",
        "context": "né Ada codes.",
        "question": "Who codes?",
        "answers": {"text": ["Ada"], "answer_start": [3]},
    },
}


def write_examples(kind, suffix):
    """A writer of one file of the examples of a task, each a little different."""

    def write(folder):
        import pandas

        folder.mkdir()
        change = {
            **dict.fromkeys(("sentence2", "text", "context", "title"), "{} {}".format),
            "tokens": lambda words, i: [*words[:-1], f"né{i}"],
        }
        rows = [
            {key: change.get(key, lambda value, _: value)(value, i) for key, value in row.items()}
            for i, row in enumerate([EXAMPLES[kind]] * 12)
        ]
        rows[0] |= {"label": "other"} if kind == "pairs" else {}
        path = folder / f"train{suffix}"
        if suffix == ".parquet":
            pandas.DataFrame(rows).to_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


def write_conll(suffix):
    def write(folder):
        import gzip

        folder.mkdir()
        lines = "# a comment\n-DOCSTART- O\n\n"
        lines += "".join(f"Ada\tB-person\ncodes\tO\nné{i}\tO\n\t\n" for i in range(12))
        content = lines.encode()
        path = folder / f"train{suffix}"
        path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)

    return write


def write_squad(folder):
    folder.mkdir()
    articles = [
        {
            "title": f"Article {i}",
            "paragraphs": [
                {
                    "context": f"Ada codes né {i}.",
                    "qas": [
                        {
                            "id": f"{i}-{answered}",
                            "question": "Who codes?",
                            "is_impossible": not answered,
                            "answers": [{"text": "Ada", "answer_start": 0}] * answered,
                        }
                        for answered in (True, False)
                    ],
                }
            ],
        }
        for i in range(12)
    ]
    (folder / "train.json").write_text(json.dumps({"version": "v2.0", "data": articles}))


def read_examples(task, suffix):
    """Reads a folder as the data set of a task, and all that its splits and hashes need."""

    def read(folder):
        from kerasformer.data import load_dataset

        load_dataset(folder / f"train{suffix}", task).with_validation().describe()

    return read


def write_vectors(format):
    """A writer of a file of word vectors."""

    def write(folder):
        folder.mkdir()
        words = [f"né{i}" for i in range(12)]
        vectors = np.linspace(-1, 1, 36, dtype="<f4").reshape(12, 3)
        if format == "npy":
            np.save(folder / "vectors.npy", vectors)
            (folder / "words.txt").write_text("\n".join(words))
            return
        rows = zip(words, vectors, strict=True)
        if format == "binary":
            content = b"".join(w.encode() + b" " + v.tobytes() + b"\n" for w, v in rows)
        else:
            content = "".join(f"{w} {' '.join(map(str, v))}\n" for w, v in rows).encode()
        header = b"" if format == "glove" else b"12 3\n"
        (folder / "vectors.txt").write_bytes(header + content)

    return write


def read_vectors(folder):
    from kerasformer.models import StaticVectors

    is_array = (folder / "words.txt").exists()
    name, words = ("vectors.npy", folder / "words.txt") if is_array else ("vectors.txt", None)
    StaticVectors.load(folder / name, words)


def write_lines(folder):
    folder.mkdir()
    (folder / "train.txt").write_text("\n".join(["fine", "né 体 🙂", "", "dull"] * 8))


def read_lines(folder):
    from kerasformer.corpus.input import CorpusInput

    sum(1 for _ in CorpusInput.of([folder / "train.txt"]).rows())


def read_documents(folder):
    from kerasformer.data.raw import Documents

    sum(1 for _ in Documents([folder / "train.txt"]))


def write_token_corpus(folder):
    from kerasformer.data.raw import TokenCorpus
    from kerasformer.text import WordPieceTokenizer

    texts = ["It rains. né", "Rome is old."] * 6
    TokenCorpus.write(texts, WordPieceTokenizer.train(texts), folder, verbose=False)


def read_token_corpus(folder):
    """Also where somebody has made the manifest fit to files that are damaged."""
    from kerasformer.data.raw import TokenCorpus, corpus_files

    try:
        repr(TokenCorpus.open(folder).tokenizer)
    finally:
        hashed, corpus_files.sha256_of = corpus_files.sha256_of, lambda path: None
        known, corpus_files.read_json = corpus_files.read_json, lambda path: _unhashed(known(path))
        try:
            corpus = TokenCorpus.open(folder)
        finally:
            corpus_files.sha256_of, corpus_files.read_json = hashed, known
        corpus.divided(0.5)


def _unhashed(manifest):
    files = manifest.get("files")
    return manifest | {"files": dict.fromkeys(files) if isinstance(files, dict) else files}


def write_corpus(format):
    def write(folder):
        from stand_in import StandIn

        from kerasformer.corpus import embed_corpus, run

        run.ConfiguredEmbedder = StandIn
        source = folder.with_name("texts.txt")
        source.write_text("\n".join(f"text {n}" for n in range(20)))
        embed_corpus([source], folder, format=format, shard_size=8)

    return write


def read_corpus(folder):
    from kerasformer.corpus import EmbeddedCorpus
    from kerasformer.corpus.neighbours import nearest

    corpus = EmbeddedCorpus(folder)
    repr(corpus)
    list(corpus.shards())
    nearest(corpus, np.ones((1, corpus.width), corpus.dtype.replace("binary", "uint8")), top=3)


def write_record(folder):
    folder.mkdir()
    place = TESTS / "compare" / "report" / "conftest.py"
    specification = importlib.util.spec_from_file_location("records", place)
    records = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(records)
    (folder / "record.json").write_text(json.dumps(records.make_record(seeds=(0, 1), n=40)))


def read_record(folder):
    from kerasformer.compare.report.record import load_record

    load_record(folder)


def write_features(folder):
    from kerasformer.tasks.feature_cache import FeatureCache

    FeatureCache(folder).get("key", lambda: np.ones((5, 3), "float32"))


def read_features(folder):
    from kerasformer.tasks.feature_cache import FeatureCache

    array, _ = FeatureCache(folder)._read("key")  # `get` would write where that is damaged
    if array is not None:
        array.sum()


def write_cache(folder):
    from kerasformer.sources.cache import Cache
    from kerasformer.sources.places import File

    write_tokenizer(folder)
    own = Cache(folder).folder("models", "one")
    files = [File(path.name, "0" * 64, path.stat().st_size) for path in folder.glob("*.json")]
    own.record(folder, files, {"source": "one", "commit": "1"})


def read_cache(folder):
    from kerasformer.sources.cache import Cache

    own = Cache(folder).folder("models", "one")
    own.is_complete(own.files())
    own.manifest().get("commit")


def read_listing(folder):
    """What a hub's own files say of a model, before any weights are fetched."""
    from kerasformer.sources.huggingface import select

    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    try:
        select(names, lambda name: (folder / name).read_bytes())
    except FetchError as error:
        raise UserError(str(error)) from None


def training_state():
    from kerasformer.training.checkpoint import State

    history, seen = {"loss": [0.5], "f1": [[0.5, 0.25]]}, {"best": 0.5, "wait": 1}
    return State({"seed": 0, "shuffle": True}, 1, 2, False, 0, history, [0], [seen], "")


def write_checkpoint(folder):
    from kerasformer.training.checkpoint import CheckpointFolder, pending

    folder.mkdir()
    tensors = [pending("model.0", np.ones((2, 3), "float32")), pending("model.1", np.ones(2, "u4"))]
    CheckpointFolder(folder).write(training_state(), tensors)


def read_training(folder):
    from kerasformer.training.checkpoint import CheckpointFolder

    checkpoint = CheckpointFolder(folder).newest()
    if checkpoint is not None:
        dict(checkpoint.tensors)


def write_training_state(folder):
    folder.mkdir()
    (folder / "state.json").write_text(training_state().to_json())


def read_training_state(folder):
    import keras

    from kerasformer.files import read_text
    from kerasformer.training.checkpoint import State
    from kerasformer.training.resume import restore_history

    path = folder / "state.json"
    restore_history(keras.callbacks.History(), State.from_json(read_text(path), path))


class Subject(NamedTuple):
    """How to write a folder and to read it, and how long that takes beside the others.

    What is data may run, write and connect to nothing; a SavedModel of TF Hub is run as it is.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    cost: int = 1
    is_data: bool = True


def of_examples(kind, suffix, task):
    return Subject(write_examples(kind, suffix), read_examples(task, suffix))


SUBJECTS = {
    "huggingface": Subject(write_huggingface, read_checkpoint),
    "gpt2": Subject(write_gpt2, read_checkpoint),
    "byte-level": Subject(write_byte_level, read_pair),
    "char-bpe": Subject(write_char_bpe, read_pair),
    "shards": Subject(write_shards, read_checkpoint),
    "sentence-transformers": Subject(write_sentence_transformers, read_checkpoint),
    "adapter": Subject(write_adapter, read_checkpoint),
    "kerashub": Subject(write_kerashub, read_checkpoint),
    "keras": Subject(write_keras_file, read_checkpoint),
    "savedmodel": Subject(write_savedmodel, read_checkpoint, 5),  # a graph takes long to parse
    "object-checkpoint": Subject(write_object_checkpoint, read_checkpoint),
    "google": Subject(write_google, read_checkpoint),
    "inspected": Subject(write_sentence_transformers, inspect_model, 2),
    "tokenizer": Subject(write_tokenizer, read_tokenizer),
    "vocabulary": Subject(write_vocabulary, read_tokenizer),
    "text-classifier": Subject(write_text_classifier, load_task, 10),
    "transformer-classifier": Subject(write_transformer_classifier, load_task, 10),
    "older-classifier": Subject(write_older_classifier, load_task, 10),
    "embedder": Subject(write_sentence_transformers, load_embedder, 10),
    "static": Subject(write_static_model, load_embedder, 5),
    "hub": Subject(write_savedmodel, load_hub, 20, is_data=False),
    "csv": Subject(write_table(".csv"), read_table),
    "csv.gz": Subject(write_table(".csv.gz"), read_table),
    "tsv": Subject(write_table(".tsv"), read_table),
    "jsonl": Subject(write_table(".jsonl"), read_table),
    "parquet": Subject(write_table(".parquet"), read_table),
    "lines": Subject(write_lines, read_lines),
    "documents": Subject(write_lines, read_documents),
    "glove": Subject(write_vectors("glove"), read_vectors),
    "word2vec": Subject(write_vectors("binary"), read_vectors),
    "word2vec-text": Subject(write_vectors("text"), read_vectors),
    "npy-vectors": Subject(write_vectors("npy"), read_vectors),
    "pairs": of_examples("pairs", ".jsonl", "pairs"),
    "several": of_examples("several", ".jsonl", "classification"),
    "several-parquet": of_examples("several", ".parquet", "classification"),
    "numbers": of_examples("numbers", ".jsonl", "classification"),
    "conll": Subject(write_conll(".conll"), read_examples("tagging", ".conll")),
    "conll.gz": Subject(write_conll(".conll.gz"), read_examples("tagging", ".conll.gz")),
    "words": of_examples("words", ".jsonl", "tagging"),
    "words-parquet": of_examples("words", ".parquet", "tagging"),
    "spans": of_examples("spans", ".jsonl", "tagging"),
    "spans-parquet": of_examples("spans", ".parquet", "tagging"),
    "squad": Subject(write_squad, read_examples("answering", ".json")),
    "questions": of_examples("questions", ".jsonl", "answering"),
    "questions-parquet": of_examples("questions", ".parquet", "answering"),
    "token-corpus": Subject(write_token_corpus, read_token_corpus),
    "npy-corpus": Subject(write_corpus("npy"), read_corpus),
    "parquet-corpus": Subject(write_corpus("parquet"), read_corpus),
    "record": Subject(write_record, read_record),
    "features": Subject(write_features, read_features),
    "checkpoint": Subject(write_checkpoint, read_training),
    "training-state": Subject(write_training_state, read_training_state),
    "cache": Subject(write_cache, read_cache),
    "listing": Subject(write_sentence_transformers, read_listing),
}
