"""Random models of transformers, of awkward sizes, and what they compute."""

import json

import numpy as np
import tokenizers

AWKWARD = {
    "vocab_size": 977,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 52,
    "max_position_embeddings": 41,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.3,
}
# DistilBERT's names; it has no segments.
_DISTILBERT = {
    "vocab_size": 977,
    "dim": 36,
    "n_layers": 3,
    "n_heads": 3,
    "hidden_dim": 52,
    "max_position_embeddings": 41,
}
_GPT = {"vocab_size": 318, "n_embd": 36, "n_layer": 3, "n_head": 3, "n_positions": 41}
_GPT |= {"bos_token_id": 0, "eos_token_id": 0}
SIZES = {
    "GPT2": {**_GPT, "n_inner": 52},
    "OpenAIGPT": _GPT,
    "Bert": AWKWARD,
    "DistilBert": _DISTILBERT,
    "Electra": {**AWKWARD, "embedding_size": 20},
}
INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


def make_model(torch, transformers, folder, name, arguments=None, **config):
    """Makes a random model by its class's name and saves it; `config` changes the sizes."""
    kinds = ("DistilBert", "Electra", "Bert", "GPT2", "OpenAIGPT")
    kind = next(kind for kind in kinds if name.startswith(kind))
    torch.manual_seed(11)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES[kind], **config})
    model = getattr(transformers, name)(config, **(arguments or {})).eval()
    perturb(torch, model)
    model.save_pretrained(folder)
    model.set_attn_implementation("eager")
    return model


def perturb(torch, model):
    """Biases of 0 and LayerNorm scales of 1, as BERT starts, would hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)


def random_inputs(config, length, seed=0, segments=True):
    """Five rows: random real tokens anywhere after the first, then rows padded at the end."""
    rng = np.random.default_rng([seed, length])
    mask = rng.integers(0, 2, (5, length), dtype="int32")
    mask[2:] = np.arange(length) < rng.integers(1, length + 1, (3, 1))
    mask[-1] = 1
    mask[:, 0] = 1
    types = getattr(config, "type_vocab_size", 1) if segments else 1
    return {
        "input_word_ids": rng.integers(0, config.vocab_size, mask.shape, dtype="int32"),
        "input_mask": mask,
        "input_type_ids": rng.integers(0, types, mask.shape, dtype="int32"),
    }


def theirs_of(torch, model, batch, **options):
    """What the model gives for a batch of ours; DistilBERT takes no segments."""
    names = INPUTS[:2] if model.config.model_type == "distilbert" else INPUTS
    with torch.no_grad():
        return model(*(torch.from_numpy(batch[name]).long() for name in names), **options)


def logits_of(torch, model, batch):
    """The logits, several of them in the order of our names for them."""
    outputs = theirs_of(torch, model, batch)
    names = ("logits", "prediction_logits", "seq_relationship_logits", "end_logits", "start_logits")
    return [outputs[name].numpy() for name in names if name in outputs]


def write_tokenizer(folder):
    """Puts a small vocabulary beside a model."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")


def write_byte_level_tokenizer(folder, texts, vocab_size=318):
    """Puts GPT-2's two files beside a model, learnt from texts, with `<|endoftext|>` as id 0."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    splitting = tokenizers.pre_tokenizers.ByteLevel
    backend.pre_tokenizer = splitting(add_prefix_space=False)
    alphabet = sorted(splitting.alphabet())
    _write_pair(folder, backend, texts, vocab_size, "<|endoftext|>", initial_alphabet=alphabet)


def write_char_bpe_tokenizer(folder, texts, vocab_size=318):
    """Puts the OpenAI transformer's two files beside a model, learnt from texts, `<unk>` first."""
    suffix = {"end_of_word_suffix": "</w>"}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", **suffix))
    backend.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    _write_pair(folder, backend, texts, vocab_size, "<unk>", **suffix)


def _write_pair(folder, backend, texts, vocab_size, first, **options):
    """Learns merges, and writes them; tokens that no text has fill the vocabulary."""
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[first], show_progress=False, **options
    )
    backend.train_from_iterator(texts, trainer)
    model = json.loads(backend.to_str())["model"]
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    vocabulary = model["vocab"]
    vocabulary |= {f"t{i}": i for i in range(len(vocabulary), vocab_size)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
