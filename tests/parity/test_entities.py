"""Entities against those of transformers' token-classification pipeline, of the same logits."""

import numpy as np
import pytest

from kerasformer.tasks.tagging.entities import AGGREGATIONS, token_entities

from .models import AWKWARD

pytestmark = pytest.mark.oracle

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
# Of IOBES the pipeline takes no notice; the last two name a kind with a hyphen, and one without.
OTHERS = ["I-A", "S-A", "O", "B-A", "E-A", "A", "B-B-C", "I-B-C"]
TEXTS = [
    "Zoë und Jürgen Müller-Lüdenscheidt wohnen in Zürich.",
    "Angela Merkel met Kaufmann in New York, and McDonald's in 東京 on 3.5.2021!",
    "Ω x🙂y naïve\u00a0café — “Ærøskøbing”",
    "a",
    " \u3000 ",
]


@pytest.fixture(scope="module")
def tokenizer(transformers):
    words = sorted({c for text in TEXTS for c in text.lower() if not c.isspace()})
    pieces = ["jur", "##gen", "mull", "##er", "zur", "##ich", "new", "york", "##kel", "mer", "an"]
    kept = [c for c in words if c not in "Ω🙂"]  # these are unknown
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *kept, *("##" + c for c in kept), *pieces]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}
    return transformers.BertTokenizer(vocab=vocabulary, model_max_length=16)


@pytest.fixture(scope="module", params=[BIO, OTHERS], ids=["BIO", "others"])
def pipeline(request, transformers, tokenizer):
    config = transformers.BertConfig(**{**AWKWARD, "id2label": dict(enumerate(request.param))})
    model = transformers.BertForTokenClassification(config)
    return transformers.TokenClassificationPipeline(model=model, tokenizer=tokenizer)


def windows_of(torch, pipeline, text, stride, seed):
    """What the pipeline's model would give for each window of a text; random logits."""
    rng = np.random.default_rng([seed, len(text)])
    parameters, _, _ = pipeline._sanitize_parameters(stride=stride, aggregation_strategy="simple")
    for window in pipeline.preprocess(text, **parameters):
        shape = (*window["input_ids"].shape, len(pipeline.model.config.id2label))
        logits = rng.normal(scale=[0.3, 3.0][seed % 2], size=shape).astype("float32")
        yield {**window, "logits": torch.from_numpy(logits)}


def ours(pipeline, text, windows, stride, aggregation):
    settings = {} if stride is None else {"return_overflowing_tokens": True, "stride": stride}
    encoded = pipeline.tokenizer(text, truncation=True, padding=stride is not None, **settings)
    words = [
        [-1 if word is None else word for word in encoded.word_ids(i)] for i in range(len(windows))
    ]
    logits = [window["logits"][0].numpy() for window in windows]
    offsets = [window["offset_mapping"][0].numpy() for window in windows]
    names = list(pipeline.model.config.id2label.values())
    return token_entities(text, logits, offsets, words, names, aggregation)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("stride", [None, 0, 3, 9])
def test_they_equal_those_of_the_pipeline(torch, pipeline, aggregation, stride):
    several = found = 0
    for seed in range(12):
        for text in TEXTS:
            windows = list(windows_of(torch, pipeline, text, stride, seed))
            several += len(windows) > 1
            mode = pipeline._sanitize_parameters(aggregation_strategy=aggregation)[2]
            theirs = pipeline.postprocess(windows, **mode)
            entities = ours(pipeline, text, windows, stride, aggregation)
            found += len(entities)
            assert [(e.start, e.end, e.label) for e in entities] == [
                (e["start"], e["end"], e.get("entity_group", e.get("entity"))) for e in theirs
            ]
            assert [e.score for e in entities] == pytest.approx([e["score"] for e in theirs])
            assert [e.text for e in entities] == [text[e["start"] : e["end"]] for e in theirs]
    assert found > 100
    assert bool(several) == (stride is not None)


def test_the_texts_have_what_they_are_here_for(tokenizer):
    """Words of several tokens, unknown ones, and characters that lose their accents."""
    tokens = [token for text in TEXTS for token in tokenizer.tokenize(text)]
    assert {"[UNK]", "jur", "##gen", "東"} <= {*tokens}
    assert sum(token.startswith("##") for token in tokens) > 20
