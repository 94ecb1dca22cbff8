"""Filled masks, pseudo-log-likelihoods and hidden tokens against transformers'."""

import json

import numpy as np
import pytest

from kerasformer.tasks import MaskedLanguageModel
from kerasformer.text import WordPieceTokenizer
from kerasformer.text.masking import TokenMasking

pytestmark = pytest.mark.oracle

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sat", "mat", "on", "a"]
WORDS += ["##s", "##ty", "##ting", ",", ".", "'", "ran", "far", "away", "up"]
TEXTS = ["The [MASK] sat.", "[MASK]", "A dog ran far away, up on [MASK] mats xyz."]
SEVERAL = ["The [MASK] [MASK] on the mat's [MASK].", "[MASK] dogs, [MASK]"]


@pytest.fixture
def make(random_model):
    """A function: a model of transformers, its folder, and ours."""

    def make(kind="Bert", words=WORDS, **config):
        model, folder = random_model(f"{kind}ForMaskedLM", vocab_size=len(words), **config)
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", **names(words)})
        )
        return model, folder, MaskedLanguageModel.from_pretrained(folder)

    return make


def names(words):
    return {"mask_token": "<gap>"} if "<gap>" in words else {}


def as_theirs(mask):
    return [
        {"token_str": g.token, "token": g.token_id, "sequence": g.sequence, "score": g.score}
        for g in mask
    ]


def assert_alike(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5)
        assert one == other


@pytest.mark.parametrize("kind", ["Bert", "DistilBert"])
def test_masks_are_filled_as_by_their_pipeline(transformers, make, kind):
    _, folder, ours = make(kind)
    pipeline = transformers.pipeline("fill-mask", str(folder), tokenizer=str(folder))
    for targets in (None, ["dog", "mat", "cat", "dog"], "up"):
        options = {} if targets is None else {"targets": targets}
        expected = pipeline(TEXTS, top_k=6, **options)
        for (mask,), theirs in zip(ours.fill_mask(TEXTS, 6, targets), expected, strict=True):
            assert_alike(as_theirs(mask), theirs)
        for text in SEVERAL:
            masks = ours.fill_mask(text, top_k=6, targets=targets)
            theirs = pipeline(text, top_k=6, **options)
            for mask, guesses in zip(masks, theirs, strict=True):
                assert_alike(as_theirs(mask), guesses)


def test_the_mask_has_the_name_that_the_model_gives_it(transformers, make):
    _, folder, ours = make(words=["<gap>" if word == "[MASK]" else word for word in WORDS])
    pipeline = transformers.pipeline("fill-mask", str(folder), tokenizer=str(folder))
    text = "The <gap> sat."
    assert_alike(as_theirs(ours.fill_mask(text)[0]), pipeline(text))


def test_a_target_of_several_pieces_counts_as_its_first(transformers, make):
    _, folder, ours = make()
    pipeline = transformers.pipeline("fill-mask", str(folder), tokenizer=str(folder))
    with pytest.warns(UserWarning, match="Only the first piece is scored of mats"):
        (mask,) = ours.fill_mask(TEXTS[0], targets=["mats", "Dog"])
    assert_alike(as_theirs(mask), pipeline(TEXTS[0], targets=["mats", "Dog"]))


def test_scores_are_the_sums_of_a_loop_over_their_model(torch, transformers, make):
    model, folder, ours = make()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["the cat sat on the mat", "dogs ran", "", "a cat's mat.", "unheard"]
    expected = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        own = []
        for place in range(1, ids.shape[1] - 1):
            hidden = ids.clone()
            hidden[0, place] = tokenizer.mask_token_id
            with torch.no_grad():
                logits = model(hidden).logits[0, place]
            own.append(logits.log_softmax(-1)[ids[0, place]].item())
        expected.append(own)
    scores = ours.score(texts, batch_size=4)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [sum(own) for own in expected], atol=1e-4)
    for text, pairs, own in zip(texts, ours.token_scores(texts), expected, strict=True):
        assert [token for token, _ in pairs] == tokenizer.tokenize(text)
        np.testing.assert_allclose([score for _, score in pairs], own, atol=1e-5)


def test_the_loss_is_theirs_on_the_same_guesses(torch, make):
    """`evaluate`, and `train_on_batch`'s loss, of which the weights without a guess are no part."""
    model, _, ours = make(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    texts = ["the cat sat on the mat", "dogs ran far away, up up up", "a cat's mat."] * 4
    data = ours._batches(ours._read(texts), 12)
    ((inputs, labels, weights),) = list(data)
    targets = np.full(inputs["input_word_ids"].shape, -100)
    for row, positions in enumerate(inputs["masked_lm_positions"]):
        own = weights[row] > 0
        targets[row, positions[own]] = labels[row, own]
    with torch.no_grad():
        theirs = model(
            torch.from_numpy(inputs["input_word_ids"]).long(),
            torch.from_numpy(inputs["input_mask"]).long(),
            labels=torch.from_numpy(targets),
        )
    scores = ours.evaluate(texts, batch_size=5, return_dict=True, verbose=0)
    assert scores["loss"] == pytest.approx(float(theirs.loss), abs=1e-5)
    assert scores["perplexity"] == pytest.approx(float(theirs.loss.exp()), rel=1e-4)
    chosen = targets != -100
    right = (theirs.logits.argmax(-1).numpy() == targets)[chosen].mean()
    assert scores["accuracy"] == pytest.approx(right)
    loss = ours._loss_for(data)(labels, ours(inputs), weights)
    assert float(loss) == pytest.approx(float(theirs.loss), abs=1e-5)


def test_tokens_are_hidden_as_by_their_collator(torch, transformers, make):
    """Not the same ones, as the random numbers are others, but each of the three fates as often."""
    _, folder, ours = make()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.DataCollatorForLanguageModeling(tokenizer, seed=3)
    ids = np.tile([2, *range(1, 22), 3, 0], (4000, 1))
    hidden, chosen = TokenMasking.of(ours.tokenizer).hide(ids, np.random.default_rng(3))
    batch = theirs([{"input_ids": row.tolist()} for row in ids])
    their_ids, their_chosen = batch["input_ids"].numpy(), (batch["labels"] != -100).numpy()
    assert (chosen.any(axis=0) == their_chosen.any(axis=0)).all()  # of the same places none
    shares = [
        [(was & (new == 4)).mean(), (was & (new == ids)).mean(), was.mean()]
        for new, was in ((hidden, chosen), (their_ids, their_chosen))
    ]
    np.testing.assert_allclose(*shares, atol=0.005)
    assert isinstance(ours.tokenizer, WordPieceTokenizer)
