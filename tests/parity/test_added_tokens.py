"""Tokens that a person added to a tokenizer, against transformers."""

import itertools
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.embedder import TextEmbedder
from kerasformer.errors import UserError
from kerasformer.tasks import TextClassifier
from kerasformer.text import Tokenizer, WordPieceTokenizer

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [*"abcde1éÉ<>[]/", "中", "new", "york"]
VOCABULARY = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
SIZE = len(VOCABULARY)
FLAGS = ("special", "single_word", "lstrip", "rstrip", "normalized")
CONTENTS = ["<e1>", "New York", "É1", "ab", "[x]"]
TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            [
                *CONTENTS,
                *SPECIAL,
                *LETTERS,
                "<E1>",
                "new york",
                "é1",
                "e\u0301",
                " ",
                "  ",
                "\t",
                ".",
            ]
        ),
        max_size=12,
    ).map("".join),
    min_size=1,
    max_size=4,
)


def combinations():
    """Every setting of the flags, each token with another one."""
    rows = list(itertools.product([False, True], repeat=len(FLAGS)))
    for start in range(len(rows)):
        yield {
            str(SIZE + number): {
                "content": content,
                **dict(zip(FLAGS, rows[(start + 7 * number) % len(rows)], strict=True)),
            }
            for number, content in enumerate(CONTENTS)
        }


