"""Work that tells how far it is."""

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much: files, bytes, batches."""


def in_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    on_progress: Progress | None = None,
) -> dict[Item, Result]:
    """What the work gives for each item. Where it is interrupted, what has not begun never does."""
    with ThreadPoolExecutor(threads) as pool:
        jobs = {pool.submit(work, item): item for item in items}
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                if on_progress:
                    on_progress(done, len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {item: job.result() for job, item in jobs.items()}
