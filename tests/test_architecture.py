"""Imports point downwards; libraries have owners; names that are offered exist; import is quick."""

import ast
import importlib
import json
import pkgutil
import sys
from pathlib import Path

import pytest

import stillmotion
from plain import run_plain

ROOT = Path(stillmotion.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

LAYERS = (
    {"shapes", "errors", "version"},
    {"files", "fields", "given_files", "terminal", "processes"},
    {"nn", "data"},
    {"settings", "checkpoint_files"},
    {"backbones"},
    {"methods"},
    {"model"},
    {"checkpoint_model", "as_trained"},
    {"checkpoint", "merging", "recipe", "official"},
    {"sharing", "peft_files", "identity"},
    {"recipes", "visualise", "metrics", "accounting", "doctor"},
    {"onnx_graph"},
    {"chunking", "int8", "dealing"},
    {"quantising"},
    {"loading", "selection", "answering", "paper_figures", "rejection", "saved_scores"},
    {"fewer_bits"},
    {"prediction", "evaluation", "comparison", "streaming", "published"},
    {"collection", "exporting", "hub", "localisation"},
    {"explaining", "watching"},
    {"training", "calibrating"},
    {"demo", "repetition"},
    {"parsing"},
    {"web"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
"""From the bottom up; a module imports from its own layer's package and from layers below."""

DOORS = {("model", "checkpoint")}
"""Imports upwards, inside a function: `save_pretrained` is a door to what lies above."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
OWNERS = {
    "timm": {"backbones"},
    "av": {"data", "exporting"},  # the runner that goes out with a model
    "torchcodec": {"data"},
    "triton": {"nn"},
    "fastapi": {"web"},
    "uvicorn": {"web"},
    "huggingface_hub": {"checkpoint", "hub"},
    "torchvision": {"data", "methods"},
    "jsonargparse": {"parsing", "commands"},
    "accelerate": {"training", "answering", "dealing", "processes", "evaluation", "calibrating"},
}
"""The only parts that import a library."""


def part(path):
    """The part of the package that a file belongs to: `nn`, `model`, ..."""
    relative = path.relative_to(ROOT).with_suffix("")
    return relative.parts[0]


def imports(path):
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ours(path):
    """The parts of this package that a file imports."""
    for module in imports(path):
        words = module.split(".")
        if words[0] == "stillmotion" and len(words) > 1 and words[1] in LEVEL:
            yield words[1]


def label(path):
    return str(path.relative_to(ROOT))


INSIDE = [path for path in MODULES if path != ROOT / "__init__.py"]


def test_every_part_has_its_place():
    assert {part(path) for path in INSIDE} - LEVEL.keys() == set()


@pytest.mark.parametrize("path", INSIDE, ids=label)
def test_imports_point_downwards(path):
    mine = part(path)
    for target in ours(path):
        below = LEVEL[target] < LEVEL[mine] or target == mine
        assert below or (mine, target) in DOORS, f"{label(path)} imports {target}"


@pytest.mark.parametrize("path", [p for p in INSIDE if part(p) == "data"], ids=label)
def test_data_knows_nothing_of_models(path):
    assert set(ours(path)) <= {
        "data",
        "fields",
        "files",
        "given_files",
        "errors",
        "shapes",
        "version",
    }


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_libraries_are_imported_by_their_owners_alone(path):
    for module in imports(path):
        owners = OWNERS.get(module.split(".")[0])
        assert owners is None or part(path) in owners, f"{label(path)} imports {module}"


def test_methods_do_not_know_each_other():
    folder = ROOT / "methods"
    for path in sorted(folder.rglob("*.py")):
        mine = path.relative_to(folder).with_suffix("").parts[0]
        if mine in ("__init__", "base", "parts", "plugins"):
            continue
        for module in imports(path):
            if module.startswith("stillmotion.methods."):
                assert module.split(".")[2] in (mine, "base", "parts"), (
                    f"{label(path)} imports {module}"
                )


@pytest.mark.parametrize("path", [p for p in INSIDE if p.name == "__init__.py"], ids=label)
def test_public_names_are_sorted_and_exist(path):
    name = ".".join(("stillmotion", *path.relative_to(ROOT).parts[:-1]))
    module = importlib.import_module(name)
    names = list(getattr(module, "__all__", []))
    assert names in (sorted(names), sorted_as_ruff(names))
    assert [n for n in names if not hasattr(module, n)] == []


def sorted_as_ruff(names):
    """CONSTANTS, then Classes, then functions, each in the order of the alphabet."""
    return sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))


def test_the_names_on_top_exist_and_are_the_right_ones():
    names = stillmotion.__all__
    assert names == ["__version__", *sorted(names[1:])]
    for name in names[1:]:
        assert getattr(stillmotion, name).__name__ == name
    assert {*names, "official", "streaming"} <= set(dir(stillmotion))
    told = run_plain("import stillmotion; print(stillmotion.official.load.__module__)")
    assert told == "stillmotion.official.reading\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stillmotion.nothing  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_files_and_functions_are_short_and_described(path):
    """250 lines and 40 are asked for; here it is insisted. Docstrings of functions do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if any(not isinstance(node, ast.Expr) for node in tree.body):
        assert ast.get_docstring(tree), f"{label(path)} says nothing of itself"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            described = len((ast.get_docstring(node, clean=False) or "").splitlines())
            lines = node.end_lineno - node.lineno + 1 - described
            assert lines <= 45, f"{label(path)}: {node.name}"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_warnings_are_never_silenced_and_nothing_unpickles(path):
    text = path.read_text(encoding="utf-8")
    for word in ("import pickle", "weights_only=False", "simplefilter", "filterwarnings"):
        assert word not in text, f"{label(path)}: {word}"


def test_importing_the_package_is_light():
    """Neither the package, nor its command line up to a command, loads torch."""
    told = run_plain("""
        import json, sys
        import stillmotion, stillmotion.cli, stillmotion.errors, stillmotion.files
        from stillmotion.version import __version__
        heavy = {"torch", "numpy", "timm", "torchvision", "av", "accelerate", "matplotlib"}
        print(json.dumps(sorted(heavy & set(sys.modules))))
    """)
    assert json.loads(told) == []


def test_every_module_imports_and_changes_no_setting():
    """No threads, gradients, types, random numbers or logging are set by an import, and nothing is
    fetched."""
    names = [m.name for m in pkgutil.walk_packages(stillmotion.__path__, "stillmotion.")]
    skipped = {"stillmotion.__main__", "stillmotion.data.torchcodec_decoder"}
    skipped |= {"stillmotion.nn.flow_kernels", "stillmotion.nn.flow_triton"}  # need Triton
    told = run_plain(
        """
        import importlib, logging, sys, warnings

        def alone(event, told):
            assert event not in ("socket.connect", "socket.getaddrinfo"), told

        sys.addaudithook(alone)
        import torch

        def settings():
            return (
                torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
                torch.initial_seed(), torch.backends.cudnn.benchmark, logging.root.handlers,
                torch.get_float32_matmul_precision(),
            )

        before = settings()
        for name in sys.argv[1:]:
            importlib.import_module(name)
        assert settings() == before, (before, settings())
        print("quiet")
        """,
        *sorted(set(names) - skipped),
    )
    assert told == "quiet\n"
    assert sys.modules["stillmotion"] is stillmotion
