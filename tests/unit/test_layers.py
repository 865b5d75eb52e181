"""Imports point one way: models <- udfs <- jobs <- ndvr <- notebooks, tests, benchmarks. Modules are short."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import ndvr

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "udfs", "jobs", "ndvr")
LEVELS = {"models": 0, "udfs": 1, "jobs": 2, "ndvr": 3, "notebooks": 4, "tests": 4, "benchmarks": 4}
HEAVY = frozenset({"torch", "torchvision", "decord", "faiss", "av"})
NOT_IN_MODELS = frozenset({"pyspark", "pandas", "delta", "deltalake", "decord", "faiss", "av"})
TORCH_FREE_MODELS = frozenset(  # the driver uses these without torch
    {
        "models",
        "models.artefact",
        "models.calibration",
        "models.codebook",
        "models.embedders",
        "models.embedding_models",
        "models.normalise",
        "models.registry",
    }
)
JOBS_ORDER = (
    ("errors",),
    ("known_faults",),
    ("machine_faults",),
    ("signals",),
    ("failures",),
    ("config",),
    ("contracts",),
    ("lake",),
    ("pairing", "clustering"),
    ("tables",),
    ("views",),
    ("pipeline",),
    ("sharing.cells",),
    ("querying",),
    ("one_video",),
    ("engine",),
    ("evaluation", "estimation"),
    ("training", "review", "sharing", "maintenance"),
    (
        *("commands.unexpected_error", "commands.command_line"),
        *("commands.open_lake", "commands.options", "commands.printing"),
    ),
    ("demo",),
    ("commands", "cli", "nightly", "backfill", "maintain", "upgrade"),
)
"""Packages and modules of jobs/ from the lowest to the highest; packages in one row do not import each other."""
UDFS_ORDER = (
    ("errors",),
    ("reading",),
    ("video",),
    ("opening",),
    ("decoding",),
    ("describing",),
    ("embedding",),
    ("searching", "verifying"),
    ("registering",),
    ("clustering", "indexing", "illustrating", "exporting"),
)
ENTRY_POINTS = frozenset({"cli", "nightly", "backfill", "maintain", "upgrade"})
"""Modules that spark-submit or the console script starts. They are commands too."""
FILE_SYSTEM_CALLS = {
    "_jvm": "jobs.lake.files",
    "_jsc": "jobs.lake.files",
    "_gateway": "jobs.lake.class_archive",
    "from_uri": "udfs.opening.filesystems",
}
"""Attributes that reach a file system, and the one module that may use each (docs/decisions/0011-file-systems.md)."""
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 40  # without its docstring


class Import(NamedTuple):
    """An imported dotted name.

    Attributes:
        name: absolute dotted name; for `from a import b` it is `a.b`.
        at_import: whether it runs when the module is imported, which is not so inside a function or TYPE_CHECKING.
    """

    name: str
    at_import: bool

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def list_imports(source: str, module: str) -> list[Import]:
    """Return every import in `source`, the code of the dotted `module`, also inside functions."""
    return list(_walk_imports(ast.parse(source), module, at_import=True))


def _walk_imports(node: ast.AST, module: str, *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_import) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute_base(child, module)
            yield from (Import(f"{base}.{alias.name}", at_import) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _walk_imports(child, module, at_import=False)
        else:
            runs_later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk_imports(child, module, at_import=at_import and not runs_later)


def _absolute_base(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".")[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])


def find_layer_errors(source: str, module: str) -> list[str]:
    """Return the violations of the layers in `source`, the code of the dotted `module`."""
    layer = module.partition(".")[0]
    errors = []
    for found in list_imports(source, module):
        if LEVELS.get(found.top, 0) > LEVELS[layer]:
            errors.append(f"{module} imports {found.name}: {layer} must not import {found.top}")
        if layer == "models" and found.top in NOT_IN_MODELS:
            errors.append(f"{module} imports {found.name}: models may import only torch and torchvision")
        if found.at_import and found.top in HEAVY and (layer != "models" or module in TORCH_FREE_MODELS):
            errors.append(f"{module} imports {found.name} at import time: import it in the function that needs it")
        if layer == "udfs" and (found.top == "delta" or found.name.endswith(".SparkSession")):
            errors.append(f"{module} imports {found.name}: executors have no session and write no table")
        if _is_table(module) and _is_table(found.name) and not found.name.startswith(module):
            errors.append(f"{module} imports {found.name}: table modules never import each other")
        if error := find_order_error(module, found.name):
            errors.append(error)
    return errors


def find_order_error(module: str, imported: str) -> str | None:
    """Return the error of an import that points upwards, or to a sibling, in the order of packages; None if allowed."""
    for top, order in (("jobs", JOBS_ORDER), ("udfs", UDFS_ORDER)):
        if module.startswith(f"{top}.") and imported.startswith(f"{top}."):
            (own, own_level), (other, other_level) = (_find_level(name, order) for name in (module, imported))
            if other_level > own_level or (other_level == own_level and own != other):
                return f"{module} imports {imported}: {own} is below {other}, or beside it"
    return None


def _find_level(module: str, order: tuple[tuple[str, ...], ...]) -> tuple[str, int]:
    """Return the most specific package of `order` that contains a module, and its level."""
    name = module.partition(".")[2]
    fits = [(p, i) for i, row in enumerate(order) for p in row if name == p or name.startswith(f"{p}.")]
    assert fits, f"{module} is not in the order of packages"
    package, level = max(fits, key=lambda fit: len(fit[0]))
    # Modules that commands share, commands and entry points count as one package, so they may import each other.
    is_command = package in ENTRY_POINTS or package.startswith("commands")
    return ("commands" if is_command else package), level


def find_cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules with cyclic imports, also inside functions (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    cycles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in sorted(imports.get(module, ())):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                cycles.append(sorted(group))

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return cycles


def project_imports() -> dict[str, set[str]]:
    """Return the modules of the packages and benchmarks that each of them imports, also inside functions."""
    sources = dict(project_sources(*PACKAGES, "benchmarks"))
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = {i.name for i in list_imports(source, module)}
        names |= {name.rpartition(".")[0] for name in names}
        found[module] = (names & sources.keys()) - {module}
    return found


def find_file_system_errors(source: str, module: str) -> list[str]:
    """Return the accesses to file systems in `source`, the code of `module`, that only another module may have."""
    used = [node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return [f"{module} uses {name}: only {FILE_SYSTEM_CALLS[name]} may" for name in used if _is_reserved(name, module)]


def _is_reserved(name: str, module: str) -> bool:
    return name in FILE_SYSTEM_CALLS and module != FILE_SYSTEM_CALLS[name]


def _is_table(module: str) -> bool:
    return module.startswith("jobs.tables.")


def find_size_errors(source: str, module: str) -> list[str]:
    """Return the errors of a module or functions that are too long."""
    errors = []
    num_lines = len(source.splitlines())
    if num_lines > MAX_MODULE_LINES:
        errors.append(f"{module} has {num_lines} lines, at most {MAX_MODULE_LINES}: split it")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            num_lines = _count_lines_without_docstring(node)
            if num_lines > MAX_FUNCTION_LINES:
                errors.append(f"{module}.{node.name} has {num_lines} lines, at most {MAX_FUNCTION_LINES}: split it")
    return errors


def _count_lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    has_docstring = ast.get_docstring(node, clean=False) is not None
    docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring_lines


def project_sources(*packages: str) -> Iterator[tuple[str, str]]:
    """Yield dotted name and source of every module of the packages; by default of PACKAGES."""
    for package in packages or PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield module, path.read_text(encoding="utf-8")


def notebook_sources() -> Iterator[tuple[str, str]]:
    """Yield name and joined code cells of every notebook, without magics."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
        yield f"notebooks.{path.stem}", "\n".join(line for line in lines if not line.startswith(("%", "!")))


