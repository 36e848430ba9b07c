"""The tables in docs/methods.md are what the registry gives today."""

import pytest

from method_tables import PAGE, with_tables


@pytest.mark.usefixtures("unchecked")
def test_the_tables_are_fresh():
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "run: python tests/method_tables.py"
