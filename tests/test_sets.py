"""Every known data set is read from its owner's files, with the traps that they hold."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trees
from stillmotion.data.class_lists import read_class_names
from stillmotion.data.frame_folder import FRAME_RATE
from stillmotion.data.sets import DATA_SETS, get_data_set
from stillmotion.data.sets.epic100 import seconds_from
from stillmotion.data.sets.kinetics import label_key
from stillmotion.data.sets.smarthome import clip_from_name, split_of
from stillmotion.errors import ConfigurationError, DataError


def read(name, source, protocol=None):
    """The listing of a data set."""
    data_set = get_data_set(name)
    return data_set.read(source, data_set.protocol(protocol))


def told(listing):
    """For each sample its file's name, the name of its class, and its split."""
    return {
        sample.path.name: (listing.classes[sample.label], sample.split)
        for sample in listing.samples
    }


@pytest.mark.parametrize("name", trees.TREES)
def test_every_reader_finds_what_its_tree_holds_and_nothing_twice(name, tmp_path):
    listing = read(name, trees.TREES[name](tmp_path / "a b"))
    assert listing.samples
    assert all(sample.path.exists() for sample in listing.samples)
    assert all(0 <= sample.label < len(listing.classes) for sample in listing.samples)
    assert len(listing.samples) + len(listing.problems) == listing.listed["all"]
    assert [problem.kind for problem in listing.problems] == ["missing"] * ("kinetics" in name)


