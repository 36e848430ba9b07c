"""What is wrong with a data set, as tables for people: one a kind, the first few of each."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from stillmotion.errors import Problem


def problem_tables(problems: Sequence[Problem], *, most: int = 10) -> list[Table]:
    """A table for each kind of problem, the most frequent kind first."""
    tables = []
    for kind, count in Counter(problem.kind for problem in problems).most_common():
        table = Table(title=f"{kind}: {count}", title_justify="left")
        for column in ("where", "what"):
            table.add_column(column, overflow="fold")
        for problem in [p for p in problems if p.kind == kind][:most]:
            table.add_row(Text(problem.place), Text(problem.what))
        if count > most:
            table.add_row("...", f"and {count - most} more")
        tables.append(table)
    return tables