def run_python(code: str) -> str:
    """Return the output of `code` in a new interpreter in the root of the repository."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_import_violates_the_layers() -> None:
    assert [error for module, source in project_sources() for error in find_layer_errors(source, module)] == []


def test_there_are_no_cyclic_imports() -> None:
    assert find_cycles(project_imports()) == []


def test_only_one_module_accesses_each_kind_of_file_system() -> None:
    assert [error for module, source in project_sources() for error in find_file_system_errors(source, module)] == []


@pytest.mark.parametrize(
    ("module", "source", "num_errors"),
    [
        ("jobs.lake.lake", "path = context._jvm.org.apache.hadoop.fs.Path(uri)", 1),
        ("jobs.lake.files", "path = context._jvm.org.apache.hadoop.fs.Path(uri)", 0),
        ("udfs.indexing.store", "filesystem, path = fs.FileSystem.from_uri(uri)", 1),
        ("udfs.opening.filesystems", "filesystem, path = FileSystem.from_uri(uri)", 0),
    ],
)
def test_a_second_access_to_a_file_system_is_found(module: str, source: str, num_errors: int) -> None:
    assert len(find_file_system_errors(source, module)) == num_errors


def test_files_are_read_by_literal_paths() -> None:
    """A plain `spark.read` takes a path as a pattern; tables of Delta have no patterns."""
    plain_read = re.compile(r"spark\.read\b(?!\.format\(\"delta\"\))")
    found = {module for module, source in project_sources("jobs") if plain_read.search(source)}
    assert found == {"jobs.lake.readers"}


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for module, source in project_sources("models", "udfs", "jobs"):  # users see only the names of ndvr
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_no_module_or_function_is_too_long() -> None:
    assert [error for module, source in project_sources() for error in find_size_errors(source, module)] == []


def test_notebooks_import_only_the_public_interface_of_the_project() -> None:
    found = {
        (name, i.name) for name, source in notebook_sources() for i in list_imports(source, name) if i.top in LEVELS
    }
    assert found
    assert {(name, imported) for name, imported in found if imported != "ndvr"} == set()


def test_names_of_the_interface_in_notebooks_exist() -> None:
    """This finds renamed functions without running the notebooks, which takes a minute."""
    used = {name for _, source in notebook_sources() for name in re.findall(r"\bndvr\.(\w+)", source)}
    assert used
    assert used - set(ndvr.__all__) == set()


def test_no_module_of_jobs_hides_another_module_under_spark_submit() -> None:
    """spark-submit puts the folder of its script, jobs/, first on sys.path."""
    names = {path.stem for path in (ROOT / "jobs").iterdir() if path.suffix == ".py" or path.is_dir()}
    taken = sys.stdlib_module_names | HEAVY | {"pyspark", "delta", "pandas", "numpy", "pyarrow", *PACKAGES}
    assert names & taken == set()


@pytest.mark.parametrize("module", ["jobs.pipeline", "jobs.nightly", "jobs.cli"])
def test_the_driver_starts_without_heavy_modules(module: str) -> None:
    if not (ROOT / f"{module.replace('.', '/')}.py").exists():
        pytest.skip(f"{module} does not exist")
    loaded = run_python(f"import {module}, sys; print(*sorted({set(HEAVY)!r} & set(sys.modules)))")
    assert loaded == ""


@pytest.mark.parametrize("module", sorted(TORCH_FREE_MODELS))
def test_the_driver_uses_models_without_heavy_modules(module: str) -> None:
    loaded = run_python(f"import {module}, sys; print(*sorted({set(HEAVY)!r} & set(sys.modules)))")
    assert loaded == ""


def test_no_udf_module_loads_heavy_modules_when_imported() -> None:
    names = sorted(module for module, _ in project_sources() if module.startswith("udfs"))
    loaded = run_python(f"import {', '.join(names)}, sys; print(*sorted({set(HEAVY)!r} & set(sys.modules)))")
    assert loaded == ""


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models.pooling", "from udfs.errors import RowError"),
        ("models.pooling", "def pool():\n    import pandas as pd"),
        ("models.pooling", "from pyspark.sql import Row"),
        ("models.registry", "import torch"),
        ("udfs.describing.describe", "from jobs import config"),
        ("udfs.describing.describe", "from ...jobs import config"),
        ("udfs.describing.describe", "def describe():\n    from pyspark.sql import SparkSession"),
        ("udfs.describing.describe", "from delta.tables import DeltaTable"),
        ("udfs.decoding.decode", "import numpy, av"),
        ("udfs.decoding.decode", "try:\n    import decord\nexcept ImportError:\n    pass"),
        ("jobs.contracts.stage", "class Reader:\n    import faiss"),
        ("jobs.contracts.stage", "from tests.support import videos"),
        ("jobs.tables.pairs", "from jobs.tables import clusters"),
        ("jobs.tables.pairs", "from .clusters import TABLE"),
    ],
)
def test_a_violation_of_the_layers_is_found(module: str, source: str) -> None:
    assert len(find_layer_errors(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models.pooling", "import torch\nfrom torchvision import models"),
        ("models.registry", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("udfs.decoding.decode", "def decode():\n    import av\n    from models import pooling"),
        (
            "udfs.describing.describe",
            "import pandas as pd\nfrom pyspark.sql import functions as F\nfrom .errors import RowError",
        ),
        ("jobs.tables.pairs", "from jobs.config.settings import Config\nfrom udfs import search"),
        ("jobs.tables", "from jobs.tables import pairs"),
        ("jobs.commands.sql", "from jobs.commands.open_lake import open_lake"),
        ("jobs.commands.demo", "from jobs.demo.show import run_demo"),
        ("jobs.nightly", "from jobs.commands.command_line import Command"),
        ("jobs.engine.runner", "from jobs.engine.claims import Claims"),
    ],
)
def test_allowed_imports_pass(module: str, source: str) -> None:
    assert find_layer_errors(source, module) == []


def test_a_cycle_of_imports_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}
    assert find_cycles(imports) == [["a", "b", "c"]]
    assert find_cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_lengths_are_counted_without_the_docstring() -> None:
    docstring = '    """Work.\n\n    More.\n    """\n'
    fits = "def work():\n" + docstring + "    x = 1\n" * 39
    assert find_size_errors(fits, "m") == []
    assert find_size_errors(fits + "    x = 1\n", "m") == ["m.work has 41 lines, at most 40: split it"]


def test_a_module_of_301_lines_is_too_long() -> None:
    assert find_size_errors("x = 1\n" * 300, "m") == []
    assert find_size_errors("x = 1\n" * 301, "m") == ["m has 301 lines, at most 300: split it"]