@pytest.mark.parametrize("name", DATA_SETS)
def test_an_empty_folder_is_told_what_is_expected(name, tmp_path):
    with pytest.raises(DataError, match=r"there is no|no folders inside"):
        read(name, tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read(name, tmp_path / "absent")


@pytest.mark.parametrize("data_set", DATA_SETS.values(), ids=DATA_SETS)
def test_every_data_set_says_what_it_is(data_set):
    assert data_set.what
    assert data_set.layout.startswith("SOURCE/")
    assert set(data_set.official) <= set(data_set.protocols or [""])


def test_unknown_names_and_protocols_are_told_the_known_ones():
    with pytest.raises(ConfigurationError, match="did you mean 'ucf101'"):
        get_data_set("ucf10")
    with pytest.raises(ConfigurationError, match="did you mean 'cv2'"):
        get_data_set("smarthome").protocol("cv3x2")
    with pytest.raises(ConfigurationError, match="one protocol only"):
        get_data_set("ssv2").protocol("1")


def test_kinetics_reads_quotes_and_finds_clips_by_id_and_seconds(tmp_path):
    listing = read("kinetics400", trees.kinetics(tmp_path))
    assert told(listing) == {
        "---QUuC4vJs_000084_000094.mp4": ("testifying", "train"),
        "b_c-d_000007_000017.mp4": ("massaging person's head", "train"),
        "zumba000001_000120_000130.mp4": ("zumba", "train"),
        "yoga0000001_000003_000013.mkv": ("yoga", "val"),
    }
    (problem,) = listing.problems
    assert problem.place == "train.csv line 4"
    assert "gone4567890_000000_000010.mp4" in problem.what
    assert listing.listed == {"all": 5, "train": 4, "val": 1}
    assert any("test.csv is left out" in note for note in listing.notes)


def test_kinetics_600_counts_its_classes_as_sorted_with_underscores(tmp_path):
    labels = ["jump Z", "jumpA", *[f"class {number:03}" for number in range(598)]]
    rows = [(label, f"id{n}", 0, 10, "train") for n, label in enumerate(labels)]
    head = ("label", "youtube_id", "time_start", "time_end", "split")
    trees.table(tmp_path / "kinetics-600_train.csv", head, *rows)
    classes = read("kinetics600", tmp_path).classes
    assert classes[-2:] == ("jumpA", "jump Z")  # with blanks they would be the other way round
    trees.table(tmp_path / "kinetics-600_train.csv", head, *rows[1:])
    with pytest.raises(DataError, match="has 600 classes, and these lists have 599"):
        read("kinetics600", tmp_path)


def test_lists_of_another_kinetics_are_noticed(tmp_path):
    head = ("label", "youtube_id", "time_start", "time_end")
    trees.table(tmp_path / "val.csv", head, ("pouring milk", "a", 0, 10), ("yoga", "b", "x", 10))
    unknown, line = sorted(read("kinetics400", tmp_path).problems, key=lambda p: p.kind)
    assert "unknown label 'pouring milk'" in unknown.what
    assert (line.kind, line.place) == ("line", "val.csv line 3")
    trees.table(tmp_path / "val.csv", head[:2], ("yoga", "b"))
    with pytest.raises(DataError, match="no column time_start, time_end"):
        read("kinetics400", tmp_path)


@given(st.text(st.characters(codec="ascii", exclude_characters='"'), min_size=1))
def test_a_label_of_kinetics_is_the_same_in_every_spelling(label):
    label = label.strip() or "a"
    key = label_key(label)
    assert label_key(key) == label_key(f'"{label}"') == label_key(f' {label}"') == key
    assert " " not in key


@pytest.mark.parametrize("short_names", [False, True])
def test_something_something_looks_templates_up_without_brackets(short_names, tmp_path):
    listing = read("ssv2", trees.ssv2(tmp_path, short_names=short_names))
    found = told(listing)
    assert found["78687.webm"] == ("Holding something next to something", "train")
    assert found["42.webm"] == ("Stacking number of something", "train")
    assert found["7.mp4"] == ("Pushing something from left to right", "val")
    assert ("9.webm" in found) == short_names
    assert short_names or any("test-answers.csv" in note for note in listing.notes)
    assert listing.classes == read_class_names("ssv2")


def test_labels_of_another_version_are_refused(tmp_path):
    root = trees.ssv2(tmp_path)
    path = root / "labels" / "something-something-v2-labels.json"
    labels = json.loads(path.read_text())
    first, second = list(labels)[:2]
    path.write_text(json.dumps(labels | {first: labels[second], second: labels[first]}))
    with pytest.raises(DataError, match="has index"):
        read("ssv2", root)
    path.write_text(json.dumps({"Holding something": "0"}))
    with pytest.raises(DataError, match="not the 174 classes that are expected"):
        read("ssv2", root)


def test_frames_of_one_video_are_one_video(tmp_path):
    listing = read("ssv1", trees.ssv1(tmp_path))
    table = "Putting something, something and something on the table"
    assert told(listing) == {
        "100218": ("Holding something", "train"),
        "2": (table, "train"),
        "3": ("Holding something", "val"),
    }
    assert listing.samples[0].label == 0
    assert told(read("jester", trees.jester(tmp_path / "j")))["2"][0] == "Doing other things"


def test_smarthome_splits_by_subject_or_by_camera(tmp_path):
    root = trees.smarthome(tmp_path)
    splits = {
        protocol: {
            sample.path.stem: sample.split for sample in read("smarthome", root, protocol).samples
        }
        for protocol in ("cs", "cv1", "cv2")
    }
    dishes, tablet, telephone, walk, far_walk = trees.SMARTHOME_FILES
    assert splits == {
        "cs": {
            dishes: "test",
            tablet: "train",
            telephone: "test",
            walk: "train",
            far_walk: "train",
        },
        "cv1": {tablet: "train", telephone: "test", walk: "val"},
        "cv2": {tablet: "train", telephone: "test", walk: "val", far_walk: "train"},
    }


def test_smarthome_counts_tablet_before_telephone_and_drops_classes_across_views(tmp_path):
    root = trees.smarthome(tmp_path)
    everyone, views = read("smarthome", root), read("smarthome", root, "cv1")
    assert (everyone.classes.index("Usetablet"), everyone.classes.index("Usetelephone")) == (27, 28)
    assert (len(everyone.classes), len(views.classes)) == (31, 19)
    assert set(views.classes) < set(everyone.classes)
    assert views.notes == ("not used by cv1: 1 of classes that it leaves out, 1 of camera 4",)
    (dishes,) = [s for s in everyone.samples if s.path.stem.startswith("Cook")]
    assert (dishes.subject, dishes.camera) == ("p02", "c03")
    trees.video(root / "mp4" / "holiday.mp4")
    trees.video(root / "mp4" / "Walk_p01_r00_v00_c01.mp4")
    assert [p.kind for p in read("smarthome", root).problems] == ["subject", "name"]


@given(
    st.sampled_from(read_class_names("smarthome")),
    *[st.integers(0, 99)] * 4,
    st.sampled_from(["cs", "cv1", "cv2"]),
)
def test_smarthome_names_say_who_and_where(activity, person, repeat, take, camera, protocol):
    clip = clip_from_name(f"{activity}_p{person:02}_r{repeat:02}_v{take:02}_c{camera:02}")
    assert clip == (activity, person, repeat, take, camera)
    other = clip._replace(video=take + 1, repeat=repeat + 1, activity="Walk")
    assert split_of(clip, protocol) == split_of(other, protocol)
    free = clip._replace(**{"camera" if protocol == "cs" else "subject": 0})
    assert split_of(clip, protocol) == split_of(free, protocol)


def test_ucf101_counts_from_one_and_knows_its_scenes(tmp_path):
    root = trees.ucf101(tmp_path)
    one = read("ucf101", root)
    assert told(one) == {
        "v_ApplyEyeMakeup_g08_c01.avi": ("ApplyEyeMakeup", "train"),
        "v_HandStandPushups_g09_c02.avi": ("HandstandPushups", "train"),
        "v_ApplyEyeMakeup_g01_c01.avi": ("ApplyEyeMakeup", "test"),
    }
    assert {s.group for s in one.samples} == {
        "ApplyEyeMakeup g08",
        "ApplyEyeMakeup g01",
        "HandstandPushups g09",
    }
    assert told(read("ucf101", root, "2"))["v_ApplyEyeMakeup_g08_c01.avi"][1] == "test"
    with pytest.raises(DataError, match=r"trainlist03\.txt"):
        read("ucf101", root, "3")


def test_indices_from_zero_are_not_those_of_ucf101(tmp_path):
    root = trees.ucf101(tmp_path)
    lists = root / "ucfTrainTestlist"
    trees.text(lists / "trainlist01.txt", "Archery/v_Archery_g08_c01.avi 2")
    (problem,) = read("ucf101", root).problems
    assert "Archery does not have index 2" in problem.what
    names = read_class_names("ucf101")
    trees.text(lists / "classInd.txt", *[f"{n} {name}" for n, name in enumerate(names)])
    with pytest.raises(DataError, match="counted from 1"):
        read("ucf101", root)


def test_hmdb51_leaves_unused_videos_out(tmp_path):
    root = trees.hmdb51(tmp_path)
    listing = read("hmdb51", root)
    assert told(listing) == {
        "April_09_brush_hair_u_nm_np1_ba_goo_0.avi": ("brush_hair", "train"),
        "#20_Rhythm_brush_hair_h_nm_np1_ri_goo_0.avi": ("brush_hair", "test"),
    }
    assert listing.samples[0].group == "April_09_brush_hair"
    assert listing.notes == ("marked 0, on neither side of split 1: 1",)
    (root / "testTrainMulti_7030_splits" / "wave_test_split1.txt").unlink()
    (root / "wave.rar").touch()
    with pytest.raises(DataError, match=r"wave_test_split1.txt.*\(wave.rar: unpack archives first"):
        read("hmdb51", root)


def test_diving48_reads_v2_alone(tmp_path):
    root = trees.diving48(tmp_path)
    listing = read("diving48", root)
    assert [s.label for s in listing.samples] == [26, 0, 47]
    for path in root.glob("Diving48_V2_*.json"):
        path.rename(root / path.name.replace("_V2", ""))
    with pytest.raises(DataError, match="Diving48 V1, whose labels have errors"):
        read("diving48", root)
    words = json.loads((root / "Diving48_vocab.json").read_text())
    (root / "Diving48_vocab.json").write_text(json.dumps(words[::-1]))
    with pytest.raises(DataError, match="not the 48 dives"):
        read("diving48", root)


def test_epic_kitchens_segments_are_pairs_of_a_verb_and_a_noun(tmp_path):
    listing = read("epic100", trees.epic100(tmp_path))
    first, second, *_, frames = listing.samples
    assert len(listing.classes) == 97 * 300
    assert listing.classes[first.label] == "verb:3 noun:3"
    assert second.label == 97 * 300 - 1
    assert first.path == second.path
    assert first.path.name == "P01_01.MP4"  # not the folder of its frames
    assert (first.start, first.end, second.start, second.end) == (0.14, 3.37, 62.5, 70)
    assert (first.subject, first.group) == ("P01", "P01_01")
    assert frames.path.name == "P02_101"
    assert (frames.start, frames.end) == (7 / FRAME_RATE, 20 / FRAME_RATE)


def test_epic_kitchens_lines_that_make_no_sense_are_listed(tmp_path):
    root = trees.epic100(tmp_path)
    rows = [
        trees.epic_row("P01_01_0", verb=97),
        trees.epic_row("P01_01_1", noun=""),
        trees.epic_row("P01_01_2", start="1:2"),
        trees.epic_row("P01_01_3", start="00:00:03.37"),
    ]
    trees.table(root / "EPIC_100_train.csv", trees.EPIC_COLUMNS, *rows)
    problems = read("epic100", root).problems
    assert [p.place for p in problems] == [f"EPIC_100_train.csv line {n}" for n in (2, 3, 4, 5)]
    assert "verb 97 is out of range" in problems[0].what
    trees.text(root / "EPIC_100_verb_classes.csv", "id,key", "0,take", "2,put")
    with pytest.raises(DataError, match="ids from 0 to 96"):
        read("epic100", root)


def test_one_part_of_a_video_has_one_class_unless_classes_are_combinations(tmp_path):
    root = trees.epic100(tmp_path / "epic")
    rows = [trees.epic_row("P01_01_0"), trees.epic_row("P01_01_1", noun=7)]
    trees.table(root / "EPIC_100_train.csv", trees.EPIC_COLUMNS, *rows, rows[1])
    actions = read("epic100", root)
    assert [p.kind for p in actions.problems] == ["listed twice"]
    assert len({sample.label for sample in actions.samples[:2]}) == 2
    dives = trees.diving48(tmp_path / "dives")
    told = [{"vid_name": "a-b_00001", "label": label} for label in (3, 3, 4)]
    (dives / "Diving48_V2_train.json").write_text(json.dumps(told))
    assert [p.kind for p in read("diving48", dives).problems] == ["listed twice", "two labels"]


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 5999))
def test_timestamps_are_seconds(hours, minutes, hundredths):
    seconds = f"{hundredths // 100:02}.{hundredths % 100:02}"
    expected = hours * 3600 + minutes * 60 + hundredths / 100
    assert seconds_from(f"{hours:02}:{minutes:02}:{seconds}") == pytest.approx(expected)


