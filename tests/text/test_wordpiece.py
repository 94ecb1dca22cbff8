import json
import pickle
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasformer.errors import UserError
from kerasformer.text import Tokenizer, WordPieceTokenizer, WordTokenizer, pack
from kerasformer.text import texts as text_parts
from kerasformer.text.wordpiece import _NORMALIZER_SETTINGS

# Special ids in the order of BETO, a Spanish BERT: nothing may take them for granted.
SPECIAL = ["[MASK]", "[PAD]", "[EOS]", "[UNK]", "[CLS]", "[SEP]"]
PIECES = [
    "la",
    "film",
    "##s",
    "good",
    "a",
    "##n",
    "an",
    "##o",
    "n",
    "ñ",
    "##ñ",
    "É",
    "é",
    ",",
    "中",
]
VOCABULARY = SPECIAL + PIECES
CLS, SEP = 4, 5
ID = {token: i for i, token in enumerate(VOCABULARY)}
# A vocabulary in which no character is unknown, so that tokens spell the text.
LETTERS = [chr(i) for i in range(33, 0x250)]
SPELLING = SPECIAL + LETTERS + ["##" + letter for letter in LETTERS]


@pytest.fixture
def wordpiece():
    return WordPieceTokenizer.from_vocabulary(VOCABULARY)


def write_vocabulary(folder, tokens=VOCABULARY, **config):
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_special_ids_are_those_of_the_vocabulary(wordpiece):
    ids = (
        wordpiece.mask_id,
        wordpiece.pad_id,
        wordpiece.unk_id,
        wordpiece.cls_id,
        wordpiece.sep_id,
    )
    assert ids == (0, 1, 3, 4, 5)
    assert wordpiece.vocab_size == len(VOCABULARY)
    assert wordpiece.vocabulary() == VOCABULARY


def test_one_text(wordpiece):
    tokenized = wordpiece.tokenize(["Good films", ""])
    assert tokenized.ids == [[CLS, ID["good"], ID["film"], ID["##s"], SEP], [CLS, SEP]]
    assert tokenized.type_ids == [[0] * 5, [0] * 2]
    assert tokenized.pad_id == 1


def test_pairs(wordpiece):
    tokenized = wordpiece.tokenize(["good", ""], pairs=["films", "a"])
    assert tokenized.ids == [
        [CLS, ID["good"], SEP, ID["film"], ID["##s"], SEP],
        [CLS, SEP, ID["a"], SEP],
    ]
    assert tokenized.type_ids == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1]]
    batch = pack(tokenized)
    assert batch["input_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]]
    assert batch["input_word_ids"][1].tolist()[-2:] == [1, 1]


def test_the_longer_text_is_cut_first(wordpiece):
    tokenized = wordpiece.tokenize(["a a a a a"], ["good la"], max_length=7)
    assert tokenized.ids == [[CLS, ID["a"], ID["a"], SEP, ID["good"], ID["la"], SEP]]


@given(count=st.integers(0, 12), other=st.integers(0, 12), most=st.integers(3, 12))
@settings(deadline=None, max_examples=50)
def test_truncation_keeps_special_tokens_and_the_texts_beginnings(count, other, most):
    wordpiece = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    (row,) = wordpiece.tokenize(["a " * count], ["good " * other], max_length=most).ids
    first, second = row.count(ID["a"]), row.count(ID["good"])
    assert row == [CLS, *[ID["a"]] * first, SEP, *[ID["good"]] * second, SEP]
    assert len(row) == min(most, count + other + 3)
    if first < count or second < other:  # something was cut: what is left is as even as can be
        assert abs(first - second) <= 1 or (first == count < second) or (second == other < first)


def test_a_long_pair_cut_short_costs_no_more_than_its_tokens(wordpiece):
    # The library's own truncation makes an encoding of each combination of cut-off pieces.
    (row,) = wordpiece.tokenize(["a " * 20_000], ["la " * 20_000], max_length=5).ids
    assert row == [CLS, ID["a"], SEP, ID["la"], SEP]


def test_truncation_is_forgotten_by_the_next_call(wordpiece):
    assert len(wordpiece.tokenize(["a a a a a"], max_length=3).ids[0]) == 3
    assert len(wordpiece.tokenize(["a a a a a"]).ids[0]) == 7
    wordpiece.tokenize(["a a a a a"], max_length=3)
    assert len(wordpiece.tokens(["a a a a a"])[0]) == 5


@pytest.mark.parametrize(("pairs", "least"), [(None, 2), (["a"], 3)])
def test_max_length_must_hold_the_special_tokens(wordpiece, pairs, least):
    assert wordpiece.tokenize(["a"], pairs, max_length=least).lengths.tolist() == [least]
    with pytest.raises(UserError, match=f"max_length is {least - 1}, .* {least}"):
        wordpiece.tokenize(["a"], pairs, max_length=least - 1)


def test_special_token_typed_in_a_text_is_that_token(wordpiece):
    assert wordpiece.tokenize(["a[SEP] [MASK]"]).ids == [[CLS, ID["a"], SEP, 0, SEP]]


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({}, ["an", "##o"]),
        ({"strip_accents": False}, ["a", "##ñ", "##o"]),
        ({"lowercase": False}, ["[UNK]"]),
        ({"lowercase": False, "strip_accents": True}, ["[UNK]"]),
    ],
    ids=str,
)
def test_case_and_accents(options, tokens):
    assert WordPieceTokenizer.from_vocabulary(VOCABULARY, **options).tokens(["AÑO"]) == [tokens]


