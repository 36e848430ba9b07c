"""Whatever a list holds, it is read, or refused with our own words."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stillmotion.data import labels
from stillmotion.data.reading import read_videos
from stillmotion.data.rows import COLUMNS
from stillmotion.errors import ConfigurationError, DataError, ProblemsError, unknown

HUGE = 10**400
LONG = "a/" + 300 * "x" + ".tar/b.mp4"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([HUGE, -HUGE, LONG, "9" * 5000, "0", "v.mp4", "\ud800", "\0", "/", ".."]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
LABELLED = st.fixed_dictionaries(
    {"path": st.just("v.mp4") | VALUES, "label": st.sampled_from(["a", 0]) | VALUES},
    optional={name: VALUES for name in COLUMNS if name not in ("path", "label")},
)
HEADER = st.fixed_dictionaries(
    {"stillmotion_manifest": st.just(1) | VALUES, "classes": st.just(["a", "b"]) | VALUES},
    optional=dict.fromkeys(("dataset", "metric", "parts"), VALUES),
)


def refused_or_read(path):
    """What is wrong with a list; nothing where it can be read."""
    try:
        read_videos(path)
    except (DataError, ConfigurationError) as error:
        return str(error)
    return ""


@given(st.none() | HEADER, st.lists(LABELLED | VALUES, min_size=1, max_size=3))
@example(None, [{"path": "v.mp4", "label": "a", "start": HUGE}])
@example(None, [{"path": "v.mp4", "label": "a", "box": [0, 0, HUGE, 1]}])
@example(None, [{"path": LONG, "label": "a"}, {"path": "v.mp4", "label": "b"}])
@example(None, [{"path": "v.mp4", "label": "9" * 5000}])
@example(None, [{"path": "v.mp4", "label": -1}])
@example({"stillmotion_manifest": 1, "parts": {"verb": []}}, [{"path": "v.mp4", "label": 0}])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_values_are_read_or_refused(tmp_path, header, rows):
    (tmp_path / "v.mp4").touch()
    lines = [*([] if header is None else [header]), *rows]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "list.json").write_text(json.dumps(rows))
    for name in ("list.jsonl", "list.json"):
        refused_or_read(tmp_path / name)


@given(st.text(max_size=60))
@example("path,label\nv.mp4," + 200_000 * "x")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_read_or_refused(tmp_path, text):
    for suffix in ("csv", "json", "jsonl"):
        path = tmp_path / f"list.{suffix}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        refused_or_read(path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.jsonl", '{"path": "v.mp4", "label": 0, "start": %s}' % ("1" * 5000), "not valid JSON"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.txt", "[" * 100_000, "no path"),
        ("a.jsonl", '{"path": "v.mp4", "label": true}', "label True is neither a name nor"),
        ("a.jsonl", '{"path": "v.mp4", "label": 0, "group": [1]}', r"group \[1\] is not text"),
    ],
)
def test_odd_lists_are_refused_by_what_is_odd(name, text, reason, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        read_videos(tmp_path / name)


def test_a_name_too_long_for_any_file_is_no_list():
    with pytest.raises(DataError, match="no such file"):
        read_videos("x" * 300)


def test_the_nearest_name_is_looked_for_once_for_each_label(tmp_path, monkeypatch):
    looked_for = []
    monkeypatch.setattr(
        labels, "unknown", lambda *given: looked_for.append(given[1]) or unknown(*given)
    )
    (tmp_path / "list.csv").write_text("v.mp4,jmp\n" * 9 + "v.mp4,wve\n" * 9)
    (tmp_path / "v.mp4").touch()
    with pytest.raises(ProblemsError) as caught:
        read_videos(tmp_path / "list.csv", classes=("jump", "wave"))
    assert len(caught.value.problems) == 18
    assert all("did you mean" in problem.what for problem in caught.value.problems)
    assert looked_for == ["jmp", "wve"]
