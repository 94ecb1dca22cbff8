"""A corpus of token ids: in memory and in a folder the same, and whole or not there."""

import errno
import itertools
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tokenizers

from kerasformer import files
from kerasformer.data.raw import TokenCorpus
from kerasformer.data.raw import encoding as module
from kerasformer.errors import UserError
from kerasformer.files import sha256_of
from kerasformer.text import ByteLevelTokenizer, Tokenizer, WordPieceTokenizer, WordTokenizer

TEXTS = ["It rains. The street is wet. So it goes.", "", "Rome is old.", "Wet. Old! Rain?"] * 30
TOKENIZER = WordPieceTokenizer.train(TEXTS)


def documents_of(corpus):
    """The ids of each sentence of each document."""
    starts = corpus.sentence_starts
    return [
        [corpus.tokens[starts[i] : starts[i + 1]].tolist() for i in range(*span)]
        for span in corpus.documents
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "made"
    TokenCorpus.write(iter(TEXTS), TOKENIZER, folder, verbose=False)
    return folder


def test_the_ids_are_the_tokenizers(folder, monkeypatch):
    expected = [
        [TOKENIZER.tokenize([s]).ids[0][1:-1] for s in sentences]
        for sentences in (
            ["It rains.", "The street is wet.", "So it goes."],
            ["Rome is old."],
            ["Wet.", "Old!", "Rain?"],
        )
    ] * 30
    corpus = TokenCorpus.of(TEXTS, TOKENIZER)
    assert documents_of(corpus) == documents_of(TokenCorpus.open(folder)) == expected
    monkeypatch.setattr(module, "_CHARACTERS", 50)  # in many parts
    again = TokenCorpus.of(TEXTS, TOKENIZER)
    assert documents_of(again) == expected
    assert again.fingerprint == corpus.fingerprint == TokenCorpus.open(folder).fingerprint
    assert (len(corpus), corpus.sentence_count) == (90, 210)
    assert corpus.token_count == corpus.lengths.sum() == len(corpus.tokens)
    sentences = [["It rains.", "The street is wet.", "So it goes."]]
    assert documents_of(TokenCorpus.of(sentences, TOKENIZER)) == expected[:1]


def test_arrays_stay_on_the_disk(folder):
    corpus = TokenCorpus.open(folder)
    assert isinstance(corpus.tokens, np.memmap)
    assert isinstance(corpus.sentence_starts, np.memmap)
    assert corpus.tokens.dtype == "uint16"
    for name in ("tokens", "sentence_starts", "document_starts"):
        assert np.load(folder / f"{name}.npy").ndim == 1


def test_documents_are_divided():
    corpus = TokenCorpus.of(TEXTS, TOKENIZER)
    train, held = corpus.divided(0.2, seed=1)
    assert (len(train), len(held)) == (72, 18)
    together = sorted(map(tuple, np.concatenate([train.documents, held.documents]).tolist()))
    assert together == sorted(map(tuple, corpus.documents.tolist()))
    again, other = corpus.divided(0.2, seed=1)[1], corpus.divided(0.2, seed=2)[1]
    np.testing.assert_array_equal(held.documents, again.documents)
    assert held.fingerprint == again.fingerprint != other.fingerprint
    assert len(corpus.divided(1e-6)[1]) == 1
    with pytest.raises(UserError, match="is one document"):
        corpus.take([0]).divided(0.5)
    with pytest.raises(UserError, match=r"share to hold out is 1\.5"):
        corpus.divided(1.5)


def test_the_tokenizer_has_to_fit(folder, tmp_path):
    corpus = TokenCorpus.open(folder)
    corpus.check(TOKENIZER)
    TOKENIZER.save_pretrained(tmp_path)
    corpus.check(WordPieceTokenizer.from_pretrained(tmp_path))
    other = WordPieceTokenizer.from_vocabulary(TOKENIZER.vocabulary(), lowercase=False)
    with pytest.raises(UserError, match="another vocabulary than the model's"):
        corpus.check(other)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("a.txt changed.")])
