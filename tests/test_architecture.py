"""The package as a whole: what it imports, what it exports, and that its examples run."""

import ast
import doctest
import functools
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kerasformer

ROOT = Path(kerasformer.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

HEAVY = ("tensorflow", "keras", "jax", "torch", "sklearn", "tokenizers", "matplotlib", "pyarrow")
HEAVY += ("faiss", "optuna", "plotly", "ray")
IMPORT = f"""
import gc, sys, time
before, start = list(sys.meta_path), time.perf_counter()
import kerasformer
print(time.perf_counter() - start)
print(*sys.modules.keys() & set({HEAVY}))
print(sys.meta_path[1:] == before and gc.isenabled())
import keras
print(not [finder for finder in sys.meta_path if type(finder).__module__.startswith("kerasformer")])
"""


def test_import_is_fast_and_light():
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
        )
        taken, heavy, same, gone = done.stdout.split("\n")[:4]
        assert heavy == ""
        # Nothing outside the package is changed but that Keras, once imported, finds its classes.
        assert same == gone == "True"
        seconds.append(float(taken))
    assert min(seconds) < 0.2


def module_name(path):
    parts = ("kerasformer", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path, at_import=False):
    """The names of all that a file imports, `from a import b` as `a.b`.

    Args:
        path: The file.
        at_import: Only what importing the file imports: nothing inside functions.
    """
    names, pending = [], [parsed(path)]
    while pending:
        node = pending.pop()
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue  # for annotations alone: never run
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # relative to the folder, or one above it
                folder = path.parents[node.level - 1].relative_to(ROOT.parent)
                module = ".".join([*folder.parts, *filter(None, [module])])
            names.extend(f"{module}.{alias.name}" for alias in node.names)
    return names


def is_under(name, *modules):
    return any(name == module or name.startswith(module + ".") for module in modules)


def part(path):
    """`layers`, `models`, ... or a single file such as `hub`."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


# The parts of the package and what each may import, beside the foundation; see ARCHITECTURE.md.
FOUNDATION = (
    "child_process",
    "errors",
    "files",
    "formatting",
    "hardware",
    "private_api",
    "progress",
    "registration",
    "transaction",
)
MAY_IMPORT = {
    "__init__": set(),
    "child_process": set(),
    "errors": {"formatting"},
    "files": {"errors"},
    "formatting": set(),
    "hardware": set(),
    "private_api": set(),
    "progress": {"formatting"},
    "registration": {"private_api"},
    "transaction": {"errors", "files"},
    "layers": {"private_api"},
    "sources": set(),
    "text": {"sources"},
    "data": {"sources", "text"},
    "training": {"checkpoints"},
    "models": {"layers", "text"},
    "checkpoints": {"layers", "models", "sources", "text"},
    "hub": {"checkpoints", "layers", "models", "sources", "text"},
    "tasks": {"checkpoints", "data", "layers", "models", "sources", "text", "training"},
    "embedder": {"checkpoints", "data", "layers", "models", "sources", "text"},
    "corpus": {"checkpoints", "data", "embedder", "models", "sources", "text"},
    "plots": set(),
    "analysis": {
        *("checkpoints", "corpus", "data", "embedder", "layers", "models", "plots", "sources"),
        *("tasks", "text", "training"),
    },
    "compare": {"checkpoints", "data", "plots", "sources", "tasks", "training"},
    "tune": {"checkpoints", "data", "models", "plots", "sources", "tasks", "training"},
}
ALONE = ("layers", *FOUNDATION)  # these import no more than is said above
# The models save and load themselves, by the formats that are described in their terms.
MAY_IMPORT_IN_FUNCTIONS = {"models": {"checkpoints"}}
LAST = ("cli", "__main__")  # import what they want


def parts_imported(path, at_import=False):
    for name in imports(path, at_import):
        if is_under(name, "kerasformer") and name not in ("kerasformer", "kerasformer.__version__"):
            yield name.removeprefix("kerasformer").lstrip(".")


def test_imports_run_one_way():
    wrong = []
    for path in FILES:
        own = part(path)
        if own in LAST:
            continue
        allowed = {own, *MAY_IMPORT[own], *(() if own in ALONE else FOUNDATION)}
        names = [name for name in parts_imported(path, True) if not is_under(name, *allowed)]
        allowed |= MAY_IMPORT_IN_FUNCTIONS.get(own, set())
        names += [name for name in parts_imported(path) if not is_under(name, *allowed)]
        wrong += [f"{module_name(path)} imports {name}" for name in names]
    assert not wrong


def test_no_circle_of_imports():
    """Between files, imports inside functions included."""
    by_name = {module_name(path): path for path in FILES}

    def targets(path):
        for name in imports(path):
            # `from package import name` may run the package's `__init__` for the name, whose lazy
            # table is no import of its own.
            found = name if name in by_name else name.rpartition(".")[0]
            if found in by_name and by_name[found] != path:
                yield found

    graph = {name: set(targets(path)) for name, path in by_name.items()}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_files_and_functions_are_short():
    long = []
    for path in FILES:
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > 300:
            long.append(f"{module_name(path)}: {lines} lines")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > 50:
                long.append(f"{module_name(path)}.{node.name}: {code_lines(node)} lines of code")
    assert not long


def code_lines(function):
    """The lines of a function, without those of its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    length = function.end_lineno - function.lineno + 1
    return length - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)