def test_cased_vocabulary_keeps_case_and_accents():
    cased = WordPieceTokenizer.from_vocabulary(VOCABULARY, lowercase=False)
    assert cased.tokens(["É é E\u0301"]) == [["É", "é", "[UNK]"]]


def test_chinese_characters():
    split = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    whole = WordPieceTokenizer.from_vocabulary(VOCABULARY, tokenize_chinese_chars=False)
    assert split.tokens(["中中"]) == [["中", "中"]]
    assert whole.tokens(["中中"]) == [["[UNK]"]]


def test_offsets_count_characters_of_the_original(wordpiece):
    text = "\u200b中 AÑO, 😀 films"
    (tokens,), (offsets,) = wordpiece.tokens([text]), wordpiece.offsets([text])
    assert tokens == ["中", "an", "##o", ",", "[UNK]", "film", "##s"]
    assert [text[a:b] for a, b in offsets] == ["中", "AÑ", "O", ",", "😀", "film", "s"]


@given(text=st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cs"])))
@settings(deadline=None, max_examples=50)
def test_offsets_slice_to_what_the_token_spells(text):
    spelling = WordPieceTokenizer.from_vocabulary(SPELLING)
    (tokens,), (offsets,) = spelling.tokens([text]), spelling.offsets([text])
    assert len(tokens) == len(offsets)
    ends = [0, *(end for _, end in offsets)]
    for token, (start, end), before in zip(tokens, offsets, ends[:-1], strict=True):
        assert before <= end
        normal = unicodedata.normalize("NFD", text[start:end].lower())
        letters = "".join(c for c in normal if unicodedata.category(c) != "Mn")
        if token != "[UNK]":
            assert token.removeprefix("##") in letters


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
@settings(deadline=None, max_examples=50)
def test_any_unicode_text_encodes(texts):
    wordpiece = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    tokenized = wordpiece.tokenize(texts)
    assert len(tokenized) == len(texts)
    for row, tokens in zip(tokenized.ids, wordpiece.tokens(texts), strict=True):
        assert [VOCABULARY[i] for i in row] == ["[CLS]", *tokens, "[SEP]"]


def test_decode(wordpiece):
    batch = pack(wordpiece.tokenize(["Good films, a", "la"]))
    assert wordpiece.decode(batch["input_word_ids"]) == ["good films, a", "la"]
    assert wordpiece.decode([[CLS, 1]], skip_special_tokens=False) == ["[CLS] [PAD]"]
    assert wordpiece.decode([]) == []


@pytest.mark.parametrize("wrong", [-1, len(VOCABULARY), 2**40])
def test_decode_names_an_id_out_of_range(wordpiece, wrong):
    with pytest.raises(UserError, match=f"Id {wrong} is not .* 0 to {len(VOCABULARY) - 1}"):
        wordpiece.decode([[4], [4, wrong]])


@pytest.mark.parametrize(
    "texts", [("a", "la"), np.array(["a", "la"]), np.array(["a", "la"], object), iter(["a", "la"])]
)
def test_texts_may_be_any_sequence(wordpiece, texts):
    assert wordpiece.tokenize(texts).ids == [[CLS, ID["a"], SEP], [CLS, ID["la"], SEP]]


def test_no_texts(wordpiece):
    assert wordpiece.tokenize([]).ids == []
    assert wordpiece.tokenize([], []).ids == []
    assert wordpiece.tokens([]) == []
    assert pack(wordpiece.tokenize([]))["input_word_ids"].shape == (0, 0)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a", "texts is a str, but must be a list of str"),
        (b"a", "texts is a bytes"),
        (None, "texts is None"),
        (3, "texts is 3"),
        ({"a": 1}, "texts is a dict"),
        ({"a"}, "texts is a set"),
        (np.array([["a"]]), "texts is a ndarray"),
        (["a", None], r"texts\[1\] is None, a NoneType"),
        (["a", float("nan")], r"texts\[1\] is nan, a float"),
        ([b"a"], r"texts\[0\] is b'a', a bytes"),
        (["a", "b", 3], r"texts\[2\] is 3, a int"),
        ([["a"]], r"texts\[0\] is \['a'\], a list"),
        (["a", "b\ud83d"], r"texts\[1\] holds half a surrogate pair at character 1"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_named(wordpiece, texts, message):
    for call in (wordpiece.tokenize, wordpiece.tokens, wordpiece.offsets, WordTokenizer.train):
        with pytest.raises(UserError, match=message):
            call(texts)
    if not isinstance(texts, (str, bytes, type(None), int)):
        with pytest.raises(UserError, match=message.replace("texts", "pairs")):
            wordpiece.tokenize(["a"] * len(texts), texts)


def test_pairs_must_be_as_many_as_texts(wordpiece):
    with pytest.raises(UserError, match="2 texts but 1 pairs"):
        wordpiece.tokenize(["a", "a"], ["a"])


def test_chunks_change_nothing(wordpiece, monkeypatch):
    texts = ["a", "good films", "", "la " * 20, "a"]
    assert list(text_parts.chunks(texts)) == [texts]

    def everything():
        pairs = wordpiece.tokenize(texts, texts[::-1])
        return (pairs.ids, pairs.type_ids, wordpiece.tokenize(texts).ids)

    whole, tokens, offsets = everything(), wordpiece.tokens(texts), wordpiece.offsets(texts)
    monkeypatch.setattr(text_parts, "_CHUNK_CHARACTERS", 11)
    assert list(text_parts.chunks(texts)) == [texts[:2], texts[2:4], texts[4:]]
    assert everything() == whole
    assert wordpiece.tokens(texts) == tokens
    assert wordpiece.offsets(texts) == offsets


def test_threads_with_their_own_max_length(wordpiece):
    def lengths(most):
        return {
            wordpiece.tokenize(["a " * 50] * 20, max_length=most).lengths.max() for _ in range(20)
        }

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lengths, range(2, 22))) == [{most} for most in range(2, 22)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lowercase": False},
        {"lowercase": False, "strip_accents": True},
        {"tokenize_chinese_chars": False},
    ],
    ids=str,
)
def test_saved_and_loaded(options, tmp_path):
    made = WordPieceTokenizer.from_vocabulary(VOCABULARY, **options)
    made.tokenize(["a"], max_length=2)  # leaves no trace in the file
    made.save_pretrained(tmp_path / "new" / "folder")
    text = "AÑO É 中中 films [SEP]"
    for again in (
        Tokenizer.from_pretrained(tmp_path / "new" / "folder"),
        WordPieceTokenizer.from_pretrained(str(tmp_path / "new" / "folder")),
        WordPieceTokenizer.from_pretrained(tmp_path / "new" / "folder"),
        Tokenizer.from_json(made.to_json()),
        pickle.loads(pickle.dumps(made)),
    ):
        assert type(again) is WordPieceTokenizer
        assert again.to_json() == made.to_json()
        assert again.tokenize([text]).ids == made.tokenize([text]).ids
        assert again.special_tokens == made.special_tokens
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json"}


