"""What the service will not do, as every answer says it."""

from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True)
class Reason:
    """Why something was not done: a word for programs, a sentence for people."""

    code: str
    text: str


class RefusalError(Exception):
    """A request or a job that ends here, and why.

    Attributes:
        status: of the answer, where a request asked.
        retry_seconds: when to come back; None: not at all.
    """

    def __init__(self, status: int, reason: Reason, *, retry_seconds: int | None = None) -> None:
        super().__init__(reason.text)
        self.status, self.reason, self.retry_seconds = status, reason, retry_seconds


class CancelledError(Exception):
    """The job was cancelled while it was worked at."""


def refuse(status: int, code: str, text: str, *, retry_seconds: int | None = None) -> NoReturn:
    """Ends a request or a job with a reason.

    Raises:
        RefusalError: always.
    """
    raise RefusalError(status, Reason(code, text), retry_seconds=retry_seconds)
