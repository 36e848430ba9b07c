"""What a run tells: a progress bar, a line an epoch, a metrics file, TensorBoard."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import DataLoader

from stillmotion.files import refuse_vanished, write_text
from stillmotion.training.board import Board


class RunLog:
    """Writes on the main process only; elsewhere every call does nothing."""

    def __init__(self, directory: Path, *, is_main: bool, quiet: bool = False) -> None:
        self.directory, self.is_main = directory, is_main
        self.console = Console(quiet=quiet or not is_main)
        self.left_out: set[str] = set()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        if "board" in vars(self):
            self.board.close()

    @cached_property
    def board(self) -> Board:
        """TensorBoard's file; nothing is written into the directory before it is."""
        return Board(self.directory / "tensorboard")

    def say(self, text: Any) -> None:
        """Print a line, or anything rich can print."""
        is_text = isinstance(text, str)
        self.console.print(text, soft_wrap=is_text, markup=not is_text)

    def unreadable(self, videos: list[dict[str, str]]) -> None:
        """Say why videos are left out, of each of them once."""
        for video in videos:
            if video["path"] not in self.left_out:
                self.left_out.add(video["path"])
                self.say(f"left out: {video['reason']}")

    def epoch(self, history: list[dict[str, float]]) -> None:
        """Write all epochs so far, and print the last.

        Raises:
            StorageError: where they cannot be written.
        """
        row = history[-1]
        if self.is_main:
            refuse_vanished(self.directory)
            write_text(
                self.directory / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in history)
            )
            self.board.add(row, step=int(row["epoch"]))
        told = [f"epoch {row['epoch']:3.0f}", f"loss {row['train_loss']:.3f}"]
        told += [f"top-1 {row['train_top1']:6.1%}", f"{row['clips_per_second']:.1f} clips/s"]
        if "val_top1" in row:
            told += ["validation:", f"loss {row['val_loss']:.3f}", f"top-1 {row['val_top1']:6.1%}"]
        self.say("  ".join(told))

    @contextmanager
    def counting(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar fed with how many are done, and of how many."""
        with self.bar("{task.description}") as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    def bar(self, *texts: str) -> Progress:
        """A progress bar that leaves nothing behind, and shows nothing in a file or pipe."""
        return Progress(
            TextColumn(texts[0]),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            *(TextColumn(text) for text in texts[1:]),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def batches(self, loader: DataLoader, meter: "Meter", title: str) -> Iterator:
        """The batches of a loader under a progress bar that shows the meter."""
        with self.bar("{task.description}", "{task.fields[meter]}") as bar:
            task = bar.add_task(title, total=len(loader), meter="")
            for batch in loader:
                yield batch
                if not bar.disable:
                    bar.update(task, advance=1, meter=str(meter))


class Meter:
    """Running loss, accuracy and speed of an epoch; asks the device for numbers only when read."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), device=device)
        self.right = torch.zeros((), device=device)
        self.clips, self.started = 0, time.perf_counter()

    def begin_at(self, totals: Tensor, *, seconds: float) -> None:
        """Go on from the sums (loss, right, clips) that a stopped epoch had, and its time."""
        self.loss, self.right = (t.to(self.loss.device).clone() for t in totals[:2])
        self.clips, self.started = int(totals[2]), time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Since the epoch began."""
        return time.perf_counter() - self.started

    def add(self, loss: Tensor, logits: Tensor, label: Tensor, *, clips: int | None = None) -> None:
        """Count one batch, of whose ``clips`` in all processes ``loss`` is a part of the mean."""
        self.loss += loss.detach() * (len(label) if clips is None else clips)
        self.right += (logits.detach().argmax(dim=1) == label).sum()
        self.clips += len(label)

    def row(self, totals: Tensor | None = None) -> dict[str, float]:
        """Loss, accuracy and speed; of ``totals`` (loss, right, clips) where given."""
        loss, right, clips = self.totals().tolist() if totals is None else totals.tolist()
        clips = max(1.0, clips)
        return {
            "train_loss": loss / clips,
            "train_top1": right / clips,
            "clips_per_second": clips / self.seconds,
        }

    def totals(self) -> Tensor:
        """(loss, right, clips), summed; to be added up over processes."""
        return torch.stack([self.loss, self.right, torch.full_like(self.loss, self.clips)])

    def __str__(self) -> str:
        row = self.row()
        return (
            f"loss {row['train_loss']:.3f}  top-1 {row['train_top1']:.3f}  "
            f"{row['clips_per_second']:.1f} clips/s"
        )
