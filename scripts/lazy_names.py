"""Lets griffe, which reads sources, see the names that a package loads on their first use."""

import importlib
from typing import Any

import griffe


class LazyNames(griffe.Extension):
    """A package with `__all__` and `__getattr__` offers what its `__all__` says at run time."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Point each such name to where it is defined."""
        for module in packages_below(pkg):
            if "__getattr__" not in module.members:
                continue
            loaded = importlib.import_module(module.path)
            names = [name for name in loaded.__all__ if not name.startswith("_")]
            module.exports = list(names)
            for name in names:
                if name not in module.members:
                    module.set_member(name, griffe.Alias(name, defined_at(loaded, name)))


def packages_below(module: griffe.Module) -> list[griffe.Module]:
    """The package itself and all packages inside it."""
    inside = [m for m in module.modules.values() if not m.is_alias and m.is_init_module]
    return [module, *(package for m in inside for package in packages_below(m))]


def defined_at(package: Any, name: str) -> str:
    """The dotted path of a name that the table `_PUBLIC` of a package sends elsewhere."""
    module = package._PUBLIC[name]
    prefix = "" if module.startswith(package.__name__) else f"{package.__name__}."
    return f"{prefix}{module}.{name}"