@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_what_is_no_timestamp_is_refused(text):
    try:
        assert seconds_from(text) >= 0
        assert text.count(":") == 2
    except ValueError as error:
        assert "is no time" in str(error)  # noqa: PT017


@pytest.fixture(scope="module", params=trees.TREES)
def tree(request, tmp_path_factory):
    """The name of a data set, and a tree of it whose lists may be spoilt and must be mended."""
    return request.param, trees.TREES[request.param](tmp_path_factory.mktemp("spoilt") / "tree")


@settings(max_examples=25)
@given(data=st.data())
def test_whatever_a_list_holds_it_is_read_or_refused_with_a_reason(tree, data):
    name, root = tree
    lists = sorted(p for p in root.rglob("*") if p.suffix in (".csv", ".json", ".jsonl", ".txt"))
    if not lists:
        pytest.skip(f"{name} has no lists")
    path = data.draw(st.sampled_from(lists))
    whole = path.read_bytes()
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    inserted = data.draw(st.binary(max_size=4) | st.text(max_size=8).map(str.encode))
    try:
        path.write_bytes(whole[:start] + inserted + whole[stop:])
        listing = read(name, root)
    except DataError as error:
        assert len(str(error)) > 20  # noqa: PT017
    else:
        assert len(listing.samples) + len(listing.problems) == listing.listed.get("all", 0)
    finally:
        path.write_bytes(whole)
