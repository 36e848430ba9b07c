"""The files of stillmotion timeline: where they may go, and what goes into each."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillmotion.commands.shared import keep_apart, refuse_output
from stillmotion.errors import ConfigurationError

if TYPE_CHECKING:
    from stillmotion.localisation import LocalisationScores, Located, Segment

SUFFIXES = {"json": ".json", "csv": ".csv", "srt": ".srt", "picture": ".png"}
"""What can be written, and how the names of such files end."""

OF_ONE = ("srt", "picture")
"""What tells of one video."""


def refuse_outputs(values: dict[str, Any]) -> None:
    """Refuse, before any work, to write where something is, or twice to one place.

    Raises:
        ConfigurationError: see `refuse_output` and `keep_apart`.
    """
    outputs = {f"--{name}": values[name] for name in SUFFIXES}
    keep_apart(inputs=[*values["files"], values["truth"]], outputs=outputs)
    for name, suffix in SUFFIXES.items():
        if values[name]:
            refuse_output(f"--{name}", Path(values[name]), suffixes=(suffix,))


def refuse_several(values: dict[str, Any], paths: list[Path]) -> None:
    """Subtitles and pictures are of one video.

    Raises:
        ConfigurationError: one is asked for, and several videos are given.
    """
    for name in OF_ONE:
        if values[name] and len(paths) > 1:
            raise ConfigurationError(
                f"--{name} tells of one video, and {len(paths)} are given: ask for them one by one"
            )


def write(
    found: list["Located"],
    values: dict[str, Any],
    *,
    known: dict[Path, list["Segment"]] | None,
    scores: "LocalisationScores | None",
) -> None:
    """The files that were asked for, each of which is said."""
    from stillmotion.files import as_json, write_bytes, write_rows, write_text
    from stillmotion.localisation import subtitles
    from stillmotion.localisation.located import FOUND_COLUMNS, picture_of

    first, top = found[0], values["top"]
    paths = {name: Path(values[name]) for name in SUFFIXES if values[name]}
    if path := paths.get("csv"):
        write_rows(path, FOUND_COLUMNS, (row for one in found for row in one.rows()))
    if path := paths.get("json"):
        told: dict[str, Any] = {"videos": [one.to_dict(top=top) for one in found]}
        write_text(path, as_json(told if scores is None else told | {"scores": scores.to_dict()}))
    if path := paths.get("srt"):
        write_text(path, subtitles(first.segments))
    if path := paths.get("picture"):
        truth = None if known is None else known[first.path]
        write_bytes(path, picture_of(first, truth=truth, top=top))
    for name, path in paths.items():
        empty = name == "srt" and not first.segments
        note = ", which is empty: no segment was found" if empty else ""
        print(f"wrote {path}{note}", file=sys.stderr)
