"""Methods from outside the package: installed ones, and a file of one's own."""

import importlib.util
import os
import sys
import zlib
from importlib.metadata import entry_points
from pathlib import Path

from stillmotion.errors import ConfigurationError
from stillmotion.methods.base import METHODS, VARIABLE

GROUP = "stillmotion.methods"
"""Packages name their modules of methods under this entry point."""


def load_plugins() -> None:
    """Run every module that registers methods: entry points, then the files of the variable.

    Raises:
        ConfigurationError: where one cannot be run, with its name.
    """
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            raise ConfigurationError(
                f"cannot load the methods of {point.value}: {error}"
            ) from error
    for path in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        run_file(Path(path))


def run_file(path: Path) -> None:
    """Import one file, which registers what it holds; once, however often it is named."""
    name = f"stillmotion_methods_{zlib.crc32(str(path.resolve()).encode()):x}_{path.stem}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigurationError(f"{VARIABLE} names {path}, which is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and parsers look for their annotations
    before = len(METHODS)
    try:
        spec.loader.exec_module(module)
        if len(METHODS) == before:
            raise ConfigurationError("it registers no method; is @register forgotten?")
    except Exception as error:
        del sys.modules[name]
        raise ConfigurationError(f"{VARIABLE}: cannot run {path}: {error}") from error
