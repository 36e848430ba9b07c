"""stillmotion timeline: say what happens when in long videos."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, PositiveFloat, PositiveInt
from rich.console import Console

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments, keep_apart, refuse_other_file
from stillmotion.errors import ConfigurationError, VideoError
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.terminal import progress_bar

if TYPE_CHECKING:
    from stillmotion.localisation import Located
    from stillmotion.model import VideoClassifier

SUFFIXES = {"json": ".json", "csv": ".csv", "srt": ".srt", "picture": ".png"}
"""What can be written, and how the names of such files end."""

OF_ONE = ("srt", "picture")
"""What tells of one video."""

LOCATING = ("window", "stride", "smooth", "threshold", "min_seconds", "per_class")
FOLLOWING = ("device", "memory_gib")
"""What is asked of `locate`."""


def run(arguments: Arguments) -> int:
    """Find segments in videos, and score them where they are known."""
    values = options().parse(arguments)
    refuse_outputs(values)
    from stillmotion.checkpoint import load
    from stillmotion.localisation import matched, read_truth, score_segments
    from stillmotion.prediction import video_files

    paths = list(video_files([Path(file) for file in values["files"]]))
    refuse_several(values, len(paths))
    model = load(values["run"], values["weights"])
    truth = None
    if values["truth"]:
        truth = matched(read_truth(Path(values["truth"]), classes=model.class_names), paths)
    console, found = Console(), list[Located]()
    for path in paths:
        try:
            found.append(watched(model, path, values))
        except VideoError as error:
            print(f"stillmotion: {error}", file=sys.stderr)
            continue
        console.print(found[-1].table())
    told: dict[str, Any] = {"videos": [one.to_dict(top=values["top"]) for one in found]}
    if truth is not None:
        known = {str(path): truth[path] for path in paths}
        scores = score_segments({str(one.path): one.segments for one in found}, known)
        console.print(scores.line(), soft_wrap=True, highlight=False)
        told["scores"] = scores.to_dict()
    return 0
