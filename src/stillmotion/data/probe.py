"""Decoding a whole video to learn what is wrong with it, in a process that may be killed.

`python -m stillmotion.data.probe` answers one path a line (a JSON string) with one JSON object a
line. It says "ready" first, and ends when its input does.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillmotion.data.contents import sha256_of
from stillmotion.data.video import open_video
from stillmotion.errors import VideoError


@dataclass(frozen=True, kw_only=True)
class VideoReport:
    """What a full decode found out about one file."""

    path: str
    reason: str | None = None
    """What is wrong; None where every frame decodes."""
    sha256: str | None = None
    """Hash of the file's bytes; None where they cannot be read."""
    num_frames: int = 0
    """Frames that the packets promise; 0 where the file cannot be opened."""
    num_decoded: int = 0
    """Frames that decode, in order from the start."""
    fps: float | None = None
    duration_seconds: float | None = None
    is_variable_rate: bool | None = None
    height: int | None = None
    width: int | None = None


def probe(path: Path) -> VideoReport:
    """Decodes a whole file; what is wrong with it ends up in `reason`."""
    fields: dict[str, Any] = {}
    try:
        fields["sha256"] = sha256_of(path)
        with open_video(path) as video:
            decodable = video.decodable()
            fields |= {
                "num_frames": len(video),
                "num_decoded": decodable.num_frames,
                "fps": video.fps,
                "duration_seconds": video.duration_seconds,
                "is_variable_rate": video.is_variable_rate,
            }
            if decodable.num_frames:
                fields |= {"height": video.height, "width": video.width}
            if decodable.reason:
                fields["reason"] = (
                    f"{decodable.num_frames} of {len(video)} frames decode: {decodable.reason}"
                )
    except VideoError as error:
        fields["reason"] = str(error).removeprefix(f"{path}: ")
    return VideoReport(path=str(path), **fields)


def main() -> None:
    """Answers until the input ends."""
    # Libraries below may print to the standard output: keep it for the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(probe(Path(json.loads(line))))), file=answers, flush=True)


if __name__ == "__main__":
    main()
