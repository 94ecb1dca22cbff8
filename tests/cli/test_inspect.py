"""`kerasformer inspect`: what it tells of whole, broken and foreign sources."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from kerasformer.cli import main

from .conftest import BLOCKS, CONFIG, EMBEDDINGS, POOLER, VALUES, WORDS, random_tensors, write_model


@pytest.fixture
def inspect(capsys):
    """Runs the command with `--json`; gives what it wrote."""

    def inspect(source):
        assert main(["inspect", str(source), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return inspect


def test_a_whole_model(inspect, model):
    found = inspect(model)
    assert (found["source"], found["path"]) == (str(model), str(model))
    assert (found["format"], found["architecture"]) == ("Hugging Face", "BertModel")
    assert found["config"]["hidden_size"] == CONFIG.hidden_size
    assert found["parameters"] == {
        "embeddings": EMBEDDINGS,
        "blocks": BLOCKS,
        "pooler": POOLER,
        "total": EMBEDDINGS + BLOCKS + POOLER,
    }
    assert found["types"] == {"float32": len(random_tensors())}
    assert (found["heads"], found["refused_heads"], found["class_names"]) == ([], {}, None)
    assert found["loading"] == {"missing": [], "misshapen": {}, "unexpected": [], "ignored": []}
    assert (found["problems"], found["licence"]) == ([], None)
    tokenizer = found["tokenizer"]
    assert (tokenizer["kind"], tokenizer["vocab_size"]) == ("WordPiece", len(WORDS))
    assert tokenizer["special_tokens"]["mask"] == {"token": "[MASK]", "id": 4}
    assert (tokenizer["lowercase"], tokenizer["strip_accents"]) == (True, True)
    for file in found["files"]:
        content = (model / file["name"]).read_bytes()
        assert file["size"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert [f["name"] for f in found["files"]] == ["config.json", "model.safetensors", "vocab.txt"]


def test_a_head_is_counted(inspect, make_model):
    folder = make_model("masked_lm", architectures=["BertForMaskedLM"])
    found = inspect(folder)
    assert found["heads"] == ["masked_lm"]
    assert found["parameters"]["masked_lm head"] == 12 * 12 + 12 + 2 * 12 + len(WORDS)
    assert found["parameters"]["total"] == sum(found["parameters"].values()) / 2


def test_a_head_that_cannot_be_read(inspect, make_model, capsys):
    tensors = random_tensors("masked_lm")
    tensors["cls.predictions.decoder.weight"] = np.ones((len(WORDS), 12), "float32")
    names = {"architectures": ["BertForMaskedLM"], "tie_word_embeddings": False}
    folder = make_model(tensors=tensors, **names)
    found = inspect(folder)
    assert found["heads"] == []
    assert list(found["refused_heads"]) == ["masked_lm"]
    assert main(["inspect", str(folder)]) == 0
    assert "masked lm head  cannot be read: its decoder is a matrix" in capsys.readouterr().out


@pytest.mark.parametrize(("size", "millions"), [("base", 109.5), ("large", 335.1)])
def test_published_sizes(size, millions):
    """The numbers by which BERT is known, of the tables alone."""
    from kerasformer import EncoderConfig
    from kerasformer.checkpoints import Checkpoint
    from kerasformer.checkpoints.formats.huggingface_names import BERT
    from kerasformer.checkpoints.inspect import count_parameters

    class Shapes(dict):
        shape = dict.__getitem__

    config = EncoderConfig.bert(size)
    shapes = Shapes({line.theirs: line.shape for line in BERT.encoder_weights(config)})
    names = {name: name for name in shapes}
    checkpoint = Checkpoint(None, "", "", config, BERT, shapes, names, None)
    assert round(count_parameters(checkpoint)["total"] / 1e6, 1) == millions


def test_the_text(model, capsys):
    assert main(["inspect", str(model)]) == 0
    out = capsys.readouterr().out
    sections = dict(section.split("\n", 1) for section in out.rstrip("\n").split("\n\n"))
    assert list(sections) == ["Source", "Sizes", "Parameters", "Tokenizer", "Loading", "Files"]
    assert "  format        Hugging Face\n" in sections["Source"]
    assert "  hidden size        12\n" in sections["Sizes"]
    assert f"  total       {EMBEDDINGS + BLOCKS + POOLER:,}  2.35 K" in sections["Parameters"]
    assert "  mask            [MASK] 4" in sections["Tokenizer"]
    assert sections["Loading"] == "  encoder  loads"


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        (lambda t: t.pop("pooler.dense.bias"), "missing", ["pooler.dense.bias"]),
        (lambda t: t.update(extra=np.ones(3)), "unexpected", ["extra"]),
        (
            lambda t: t.update({"embeddings.position_ids": np.arange(20)}),
            "ignored",
            ["embeddings.position_ids"],
        ),
        (
            lambda t: t.update({"pooler.dense.bias": np.ones(5, "float32")}),
            "misshapen",
            {"pooler.dense.bias": [[5], [12]]},
        ),
    ],
    ids=["missing", "unexpected", "ignored", "misshapen"],
)
def test_what_would_not_load(inspect, make_model, capsys, change, kind, names):
    tensors = random_tensors()
    change(tensors)
    folder = make_model(tensors=tensors)
    found = inspect(folder)
    nothing = {"missing": [], "misshapen": {}, "unexpected": [], "ignored": []}
    assert found["loading"] == nothing | {kind: names}
    assert len(found["problems"]) == (kind != "ignored")
    assert main(["inspect", str(folder)]) == 0
    out = capsys.readouterr().out
    assert bool(re.search(r"encoder +does not load as it is", out)) == (kind != "ignored")
    assert re.search(rf"{kind} +{next(iter(names))}", out)


@pytest.mark.parametrize(
    ("config", "format_", "problem"),
    [
        ({"model_type": "gpt_neo"}, "Hugging Face, gpt_neo", "'gpt_neo'"),
        ({"hidden_size": 10**9}, "Hugging Face, bert", "hidden_size is 1000000000"),
    ],
    ids=["gpt_neo", "absurd"],
)
def test_a_foreign_model_is_told_with_what_is_wrong(inspect, make_model, config, format_, problem):
    found = inspect(make_model(**config))
    assert found["format"] == format_
    assert "config" not in found
    assert problem in " ".join(found["problems"])
    assert found["tokenizer"]["vocab_size"] == len(WORDS)
    assert len(found["files"]) == 3


def test_a_damaged_file(inspect, model):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    found = inspect(model)
    assert "is not a sound safetensors file" in found["problems"][0]
    assert found["tokenizer"]["kind"] == "WordPiece"


def test_a_broken_tokenizer_beside_a_whole_model(inspect, model):
    (model / "vocab.txt").write_text("[PAD]\n[PAD]\n")
    found = inspect(model)
    assert found["loading"]["missing"] == []
    assert found["tokenizer"] is None
    assert "lacks the unk_token" in found["problems"][0]


def test_a_tokenizer_of_another_model(inspect, model):
    (model / "vocab.txt").write_text("\n".join([*WORDS, "more"]))
    assert inspect(model)["problems"] == ["the tokenizer has 17 entries, and the model 16"]


def test_a_tokenizer_alone(inspect, model):
    found = inspect(model / "vocab.txt")
    assert (found["format"], found["problems"]) == ("tokenizer", [])
    assert [file["name"] for file in found["files"]] == ["vocab.txt"]


def test_a_guess_of_the_casing_is_told(inspect, model, capsys):
    (note,) = inspect(model / "vocab.txt")["tokenizer"]["notes"]
    assert "says whether its model is cased: by its" in note
    assert main(["inspect", str(model / "vocab.txt")]) == 0
    assert note in capsys.readouterr().out
    assert inspect(model)["tokenizer"]["notes"] == []


def test_added_tokens_and_the_length_are_told(inspect, model, capsys):
    tokens = {str(len(WORDS)): {"content": "<e\x1b1>"}}
    config = {"added_tokens_decoder": tokens, "max_len": 64}
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = inspect(model)["tokenizer"]
    assert tokenizer["added_tokens"] == {"<e\x1b1>": len(WORDS)}
    assert tokenizer["max_length"] == 64
    assert main(["inspect", str(model)]) == 0
    output = capsys.readouterr().out
    assert "<e\\x1b1>" in output
    assert "64 tokens" in output


def test_a_tokenizer_alone_that_is_broken(model, capsys):
    (model / "vocab.txt").write_text("[PAD]\n[UNK]\nfilm\n")
    assert main(["inspect", str(model / "vocab.txt")]) == 2
    assert "lacks the cls_token '[CLS]'" in capsys.readouterr().err


def test_a_data_set(inspect, tmp_path, monkeypatch):
    from kerasformer.checkpoints import inspect as module

    monkeypatch.setattr(module, "resolve", lambda source: tmp_path)
    (tmp_path / "data.csv").write_text("text,label\n")
    found = inspect("movie-reviews")
    assert (found["format"], found["tokenizer"]) == ("data set", None)
    assert "Reviews labelled positive or negative" in found["description"]
    assert found["licence"]["name"].startswith("MIT")


def test_sentence_transformers(inspect, model, capsys):
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    package = "sentence_transformers.models"
    modules = [{"path": path, "type": f"{package}.{kind}"} for path, kind in kinds.items()]
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling/config.json").write_text('{"pooling_mode": ["mean", "cls"]}')
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 15}')
    found = inspect(model)
    assert found["format"] == "sentence-transformers"
    assert found["modules"]["pooling"] == ["mean", "cls"]
    assert (found["modules"]["max_length"], found["modules"]["normalize"]) == (15, False)
    assert main(["inspect", str(model)]) == 0
    assert "pooling         mean and cls" in capsys.readouterr().out
    (model / "1_Pooling/config.json").write_text('{"pooling_mode": "attention"}')
    found = inspect(model)
    assert found["modules"] is None
    assert "attention" in found["problems"][0]


@pytest.mark.parametrize(
    ("name", "text", "licence"),
    [
        ("README.md", "---\nlicense: mit\n---\n", {"name": "mit", "source": "README.md"}),
        ("README.md", "---\ntags: a\nlicense:\n- cc\n---\n", {"name": "cc", "source": "README.md"}),
        ("README.md", '---\nlicense: "x y"\n---\n', {"name": "x y", "source": "README.md"}),
        ("README.md", "license: mit", None),
        ("README.md", "---\n" + "a" * 200_000, None),
        ("LICENSE", "\n\n   Apache License\n", {"name": "Apache License", "source": "LICENSE"}),
        ("LICENSE", "", None),
    ],
    ids=["yaml", "list", "quoted", "no-front", "endless", "file", "empty"],
)
def test_licences(inspect, model, name, text, licence):
    (model / name).write_text(text)
    assert inspect(model)["licence"] == licence


def test_a_pipe_for_a_model(tmp_path, capsys):
    os.mkfifo(tmp_path / "model.keras")
    assert main(["inspect", str(tmp_path / "model.keras")]) in (0, 2)
    assert "holds no model that can be read" in "".join(capsys.readouterr())


def test_no_pipe_is_waited_for(inspect, model):
    for name in ("README.md", "LICENSE"):
        os.mkfifo(model / name)
    assert inspect(model)["licence"] is None


def test_a_licence_in_the_configuration(inspect, make_model):
    found = inspect(make_model(license="apache-2.0"))
    assert found["licence"] == {"name": "apache-2.0", "source": "config.json"}


@pytest.mark.parametrize("make", ["nothing", "empty folder", "other files"])
def test_sources_of_which_nothing_is_known(make, tmp_path, capsys):
    source = tmp_path / "source"
    if make != "nothing":
        source.mkdir()
    if make == "other files":
        (source / "notes.md").write_text("hello")
    assert main(["inspect", str(source)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_names_that_would_steer_a_terminal(make_model, capsys):
    tensors = random_tensors() | {"\x1b[31mred": np.ones(1, "float32")}
    assert main(["inspect", str(make_model(tensors=tensors))]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


def test_hidden_and_deep_files_are_left_out(inspect, model):
    (model / ".git").mkdir()
    (model / ".git/config").write_text("x")
    (model / "a/b/c/d/e").mkdir(parents=True)
    (model / "a/b/c/d/e/deep.txt").write_text("x")
    (model / "a/onnx.txt").write_text("x")
    names = [file["name"] for file in inspect(model)["files"]]
    assert "a/onnx.txt" in names
    assert not [name for name in names if "git" in name or "deep" in name]


def test_nothing_heavy_is_imported(model):
    script = "import sys; from kerasformer.cli import main; "
    script += f"main(['inspect', {str(model)!r}]); "
    script += "print({'tensorflow', 'keras', 'sklearn', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "set()", run.stderr


def test_piped_into_a_terminal_without_unicode(make_model):
    folder = write_model(make_model().parent / "dé")
    (folder / "LICENSE").write_text("Licence « libre »", encoding="utf-8")
    script = "import sys; from kerasformer.cli import main; sys.exit(main(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", script, "inspect", str(folder)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
    )
    assert run.returncode == 0, run.stderr
    assert b"Licence \\xab libre \\xbb" in run.stdout


def test_safetensors_that_hold_no_floats(inspect, model):
    tensors = {name: tensor.astype("int8") for name, tensor in random_tensors().items()}
    safetensors.numpy.save_file(tensors, model / "model.safetensors")
    assert inspect(model)["types"] == {"int8": len(tensors)}


def test_values_of_the_configuration_are_those_of_the_file(inspect, make_model):
    found = inspect(make_model(layer_norm_eps=1e-5, hidden_act="gelu_new"))
    assert found["config"]["layer_norm_epsilon"] == 1e-5
    assert found["config"]["activation"] == "gelu_new"
    assert found["config"]["max_length"] == VALUES["max_position_embeddings"]
