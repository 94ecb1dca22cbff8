"""GPT-2 and the OpenAI transformer against transformers': loss, gradients, texts, files."""

import json

import numpy as np
import pytest
from keras import ops
from safetensors.numpy import load_file, save_file

from kerasformer.checkpoints.formats.huggingface_names import MODEL_TYPES
from kerasformer.checkpoints.inspect import inspect
from kerasformer.errors import UserError
from kerasformer.models import BertEncoder, CausalDecoder
from kerasformer.tasks import CausalLanguageModel, TextClassifier, load
from kerasformer.tasks.pretraining.generation import _choose
from kerasformer.text import ByteLevelTokenizer, Tokenizer, WordPieceTokenizer

from .models import (
    make_model,
    random_inputs,
    write_byte_level_tokenizer,
    write_char_bpe_tokenizer,
)

pytestmark = pytest.mark.oracle

KINDS = {"GPT2": write_byte_level_tokenizer, "OpenAIGPT": write_char_bpe_tokenizer}
TEXTS = [
    "The cat sat on the mat, naïve café!",
    "  don't stop — 日本語 😀",
    "the cat's mats\n\n are 3.14",
]
PROMPTS = ["The cat", "x", "the mat sat on naïve", "The cat sat on the mat, the"]


@pytest.fixture(scope="module", params=KINDS)
def pair(request, torch, transformers, tmp_path_factory):
    """A model of transformers, and ours of its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    KINDS[request.param](folder, TEXTS)
    none = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    values = none | {"layer_norm_epsilon": 1e-2}  # no default, so that none hides a mistake
    model = make_model(torch, transformers, folder, f"{request.param}LMHeadModel", **values)
    return model, load(folder)


@pytest.fixture
def batch(pair):
    return random_inputs(pair[0].config, 13, segments=False)


def theirs_of(torch, model, batch, **options):
    ids, mask = (torch.from_numpy(batch[n]).long() for n in ("input_word_ids", "input_mask"))
    return model(ids, attention_mask=mask, **options)


def test_every_layer(torch, pair, batch):
    model, ours = pair
    with torch.no_grad():
        theirs = theirs_of(torch, model, batch, output_hidden_states=True, output_attentions=True)
    outputs = ours.encoder(batch, outputs=ours.encoder.available_outputs)
    states = [outputs["embedding_output"], *outputs["encoder_outputs"]]
    for mine, other in zip(states, theirs.hidden_states, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(mine), other.numpy(), atol=1e-4)
    for mine, other in zip(outputs["attention_scores"], theirs.attentions, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(mine), other.numpy(), atol=1e-4)
    np.testing.assert_array_equal(outputs["sequence_output"], outputs["encoder_outputs"][-1])
    np.testing.assert_allclose(ops.convert_to_numpy(ours(batch)), theirs.logits.numpy(), atol=1e-4)


def training_rows(model):
    """Texts of several lengths, padded, as ids, labels and weights of ours."""
    rng = np.random.default_rng(4)
    lengths = [17, 3, 9, 1]
    ids = rng.integers(1, model.config.vocab_size, (4, 18)).astype("int32")
    weights = (np.arange(17) < np.array(lengths)[:, None]).astype("float32")
    inputs = {"input_word_ids": ids[:, :-1], "input_mask": weights.astype("int32")}
    return inputs, ids[:, 1:], weights


def their_loss(torch, model, inputs, labels, weights):
    # transformers moves the labels itself.
    shifted = np.full((4, 18), -100)
    shifted[:, 1:] = np.where(weights > 0, labels, -100)
    one = np.ones((4, 1), "int32")
    padded = {name: np.concatenate([x, 0 * one], axis=1) for name, x in inputs.items()}
    return theirs_of(torch, model, padded, labels=torch.from_numpy(shifted)).loss


@pytest.mark.backend("tensorflow")
def test_loss_and_gradients(torch, pair):
    import tensorflow as tf

    model, ours = pair
    inputs, labels, weights = training_rows(model)
    model.zero_grad()
    loss = their_loss(torch, model, inputs, labels, weights)
    loss.backward()
    with tf.GradientTape() as tape:
        mine = ours._loss_for(None)(labels, ours(inputs, training=True), weights)
    assert float(mine) == pytest.approx(loss.item(), abs=1e-5)
    variables = {v.path.removeprefix(f"{ours.encoder.path}/"): v for v in ours.trainable_variables}
    found = dict(
        zip(variables, tape.gradient(mine, [v.value for v in variables.values()]), strict=True)
    )
    table = MODEL_TYPES[model.config.model_type].table
    theirs = {n.removeprefix("transformer."): p.grad for n, p in model.named_parameters()}
    lines = list(table.encoder_weights(ours.encoder.config))
    assert {line.ours for line in lines} == found.keys()
    for line in lines:
        gradient = np.array(tf.convert_to_tensor(found[line.ours]))
        expected = line.to_keras(theirs[line.theirs].numpy(), gradient.shape)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, atol=1e-3 * scale + 1e-8, err_msg=line.ours)


def test_evaluate_and_score(torch, pair):
    """The mean over the tokens of all texts, each behind the token that ends a text."""
    model, ours = pair
    rows = [[0, *ids, 0] for ids in ours.tokenizer.ids(TEXTS)]
    sums, counts, hits, scores = 0.0, 0, 0, []
    for row in rows:
        with torch.no_grad():
            logits = model(torch.tensor([row])).logits[0, :-1]
        own = logits.log_softmax(-1)[range(len(row) - 1), row[1:]]
        sums, counts = sums - own.sum().item(), counts + len(own)
        hits += (logits.argmax(-1) == torch.tensor(row[1:])).sum().item()
        scores.append(own[:-1].numpy())
    told = ours.evaluate(TEXTS, batch_size=2, return_dict=True, verbose=0)
    assert told["loss"] == pytest.approx(sums / counts, abs=1e-5)
    assert told["perplexity"] == pytest.approx(np.exp(sums / counts), rel=1e-4)
    assert told["accuracy"] == pytest.approx(hits / counts, abs=1e-6)
    np.testing.assert_allclose(ours.score(TEXTS), [own.sum() for own in scores], atol=1e-3)
    for pairs, text, own in zip(ours.token_scores(TEXTS), TEXTS, scores, strict=True):
        assert [token for token, _ in pairs] == ours.tokenizer.tokens([text])[0]
        np.testing.assert_allclose([score for _, score in pairs], own, atol=1e-4)


def test_greedy_texts_are_theirs(torch, pair):
    """Token for token, of prompts of different lengths at once, and of one by itself."""
    model, ours = pair

    def theirs(prompt, count):
        ids = torch.tensor([next(ours.tokenizer.ids([prompt]))])
        options = {"max_new_tokens": count, "do_sample": False, "pad_token_id": 0}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        assert out.shape[1] == ids.shape[1] + count  # no text ends
        return ours.tokenizer.decode(out.tolist())[0]

    assert ours.generate(PROMPTS, 12) == [theirs(prompt, 12) for prompt in PROMPTS]
    assert ours.generate(PROMPTS[0], 33) == theirs(PROMPTS[0], 33)  # of places for 34


def test_texts_end_where_theirs_do(torch, pair):
    """The token that ends a text is one that they soon come to."""
    model, ours = pair
    ids = torch.tensor([next(ours.tokenizer.ids(["The cat"]))])
    options = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": 0}
    written = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0].tolist()
    new = written[ids.shape[1] :]
    place = next(i for i in range(1, 9) if new[i] not in new[:i])
    text = ours.tokenizer.backend.id_to_token(new[place])
    backend = ours.tokenizer.backend.from_str(ours.tokenizer.backend.to_str())
    ending = type(ours.tokenizer)(backend, ours.tokenizer.special_tokens | {"eos_token": text})
    other = CausalLanguageModel(ours.encoder, ending)
    other.head_is_new = False
    assert other.generate("The cat", 9) == ending.decode([written[: ids.shape[1] + place]])[0]


def test_an_unknown_token_ends_no_text(torch, transformers, tmp_path):
    """As in the published OpenAI transformer, whose files name no end."""
    folder, ends = tmp_path / "theirs", dict.fromkeys(("bos_token_id", "eos_token_id"))
    model = make_model(torch, transformers, folder, "OpenAIGPTLMHeadModel", **ends)
    write_char_bpe_tokenizer(folder, TEXTS)
    ids = next(Tokenizer.from_pretrained(folder).ids(["The cat"]))

    def written(count):
        options = {"max_new_tokens": count, "do_sample": False, "pad_token_id": 1}
        given = torch.tensor([ids])
        out = model.generate(given, attention_mask=torch.ones_like(given), **options)
        return out[0, len(ids) :].tolist()

    # Its second token becomes `<unk>`, by the two rows of the table.
    table = model.transformer.tokens_embed.weight
    second = written(2)[1]
    order = torch.arange(len(table))
    order[[0, second]] = order[[second, 0]]
    assert not {0, second} & set(ids)
    with torch.no_grad():
        table.copy_(table[order])
    model.save_pretrained(folder)
    ours, expected = load(folder), written(9)
    assert expected.index(0) == 1
    assert set(expected[2:]) != {0}
    assert ours.generate("The cat", 9) == ours.tokenizer.decode([[*ids, *expected]])[0]
    ours.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["bos_token_id"], saved["eos_token_id"]) == (None, None)
    assert load(tmp_path).generate("The cat", 9) == ours.generate("The cat", 9)

    model.config.eos_token_id, model.config.bos_token_id = 0, 5
    model.config.save_pretrained(folder)
    ending = load(folder)
    assert ending.generate("The cat", 9) == ours.tokenizer.decode([[*ids, expected[0]]])[0]
    ending.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["bos_token_id"], saved["eos_token_id"]) == (5, 0)


def test_saved_for_transformers(torch, transformers, pair, batch, tmp_path):
    model, ours = pair
    ours.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(again) is type(model)
    assert again.config.eos_token_id == 0
    with torch.no_grad():
        logits, expected = (theirs_of(torch, m, batch).logits for m in (again.eval(), model))
    np.testing.assert_allclose(logits.numpy(), expected.numpy(), atol=1e-5)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert theirs(text)["input_ids"] == next(ours.tokenizer.ids([text]))
    np.testing.assert_array_equal(load(tmp_path).score(TEXTS), ours.score(TEXTS))


HALVES = np.log(np.array([0.125, 0.5, 0.0625, 0.25, 0.0625], "float32"))


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(0.5, 0, 1.0), (2.0, 4, 1.0), (1.0, 0, 0.6), (1.3, 7, 0.8), (0.7, 5, 0.95), (0.3, 1, 0.5)],
)
def test_tokens_are_drawn_of_their_distribution(transformers, temperature, top_k, top_p):
    """The same tokens are kept, with the same probabilities."""
    for seed in range(4):
        logits = np.random.default_rng(seed).normal(size=20).astype("float32") * 0.7
        assert_drawn(transformers, logits, temperature, top_k, top_p)


@pytest.mark.parametrize("top_p", [0.5, 0.501, 0.75, 0.749, 0.875])
def test_tokens_that_have_just_the_share(transformers, top_p):
    assert_drawn(transformers, HALVES, 1.0, 0, top_p)


@pytest.mark.parametrize("top_k", [1, 2, 3, 50])
def test_tokens_that_are_as_likely_as_the_last(transformers, top_k):
    assert_drawn(transformers, np.array([1.0, 2, 0, 1], "float32"), 1.5, top_k, 1.0)


def assert_drawn(transformers, logits, temperature, top_k, top_p, count=20_000):
    import torch

    scores = torch.tensor(logits[None])
    scores = transformers.TemperatureLogitsWarper(temperature)(None, scores)
    scores = transformers.TopKLogitsWarper(top_k)(None, scores) if top_k else scores
    scores = transformers.TopPLogitsWarper(top_p)(None, scores) if top_p < 1 else scores
    expected = scores.softmax(-1)[0].numpy()
    draws = (np.arange(count, dtype="float32") + 0.5) / count  # each part of 0 to 1 alike
    settings = np.array([[temperature, top_k or len(logits), top_p]], "float32")
    many = [np.repeat(x, count, axis=0) for x in (logits[None], settings)]
    drawn = _choose(ops.convert_to_tensor(many[0]), np.full(count, len(logits)), many[1], draws)
    found = np.bincount(ops.convert_to_numpy(drawn), minlength=len(logits)) / count
    np.testing.assert_array_equal(found > 0, expected > 0)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_folder_of_the_first_versions(pair, batch, tmp_path):
    """As those of the published models, which name neither type nor class of anything."""
    model, ours = pair
    model.save_pretrained(tmp_path)
    tokenizer = json.loads(ours.tokenizer.backend.to_str())
    del tokenizer["model"]["type"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 41}')
    config = json.loads((tmp_path / "config.json").read_text())
    del config["model_type"]
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["transformer.position_ids"] = np.arange(41)
    save_file(tensors, tmp_path / "model.safetensors")
    for left_out in ("_name_or_path", "architectures"):
        config.pop(left_out, None)
        (tmp_path / "config.json").write_text(json.dumps(config))
        found = CausalLanguageModel.from_pretrained(tmp_path)
        np.testing.assert_array_equal(found(batch), ours(batch))
    assert list(found.tokenizer.ids(TEXTS)) == list(ours.tokenizer.ids(TEXTS))
    assert found.max_length == 41


def test_the_bare_decoder_and_older_files(torch, transformers, tmp_path):
    """Without the prefix of a model with a head, and with the causal mask as tensors."""
    options = {"activation_function": "relu", "pad_token_id": 7}
    model = make_model(torch, transformers, tmp_path, "GPT2Model", **options)
    config = (tmp_path / "config.json").read_text()
    bare = {k: v for k, v in json.loads(config).items() if k not in ("model_type", "architectures")}
    (tmp_path / "config.json").write_text(json.dumps(bare))
    ours = CausalDecoder.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(config)
    assert (ours.config.intermediate_size, ours.config.pad_token_id) == (52, 7)
    ours.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModel.from_pretrained(tmp_path / "saved")
    assert again.config.activation_function == "relu"
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name].numpy(), value.numpy())
    tensors = {k: v.numpy() for k, v in model.state_dict().items()}
    tensors |= {f"h.{i}.attn.bias": np.ones((1, 1, 41, 41), "float32") for i in range(3)}
    save_file(tensors, tmp_path / "model.safetensors")
    found = inspect(tmp_path)
    assert found["parameters"]["total"] == sum(p.numel() for p in model.parameters())
    assert not found["problems"]
    assert len(found["loading"]["ignored"]) == 3
    assert found["heads"] == ["causal_lm"]
    with pytest.raises(
        UserError, match="GPT2Model, which is a decoder and no encoder: load it as a"
    ):
        BertEncoder.from_pretrained(tmp_path)


def test_a_matrix_of_its_own_is_refused(torch, transformers, tmp_path):
    make_model(torch, transformers, tmp_path, "GPT2LMHeadModel", tie_word_embeddings=False)
    with pytest.raises(UserError, match="causal-lm head that cannot be read: its decoder is a"):
        CausalLanguageModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("save", [False, True])
def test_tokens_are_theirs(transformers, tmp_path, save):
    write_byte_level_tokenizer(tmp_path, TEXTS)
    theirs = transformers.GPT2TokenizerFast.from_pretrained(tmp_path)
    if save:
        theirs.save_pretrained(tmp_path)
        assert (tmp_path / "tokenizer.json").is_file()
    ours = Tokenizer.from_pretrained(tmp_path)
    assert isinstance(ours, ByteLevelTokenizer)
    for text in [*TEXTS, "<|endoftext|> Hi<|endoftext|>", " ", "\u0000\ud7ff\t\n "]:
        ids = theirs(text)["input_ids"]
        assert ours.tokenize([text]).ids == [ids]
        assert ours.decode([ids], skip_special_tokens=False) == [text]
    assert ours.tokenize([""]).ids == [[ours.eos_id]]
    assert Tokenizer.from_json(ours.to_json()).tokenize(TEXTS).ids == ours.tokenize(TEXTS).ids
    with pytest.raises(UserError, match="BPE model, but only WordPiece can be read here"):
        WordPieceTokenizer.from_json(ours.to_json())


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("kind", "dtype"), [("GPT2", None), ("GPT2", "mixed_bfloat16"), ("OpenAIGPT", None)]
)
def test_classifier_over_the_last_token(torch, transformers, tmp_path, kind, dtype):
    KINDS[kind](tmp_path, TEXTS)
    labels = {"id2label": {0: "bad", 1: "good", 2: "odd"}, "pad_token_id": 0}
    name = f"{kind}ForSequenceClassification"
    model = make_model(torch, transformers, tmp_path, name, **labels)
    ours = load(tmp_path, dtype=dtype)
    assert (type(ours), ours.class_names) == (TextClassifier, ("bad", "good", "odd"))

    def expected(model):
        ids = [next(ours.tokenizer.ids([text])) for text in TEXTS]
        padded = torch.tensor([row + [0] * (40 - len(row)) for row in ids])
        with torch.no_grad():
            return model(padded, attention_mask=(padded != 0).long()).logits.numpy()

    logits = ours.predict(TEXTS)
    np.testing.assert_allclose(logits, expected(model), atol=1e-4 if dtype is None else 1.0)
    ours.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    np.testing.assert_allclose(expected(again.eval()), expected(model), atol=1e-5)
    np.testing.assert_array_equal(load(tmp_path / "saved", dtype=dtype).predict(TEXTS), logits)
    language_model = CausalLanguageModel.from_pretrained(tmp_path)  # a decoder is always one
    assert language_model.score(TEXTS).shape == (3,)
    if kind == "OpenAIGPT":  # whose fine-tuned model goes back to where it came from
        ours.fit(TEXTS, ["bad", "good", "odd"], epochs=1, learning_rate=1e-2, verbose=0)
        ours.save_pretrained(tmp_path / "tuned")
        tuned = getattr(transformers, name).from_pretrained(tmp_path / "tuned").eval()
        assert np.abs(expected(tuned) - expected(model)).max() > 0.1
        np.testing.assert_allclose(ours.predict(TEXTS), expected(tuned), atol=1e-4)
