"""Our WordPiece tokenizer against transformers' BertTokenizer."""

import itertools
import json
import unicodedata

import pytest

from kerasformer.text import Tokenizer, WordPieceTokenizer, WordTokenizer, pack

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

TEXTS = [
    "Don't panic: the U.S. (pop. 331,000,000) isn't naïve!",
    "¿Qué pasó, señor Núñez? ¡Ñandúes y pingüinos!",
    "Straße, ŒUVRE, İstanbul, ıslak, ΟΔΟΣ, Ελλάδα, Чайковский",
    "我爱自然语言处理。日本語のテキスト、한국어 문장",
    "مرحبًا بالعالم، كيف الحال؟",
    "नमस्ते दुनिया, हिन्दी में क्ष",
    "สวัสดีครับ",
    "😀 👨‍👩‍👧 👍🏽 🇪🇸 ❤️ ☕",
    "ﬁne oﬃce … ½ ① ™ ＦＵＬＬ ﷺ",
    "e\u0301 n\u0303 a\u0308\u0323 \u0301alone Z\u0351\u036b\u0343",
    "nul\x00byte, zero\u200bwidth, soft\u00adhyphen, bom\ufeff, \u202eright\u202c, \ufffd",
    "tabs\tand\r\nlines\x0b\x0c\u00a0\u2003\u3000\u2028\u2029end",
    "[CLS] typed [SEP] special[MASK]tokens [PAD] [UNK] [cls] [ SEP ]",
    "a_b __x__ C++ #tag @user http://x.org/?q=1&r=2 1e-5 $9.99 50% <br />",
    "x" * 100 + " " + "y" * 101,
    "𝒳 𐍈 𠀀 \U000e0001",
    "##s ##",
    "",
    " \n\t ",
    "word " * 40,
]
SPECIAL = ["[MASK]", "[PAD]", "[EOS]", "[UNK]", "[CLS]", "[SEP]"]
SETTINGS = [
    {"do_lower_case": True},
    {"do_lower_case": False},
    {"do_lower_case": True, "strip_accents": False},
    {"do_lower_case": False, "strip_accents": True},
    {"do_lower_case": True, "tokenize_chinese_chars": False},
]


def vocabulary():
    """Every other character of the texts and of their normal forms, and some longer pieces.

    Half of them, so that words are whole, pieced together and unknown.
    """
    forms = [
        form
        for text in TEXTS
        for case in (text, text.lower())
        for form in (case, unicodedata.normalize("NFD", case))
    ]
    characters = sorted({c for form in forms for c in form if not c.isspace() and c != "\ufeff"})
    kept = [c for i, c in enumerate(characters) if c.isascii() or i % 2]
    words = ["the", "fine", "panic", "typed", "##ing", "##es", "##ord", "señor", "senor"]
    return [*SPECIAL, *kept, *("##" + c for c in kept), *words]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    config = {"tokenizer_class": "BertTokenizer", **request.param}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return (
        WordPieceTokenizer.from_pretrained(folder),
        transformers.BertTokenizer.from_pretrained(folder),
    )


def test_the_texts_reach_every_kind_of_token(both):
    tokens = list(itertools.chain.from_iterable(both[0].tokens(TEXTS)))
    assert tokens.count("[UNK]") > 20
    assert sum(token.startswith("##") for token in tokens) > 100


def test_ids_type_ids_and_offsets_of_one_text(both):
    ours, theirs = both
    expected = theirs(TEXTS, return_offsets_mapping=True)
    tokenized = ours.tokenize(TEXTS)
    assert tokenized.ids == expected["input_ids"]
    assert tokenized.type_ids == expected["token_type_ids"]
    inner = [offsets[1:-1] for offsets in expected["offset_mapping"]]
    assert ours.offsets(TEXTS) == inner
    assert ours.tokens(TEXTS) == [theirs.tokenize(text) for text in TEXTS]


@pytest.mark.parametrize("max_length", [None, 3, 4, 7, 8, 16, 31, 64])
def test_pairs_with_truncation(both, max_length):
    ours, theirs = both
    first, second = zip(*itertools.product(TEXTS, TEXTS[::-1]), strict=True)
    expected = theirs(
        list(first), list(second), truncation=max_length is not None, max_length=max_length
    )
    tokenized = ours.tokenize(first, second, max_length=max_length)
    assert tokenized.ids == expected["input_ids"]
    assert tokenized.type_ids == expected["token_type_ids"]


@pytest.mark.parametrize("max_length", [2, 3, 12])
def test_one_text_with_truncation(both, max_length):
    ours, theirs = both
    expected = theirs(TEXTS, truncation=True, max_length=max_length)
    assert ours.tokenize(TEXTS, max_length=max_length).ids == expected["input_ids"]


def test_padding(both):
    ours, theirs = both
    expected = theirs(TEXTS, TEXTS[::-1], padding=True, return_tensors="np")
    batch = pack(ours.tokenize(TEXTS, TEXTS[::-1]))
    assert (batch["input_word_ids"] == expected["input_ids"]).all()
    assert (batch["input_mask"] == expected["attention_mask"]).all()
    assert (batch["input_type_ids"] == expected["token_type_ids"]).all()


def test_decoding(both):
    ours, theirs = both
    ids = ours.tokenize(TEXTS).ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


def test_special_ids(both):
    ours, theirs = both
    for role in ("pad", "unk", "cls", "sep", "mask"):
        assert getattr(ours, f"{role}_id") == getattr(theirs, f"{role}_token_id")
    assert ours.vocab_size == len(theirs)


def test_each_reads_what_the_other_saved(both, tmp_path):
    ours, theirs = both
    theirs.save_pretrained(tmp_path / "theirs")
    read = WordPieceTokenizer.from_pretrained(tmp_path / "theirs")
    assert read.tokenize(TEXTS, TEXTS[::-1]).ids == ours.tokenize(TEXTS, TEXTS[::-1]).ids
    ours.save_pretrained(tmp_path / "ours")
    for kind in (transformers.BertTokenizer, transformers.AutoTokenizer):
        again = kind.from_pretrained(tmp_path / "ours")
        assert again(TEXTS, TEXTS[::-1])["input_ids"] == ours.tokenize(TEXTS, TEXTS[::-1]).ids
        assert again.pad_token_id == ours.pad_id
    assert Tokenizer.from_pretrained(tmp_path / "ours").to_json() == ours.to_json()


def test_other_names_of_special_tokens(tmp_path):
    tokens = [{"[CLS]": "[START]", "[SEP]": "[END]"}.get(token, token) for token in vocabulary()]
    names = {"cls_token": "[START]", "sep_token": "[END]"}
    ours = WordPieceTokenizer.from_vocabulary(tokens, special_tokens=names)
    theirs = transformers.BertTokenizer(vocab={t: i for i, t in enumerate(tokens)}, **names)
    text = "[START] typed [END] [CLS]"
    assert ours.tokenize([text], [text]).ids == theirs([text], [text])["input_ids"]


def test_transformers_reads_a_saved_word_tokenizer(tmp_path):
    ours = WordTokenizer.train(TEXTS)
    ours.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, split_special_tokens=True)
    words = [text for text in TEXTS if text.strip()]
    assert theirs(words)["input_ids"] == ours.tokenize(words).ids
    assert (theirs.pad_token_id, theirs.unk_token_id) == (0, 1)
