"""Whatever a recipe or a file of --config says: a recipe, or one line of ours."""

import copy
import itertools
import os
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runs import stillmotion
from stillmotion.errors import ConfigurationError
from stillmotion.given_files import MOST_YAML, from_yaml
from stillmotion.recipe import Recipe

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
MERGES = "a: &a {b: 1}\nc: {<<: [*a, *a]}\n"
SCRAPS = (
    *(None, -1, 0, 10**400, 0.5, float("nan"), float("inf"), True),
    *("", "x", "\ud800", "a\0b", [], [1], ["a"], [[1]], [None], {}, {"a": 1}, {1: 2}),
)


def every_place(value, place=()):
    """The path of every value in nested dictionaries."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from every_place(inner, (*place, key))


@pytest.mark.parametrize("part", [0.2, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_value_of_another_kind_is_refused_by_name(part, unchecked):
    values, refused = Recipe(data="d", out="o").to_dict(), 0
    damages = list(itertools.product(every_place(values), SCRAPS))
    for place, scrap in random.Random(0).sample(damages, int(part * len(damages))):
        damaged = inner = copy.deepcopy(values)
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = scrap
        try:
            Recipe.from_dict(damaged)
        except ConfigurationError:
            refused += 1
    assert refused > part * 1000


@given(st.text(alphabet="a1:-[]{}&*!<?|>'\"#, \n\t", max_size=40) | st.text(max_size=20))
@example("!!timestamp x")
@example("2001-99-99")
@example("!!bool x")
@example("!!int ''")
@example("!!set 3")
@example("[" * 5000)
@example("1:" * 3000 + "1")
@example("0x" + "f" * 10_000)
@settings(max_examples=50)
def test_any_text_is_yaml_or_one_kind_of_error(text):
    try:
        repr(from_yaml(text))
    except ValueError:
        return


def test_a_name_stands_twice_only_where_it_is_of_one_kind():
    assert from_yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}
    with pytest.raises(ValueError, match="'1' stands there twice"):
        from_yaml("1: a\n1: b\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "write its values out"),
        (MERGES, "write its values out"),
        ("seed: 1\nseed: 2\n", "'seed' stands there twice"),
        ("videos: {shots: 1, shots: 2}\n", "'shots' stands there twice"),
        ("a: " + "[" * 1000, "nested too deeply"),
        ("# " + MOST_YAML * "x", "the most"),
        ("!!python/object/apply:os.mkdir [was_here]", "could not determine a constructor"),
        ("\0", "special characters"),
        (b"\xff\xfe", "utf-8"),
        (None, "a pipe or a device"),
    ],
    ids=["aliases", "merges", "twice", "twice inside", "deep", "long", "python", "nul", "no text",
         "pipe"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["recipe", "train", "repeat"])
def test_odd_files_are_refused_by_what_is_odd(command, text, reason, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipe.yaml"
    if text is None:
        os.mkfifo(path)
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if command == "recipe":
        with pytest.raises(ConfigurationError, match=reason):
            Recipe.read(path, data="d", out="o")
    else:
        assert stillmotion(command, "d", "--out", "o", "--config", path) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert reason in line
    assert os.listdir(tmp_path) == ["recipe.yaml"]
