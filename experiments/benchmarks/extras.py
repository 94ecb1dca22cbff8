"""What the benchmarks share: packages beside kerasformer, and the processes of the sides."""

import importlib.util
import multiprocessing
import sys

from kerasformer.child_process import end_with_parent


def require_extra(extra, *modules):
    """Ends the script with one sentence where a package is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed: pip install -e '.[{extra}]'.")


def is_plain(name):
    """Whether a parameter is left out of weight decay: biases and LayerNorm."""
    return name.endswith("bias") or "LayerNorm" in name


def parameter_groups(model, weight_decay):
    """The parameters of a model of PyTorch as its AdamW takes them."""
    return [
        {"params": [p for n, p in model.named_parameters() if is_plain(n) == plain],
         "weight_decay": 0.0 if plain else weight_decay}
        for plain in (False, True)
    ]  # fmt: skip


def mean_classifier(folder, classes):
    """A classifier of transformers and PyTorch on the mean of the tokens, as ours is."""
    import torch
    import transformers

    class MeanClassifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False)
            self.dropout = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(self.encoder.config.hidden_size, classes)
            torch.nn.init.trunc_normal_(self.head.weight, std=0.02)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, labels=None, **batch):
            hidden = self.encoder(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).float()
            logits = self.head(self.dropout((hidden * mask).sum(1) / mask.sum(1).clamp(min=1)))
            loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
            return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)

    return MeanClassifier()


def start(target, *arguments):
    """Runs one side in a process of its own; gives the pipe to it, and what it calls itself."""
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=_run, args=(target, theirs, *arguments), daemon=True)
    process.start()
    return connection, connection.recv()


def _run(target, *arguments):
    end_with_parent()
    target(*arguments)
