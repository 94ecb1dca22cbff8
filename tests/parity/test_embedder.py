"""`TextEmbedder`'s outputs against transformers: its hidden states, offsets and words."""

import numpy as np
import pytest

from kerasformer import TextEmbedder
from kerasformer.layers import NAMED_LAYERS

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::kerasformer.embedder.TruncationWarning"),
]

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "good", "bad", "film", "##s", "was"),
    *("is", "!", ".", ",", "e", "cafe", "##teria", "不", "do", "##n", "don", "'", "t", "👍"),
    *("un", "##believ", "##able"),
]
TEXTS = [
    "The good films.",
    "",
    "Café — the   cafétéria was unbelievable!",
    "don't 👍🏽 不不 ﬁlm",
    "the film was good, " * 3,
    "bad [SEP] good",
    "\u0301\u200d",
]
PAIRS = ["Is the film bad?", "good", "", "é", "the bad bad film was " * 3, "[CLS]", "films"]
TOLERANCE = {"atol": 2e-5, "rtol": 0}


@pytest.fixture(scope="module")
def both(torch, transformers, tmp_path_factory):
    """Our embedder, their model and their tokenizer, of one folder."""
    from .models import make_model

    folder = tmp_path_factory.mktemp("bert")
    sizes = {"vocab_size": len(WORDS), "num_hidden_layers": 5}  # more than the last four
    model = make_model(torch, transformers, folder, "BertModel", **sizes)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return TextEmbedder.from_pretrained(folder), model, tokenizer


@pytest.fixture(scope="module")
def theirs(torch, both):
    """What transformers gives for one text or pair alone: its encoding and all hidden states."""
    _, model, tokenizer = both

    def run(*texts, **options):
        # As lists: of a single pair transformers drops an empty second text.
        batch = tokenizer(*[[text] for text in texts], truncation=True, max_length=41, **options)
        inputs = {name: torch.tensor(batch[name]) for name in ("input_ids", "token_type_ids")}
        with torch.no_grad():
            output = model(**inputs, output_hidden_states=True)
        states = np.stack([state[0].numpy() for state in output.hidden_states], axis=1)
        return batch.encodings[0], states, output.pooler_output[0].numpy()

    return run


def test_hidden_states(both, theirs):
    for text, ours in zip(TEXTS, both[0].encode(TEXTS, output="hidden_states"), strict=True):
        encoding, states, _ = theirs(text)
        assert ours.ids == encoding.ids
        np.testing.assert_allclose(ours.vectors, states, **TOLERANCE)


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
def test_tokens_and_their_offsets(both, theirs, pairs):
    embedder = both[0]
    results = embedder.encode(TEXTS, pairs, output="token")
    bare = embedder.encode(TEXTS, pairs, output="token", special_tokens=False)
    for i, (ours, without) in enumerate(zip(results, bare, strict=True)):
        given = (group[i] for group in (TEXTS, pairs) if group is not None)
        encoding, states, _ = theirs(*given)
        assert (ours.tokens, ours.ids) == (encoding.tokens, encoding.ids)
        assert ours.segments == encoding.type_ids
        special = np.array(encoding.special_tokens_mask, bool)
        offsets = [None if s else at for s, at in zip(special, encoding.offsets, strict=True)]
        assert ours.offsets == offsets
        np.testing.assert_allclose(ours.vectors, states[:, -1], **TOLERANCE)
        assert without.ids == [token for token, s in zip(ours.ids, special, strict=True) if not s]
        np.testing.assert_allclose(without.vectors, states[~special, -1], **TOLERANCE)


COMBINED = {
    "last": lambda states: states[:, -1],
    "second_to_last": lambda states: states[:, -2],
    "embeddings": lambda states: states[:, 0],
    "mean_first_last": lambda states: (states[:, 1] + states[:, -1]) / 2,
    "sum_last_four": lambda states: states[:, -4:].sum(1),
    "mean_last_four": lambda states: states[:, -4:].mean(1),
    "concat_last_four": lambda states: states[:, -4:].reshape(len(states), -1),
    "sum_all": lambda states: states[:, 1:].sum(1),
    "mean_all": lambda states: states[:, 1:].mean(1),
}


def test_sentences_of_the_named_layers(both, theirs):
    assert COMBINED.keys() == NAMED_LAYERS.keys()
    for name, combined in COMBINED.items():
        expected = [combined(theirs(text)[1]).mean(0) for text in TEXTS]
        np.testing.assert_allclose(both[0].encode(TEXTS, layers=name), expected, atol=1e-4)


POOLED = {
    "mean": lambda tokens, _: tokens.mean(0),
    "max": lambda tokens, _: tokens.max(0),
    "mean_sqrt_len": lambda tokens, _: tokens.sum(0) / len(tokens) ** 0.5,
    "cls": lambda tokens, _: tokens[0],
    "pooled": lambda _, pooled: pooled,
}


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
def test_sentences_of_each_pooling(both, theirs, pairs):
    for name, pool in POOLED.items():
        expected = []
        for i in range(len(TEXTS)):
            given = (group[i] for group in (TEXTS, pairs) if group is not None)
            _, states, pooled = theirs(*given)
            expected.append(pool(states[:, -1], pooled))
        ours = both[0].encode(TEXTS, pairs, pooling=name)
        np.testing.assert_allclose(ours, expected, **TOLERANCE)


