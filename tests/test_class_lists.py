"""Class names stand in the order in which published models count them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.video import R3D_18_Weights

from stillmotion.data.class_lists import CLASS_LISTS, read_class_names
from stillmotion.data.labels import class_names
from stillmotion.errors import DataError

COUNTS = {
    "diving48": 48,
    "hmdb51": 51,
    "jester": 27,
    "kinetics400": 400,
    "kinetics700": 700,
    "smarthome": 31,
    "smarthome_cv": 19,
    "ssv1": 174,
    "ssv2": 174,
    "ucf101": 101,
}
ORDERS = {
    "diving48": str,
    "hmdb51": str,
    "kinetics400": lambda name: name.replace('"', "").replace(" ", "_"),
    "kinetics700": lambda name: name.replace('"', "").replace(" ", "_"),
    "smarthome": str,
    "smarthome_cv": str,
    "ssv2": str,
    "ucf101": str.lower,
}
"""What a list is sorted by: an entry out of its place breaks it. The others are in no order."""


@pytest.mark.parametrize("name", CLASS_LISTS)
def test_every_list_has_its_count_and_its_order(name):
    names = read_class_names(name)
    assert len(names) == len(set(names)) == COUNTS[name]
    if name in ORDERS:
        assert list(names) == sorted(names, key=ORDERS[name])


def test_something_something_has_the_same_classes_in_both_versions():
    assert set(read_class_names("ssv1")) == set(read_class_names("ssv2"))
    assert read_class_names("ssv1")[0] == "Holding something"


def test_gestures_come_in_the_order_of_their_owner():
    names = read_class_names("jester")
    assert (names[0], names[-1]) == ("Swiping Left", "Doing other things")
    turned = {"Left": "Right", "Right": "Left"}
    mirrored = {" ".join(turned.get(word, word) for word in name.split()) for name in names}
    assert mirrored == set(names)


def test_kinetics_counts_as_torchvision_does():
    assert read_class_names("kinetics400") == tuple(
        R3D_18_Weights.KINETICS400_V1.meta["categories"]
    )


@pytest.mark.parametrize("pair", [(86, 87), (93, 94), (166, 167)])
def test_something_something_pairs_left_with_right_where_zeroi2v_swaps_them(pair):
    """The labels that ZeroI2V's configuration swaps when it flips a frame."""
    first, second = (read_class_names("ssv2")[index] for index in pair)
    assert first != second
    swapped = {"left": "right", "right": "left"}
    assert [swapped.get(word, word) for word in first.split()] == second.split()


@pytest.mark.parametrize(
    ("one_based", "name"), [(7, "BaseballPitch"), (36, "HammerThrow"), (97, "VolleyballSpiking")]
)
def test_ucf_counts_as_thumos_does(one_based, name):
    assert read_class_names("ucf101")[one_based - 1] == name


def test_a_known_list_serves_wherever_classes_are_given():
    assert class_names([], "hmdb51") == read_class_names("hmdb51")


def test_an_unknown_list_is_told_the_known_ones():
    with pytest.raises(DataError, match="did you mean 'kinetics400'") as told:
        read_class_names("kinetics40")
    assert all(name in str(told.value) for name in CLASS_LISTS)


NAMES = st.lists(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1), min_size=1, unique=True
)


@given(NAMES)
def test_names_survive_a_file(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.txt").write_text("\n".join(names), encoding="utf-8")
    (folder / "list.json").write_text(json.dumps(names), encoding="utf-8")
    indices = {name: str(index) for index, name in reversed(list(enumerate(names)))}
    (folder / "labels.json").write_text(json.dumps(indices), encoding="utf-8")
    for file in ("names.txt", "list.json", "labels.json"):
        assert read_class_names(folder / file) == tuple(names)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("names.txt", "a\nb\na\n", "occur twice"),
        ("names.txt", "\n \n", "no class names"),
        ("names.json", '{"a": "0", "b": "2"}', "not those from 0 to 1"),
        ("names.json", '{"a": 0, "b": 0}', "not those from 0 to 1"),
        ("names.json", '{"a": null}', "cannot be read"),
        ("names.json", "3", "cannot be read"),
        ("names.json", "{", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(file, content, told, tmp_path):
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=told):
        read_class_names(tmp_path / file)