def test_what_ends_early_leaves_nothing(tmp_path, error):
    def texts():
        yield from TEXTS
        raise error

    with pytest.raises(type(error)):
        TokenCorpus.write(texts(), TOKENIZER, tmp_path / "new", verbose=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 11])
def test_a_disk_that_is_full_at_the_end(tmp_path, monkeypatch, count):
    """Where the last bytes of an array, the tokenizer, or the manifest, are to get to the disk."""
    calls = itertools.count()

    def fsync(_):
        if next(calls) == count:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(UserError, match=r"(cannot be written|Cannot save to .*) \(No space left"):
        TokenCorpus.write(TEXTS, TOKENIZER, tmp_path / "new", verbose=False)
    assert not (tmp_path / "new").exists()


def test_a_killed_run_can_be_begun_again(tmp_path, folder):
    code = """
import os, sys
from kerasformer.data.raw import TokenCorpus, encoding
from kerasformer.text import WordPieceTokenizer
encoding._CHARACTERS = 10
def texts():
    for _ in range(9):
        yield "It rains."
    os.kill(os.getpid(), 9)
tokenizer = WordPieceTokenizer.train(["it rains"])
TokenCorpus.write(texts(), tokenizer, sys.argv[1], verbose=False)
"""
    new = tmp_path / "new"
    done = subprocess.run([sys.executable, "-c", code, str(new)], capture_output=True)
    assert done.returncode == -9
    with pytest.raises(UserError, match="holds no tokenized corpus"):
        TokenCorpus.open(new)
    corpus = TokenCorpus.write(TEXTS, TOKENIZER, new, verbose=False)
    assert corpus.fingerprint == TokenCorpus.open(folder).fingerprint
    arrays = {"tokens.npy", "sentence_starts.npy", "document_starts.npy"}
    assert {path.name for path in new.iterdir()} == {*arrays, "tokenizer", "corpus.json"}


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


def test_a_corpus_has_its_tokenizer(folder, tmp_path):
    corpus = TokenCorpus.open(folder)
    assert corpus.tokenizer is corpus.tokenizer  # read once
    for one in (corpus, TokenCorpus.of(TEXTS, TOKENIZER), *corpus.divided(0.5)):
        assert one.tokenizer.to_json() == TOKENIZER.to_json()
    assert Tokenizer.from_pretrained(folder / "tokenizer").to_json() == TOKENIZER.to_json()
    longest = WordPieceTokenizer.from_json(TOKENIZER.to_json())
    longest.max_length = 512  # no id follows from it, but the length of a model's inputs does
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, 300, special_tokens=["<|endoftext|>"])
    backend = tokenizers.Tokenizer.from_str(trained.to_str())
    by_hand = ByteLevelTokenizer(backend, {"eos_token": "<|endoftext|>"})
    (tmp_path / "vocab.json").write_text(json.dumps({"<unk>": 0, "r": 1, "i</w>": 2, "ri</w>": 3}))
    (tmp_path / "merges.txt").write_text("r i</w>\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "OpenAIGPTTokenizer"}')
    openais, words = Tokenizer.from_pretrained(tmp_path), WordTokenizer.train(TEXTS)
    ends = {longest: longest.sep_id, words: None, by_hand: by_hand.eos_id, openais: openais.unk_id}
    for number, (one, end_id) in enumerate(ends.items()):
        corpus = TokenCorpus.write(TEXTS, one, tmp_path / str(number), verbose=False)
        assert corpus.end_id == end_id
        corpus.check(corpus.tokenizer)
        assert type(corpus.tokenizer) is type(one)
        assert corpus.tokenizer.max_length == one.max_length
        assert list(corpus.tokenizer.ids(TEXTS)) == list(one.ids(TEXTS))


@pytest.mark.parametrize("damage", ["remove", "cut", "other", "nothing"])
def test_a_tokenizer_that_is_not_its_own(folder, tmp_path, damage):
    file = copied(folder, tmp_path) / "tokenizer" / "tokenizer.json"
    corpus = TokenCorpus.open(tmp_path)
    if damage == "remove":
        shutil.rmtree(file.parent)
    elif damage == "nothing":
        file.write_bytes(b"")
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        WordPieceTokenizer.train(["something else"]).save_pretrained(file.parent)
    with pytest.raises(UserError, match="tokenizer does not hold the tokenizer that the corpus"):
        corpus.tokenizer  # noqa: B018


def test_somebodys_own_tokenizer_is_left_alone(tmp_path):
    TOKENIZER.save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(UserError, match="is not empty; give another folder"):
        TokenCorpus.write(["", " "], TOKENIZER, tmp_path, verbose=False)
    assert (tmp_path / "tokenizer" / "tokenizer.json").exists()


def test_what_a_kill_before_the_manifest_leaves(folder, tmp_path):
    (copied(folder, tmp_path) / "corpus.json").unlink()
    corpus = TokenCorpus.write(TEXTS[:4], TOKENIZER, tmp_path, verbose=False)
    assert len(corpus) == 3
    assert corpus.tokenizer.to_json() == TOKENIZER.to_json()


@pytest.mark.parametrize("name", ["tokens.npy", "sentence_starts.npy", "document_starts.npy"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "grow"])
def test_a_damaged_folder(folder, tmp_path, name, damage):
    path = copied(folder, tmp_path) / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"cut": content[:-3], "flip": flipped, "grow": content + b"\0"}[damage])
    with pytest.raises(UserError, match=r"is damaged \(.*\): tokenize the texts again"):
        TokenCorpus.open(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"vocab_size": "9"},
        {"files": []},
        {"end_id": "x"},
        {"end_id": -1},
        {"end_id": TOKENIZER.vocab_size},
        {"vocab_size": 3},  # smaller than the ids
    ],
)
def test_a_manifest_is_data(folder, tmp_path, change):
    path = copied(folder, tmp_path) / "corpus.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match="tokenize the texts again"):
        TokenCorpus.open(tmp_path)


