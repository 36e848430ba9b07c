"""What authors print of their methods, and the same of ours, counted."""

from stillmotion.published.entry import Count, Entry, Publication
from stillmotion.published.publications import PUBLICATIONS
from stillmotion.published.table import published_table, to_dict

__all__ = [
    "PUBLICATIONS",
    "Count",
    "Entry",
    "Publication",
    "published_table",
    "to_dict",
]
