"""Show what a model is and contains, and whether it can be loaded.

Shows what a model is: format, sizes, parameters by part, tokenizer, heads, what would load,
licence, files and their sha256. Runs none of its code.
"""

import json

from kerasformer.cli.options import add_json
from kerasformer.cli.text import show, table
from kerasformer.formatting import count, listed

_SIZES = {
    "num_layers": "blocks",
    "hidden_size": "hidden size",
    "num_heads": "attention heads",
    "intermediate_size": "feed-forward size",
    "embedding_size": "embedding size",
    "max_length": "positions",
    "vocab_size": "vocabulary",
    "type_vocab_size": "segments",
    "activation": "activation",
    "layer_norm_epsilon": "LayerNorm epsilon",
}
_SHOWN = 5  # names of tensors in a row


def add_options(command):
    """Adds the options to the parser of the command."""
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder or file, a preset's name such as all-MiniLM-L6-v2, hf://owner/name, "
        "https://tfhub.dev/..., kaggle://...",
    )
    add_json(command)


def run(arguments):
    """Runs the command."""
    from kerasformer.checkpoints.inspect import inspect

    found = inspect(arguments.source)
    show(json.dumps(found, indent=1) if arguments.json else _format(found))


def _format(found):
    sections = {
        "Source": _source(found),
        "Sizes": [
            [name, found["config"][key]]
            for key, name in _SIZES.items()
            if key in found.get("config", {})
        ],
        "Parameters": [
            [part.replace("_", " "), f"{number:,}", f"{count(number)}"]
            for part, number in found.get("parameters", {}).items()
            if number
        ],
        "Tokenizer": _tokenizer(found["tokenizer"]) if found["format"] != "data set" else [],
        "Modules": _modules(found.get("modules")),
        "Loading": _loading(found),
        "Files": [[file["name"], f"{file['size']:,}", file["sha256"]] for file in found["files"]],
    }
    right = {"Parameters": {1, 2}, "Files": {1}}
    return "\n\n".join(
        f"{title}\n{table(rows, right=right.get(title, set()), indent='  ')}"
        for title, rows in sections.items()
        if rows
    )


def _source(found):
    rows = [["name", found["source"]], ["path", found["path"]], ["format", found["format"]]]
    if "architecture" in found:
        types = ", ".join(f"{number:,} {name}" for name, number in found["types"].items())
        rows += [["architecture", found["architecture"]], ["tensors", types]]
        rows += [["heads", ", ".join(found["heads"]).replace("_", " ") or "none"]]
        rows += [
            [f"{head.replace('_', ' ')} head", f"cannot be read: {reason}"]
            for head, reason in found["refused_heads"].items()
        ]
    if found.get("defaults"):
        defaults = ", ".join(f"{key} {value}" for key, value in found["defaults"].items())
        rows.append(["defaults", f"{defaults}, which its configuration leaves out"])
    if found.get("class_names"):
        rows.append(["classes", ", ".join(found["class_names"])])
    if "description" in found:
        rows.append(["description", found["description"]])
    licence = found["licence"]
    name = f"{licence['name']} (by {licence['source']})" if licence else "unknown"
    return [*rows, ["licence", name]]


def _tokenizer(tokenizer):
    if tokenizer is None:
        return [["kind", "none that can be read"]]
    rows = [
        ["kind", tokenizer["kind"]],
        ["entries", tokenizer["vocab_size"]],
        ["lower-casing", _yes(tokenizer["lowercase"])],
        ["strips accents", _yes(tokenizer["strip_accents"])],
    ]
    special = tokenizer["special_tokens"]
    rows += [[role, f"{token['token']} {token['id']}"] for role, token in special.items()]
    if tokenizer["added_tokens"]:
        rows.append(["added tokens", listed(tokenizer["added_tokens"], most=5)])
    if tokenizer["max_length"] is not None:
        rows.append(["made for texts of", f"{tokenizer['max_length']:,} tokens"])
    return rows + [["note", note] for note in tokenizer["notes"]]


def _yes(value):
    return "unknown" if value is None else "yes" if value else "no"


def _modules(modules):
    if modules is None:
        return []
    return [
        ["pooling", " and ".join(modules["pooling"])],
        *(["dense", f"{old} to {new}, {name}"] for old, new, name in modules["dense"]),
        *([["modules", ", ".join(modules["modules"])]] if modules["modules"] else []),
        ["normalized", _yes(modules["normalize"])],
        *([["dimensions", modules["dimensions"]]] if modules["dimensions"] else []),
        ["maximum length", "unknown" if modules["max_length"] is None else modules["max_length"]],
        *([["prompt", modules["prompt"]]] if modules["prompt"] else []),
    ]


def _loading(found):
    rows = []
    if "loading" in found:
        loading = found["loading"]
        whole = not (loading["missing"] or loading["misshapen"] or loading["unexpected"])
        rows.append(["encoder", "loads" if whole else "does not load as it is"])
        for kind, names in loading.items():
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            rows += [[kind, ", ".join(list(names)[:_SHOWN]) + more]] if names else []
    return rows + [["problem", problem] for problem in found["problems"]]
