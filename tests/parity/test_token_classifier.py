"""Training on words and entities in texts, against transformers' own on the same weights."""

import keras
import numpy as np
import pytest

from kerasformer.tasks import TokenClassifier

from .models import write_tokenizer

pytestmark = pytest.mark.oracle

NAMES = ["O", "B-X", "I-X", "B-Y", "I-Y"]
WORDS = [["ab", "b", "bab", "zz"], ["a"], ["\u200b", "Abba", "a-b", "ba"], ["b"] * 9]
TAGS = [["B-X", "I-X", "O", "B-Y"], ["O"], ["O", "B-Y", "I-Y", "B-X"], ["O"] * 8 + ["I-X"]]


@pytest.fixture
def both(torch, random_model):
    """A model of transformers and ours of the same weights, and their folder."""
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
    sizes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **labels}
    theirs, folder = random_model("BertForTokenClassification", **sizes)
    with torch.no_grad():  # with tags of every kind among its answers
        theirs.classifier.weight.normal_(std=1.0)
        theirs.classifier.bias.zero_()
    theirs.save_pretrained(folder)
    write_tokenizer(folder)
    return theirs, TokenClassifier.from_pretrained(folder), folder


def their_batch(torch, transformers, folder):
    """The inputs of transformers; only the first token of a word has a label."""
    tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
    words = [["[UNK]" if word == "\u200b" else word for word in each] for each in WORDS]
    batch = tokenizer(words, is_split_into_words=True, padding=True, return_tensors="pt")
    labels = torch.full(batch["input_ids"].shape, -100)
    for row, tags in enumerate(TAGS):
        before = None
        for place, word in enumerate(batch.word_ids(row)):
            if word is not None and word != before:
                labels[row, place] = NAMES.index(tags[word])
            before = word
    return {**batch, "labels": labels}


def test_the_loss_and_its_gradients(torch, transformers, both):
    theirs, ours, folder = both
    loss = theirs(**their_batch(torch, transformers, folder)).loss
    loss.backward()
    keras.Model.compile(ours, keras.optimizers.SGD(1.0), ours._loss_for(None))
    head = ours.token_classifier
    before = keras.ops.convert_to_numpy(head.kernel)
    assert ours.evaluate(WORDS, TAGS, verbose=0) == pytest.approx(loss.item(), rel=1e-5)
    assert float(ours.train_on_batch(WORDS, TAGS)) == pytest.approx(loss.item(), rel=1e-5)
    step = before - keras.ops.convert_to_numpy(head.kernel)
    np.testing.assert_allclose(step, theirs.classifier.weight.grad.numpy().T, atol=1e-5)
    table = keras.ops.convert_to_numpy(ours.encoder.embedding.word_embeddings.embeddings)
    start = theirs.bert.embeddings.word_embeddings.weight
    moved = start.detach().numpy() - table
    np.testing.assert_allclose(moved, start.grad.numpy(), atol=1e-5)
    assert np.abs(moved).max() > 1e-3


def test_a_whole_training_by_the_recipe_is_theirs(torch, transformers, both):
    """Warmup and decay, clipping, weight decay and AdamW, step by step."""
    theirs, ours, folder = both
    batch, recipe, steps = their_batch(torch, transformers, folder), ours.recipe, 20
    plain = ("bias", "LayerNorm.weight")
    groups = [
        {"params": [p for n, p in theirs.named_parameters() if n.endswith(plain) == is_plain],
         "weight_decay": 0.0 if is_plain else recipe.weight_decay}
        for is_plain in (False, True)
    ]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    warmup = round(recipe.warmup_ratio * steps)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, steps)
    losses = []
    for _ in range(steps):
        loss = theirs(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), recipe.clip_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    history = ours.fit(WORDS, TAGS, epochs=steps, batch_size=len(WORDS), verbose=0).history
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    assert losses[-1] < 0.99 * losses[0]


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_entities_are_those_of_the_pipeline(transformers, both, aggregation):
    _, ours, folder = both
    pipeline = transformers.pipeline(
        "token-classification", model=str(folder), aggregation_strategy=aggregation
    )
    texts = ["Ab, baba zz aab-b! ", "\u00c1b ab\tb", "a", "zz abbb \u200bab a. (b)"]
    found = ours.entities(texts, aggregation)
    assert sum(map(len, found)) > 5
    for mine, its in zip(found, pipeline(texts), strict=True):
        key = "entity" if aggregation == "none" else "entity_group"
        assert [(e.start, e.end, e.label) for e in mine] == [
            (e["start"], e["end"], e[key]) for e in its
        ]
        np.testing.assert_allclose([e.score for e in mine], [e["score"] for e in its], atol=1e-5)


def test_a_trained_head_is_read_by_transformers(torch, transformers, both, tmp_path):
    _, ours, _ = both
    ours.fit(WORDS, TAGS, epochs=1, verbose=0)
    ours.save_pretrained(tmp_path / "new")
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "new")
    assert theirs.config.id2label == dict(enumerate(NAMES))
    ids = np.array([[2, 5, 8, 6, 3], [2, 6, 7, 1, 3]])
    with torch.no_grad():
        logits = theirs(torch.from_numpy(ids)).logits.numpy()
    np.testing.assert_allclose(ours(ids), logits, atol=1e-5)