def test_layers_import_keras_alone():
    for path in (ROOT / "layers").glob("*.py"):
        for name in imports(path):
            keras_alone = ("keras", "kerasformer.layers", "kerasformer.private_api")
            assert is_under(name, *keras_alone, *sys.stdlib_module_names), (
                f"{module_name(path)} imports {name}"
            )


def reached(module):
    """All modules of the package that importing one of them imports."""
    by_name = {module_name(path): path for path in FILES}
    seen, pending = set(), [module]
    while pending:
        name = pending.pop()
        while name not in by_name and "." in name:  # `a.b.function` is in a.b
            name = name.rpartition(".")[0]
        if name in by_name and name not in seen:
            seen.add(name)
            pending.append(name.rpartition(".")[0])  # the packages that hold it
            pending.extend(imports(by_name[name], at_import=True))
    return seen - {"kerasformer", ""}


@pytest.mark.parametrize(
    "module", ["kerasformer.text", "kerasformer.data", "kerasformer.sources.resolve"]
)
def test_reaches_no_model(module):
    wrong = {n for n in reached(module) if is_under(n, "kerasformer.models", "kerasformer.tasks")}
    assert not wrong


def test_checkpoints_import_no_task():
    for path in (ROOT / "checkpoints").rglob("*.py"):
        assert not [name for name in parts_imported(path) if is_under(name, "tasks")]


TENSORFLOW = ("tensorflow", "tensorflow_text", "tensorflow_hub", "tensorflow_datasets", "tf_keras")
MAY_USE_TENSORFLOW = (
    "kerasformer.text",
    "kerasformer.data",
    "kerasformer.hub",
    "kerasformer.cli.model",  # runs the SavedModels that it wrote, to compare them
    "kerasformer.checkpoints.export.onnx_file",
    "kerasformer.checkpoints.export.saved_model",
    "kerasformer.checkpoints.export.serving",
    "kerasformer.checkpoints.export.tfhub",
    "kerasformer.checkpoints.io.arrays",  # an array as a tensor without copies
    "kerasformer.checkpoints.io.tf_bundle",
    "kerasformer.checkpoints.io.tf_graph",
    "kerasformer.embedder.graph",  # one traced graph for all shapes
    "kerasformer.hardware",  # has_gpu
    "kerasformer.models.distribution",  # the losses of its devices
    "kerasformer.models.onednn",  # its kernels for inference
    "kerasformer.private_api",
    "kerasformer.training.optimizer",  # the fused kernel, where TensorFlow is the backend
)


def test_tensorflow_is_imported_in_few_places():
    users = {
        module_name(path)
        for path in FILES
        if any(is_under(name, *TENSORFLOW) for name in imports(path))
    }
    assert not [module for module in users if not is_under(module, *MAY_USE_TENSORFLOW)]
    # On JAX everything else runs where it is not installed.
    at_import = [
        path for path in FILES for name in imports(path, True) if is_under(name, *TENSORFLOW)
    ]
    assert not at_import


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_private_modules_are_imported_in_one_place(path):
    """Private attributes of Keras' and TensorFlow's objects belong there too."""
    wrong = [name for name in imports(path) if is_under(name, "keras.src", "tensorflow.python")]
    assert not wrong or module_name(path) == "kerasformer.private_api"


