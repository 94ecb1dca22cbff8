"""Writes golden_bert.npz: a tiny random BERT and what transformers computes with it.

Run by hand, with the `oracle` extra installed: `python tests/checkpoints/make_golden_bert.py`.
test_huggingface.py reads the result, so that the plain test command compares every block with
PyTorch's without PyTorch.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

CONFIG = {
    "vocab_size": 131,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 52,
    "max_position_embeddings": 19,
    "type_vocab_size": 3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}


def main():
    torch.manual_seed(17)
    config = transformers.BertConfig(**CONFIG, attn_implementation="eager")
    model = transformers.BertModel(config).eval()
    rng = np.random.default_rng(17)
    with torch.no_grad():
        for parameter in model.parameters():
            # BERT's initial biases of 0, LayerNorm scales of 1 and small kernels hide mistakes.
            noise = torch.from_numpy(rng.normal(scale=0.15, size=parameter.shape))
            parameter.add_(noise.to(parameter.dtype))

    lengths = np.array([19, 1, 8])
    mask = (np.arange(19) < lengths[:, None]).astype("int32")
    ids = rng.integers(1, CONFIG["vocab_size"], mask.shape, dtype="int32") * mask
    type_ids = rng.integers(0, CONFIG["type_vocab_size"], mask.shape, dtype="int32")
    inputs = [torch.from_numpy(array).long() for array in (ids, mask, type_ids)]
    with torch.no_grad():
        outputs = model(*inputs, output_hidden_states=True, output_attentions=True)
        for layer in model.encoder.layer:
            layer.intermediate.intermediate_act_fn = transformers.activations.ACT2FN["gelu_new"]
        with_gelu_new = model(*inputs)
    arrays = {f"weights/{name}": value.numpy() for name, value in model.state_dict().items()}
    arrays |= {"input_word_ids": ids, "input_mask": mask, "input_type_ids": type_ids}
    arrays["hidden_states"] = torch.stack(outputs.hidden_states).numpy()
    arrays["attention_scores"] = torch.stack(outputs.attentions).numpy()
    arrays["pooled_output"] = outputs.pooler_output.numpy()
    arrays["gelu_new_sequence_output"] = with_gelu_new.last_hidden_state.numpy()
    arrays["config"] = json.dumps({"model_type": "bert", **CONFIG})
    arrays["made_with"] = f"transformers {transformers.__version__}, torch {torch.__version__}"
    np.savez_compressed(Path(__file__).with_name("golden_bert.npz"), **arrays)


if __name__ == "__main__":
    main()
