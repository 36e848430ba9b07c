"""A key scheme: a table from its authors' names to timm's, and what renaming alone cannot say."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

State = dict[str, Tensor]
Step = Callable[[State], State]
"""A change of tensors that leaves its argument as it was."""

FINAL_NORMS = ("norm.", "fc_norm.")
"""timm's names of the last normalisation, before or after pooling: a model has one of them."""

_LAYER = re.compile(r"(?<=\.)(0|[1-9][0-9]*)(?=\.)")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How one family of files names the tensors of a plain vision transformer."""

    title: str
    """Whose scheme it is, for messages."""

    architecture: str
    """timm's model with its activation, its epsilons and its norm before the blocks."""

    names: Mapping[str, str]
    """Their name to timm's; ``*`` stands for the number of a layer.

    Two names are not timm's: ``projection``, which leads out of the transformer's width, and
    ``....attn.qkv.weight.q`` (``.k``, ``.v``; ``.bias.q`` and so on), which are thirds of one.
    """

    optional: tuple[str, ...] = ()
    """Beginnings of timm's names. What begins so may be absent, all of it together."""

    prefixes: tuple[str, ...] = ("",)
    """What may stand before every name."""

    read: tuple[Step, ...] = ()
    """Applied in order to the renamed tensors, they give timm's."""

    write: tuple[Step, ...] | None = ()
    """Applied in order to timm's tensors, they give those to be renamed; None: never written."""

    def find(self, keys: Iterable[str], *, prefix: str) -> dict[str, str]:
        """timm's name of every key that the scheme knows, to that key."""
        found = {}
        for key in keys:
            if key.startswith(prefix):
                pattern, layer = generalise(key.removeprefix(prefix))
                if pattern in self.names:
                    found[self.names[pattern].replace("*", layer)] = key
        return found

    def missing(self, found: Iterable[str], *, prefix: str) -> list[str]:
        """The keys that ought to stand beside those found (timm's names), as the file has them."""
        found = set(found)
        patterns = {generalise(name)[0] for name in found}
        depth = len({generalise(name)[1] for name in found if name.startswith("blocks.")})
        absent = {part for part in self.optional if not any(p.startswith(part) for p in patterns)}
        if absent.issuperset(FINAL_NORMS):
            absent.remove(FINAL_NORMS[0])
        return [
            prefix + theirs.replace("*", layer)
            for theirs, ours in self.names.items()
            if not ours.startswith(tuple(absent))
            for layer in (map(str, range(max(1, depth))) if "*" in ours else ("",))
            if ours.replace("*", layer) not in found
        ]


def generalise(name: str) -> tuple[str, str]:
    """A name with ``*`` for the number of its layer, and that number; empty where it has none.

    >>> generalise("blocks.11.norm1.weight")
    ('blocks.*.norm1.weight', '11')
    """
    number = _LAYER.search(name)
    return (_LAYER.sub("*", name, count=1), number[0]) if number else (name, "")


def weights_and_biases(
    parts: Mapping[str, str], *, within: tuple[str, str] = ("", "")
) -> dict[str, str]:
    """The table of both parameters of each part, given their name of it and timm's.

    Args:
        within: what stands before all their names, and before all of timm's.
    """
    return {
        f"{within[0]}{theirs}.{parameter}": f"{within[1]}{ours}.{parameter}"
        for theirs, ours in parts.items()
        for parameter in ("weight", "bias")
    }


def thirds(parts: Mapping[str, str], *, within: tuple[str, str]) -> dict[str, str]:
    """The table of linear layers that make q, k and v apart: their names to ``q``, ``k``, ``v``."""
    return {
        f"{within[0]}{theirs}.{parameter}": f"{within[1]}attn.qkv.{parameter}.{third}"
        for theirs, third in parts.items()
        for parameter in ("weight", "bias")
    }
