"""The report of a check, as tables for people."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stillmotion.data.probe import VideoReport
from stillmotion.data.problem_tables import problem_tables
from stillmotion.errors import some

if TYPE_CHECKING:
    from stillmotion.data.check import CheckReport

LISTED = 60
"""The most classes that are listed one by one."""


def tables(report: "CheckReport") -> list[Table | Text]:
    """What a `CheckReport` says, from the whole to the details."""
    good = [video for video in report.videos if not video.reason]
    parts: list[Table | Text] = [
        Text(f"{report.source}: {len(report.videos)} videos, {len(report.unreadable)} unreadable")
    ]
    if report.counts:
        parts.append(class_table(report.counts))
    if report.mirror:
        note = Text(f"Mirrored, should augmentation.flip ask for it: {report.mirror.line()}")
        parts.append(note if report.mirror.is_plain else report.mirror.__rich__())
    if good:
        parts.append(_table("Readable videos", ("", "least to most"), _ranges(good)))
    if report.unreadable:
        reasons = {_short(video.path, report): video.reason for video in report.unreadable}
        parts.append(_table("Unreadable", ("file", "reason"), reasons))
    if report.faults:
        parts += problem_tables(report.faults)
    notes = [
        f"Same bytes: {', '.join(_short(path, report) for path in paths)}"
        for paths in report.duplicates
    ]
    notes += [f"In more than one split: {_short(name, report)}" for name in report.leaks]
    notes += [
        f"Too few videos for a part in {split}: {some(names, show=20)}"
        for split, names in report.too_small.items()
    ]
    return parts + [Text(note) for note in notes]


def class_table(counts: Mapping[str, int]) -> Table:
    """Every class with its videos; of very many classes the rarest, and how many are without."""
    if len(counts) <= LISTED:
        return _table("Classes", ("class", "videos"), counts)
    rarest = sorted((n, name) for name, n in counts.items() if n)[:LISTED]
    without = sum(n == 0 for n in counts.values())
    title = f"The {len(rarest)} rarest of {len(counts)} classes; {without} have no video"
    return _table(title, ("class", "videos"), {name: n for n, name in rarest})


def _short(path: str, report: "CheckReport") -> str:
    """A path without the folder that was checked."""
    return path.removeprefix(report.source).lstrip("/\\") or path


def _table(title: str, header: tuple[str, str], rows: Mapping[str, object]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(header[0], overflow="fold")
    table.add_column(header[1], overflow="fold")
    for name, value in rows.items():
        table.add_row(Text(name), Text(str(value)))
    return table


def _ranges(videos: list[VideoReport]) -> dict[str, str]:
    def span(values: list[float | int | None], unit: str) -> str:
        known = [value for value in values if value is not None]
        least, most = min(known), max(known)
        return f"{least:.4g}{unit}" if least == most else f"{least:.4g} to {most:.4g}{unit}"

    sizes = Counter(f"{video.width} x {video.height}" for video in videos)
    return {
        "frames": span([video.num_frames for video in videos], ""),
        "duration": span([video.duration_seconds for video in videos], " s"),
        "rate": span([video.fps for video in videos], " frames/s"),
        "variable rate": str(sum(bool(video.is_variable_rate) for video in videos)),
        "width x height": ", ".join(f"{size} ({n})" for size, n in sizes.most_common(5)),
    }
