"""Say what happens in videos, with an exported model and without stillmotion.

    pip install onnxruntime numpy "av>=18"
    python run.py door.mp4 [more files] [--top 5] [--json] [--threshold 0.5]

Lies beside model.onnx, model.json and video.py. Answers are those of `stillmotion predict`: the
same mean over views, the same "none of these". The exit status is 2 where a file cannot be read.
"""

import argparse
import json
import math
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from video import UnreadableError, read

HERE = Path(__file__).parent
AT_ONCE = 4
"""Views that the model is shown together."""
MOST = 100
"""The most classes of an answer where classes are combinations: there may be thousands."""


def main() -> int:
    """Answer for every file; returns the exit status."""
    parser = argparse.ArgumentParser(description="Say what happens in videos.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--top", type=int, default=5, help="classes to show")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--threshold", type=float, help="least confidence of an answer; 0: any")
    asked = parser.parse_args()
    model = Model(HERE, threshold=asked.threshold)
    unreadable = 0
    for path in asked.files:
        try:
            told = model(path, top=asked.top)
        except UnreadableError as error:
            unreadable += 1
            print(f"{path}: {error}", file=sys.stderr)
            continue
        print(json.dumps(told, ensure_ascii=False) if asked.json else line(told))
    return 2 if unreadable else 0


class Model:
    """An exported model, ready to be asked.

    Args:
        folder: with model.onnx and model.json.
        threshold: the least confidence of an answer; 0: any; None: as the model was calibrated.
    """

    def __init__(self, folder: Path, *, threshold: float | None = None) -> None:
        self.told: dict[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", providers=["CPUExecutionProvider"]
        )
        known = self.told["none_of_these"] or {"threshold": 0.0, "temperature": 1.0}
        self.threshold = known["threshold"] if threshold is None else threshold
        self.temperature = known["temperature"]
        self.sizes = [len(names) for names in self.told["parts"].values()]

    def __call__(self, path: Path, *, top: int = 5) -> dict[str, Any]:
        """The first classes of a video with their probabilities; where there is a threshold, the
        answer, which may be "none of these", and how sure it is.

        Raises:
            UnreadableError: with the reason.
        """
        told = self.told
        views = read(path, sampling=told["sampling"], views=told["views"], size=told["image_size"])
        parts = self.probabilities(views)
        joint = combined(parts)
        order = np.argsort(-joint, kind="stable")[: min(top, MOST if self.sizes else top)]
        names = told["class_names"]
        first = [{"label": names[i], "probability": round(float(joint[i]), 6)} for i in order]
        answer: dict[str, Any] = {"path": str(path), "predictions": first}
        if self.threshold > 0:
            logs = (np.log(np.maximum(part, 1e-12)) / self.temperature for part in parts)
            sure = float(math.prod(softmax(part).max() for part in logs))
            label = names[int(joint.argmax())]
            answer["answer"] = label if sure >= self.threshold else "none of these"
            answer |= {"confidence": round(sure, 6), "threshold": self.threshold}
        return answer

    def probabilities(self, views: Any) -> list[Any]:
        """Of all classes; where they are combinations, of each part."""
        starts = range(0, len(views), AT_ONCE)
        said = [self.session.run(None, {"clip": views[i : i + AT_ONCE]})[0] for i in starts]
        parts = marginals(np.concatenate(said).astype(np.float64), self.sizes)
        if self.told["views"]["average"] == "logits":
            parts = [part.mean(axis=0, keepdims=True) for part in parts]
        return [softmax(part).mean(axis=0) for part in parts]


def marginals(logits: Any, sizes: list[int]) -> list[Any]:
    """Logits (views, K) of each part of the classes; as they are where classes have no parts."""
    if len(sizes) < 2:
        return [logits]
    top = logits.max()
    joint = np.exp(logits - top).reshape(-1, *sizes)
    axes = range(1, joint.ndim)
    sums = (joint.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes)
    return [np.log(np.maximum(part, 1e-300)) + top for part in sums]


def softmax(logits: Any) -> Any:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def combined(parts: list[Any]) -> Any:
    """The probability of every combination: the product of its parts'."""
    if len(parts) == 1:
        return parts[0]
    return np.array([math.prod(each) for each in product(*parts)])


def line(told: dict[str, Any]) -> str:
    """An answer for people."""
    first = "  ".join(f"{row['label']} {row['probability']:.1%}" for row in told["predictions"])
    if "answer" in told:
        sure, needed = told["confidence"], told["threshold"]
        first = f"{told['answer']} ({sure:.1%} sure, {needed:.1%} needed)  {first}"
    return f"{told['path']}: {first}"


if __name__ == "__main__":
    sys.exit(main())
