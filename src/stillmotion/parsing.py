"""Command-line parsers from typed signatures, with a method's own fields found by its name."""

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse

from stillmotion.errors import ConfigurationError
from stillmotion.given_files import read_yaml
from stillmotion.methods import METHODS, get_method
from stillmotion.recipe import Recipe, start_of

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)


class Help(jsonargparse.DefaultHelpFormatter):
    """Without what says nothing: that an option is not given unless it is."""

    def _expand_help(self, action: argparse.Action) -> str:
        nothing = r" \(default: (null|\[\])\)|, default: null(?=\))"
        return re.sub(nothing, "", super()._expand_help(action))


class Parser(jsonargparse.ArgumentParser):
    """A parser whose mistakes are our errors, with the nearest option where one was misspelt.

    Every option may be written with dashes for its underscores: ``--dry-run`` is ``--dry_run``.
    """

    def __init__(self, command: str, usage: str, description: str) -> None:
        super().__init__(
            prog=f"stillmotion {command}",
            usage=f"stillmotion {command} {usage}",
            description=description,
            formatter_class=Help,
            exit_on_error=False,
            allow_abbrev=False,
        )

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what argparse would print and exit with."""
        told = plainly(" ".join(re.sub(r'Parser key "(.*?)":', r"--\1:", str(message)).split()))
        told = re.sub(r"Expected a typing\.Literal\[(.*?)\]\.", r"Possible: \1.", told)
        told = re.sub(r"Expected a <class '(tuple|list)'>\.", "It is a list, such as [1,2].", told)
        options = [o for action in self._actions for o in action.option_strings]
        if lacking := re.fullmatch("the following arguments are required: (.+)", told):
            names = lacking[1].split(", ")
            told = f"give {' and '.join(f'--{n}' if f'--{n}' in options else n for n in names)}"
        for word in told.split():
            word = word.split("=")[0].rstrip(":")
            near = difflib.get_close_matches(word, options, n=1, cutoff=0.7)
            if word.startswith("--") and word not in options and near:
                told += f" (did you mean {near[0]}?)"
                break
        ours = re.search(r"--(\w+)\.\w", told)
        if ours and ours[1] in METHODS:
            told += f" (fields of {ours[1]} go with --method {ours[1]})"
        raise ConfigurationError(f"{told}; {self.prog} --help lists what is possible") from ex

    def parse(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The arguments as plain nested dictionaries, those of ``--config`` left out."""
        end = arguments.index("--") if "--" in arguments else len(arguments)
        declared = [*map(self.as_declared, arguments[:end]), *arguments[end:]]
        try:
            values = self.parse_args(declared).as_dict()
        except jsonargparse.ArgumentError as error:
            self.error(str(error), error)
        values.pop("config", None)
        return values

    def as_declared(self, word: str) -> str:
        """An option as it is declared, however its dashes and underscores are mixed.

        Its value after ``=``, keys below it that are the user's own, and all else stay as given.
        """
        known = {o.replace("_", "-"): o for action in self._actions for o in action.option_strings}
        name = re.split("[=+]", word, maxsplit=1)[0]
        rest = word[len(name) :]
        while name:
            if declared := known.get(name.replace("_", "-")):
                return declared + rest
            name, dot, key = name.rpartition(".")
            rest = dot + key + rest
        return word


KINDS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or more",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number, 0 or more",
    "ClosedUnitInterval": "a number from 0 to 1",
    "int": "a whole number",
    "float": "a number",
}
"""What an option of a type takes, in words."""


def plainly(told: str) -> str:
    """A complaint about a number, as people say it; any other as it is.

    >>> plainly("--top: Not of type PositiveInt: 0 does not conform to restriction v>0")
    '--top 0: give a whole number above 0'
    """
    option = re.match(r"(--[\w.]+): (?=Not of type|Expected a|Does not validate)", told)
    named = re.findall(r"Not of type (\w+)|<class '(?:[\w.]*\.)?(\w+)'>", told)
    kind = next((word for words in named for word in words if word in KINDS), None)
    value = re.search(r"(?:Got|Given) value: (\S+)|(?:\d: |: )'(\S*)'$|: (\S+) does not", told)
    if not (option and kind and value):
        return told
    return f"{option[1]} {value[value.lastindex or 0]}: give {KINDS[kind]}"


def add_method(parser: Parser, arguments: Sequence[str]) -> str:
    """Options for the method that the arguments ask for: --method, --preset, --NAME.field.

    Returns:
        The method's name. Its fields stand under that name in what is parsed.
    """
    asked = early(arguments)
    name = asked.get("method") or "amflow"
    cls = get_method(name)
    preset = asked.get("preset") or cls.starting_preset
    parser.add_argument(
        "--method", default=name, help=f"how to adapt: {', '.join(sorted(METHODS))}"
    )
    parser.add_argument(
        "--preset",
        default=preset,
        help=f"where {name}'s fields begin: {', '.join(cls.presets) or 'it has no presets'}",
    )
    parser.add_class_arguments(cls, name)
    fields = start_of(cls, preset).to_dict()
    del fields["method"]
    parser.set_defaults({f"{name}.{field}": value for field, value in fields.items()})
    return name


def early(arguments: Sequence[str]) -> dict[str, str]:
    """``method`` and ``preset`` as given on the command line, else in its ``--config`` file.

    And the file's ``data``, which the parser itself forgets because it is positional.
    """
    found: dict[str, str] = {}
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        for name in ("method", "preset", "config"):
            if word == f"--{name}":
                found[name] = following
            elif word.startswith(f"--{name}="):
                found[name] = word.split("=", 1)[1]
    if "config" in found:
        found = read_config(Path(found["config"])) | found
    return found


def read_config(path: Path) -> dict[str, str]:
    """The method, the preset and the data that a YAML file names."""
    try:
        values = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    given = values if isinstance(values, dict) else {}
    return {k: given[k] for k in ("method", "preset", "data") if isinstance(given.get(k), str)}


def recipe_from(values: dict[str, Any]) -> Recipe:
    """A recipe from parsed arguments."""
    values.pop("preset", None)
    return Recipe.from_dict(values)
