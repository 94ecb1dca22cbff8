"""The OpenAI transformer's tokenizer against transformers'."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.text import CharBPETokenizer, Tokenizer

from .models import write_byte_level_tokenizer, write_char_bpe_tokenizer
from .test_tokenizers import TEXTS

pytestmark = pytest.mark.oracle
CHARACTERS = "abdeéhnotuñßİÉ Ω日本'.,!<unk>/w😀\n\u0301\u00a0\x00"


@pytest.fixture(scope="module")
def both(transformers, tmp_path_factory):
    """Ours and theirs of a folder as the published one's: config.json names the model alone."""
    folder = tmp_path_factory.mktemp("openai-gpt")
    write_char_bpe_tokenizer(folder, TEXTS[:3] + TEXTS[8:9] + TEXTS[12:14], vocab_size=300)
    (folder / "config.json").write_text('{"model_type": "openai-gpt"}')
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(theirs) is transformers.OpenAIGPTTokenizer
    ours = Tokenizer.from_pretrained(folder)
    assert type(ours) is CharBPETokenizer
    return ours, theirs


def assert_equal(ours, theirs, texts):
    expected = theirs(texts, return_offsets_mapping=True)
    assert list(ours.ids(texts)) == expected["input_ids"]
    assert ours.tokenize(texts).ids == [ids or [ours.unk_id] for ids in expected["input_ids"]]
    assert ours.offsets(texts) == expected["offset_mapping"]
    assert ours.tokens(texts) == [theirs.tokenize(text) for text in texts]
    for skip in (True, False):
        decoded = theirs.decode(expected["input_ids"], skip_special_tokens=skip)
        assert ours.decode(expected["input_ids"], skip_special_tokens=skip) == decoded


def test_tokens_offsets_and_texts(both):
    ours, theirs = both
    texts = [*TEXTS, "<unk> typed<unk>", "</w> a</w>b"]
    assert_equal(ours, theirs, texts)
    tokens = [token for row in ours.tokens(texts) for token in row]
    assert tokens.count("<unk>") > 20
    assert sum(token.endswith("</w>") and len(token) > 6 for token in tokens) > 30
    assert (ours.vocab_size, ours.unk_id) == (len(theirs), theirs.unk_token_id)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text() | st.text(CHARACTERS), min_size=1, max_size=4))
def test_any_text(both, texts):
    assert_equal(*both, texts)


def test_each_reads_what_the_other_saved(both, transformers, tmp_path):
    ours, theirs = both
    theirs.save_pretrained(tmp_path / "theirs")
    assert_equal(Tokenizer.from_pretrained(tmp_path / "theirs"), theirs, TEXTS)
    ours.save_pretrained(tmp_path / "ours")
    read = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    again = Tokenizer.from_pretrained(tmp_path / "ours")
    assert again.to_json() == ours.to_json() == Tokenizer.from_json(ours.to_json()).to_json()
    for tokenizer in (again, Tokenizer.from_json(ours.to_json())):
        assert type(tokenizer) is CharBPETokenizer
        assert_equal(tokenizer, read, TEXTS)


def test_tokens_that_are_added(both, transformers, tmp_path):
    """Those of fine-tuning: a start, an end, and padding."""
    theirs = transformers.OpenAIGPTTokenizer(
        *(vocabulary_of(both[0])), bos_token="_start_", eos_token="_end_", pad_token="<pad>"
    )
    theirs.save_pretrained(tmp_path)
    ours = Tokenizer.from_pretrained(tmp_path)
    assert_equal(ours, theirs, [*TEXTS, "_start_ the_end_ <pad>"])
    assert ours.vocab_size == len(theirs) == both[0].vocab_size + 3
    for role in ("bos", "eos", "pad", "unk"):
        assert getattr(ours, f"{role}_id") == getattr(theirs, f"{role}_token_id")


@pytest.mark.parametrize("has_decoder", [False, True])
def test_texts_of_a_file_by_itself(both, transformers, tmp_path, has_decoder):
    """Whose decoder counts, where no class has one of its own."""
    saved = json.loads(both[0].backend.to_str())
    saved["decoder"] = saved["decoder"] if has_decoder else None
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = Tokenizer.from_pretrained(tmp_path)
    assert_equal(ours, theirs, TEXTS)
    assert ("</w>" in ours.decode(ours.ids(TEXTS[:1]))[0]) is not has_decoder
    assert_equal(Tokenizer.from_json(ours.to_json()), theirs, TEXTS)


def vocabulary_of(tokenizer):
    model = json.loads(tokenizer.backend.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


KINDS = {
    "gpt2": (write_byte_level_tokenizer, "GPT2Tokenizer"),
    "openai-gpt": (write_char_bpe_tokenizer, "OpenAIGPTTokenizer"),
}


@pytest.mark.parametrize("model_type", KINDS)
def test_the_model_says_whose_a_tokenizer_json_is(transformers, tmp_path, model_type):
    """transformers then takes its vocabulary alone."""
    write, kind = KINDS[model_type]
    write(tmp_path, TEXTS[:3])
    getattr(transformers, kind).from_pretrained(tmp_path).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    saved["pre_tokenizer"]["add_prefix_space"] = True
    saved["normalizer"] = saved["normalizer"] and {"type": "NFC"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = Tokenizer.from_pretrained(tmp_path)
    for text in ("The CAT's naïve", " x"):
        assert next(ours.ids([text])) == theirs(text)["input_ids"]


@pytest.mark.parametrize("named", ["config", "tokenizer_config"])
@pytest.mark.parametrize("model_type", KINDS)
def test_the_added_tokens_of_its_configuration_are_all(transformers, tmp_path, model_type, named):
    """Where it lists any, transformers takes none of the tokenizer.json."""
    write, kind = KINDS[model_type]
    write(tmp_path, TEXTS[:3])
    theirs = getattr(transformers, kind).from_pretrained(tmp_path)
    theirs.add_tokens(["foo", "bar"])
    theirs.save_pretrained(tmp_path)
    number = theirs.convert_tokens_to_ids("foo")
    config = {"added_tokens_decoder": {number: {"content": "foo"}}}
    config |= {"tokenizer_class": kind} if named == "tokenizer_config" else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "foo bar foobar"
    ids = next(Tokenizer.from_pretrained(tmp_path).ids([text]))
    assert ids == theirs(text)["input_ids"]
    assert ids.count(number) == 2
    assert number + 1 not in ids
