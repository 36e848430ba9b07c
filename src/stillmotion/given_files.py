"""Text, JSON and YAML that somebody else wrote: whatever is wrong is one of two errors.

`OSError` where a file cannot be had, `ValueError` where it is not what it should be; whoever reads
it says what that was. Pipes and devices, which may never end, are not opened. Brackets nested
without end, numbers of thousands of digits and too large a file are faults like any other.
"""

import errno
import json
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MOST_JSON = 2**26
MOST_YAML = 2**17
"""Bytes of the largest file that is read whole: its values take some twenty times the memory, and
YAML takes seconds where JSON takes milliseconds."""

MOST_DIGITS = 640
"""Of a whole number in YAML or a list, where JSON's have a limit of Python's."""


def refuse_endless(path: Path) -> None:
    """Refuse what is neither a file nor a folder: to open a pipe may wait for ever, and a device
    may never end.

    Raises:
        OSError: with the reason; also where nothing is there.
        ValueError: no file can have such a name.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "a pipe or a device, not a file", str(path))


def read_text(path: Path, *, most: int | None = None) -> str:
    """A file's text, without a mark of its byte order.

    Args:
        most: bytes of the largest file that is read; None: any.

    Raises:
        OSError: it cannot be read.
        ValueError: its bytes are not UTF-8, or too many.
    """
    refuse_endless(path)
    if most is not None and path.stat().st_size > most:
        raise ValueError(f"{path.stat().st_size:,} bytes, where {most:,} are the most")
    return path.read_text(encoding="utf-8-sig")


def from_json(text: str) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error


def read_json(path: Path, *, most: int = MOST_JSON) -> Any:
    """What a JSON file holds.

    Raises:
        OSError, ValueError: as `read_text` and `from_json`.
    """
    return from_json(read_text(path, most=most))


def from_yaml(text: str) -> Any:
    """The plain values that a YAML text holds.

    Raises:
        ValueError: it is no YAML, nested too deeply, says a name twice, or has aliases.
    """
    try:
        return yaml.load(text, _Loader)
    # A value that its tag does not fit fails in whatever way Python has.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(" ".join(str(error).split()) or repr(error)) from error
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        OSError, ValueError: as `read_text` and `from_yaml`.
    """
    return from_yaml(read_text(path, most=MOST_YAML))


class _Loader(yaml.SafeLoader):
    """Without aliases, of which ten lines make any amount, without a name that stands twice, and
    without numbers that Python does not write."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            told = f"the alias *{alias.anchor}: write its values out"
            raise yaml.MarkedYAMLError(problem=told, problem_mark=alias.start_mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
            told = f"a number of {len(node.value)} digits"
            raise yaml.MarkedYAMLError(problem=told, problem_mark=node.start_mark)
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    told = f"{key.value!r} stands there twice"
                    raise yaml.MarkedYAMLError(problem=told, problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)
