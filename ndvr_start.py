"""Starts `ndvr` with its own packages, whatever the working folder and PYTHONPATH contain.

`jobs`, `udfs` and `models` are common names. Python imports the first package with a name on its path, and that may be
one of another project. This module has a name of its own, so it is found. When it is imported, it imports the packages
beside it, and later imports of their modules find them.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder

PACKAGES = ("models", "udfs", "jobs")
_INTERRUPTED = 130
_USAGE_ERROR = 2


def find_root() -> str:
    """Return the folder or zip file that contains this module and the packages."""
    return os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib may be another project's


def import_packages() -> None:
    """Import the packages beside this module.

    Raises:
        ImportError: this process has already imported another module with one of the names.
    """
    root = find_root()
    sys.path.insert(0, root)
    try:
        modules = [import_module(name) for name in PACKAGES]
    finally:
        sys.path.remove(root)
    for module in modules:
        file = str(module.__file__)
        if not file.startswith(root + os.sep):
            raise ImportError(
                f"this process has imported another {module.__name__!r}, from {file}; ndvr needs its own, in {root}. "
                "Import ndvr first, or start a new process"
            )


def find_shadowing() -> list[str]:
    """Return the files on the import path that hide a module of Python or of an installed package.

    These are files beside the script, in the working folder or on PYTHONPATH, such as `random.py` or `numpy.py`.
    """
    standard = os.path.dirname(os.__file__)  # noqa: PTH120 - as above
    own = sys.path[: sys.path.index(standard)] if standard in sys.path else []
    own = [entry or os.getcwd() for entry in own if not entry.endswith(".zip")]  # noqa: PTH109 - as above
    found = []
    for entry in own:
        for name in sorted(os.listdir(entry)) if os.path.isdir(entry) else ():  # noqa: PTH112, PTH208 - as above
            module = name.removesuffix(".py")
            file = os.path.join(entry, name)  # noqa: PTH118 - as above
            is_module = name.endswith(".py") or os.path.isfile(os.path.join(file, "__init__.py"))  # noqa: PTH113, PTH118
            rest = [other for other in sys.path if other not in own]
            hides = module in sys.stdlib_module_names or PathFinder.find_spec(module, rest) is not None
            if is_module and hides and module not in PACKAGES:
                found.append(file)
    return found


def describe_shadowing(error: BaseException) -> str | None:
    """Return why an import failed, if a file on the import path hides another module; None otherwise."""
    if not isinstance(error, (ImportError, AttributeError)):
        return None
    files = find_shadowing()
    if not files:
        return None
    return (
        f"{type(error).__name__}: {error}; Python imports {', '.join(files)} instead of the installed module with this "
        "name: rename the file, or remove its folder from PYTHONPATH"
    )


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        from jobs.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("ndvr: stopped by Ctrl-C\n")
        return _INTERRUPTED
    except (ImportError, AttributeError) as error:
        line = describe_shadowing(error)
        if line is None:
            raise
        sys.stderr.write(f"ndvr: {line}\n")
        return _USAGE_ERROR
    return run()


import_packages()

if __name__ == "__main__":
    sys.exit(main())
