"""A learnt vocabulary's files, as transformers and TF Text read them."""

import itertools

import pytest

from kerasformer.text import WordPieceTokenizer

pytestmark = pytest.mark.oracle

TEXTS = [
    "El hidalgo don Quijote, ¿cuándo salió? ¡Mañana saldrá!",
    "Über den Wolken muß die Freiheit wohl grenzenlos sein.",
    "Ἄνδρα μοι ἔννεπε, Μοῦσα, πολύτροπον",
    "Все счастливые семьи похожи друг на друга",
    "我爱北京天安门。 吾輩は猫である。",
    "यह एक परीक्षा है। هذا اختبار. זה מבחן",
    "naïve café — “quoted” 3.50€ e-mail@x.org",
]
SETTINGS = list(itertools.product([True, False], [None, True, False]))


@pytest.mark.parametrize(("lowercase", "strip_accents"), SETTINGS)
def test_transformers_reads_the_same_tokens(tmp_path, transformers, lowercase, strip_accents):
    ours = WordPieceTokenizer.train(
        TEXTS, 200, lowercase, strip_accents=strip_accents, special_tokens=["[SPEAKER]"]
    )
    ours.save_pretrained(tmp_path, vocab_txt=True)
    texts = [*TEXTS, "[SPEAKER]Ein [MASK] läuft [SEP] x", "unseen 漢字 ŵ"]
    for source in (
        transformers.AutoTokenizer.from_pretrained(tmp_path),
        transformers.BertTokenizerFast.from_pretrained(tmp_path),
    ):
        assert source(texts)["input_ids"] == ours.tokenize(texts).ids
        pairs = source(texts, texts[::-1])
        assert pairs["input_ids"] == ours.tokenize(texts, texts[::-1]).ids
    # The vocab.txt alone, with the same settings.
    (tmp_path / "tokenizer.json").unlink()
    alone = WordPieceTokenizer.from_pretrained(tmp_path)
    assert alone.tokenize(texts).ids == ours.tokenize(texts).ids


@pytest.mark.parametrize("lowercase", [True, False])
def test_tf_text_reads_the_same_tokens(tmp_path, lowercase):
    text = pytest.importorskip("tensorflow_text")
    # Its folding of letters makes "ss" of ß, which is no lower-casing.
    texts = [one.replace("ß", "s") for one in [*TEXTS, "grenzenlose Wolke ŵ"]]
    ours = WordPieceTokenizer.train(texts[:-1], 200, lowercase)
    ours.save_pretrained(tmp_path, vocab_txt=True)
    path = tmp_path / "vocab.txt"
    words = path.read_text(encoding="utf-8").split("\n")[:-1]
    expected = list(ours.ids(texts))
    for theirs in (
        text.BertTokenizer(str(path), lower_case=lowercase),
        text.FastBertTokenizer(words, lower_case_nfd_strip_accents=lowercase),
    ):
        found = theirs.tokenize(texts)
        found = found.merge_dims(1, -1) if found.ragged_rank > 1 else found
        assert found.to_list() == expected