def test_interrupted_save_leaves_the_old_file(wordpiece, tmp_path, monkeypatch):
    wordpiece.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match=r"Cannot save to .*disk full.*: give a folder"):
        WordPieceTokenizer.from_vocabulary(SPECIAL, lowercase=False).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_vocabulary_file_defaults_are_uncased(tmp_path):
    read = WordPieceTokenizer.from_pretrained(write_vocabulary(tmp_path))
    assert read.to_json() == WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json()
    assert read.to_json() == WordPieceTokenizer.from_vocabulary(tmp_path / "vocab.txt").to_json()
    assert (
        read.to_json() == WordPieceTokenizer.from_vocabulary(str(tmp_path / "vocab.txt")).to_json()
    )


def test_vocabulary_file_with_configuration(tmp_path):
    tokens = ["<p>", "<u>", "<c>", "<s>", "É", "中"]
    write_vocabulary(
        tmp_path,
        tokens,
        do_lower_case=False,
        strip_accents=None,
        tokenize_chinese_chars=False,
        tokenizer_class="BertTokenizerFast",
        cls_token={"__type": "AddedToken", "content": "<c>"},
        sep_token="<x>",
    )
    # The older file fills in what the configuration does not say, and wins over what it does.
    older = {"pad_token": "<p>", "unk_token": "<u>", "sep_token": "<s>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(older))
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert read.tokenize(["É 中中"]).ids == [[2, 4, 1, 3]]
    assert (read.pad_id, read.mask_id) == (0, None)
    again = Tokenizer.from_json(read.to_json())
    assert (again.pad_id, again.mask_id, again.cls_id) == (0, None, 2)


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_vocabulary_file_line_ends_and_byte_order_mark(tmp_path, end):
    newline = "\r\n" if end == "\r\n" else "\n"
    text = "\ufeff" + newline.join([*VOCABULARY, "\u2028"]) + end
    (tmp_path / "vocab.txt").write_bytes(text.encode())
    assert WordPieceTokenizer.from_pretrained(tmp_path).vocabulary() == [*VOCABULARY, "\u2028"]


@pytest.mark.parametrize("role", ["unk", "cls", "sep"])
def test_missing_special_token(tmp_path, role):
    name = f"[{role.upper()}]"
    write_vocabulary(tmp_path, [token for token in VOCABULARY if token != name])
    with pytest.raises(UserError, match=rf"vocab.txt lacks the {role}_token '\[{role.upper()}\]'"):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_no_padding_token(tmp_path):
    write_vocabulary(tmp_path, [token for token in VOCABULARY if token != "[PAD]"])
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert read.pad_id == read.unk_id
    batch = pack(read.tokenize(["a", "a film"]))
    assert batch["input_word_ids"][0].tolist() == [*read.tokenize(["a"]).ids[0], read.unk_id]
    assert batch["input_mask"][0].tolist() == [1, 1, 1, 0]
    read.save_pretrained(tmp_path / "saved")
    assert Tokenizer.from_pretrained(tmp_path / "saved").to_json() == read.to_json()


@pytest.mark.parametrize("role", ["pad_token", "mask_token"])
def test_a_missing_token_of_another_name(role):
    with pytest.raises(UserError, match=f"lacks the {role} '<x>'"):
        WordPieceTokenizer.from_vocabulary(VOCABULARY, special_tokens={role: "<x>"})


def test_no_mask_token():
    read = WordPieceTokenizer.from_vocabulary([t for t in VOCABULARY if t != "[MASK]"])
    assert read.mask_id is None
    assert read.vocab_size == len(VOCABULARY) - 1
    assert "[MASK]" not in read.tokens(["a [MASK]"])[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\na\rb\n", "carriage return within line 3"),
        (b"", "vocab.txt is empty"),
        (b"\n\n", "vocab.txt is empty"),
        ("[PAD]\n[UNK]\nñ".encode("latin-1"), r"vocab.txt is not UTF-8 text \(byte 12\)"),
    ],
    ids=repr,
)
def test_broken_vocabulary_file(tmp_path, content, message):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([*VOCABULARY, "a"], f"has 'a' twice, at {ID['a']} and {len(VOCABULARY)}"),
        ([], "is empty"),
        (["[PAD]", None], "None at 1"),
    ],
)
def test_broken_vocabulary_list(tokens, message):
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_vocabulary(tokens)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"{", "tokenizer_config.json is not valid JSON"),
        (b"[]", "tokenizer_config.json holds a JSON array"),
        (b"[" * 100_000, "tokenizer_config.json is not valid JSON"),
        (b'"\xff"', "tokenizer_config.json is not UTF-8"),
        (b'{"do_lower_case": "no"}', "do_lower_case 'no', but it must be true or false"),
        (b'{"do_lower_case": null}', "do_lower_case None"),
        (b'{"cls_token": 3}', "has the cls_token 3, but it must be a string"),
        (b'{"cls_token": "<s>"}', "lacks the cls_token '<s>'"),
        (b'{"tokenizer_class": "BertJapaneseTokenizer"}', "is for BertJapaneseTokenizer"),
        (b'{"truncation_side": "left"}', "has the truncation_side 'left': expected 'right'"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_broken_configuration(tmp_path, config, message):
    write_vocabulary(tmp_path)
    (tmp_path / "tokenizer_config.json").write_bytes(config)
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_folder_without_a_tokenizer(tmp_path):
    for folder, message in ((tmp_path, "has no tokenizer"), (tmp_path / "none", "is no file or")):
        for kind in (Tokenizer, WordPieceTokenizer):
            with pytest.raises(UserError, match=message):
                kind.from_pretrained(folder)


def test_files_and_named_sources(tmp_path, monkeypatch):
    saved = tmp_path / "saved"
    WordPieceTokenizer.from_vocabulary(VOCABULARY, lowercase=False).save_pretrained(saved)
    cased = Tokenizer.from_pretrained(saved / "tokenizer.json")
    assert type(cased) is WordPieceTokenizer
    assert cased.tokens(["Good good"]) == [["[UNK]", "good"]]
    lower = [token for token in VOCABULARY if token == token.lower() or token[0] == "["]
    write_vocabulary(tmp_path, lower)
    for source in (tmp_path, tmp_path / "vocab.txt", str(tmp_path / "vocab.txt")):
        assert Tokenizer.from_pretrained(source).tokens(["Good"]) == [["good"]]
    with pytest.raises(UserError, match="holds a WordPiece model, but only WordLevel can be read"):
        WordTokenizer.from_pretrained(tmp_path)
    write_vocabulary(tmp_path, [*lower, "Film"])
    for source, tokens in ((tmp_path, ["film"]), (tmp_path / "vocab.txt", ["Film"])):
        assert WordPieceTokenizer.from_pretrained(source).tokens(["Film"]) == [tokens]
    monkeypatch.setattr("kerasformer.text.tokenizer.resolve", {"hf://owner/name": saved}.get)
    assert Tokenizer.from_pretrained("hf://owner/name").to_json() == cased.to_json()


@pytest.mark.network
def test_the_tokenizer_of_a_preset():
    preset = WordPieceTokenizer.from_pretrained("all-MiniLM-L6-v2")
    assert preset.tokenize(["Hello!"]).ids == [[101, 7592, 999, 102]]


def test_another_normalizer_is_not_saved_as_berts(tmp_path):
    made = WordPieceTokenizer.from_vocabulary(VOCABULARY)
    made.backend.normalizer = tokenizers.normalizers.Lowercase()
    made.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert Tokenizer.from_pretrained(tmp_path).to_json() == made.to_json()


def saved_json(folder, **changes):
    """A tokenizer.json with some members changed."""
    WordPieceTokenizer.from_vocabulary(VOCABULARY).save_pretrained(folder)
    path = folder / "tokenizer.json"
    (folder / "tokenizer_config.json").unlink()
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes))
    return path