def test_nothing_unpickles():
    unsafe = ("pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal")
    for path in FILES:
        assert not [name for name in imports(path) if is_under(name, *unsafe)], module_name(path)


def test_what_is_printed_passes_two_places():
    """Which escape what could steer a terminal, wherever it comes from."""
    wrong = {
        module_name(path)
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write")
    }
    assert wrong == {"kerasformer.cli.text", "kerasformer.progress"}


def test_json_is_read_in_one_place():
    """`kerasformer.files` bounds its size and depth, and gives a sentence for what is no JSON."""
    wrong = []
    for path in FILES:
        for node in ast.walk(parsed(path)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if re.fullmatch(r"json\.(loads?|JSONDecoder)", called):
                wrong.append(module_name(path))
        wrong += [module_name(path) for n in imports(path) if n.startswith("json.")]
    assert wrong == ["kerasformer.files"]


@pytest.mark.parametrize("name", kerasformer.__all__)
def test_public_names(name):
    assert getattr(kerasformer, name) is not None
    assert name in dir(kerasformer)


@pytest.mark.parametrize("package", kerasformer._SUBPACKAGES)
def test_public_names_of_the_subpackages(package):
    module = importlib.import_module(f"kerasformer.{package}")
    # Constants first, then classes, then functions: the order that the linter sorts into.
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__doc__, name


def public_callables():
    """The functions and methods that people call, by their names."""
    for package in ("layers", "models", "tasks", "embedder", "text", "data"):
        module = importlib.import_module(f"kerasformer.{package}")
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isfunction(member):
                yield f"{package}.{name}", member
            for key, value in vars(member).items() if inspect.isclass(member) else ():
                function = getattr(value, "__func__", getattr(value, "fget", value))
                if inspect.isfunction(function) and (key == "__init__" or key[0] != "_"):
                    yield f"{package}.{name}.{key}", function


def test_the_public_api_has_types():
    untyped = []
    for name, function in public_callables():
        parameters = list(inspect.signature(function).parameters.values())
        if parameters and parameters[0].name in ("self", "cls"):
            del parameters[0]
        told = function.__annotations__
        if not all(p.name in told for p in parameters) or (
            "return" not in told and not name.endswith("__init__")
        ):
            untyped.append(name)
    assert not untyped


def test_the_public_names_of_version_0_1_are_at_the_top_level():
    names = """BertEncoder EncoderConfig HubEncoder HubPreprocessor MaskedLanguageModel
    NextSentencePredictor PretrainingModel QuestionAnswerer TextClassifier TextEmbedder
    TokenClassifier TransformerClassifier load_dataset resolve checkpoints compare corpus data hub
    layers models report tasks text training PRESETS FeatureCache"""
    for name in names.split():
        assert getattr(kerasformer, name) is not None


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'kerasformer' has no attribute 'Transformer'"):
        _ = kerasformer.Transformer


def test_layers_models_and_tasks_are_registered():
    import keras

    packages = (kerasformer.hub, kerasformer.layers, kerasformer.models, kerasformer.tasks)
    public = [getattr(package, name) for package in packages for name in package.__all__]
    found = [c for c in public if isinstance(c, type) and issubclass(c, keras.layers.Layer)]
    assert {"TransformerBlock", "BertEncoder", "TextClassifier"} <= {c.__name__ for c in found}
    for layer_class in found:
        registered = keras.saving.get_registered_name(layer_class)
        assert registered == f"kerasformer>{layer_class.__name__}"
        assert keras.saving.get_registered_object(registered) is layer_class


WITH_EXAMPLES = [module_name(path) for path in FILES if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name, tmp_path, monkeypatch, capsys, request):
    """With `np`, and `getfixture` as under pytest's own doctests, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {"np": np, "getfixture": request.getfixturevalue}
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=names, optionflags=options)
    assert result.failed == 0, capsys.readouterr().out