HUGE = [2**62, 5 - 2**63, -1]  # whose differences, which overflow, are all positive


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("sentence_starts.npy", lambda a: np.insert(a, 3, a[3]), "do not belong together"),
        ("sentence_starts.npy", lambda a: np.r_[a[:3], HUGE, a[6:]], "do not belong"),
        ("tokens.npy", lambda a: a[0], "have another shape"),
        ("tokens.npy", lambda a: a[:, None], "have another shape"),
        ("sentence_starts.npy", lambda a: a[0], "have another shape"),
        ("document_starts.npy", lambda a: a[:, None], "have another shape"),
    ],
)
def test_arrays_of_no_corpus(folder, tmp_path, name, change, reason):
    """Whose manifest says that they are what was written."""
    path = copied(folder, tmp_path) / name
    np.save(path, change(np.load(path)))
    manifest = json.loads((tmp_path / "corpus.json").read_text())
    manifest["files"][name] = sha256_of(path)
    (tmp_path / "corpus.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=reason):
        TokenCorpus.open(tmp_path)


def test_mistakes(folder, tmp_path):
    with pytest.raises(UserError, match="is not empty"):
        TokenCorpus.write(TEXTS, TOKENIZER, folder, verbose=False)
    with pytest.raises(UserError, match="have no token"):
        TokenCorpus.write(["", " "], TOKENIZER, tmp_path / "a", verbose=False)
    assert not (tmp_path / "a").exists()
    with pytest.raises(UserError, match="have no token"):
        TokenCorpus.of([], TOKENIZER)
    with pytest.raises(UserError, match=r"texts\[1\]"):
        TokenCorpus.of(["fine", 3], TOKENIZER)
    with pytest.raises(UserError, match="holds no tokenized corpus"):
        TokenCorpus.open(tmp_path)


def test_progress_says_how_fast(tmp_path, capsys):
    TokenCorpus.write(TEXTS, TOKENIZER, tmp_path / "new")
    assert "tokens/s" in capsys.readouterr().err
