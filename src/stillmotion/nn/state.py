"""Comparing the tensors that were found with those that are wanted."""

from collections.abc import Mapping

from torch import Tensor


def mismatch(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, show: int = 4) -> str:
    """What is missing, unexpected, or of another shape, in words; empty where all fits.

    `2 missing (a, b); 1 of another shape (c (3, 4) for (4, 3))`
    """
    problems = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {tuple(t.shape)} for {tuple(wanted[name].shape)}"
            for name, t in sorted(found.items())
            if name in wanted and t.shape != wanted[name].shape
        ],
    }
    parts = []
    for kind, names in problems.items():
        if names:
            more = f", and {len(names) - show} more" if len(names) > show else ""
            parts.append(f"{len(names)} {kind} ({', '.join(names[:show])}{more})")
    return "; ".join(parts)
