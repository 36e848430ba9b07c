"""A recipe is the same in Python, as YAML and on the command line."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import VARIANTS
from stillmotion.commands.train import asked_for
from stillmotion.data.transforms import Augmentation
from stillmotion.errors import ConfigurationError
from stillmotion.methods import AMFlow
from stillmotion.recipe import PARTS, Recipe
from stillmotion.settings import Training, Videos

words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=9)
parts = st.floats(0, 1)


def some(**fields):
    """Plain values of any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


values = st.fixed_dictionaries(
    {"data": words, "out": words, "method": st.sampled_from(sorted(VARIANTS))},
    optional={
        "backbone": words,
        "image_size": st.none() | st.integers(1, 999),
        "seed": st.integers(0, 2**31),
        "videos": some(
            root=st.none() | words,
            columns=st.dictionaries(words, words, max_size=2),
            exclude=st.lists(words, max_size=3),
            val_fraction=parts,
            keep_frames=st.integers(0, 99),
        ),
        "sampling": some(num_frames=st.integers(1, 99), kind=st.sampled_from(["dense"])),
        "augmentation": some(scale=st.tuples(st.floats(0.01, 0.5), st.floats(0.5, 1)), flip=parts),
        "training": some(
            epochs=st.integers(1, 999),
            learning_rate=st.floats(0, 1e6),
            scaling=st.sampled_from(["sqrt", "linear", "none"]),
        ),
        "views": some(clips=st.integers(1, 9), crops=st.sampled_from([1, 3])),
    },
)


@given(values)
def test_plain_values_say_everything(given_values):
    recipe = Recipe.from_dict(given_values | {"method": VARIANTS[given_values["method"]]})
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_values=values)
def test_a_written_recipe_reads_the_same(tmp_path, given_values):
    recipe = Recipe.from_dict(given_values | {"method": VARIANTS[given_values["method"]]})
    recipe.write(tmp_path / "recipe.yaml")
    assert Recipe.read(tmp_path / "recipe.yaml") == recipe


def parsed(*arguments):
    """The recipe that `stillmotion train` would follow."""
    recipe, resume = asked_for(arguments)
    assert not resume
    return recipe


@pytest.mark.parametrize("name", VARIANTS)
def test_a_written_recipe_is_a_configuration_file(name, tmp_path):
    """Given to --config it repeats every choice, of every method and preset."""
    recipe = Recipe(
        data="videos",
        out="runs/a",
        method=VARIANTS[name],
        image_size=None,
        videos=Videos(columns={"group": "scene"}, exclude=("none",)),
        training=Training(learning_rate=3e-4, class_weights="balanced"),
        augmentation=Augmentation(scale=(0.25, 0.75)),
    )
    recipe.write(tmp_path / "recipe.yaml")
    assert parsed("videos", "--config", str(tmp_path / "recipe.yaml")) == recipe


def test_the_command_line_wins_over_the_file(tmp_path):
    Recipe(data="videos", out="a", seed=1, training=Training(epochs=3)).write(tmp_path / "r.yaml")
    config = ("videos", "--config", str(tmp_path / "r.yaml"))
    found = parsed(*config, "--out", "b", "--training.epochs", "5", "--amflow.dropout", "0.3")
    assert (found.out, found.seed, found.training.epochs) == ("b", 1, 5)
    assert found.method == dataclasses.replace(AMFlow.small(), dropout=0.3)


def test_the_command_line_begins_with_the_defaults_of_python():
    assert parsed("videos", "--out", "a") == Recipe(data="videos", out="a")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"sed": 1}, "did you mean 'seed'?"),
        ({"training": {"epoch": 1}}, "did you mean 'epochs'?"),
        ({"method": "amflow", "amflow": {"flo": "static"}}, "did you mean 'flow'?"),
        ({"method": "amflw"}, "did you mean 'amflow'?"),
        ({"method": "amflow", "preset": "smal"}, "did you mean 'small'?"),
        ({"amflow": {}}, "unknown setting of recipe 'amflow'"),
        ({"out": None, "method": 3}, "unknown method '3'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(values, reason):
    with pytest.raises(ConfigurationError) as caught:
        Recipe.from_dict({"data": "a", "out": "b", **values})
    assert reason in str(caught.value)


def test_what_a_file_leaves_open_is_given_in_python(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("method: amflow\npreset: small\namflow:\n  dropout: 0.3\nout: a\n")
    method = dataclasses.replace(AMFlow.small(), dropout=0.3)
    assert Recipe.read(path, data="d") == Recipe(data="d", out="a", method=method)
    assert Recipe.read(path, data="d", out="b").out == "b"
    with pytest.raises(ConfigurationError, match="'data'"):
        Recipe.read(path)


def test_what_is_required_is_named():
    with pytest.raises(ConfigurationError, match=r"incomplete recipe: .*'data'"):
        Recipe.from_dict({})


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "a: [", "\x00"])
def test_what_is_no_recipe_is_refused_with_its_path(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=str(path)):
        Recipe.read(path)
    with pytest.raises(ConfigurationError, match="nowhere"):
        Recipe.read(Path("nowhere.yaml"))


def test_every_part_is_written():
    plain = yaml.safe_load(yaml.safe_dump(Recipe(data="a", out="b").to_dict()))
    for name, part in PARTS.items():
        assert plain[name].keys() == {field.name for field in dataclasses.fields(part)}
    assert plain["method"] == "amflow"
    assert plain["amflow"].keys() == {field.name for field in dataclasses.fields(AMFlow)}