def test_stacked_layers_are_pooled_one_by_one(both, theirs):
    ours = both[0].encode(TEXTS, layers=[0, -1, 2], combine="stack", pooling=["mean", "cls"])
    expected = [
        np.concatenate([states.mean(0), states[0]], axis=-1)[[0, -1, 2]]
        for _, states, _ in map(theirs, TEXTS)
    ]
    np.testing.assert_allclose(ours, expected, **TOLERANCE)


def expected_words(word_ids, vectors, pool):
    """The vectors of each word, pooled, by the numbers of the words."""
    numbers = [number for number in dict.fromkeys(word_ids) if number is not None]
    return {n: pool(vectors[[i for i, w in enumerate(word_ids) if w == n]]) for n in numbers}


WORD_POOLING = {
    "mean": lambda tokens: tokens.mean(0),
    "sum": lambda tokens: tokens.sum(0),
    "max": lambda tokens: tokens.max(0),
    "first": lambda tokens: tokens[0],
}


def test_words_of_a_text(both, theirs):
    for name, pool in WORD_POOLING.items():
        results = both[0].encode(TEXTS, output="word", word_pooling=name, layers=-2)
        for text, ours in zip(TEXTS, results, strict=True):
            encoding, states, _ = theirs(text)
            expected = list(expected_words(encoding.word_ids, states[:, -2], pool).values())
            assert ours.words == [text[start:end] for start, end in ours.offsets]
            spans = [
                encoding.word_to_chars(i) for i in dict.fromkeys(encoding.word_ids) if i is not None
            ]
            assert ours.offsets == spans
            np.testing.assert_allclose(ours.vectors, np.reshape(expected, (-1, 36)), **TOLERANCE)


def test_words_that_the_caller_split(both, theirs):
    given = [["The", "cafétéria", "", "don't", "was", "\u200d", "unbelievable!"], ["bad"] * 60, []]
    for words, ours in zip(given, both[0].encode(given, output="word"), strict=True):
        encoding, states, _ = theirs(words, is_split_into_words=True)
        expected = expected_words(encoding.word_ids, states[:, -1], lambda tokens: tokens.mean(0))
        kept = words[:39]  # [CLS], 39 tokens of one word each, [SEP]
        assert (ours.words, ours.offsets) == (kept, [None] * len(kept))
        expected = [expected.get(i, np.zeros(36)) for i in range(len(kept))]
        np.testing.assert_allclose(ours.vectors, np.reshape(expected, (-1, 36)), **TOLERANCE)


def test_words_of_pairs(both, theirs):
    for i, ours in enumerate(both[0].encode(TEXTS, PAIRS, output="word")):
        encoding, states, _ = theirs(TEXTS[i], PAIRS[i])
        expected = []
        for segment in (0, 1):
            word_ids = [
                w if s == segment else None
                for w, s in zip(encoding.word_ids, encoding.sequence_ids, strict=True)
            ]
            words = expected_words(word_ids, states[:, -1], lambda tokens: tokens.mean(0))
            assert ours.segments.count(segment) == len(words)
            expected += words.values()
        np.testing.assert_allclose(ours.vectors, np.reshape(expected, (-1, 36)), **TOLERANCE)
        groups = [(TEXTS, PAIRS)[segment][i] for segment in ours.segments]
        assert ours.words == [
            text[start:end] for text, (start, end) in zip(groups, ours.offsets, strict=True)
        ]


def test_a_windows_tokens_are_those_of_the_window_alone(both, torch):
    """Each token of a long text has the vector of one of the windows that hold it."""
    embedder, model, tokenizer = both
    text = "the good film was bad, " * 15
    whole = embedder.encode(text, output="token", long="window", overlap=20)
    ids = tokenizer(text, truncation=False)["input_ids"]
    assert whole.ids == ids
    assert [text[slice(*at)] if at else None for at in whole.offsets[:4]] == [
        None, "the", "good", "film",
    ]  # fmt: skip
    inner = ids[1:-1]
    starts = [*range(0, len(inner) - 39, 19), len(inner) - 39]
    best = {}  # of each token: its context, and its vector
    for start in starts:
        window = [ids[0], *inner[start : start + 39], ids[-1]]
        with torch.no_grad():
            output = model(torch.tensor([window])).last_hidden_state[0].numpy()
        for i in range(39):
            context = min(i, 38 - i)
            if context > best.get(start + i, (-1,))[0]:
                best[start + i] = (context, output[1 + i])
    expected = [vector for _, (_, vector) in sorted(best.items())]
    np.testing.assert_allclose(whole.vectors[1:-1], expected, **TOLERANCE)
    mean = embedder.encode(text, long="window", overlap=20)
    np.testing.assert_allclose(mean, whole.vectors.mean(0), **TOLERANCE)
    largest = embedder.encode(text, long="window", overlap=20, pooling="max")
    np.testing.assert_allclose(largest, whole.vectors.max(0), **TOLERANCE)
