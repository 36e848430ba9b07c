"""Which videos are answered in which file, and which files by whom. Arithmetic alone."""

from dataclasses import dataclass

from stillmotion.errors import ConfigurationError


@dataclass(frozen=True)
class Plan:
    """Videos in their order, ``rows`` of them a file, files dealt out in turns.

    Args:
        videos: how many there are.
        rows: of each file but the last; at least 1.
    """

    videos: int
    rows: int

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ConfigurationError(f"rows={self.rows}: a file holds at least one video")

    def __len__(self) -> int:
        """How many files there are."""
        return -(-self.videos // self.rows)

    def span(self, number: int) -> range:
        """The videos of a file."""
        return range(number * self.rows, min((number + 1) * self.rows, self.videos))

    def name(self, number: int, *, suffix: str) -> str:
        """What a file is called.

        >>> Plan(videos=25, rows=10).name(1, suffix=".jsonl")
        'answers-00001-of-00003.jsonl'
        """
        return f"answers-{number:05d}-of-{len(self):05d}{suffix}"

    def share(self, process: int, *, processes: int) -> range:
        """The files of one of several processes.

        Raises:
            ConfigurationError: a process that there is not.
        """
        if not 0 <= process < processes:
            raise ConfigurationError(
                f"share {process}/{processes}: of {processes} processes, counted from 0, there is "
                f"none of number {process}"
            )
        return range(process, len(self), processes)
