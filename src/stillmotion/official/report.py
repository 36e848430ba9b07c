"""What became of every key of a published file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillmotion.errors import WeightsError, some


@dataclass(frozen=True, kw_only=True)
class Report:
    """Every key is either used, or ignored, or unknown. Those of a second file begin ``clip:``.

    Attributes:
        used: keys whose tensors are in the model.
        ignored: the other keys that are known, and why each is not needed.
        unknown: keys that nobody asked for.
        missing: keys that the model needs and no file has.
        misshapen: keys whose tensors have another shape than the model needs, and both shapes.
        assumed: fields that no tensor tells of and nobody gave: their published values were taken.
    """

    used: tuple[str, ...]
    ignored: Mapping[str, str]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    misshapen: Mapping[str, str]
    assumed: Mapping[str, Any]

    def refuse_misfits(self, title: str) -> None:
        """Raise WeightsError where anything is missing, unknown or of another shape."""
        misshapen = [f"{key} {shapes}" for key, shapes in self.misshapen.items()]
        problems = {
            "missing": self.missing,
            "unknown": self.unknown,
            "of another shape": tuple(misshapen),
        }
        told = [f"{len(keys)} {kind} ({some(keys)})" for kind, keys in problems.items() if keys]
        if told:
            raise WeightsError(f"these weights are not a whole {title}: {'; '.join(told)}")

    def __str__(self) -> str:
        reasons: dict[str, list[str]] = {}
        for key, why in self.ignored.items():
            reasons.setdefault(why, []).append(key)
        lines = [f"{len(self.used)} tensors used"]
        lines += [f"{len(keys)} ignored ({some(keys)}): {why}" for why, keys in reasons.items()]
        return "\n".join([*lines, self.assumptions()] if self.assumed else lines)

    def assumptions(self) -> str:
        """What was taken because nobody said it, in words."""
        taken = ", ".join(f"{name}={value!r}" for name, value in self.assumed.items())
        return f"no tensor tells of these; give them where yours differ: {taken}"