def write(folder, config=None, tokenizer_json=None, **files):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    config = {"tokenizer_class": "BertTokenizer", **(config or {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    if tokenizer_json is not None:
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json))
    return folder


def saved_json(tokens, **normalizer):
    """The content of a tokenizer.json with these tokens beside BERT's."""
    saved = json.loads(WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json())["tokenizer"]
    saved["normalizer"] |= normalizer
    saved["added_tokens"] += [{"id": int(i), **token} for i, token in tokens.items()]
    return saved


def check(folder, texts):
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = WordPieceTokenizer.from_pretrained(folder)
    assert ours.tokenize(texts).ids == theirs(texts)["input_ids"]
    assert ours.vocab_size == len(theirs)
    return ours, theirs


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("place", ["decoder", "json", "generic"])
def test_every_combination_of_settings(tmp_path, place, lowercase):
    readers = []
    for number, tokens in enumerate(combinations()):
        config = {"do_lower_case": lowercase}
        saved = None
        if place == "decoder":
            config["added_tokens_decoder"] = tokens
        else:
            saved = saved_json(tokens, lowercase=lowercase)
        if place == "generic":
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        folder = write(tmp_path / str(number), config, saved)
        readers.append(check(folder, [" ".join(CONTENTS)]))

    @given(TEXTS)
    @settings(deadline=None, max_examples=30)
    def agree(texts):
        for ours, theirs in readers:
            assert ours.tokenize(texts).ids == theirs(texts)["input_ids"]

    agree()


def test_the_tokens_of_the_older_file(tmp_path):
    added = {"<e1>": SIZE, "New York": SIZE + 1, "<E2>": SIZE + 2}
    special = {"additional_special_tokens": ["<E2>"], "mask_token": {**mask(), "lstrip": True}}
    folder = write(tmp_path, added_tokens=added, special_tokens_map=special)
    ours, _ = check(folder, ["a <e1> <E1> new york <E2> <e2> b  [MASK] c"])
    assert ours.tokenize(["<e1>"]).ids == [[2, SIZE, 3]]


def mask():
    return {"content": "[MASK]", "single_word": False, "rstrip": False, "normalized": False}


@pytest.mark.parametrize(
    "config",
    [
        {"additional_special_tokens": ["<e1>", "ab"]},
        {"extra_special_tokens": ["<e1>"], "additional_special_tokens": ["<e2>"]},
        {"extra_special_tokens": {"image_token": "<e1>"}},
        {"image_token": "<e1>", "bos_token": "[BOS]", "eos_token": "[SEP]"},
        {"mask_token": {"__type": "AddedToken", **mask(), "lstrip": True}},
        {"added_tokens_decoder": {"4": {**mask(), "lstrip": True, "special": False}}},
        {"added_tokens_decoder": {"5": {"content": "a", "lstrip": False, "special": True}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("has_json", [False, True])
def test_tokens_that_a_configuration_names(tmp_path, config, has_json):
    saved = saved_json({}) if has_json else None
    texts = ["a <e1> ab <E1> x  [MASK] b", "[BOS]a[bos] <e2> [SEP][sep]", "abacada"]
    check(write(tmp_path, config, saved), texts)


def test_the_configurations_tokens_stand_before_those_of_the_other_files(tmp_path):
    tokens = {str(SIZE): {"content": "<e1>"}}
    others = {str(SIZE): {"content": "<e2>", **dict.fromkeys(FLAGS, False)}}
    folder = write(
        tmp_path,
        {"added_tokens_decoder": tokens},
        saved_json(others),
        added_tokens={"<e3>": SIZE},
        special_tokens_map={"sep_token": "a"},
    )
    check(folder, ["<e1> <e2> <e3> a"])


def test_saved_and_read_by_both(tmp_path):
    text = [" ".join(CONTENTS), "x<e1>y new york[x] é1 É1"]
    for number, tokens in enumerate(itertools.islice(combinations(), 0, None, 5)):
        folder = write(tmp_path / str(number), {"added_tokens_decoder": tokens})
        ours, theirs = check(folder, text)
        ours.save_pretrained(tmp_path / f"{number}-ours")
        check(tmp_path / f"{number}-ours", text)
        theirs.save_pretrained(tmp_path / f"{number}-theirs")
        check(tmp_path / f"{number}-theirs", text)
        again = Tokenizer.from_json(ours.to_json())
        assert again.tokenize(text).ids == ours.tokenize(text).ids
        assert again.to_json() == ours.to_json()


def test_tokens_saved_over_an_older_tokenizer(tmp_path):
    folder = write(
        tmp_path, added_tokens={"<e1>": SIZE}, special_tokens_map={"sep_token": "[MASK]"}
    )
    WordPieceTokenizer.from_vocabulary(VOCABULARY).save_pretrained(folder)
    ours, _ = check(folder, ["a <e1> [SEP]"])
    assert ours.vocab_size == SIZE


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ({str(SIZE + 1): {"content": "<e1>"}}, f"'<e1>' the id {SIZE + 1}, but .* {SIZE}"),
        ({"0": {"content": "<e1>"}}, f"'<e1>' the id 0, but .* {SIZE}"),
        ({"99999999999999": {"content": "<e1>"}}, "id '99999999999999'"),
        ({"-1": {"content": "<e1>"}}, "id '-1'"),
        ({str(SIZE): {"content": ""}}, "expected its content"),
        ({str(SIZE): {"content": "x" * 10_000}}, "expected its content"),
        ({str(SIZE): {"content": "\ud800"}}, "valid"),
        ({str(SIZE): {"content": "\u0301"}}, "leaves nothing"),
        ({str(SIZE): {"content": "<e1>", "lstrip": "no"}}, "neither true nor false"),
        ({str(SIZE): "<e1>"}, "expected its content"),
        ([1], "no JSON object"),
        ({str(SIZE): {"content": "<e1>"}, str(SIZE + 1): {"content": "<e1>"}}, "the id"),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_tokens_that_are_not_sound(tmp_path, tokens, message):
    folder = write(tmp_path, {"added_tokens_decoder": tokens})
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(folder)


def test_a_new_token_without_an_id_in_a_vocabulary_that_lacks_one(tmp_path):
    folder = write(tmp_path, {"additional_special_tokens": ["<e1>"]})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY[1:]))
    with pytest.raises(UserError, match=r"lacks '\[PAD\]' and names the further token '<e1>'"):
        WordPieceTokenizer.from_pretrained(folder)


def test_an_embedder_keeps_them_or_refuses(tmp_path, random_model, sentence_transformers):
    _, folder = random_model(vocab_size=SIZE + 2)
    tokens = {
        str(SIZE): {"content": "<e1>", "normalized": True},
        str(SIZE + 1): {"content": "New York", "lstrip": True},
    }
    write(folder, {"added_tokens_decoder": tokens})
    texts = ["a<e1>b new york", "<E1> c", "a"]
    embedder = TextEmbedder.from_pretrained(folder)
    expected = embedder.encode(texts)
    theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(expected, theirs.encode(texts), atol=1e-5)
    embedder.save_pretrained(tmp_path / "saved")
    again = TextEmbedder.from_pretrained(tmp_path / "saved")
    np.testing.assert_allclose(again.encode(texts), expected, atol=1e-6)
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(theirs.encode(texts), expected, atol=1e-5)
    embedder.encoder.save_pretrained(tmp_path / "encoder", embedder.tokenizer)
    check(tmp_path / "encoder", texts)


def test_graphs_refuse_them(tmp_path, random_model):
    pytest.importorskip("tensorflow_text")
    _, folder = random_model(vocab_size=SIZE + 1)
    tokens = {str(SIZE): {"content": "<e1>", "special": True}}
    write(folder, {"added_tokens_decoder": tokens})
    embedder = TextEmbedder.from_pretrained(folder)
    message = "has '<e1>' beside its vocabulary, which a graph cannot look for"
    with pytest.raises(UserError, match=message):
        embedder.encoder.export_tfhub(tmp_path / "tfhub", embedder.tokenizer, seq_length=9)
    with pytest.raises(UserError, match=message):
        embedder.encoder.export(tmp_path / "serving", tokenizer=embedder.tokenizer)


def test_a_classifier_keeps_them(tmp_path, random_model):
    _, folder = random_model(vocab_size=SIZE + 1)
    write(folder, {"added_tokens_decoder": {str(SIZE): {"content": "<e1>", "lstrip": True}}})
    classifier = TextClassifier.from_pretrained(folder, ["x", "y"])
    texts = ["a  <e1>", "b <E1>"]
    expected = classifier.predict(texts, verbose=0)
    classifier.save(tmp_path / "model.keras")
    classifier.save_pretrained(tmp_path / "saved")
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        TextClassifier.from_pretrained(tmp_path / "saved"),
    ):
        assert again.tokenizer.to_json() == classifier.tokenizer.to_json()
        np.testing.assert_allclose(again.predict(texts, verbose=0), expected, atol=1e-6)