def test_tokenizer_json_wins_over_the_vocabulary_and_loses_its_padding(tmp_path):
    padding = {
        "strategy": {"Fixed": 12},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[MASK]",
    }
    truncation = {"direction": "Left", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    saved_json(tmp_path, padding=padding, truncation=truncation)
    write_vocabulary(tmp_path, [*SPECIAL, "a"])
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert read.tokenize(["good films"]).ids == [[CLS, ID["good"], ID["film"], ID["##s"], SEP]]
    assert json.loads(read.to_json())["tokenizer"]["padding"] is None


def test_tokenizer_json_without_added_tokens_or_template(tmp_path):
    saved_json(tmp_path, added_tokens=[], post_processor=None)
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert read.to_json() == WordPieceTokenizer.from_vocabulary(VOCABULARY).to_json()


def test_configuration_wins_over_the_normalizer(tmp_path):
    saved_json(tmp_path)
    config = {"do_lower_case": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"lowercase True, but .* do_lower_case False"):
        WordPieceTokenizer.from_pretrained(tmp_path)
    config |= {"tokenizer_class": "BertTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert (
        read.to_json() == WordPieceTokenizer.from_vocabulary(VOCABULARY, lowercase=False).to_json()
    )


def test_other_normalizers_stay_as_they_are(tmp_path):
    saved_json(tmp_path, normalizer={"type": "Lowercase"})
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    read = WordPieceTokenizer.from_pretrained(tmp_path)
    assert read.tokens(["GOOD"]) == [["good"]]
    assert Tokenizer.from_json(read.to_json()).tokens(["GOOD"]) == [["good"]]
    assert set(_NORMALIZER_SETTINGS).isdisjoint(json.loads(read.to_json())["config"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "holds a BPE model"),
        (
            {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}},
            "holds a WordLevel model, but only WordPiece can be read here",
        ),
        ({"model": None}, "is damaged, or not a file of the tokenizers library"),
        (
            {"pre_tokenizer": {"type": "Code"}},
            "a pre_tokenizer of the type 'Code', which cannot be read here",
        ),
        (
            {
                "post_processor": {
                    "type": "RobertaProcessing",
                    "sep": ["[SEP]", SEP],
                    "cls": ["[CLS]", CLS],
                    "trim_offsets": True,
                    "add_prefix_space": True,
                }
            },
            r"puts \[CLS\] \[SEP\] \[SEP\] \[SEP\] around a pair",
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_tokenizer_json_of_another_kind(tmp_path, changes, message):
    saved_json(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        (dict(zip(VOCABULARY, [*range(len(VOCABULARY) - 1), 0], strict=True)), "each once"),
        (ID | {"far": 999}, "each once"),
        ({token: i for i, token in enumerate(PIECES)}, "lacks the unk_token"),
    ],
)
def test_tokenizer_json_with_a_broken_vocabulary(tmp_path, vocab, message):
    model = json.loads(saved_json(tmp_path).read_text())["model"]
    saved_json(tmp_path, model=model | {"vocab": vocab}, added_tokens=[])
    with pytest.raises(UserError, match=message):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_tokenizer_json_with_another_unknown_token(tmp_path):
    model = json.loads(saved_json(tmp_path).read_text())["model"]
    saved_json(tmp_path, model=model | {"unk_token": "[EOS]"})
    with pytest.raises(
        UserError, match=r"model with the unk_token '\[EOS\]', but it must be '\[UNK\]'"
    ):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_tokenizer_json_whose_model_lacks_its_unknown_token(tmp_path):
    saved = json.loads(saved_json(tmp_path).read_text())
    own = [token for token in VOCABULARY if token != "[UNK]"]
    model = saved["model"] | {"vocab": {token: i for i, token in enumerate(own)}}
    unknown = next(token for token in saved["added_tokens"] if token["content"] == "[UNK]")
    added = [unknown | {"id": len(own)}]
    saved_json(tmp_path, model=model, added_tokens=added, post_processor=None)
    with pytest.raises(UserError, match="in the model's own vocabulary"):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_truncated_tokenizer_json(tmp_path):
    path = saved_json(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    for read in (Tokenizer.from_pretrained, WordPieceTokenizer.from_pretrained):
        with pytest.raises(UserError, match=r"tokenizer.json is not valid JSON"):
            read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"tokenizer": {}}', '{"tokenizer": 3}'])
def test_broken_json_string(text):
    with pytest.raises(UserError, match="the tokenizer's JSON"):
        Tokenizer.from_json(text)


def test_backend_is_the_libraries(wordpiece):
    assert isinstance(wordpiece.backend, tokenizers.Tokenizer)
    assert repr(wordpiece) == f"WordPieceTokenizer(vocab_size={len(VOCABULARY)})"
