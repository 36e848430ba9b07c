"""Every error is ours, is also what Python would call it, and says what can be done."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stillmotion import errors
from stillmotion.errors import unknown
from stillmotion.nn.state import mismatch

EVERY = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]


@pytest.mark.parametrize("error", EVERY)
def test_every_error_is_a_stillmotion_error_and_is_drawn_in_the_tree(error):
    assert issubclass(error, errors.StillmotionError)
    assert error.__name__ in errors.__doc__
    assert error.__doc__


def test_users_of_plain_python_errors_catch_ours():
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.ClipError, ValueError)
    assert issubclass(errors.StorageError, OSError)
    assert issubclass(errors.WeightsError, errors.BackboneError)
    assert issubclass(errors.VideoError, errors.DataError)


def test_unknown_names_the_nearest_and_the_possible():
    told = unknown("method", "amflw", ["aim", "amflow"])
    assert told == "unknown method 'amflw'; did you mean 'amflow'? Possible: aim, amflow"
    assert unknown("colour", "qqq", ["red"]) == "unknown colour 'qqq'. Possible: red"


@given(given=st.text(max_size=9), names=st.sets(st.text("abc", min_size=1, max_size=6), min_size=1))
def test_unknown_stays_short_and_keeps_the_nearest(given, names):
    told = unknown("thing", given, names)
    assert repr(given) in told
    listed = told.split("Possible: ")[1].split(" and ")[0].split(", ")
    assert set(listed) <= names
    assert len(listed) == (len(names) if len(names) <= 20 else 10)
    if given in names:
        assert f"did you mean {given!r}?" in told


def test_mismatch_is_empty_where_all_fits_and_names_what_does_not():
    wanted = {"a": torch.empty(2), "b": torch.empty(3, 4)}
    assert mismatch(wanted, dict(wanted)) == ""
    told = mismatch({"b": torch.empty(4, 3), "c": torch.empty(1)}, wanted)
    assert told == "1 missing (a); 1 unexpected (c); 1 of another shape (b (4, 3) for (3, 4))"
    many = mismatch({}, {f"n{i}": torch.empty(1) for i in range(9)})
    assert many == "9 missing (n0, n1, n2, n3, and 5 more)"
