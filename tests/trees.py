"""Small folders laid out like those that the owners of known data sets distribute, with the traps
that they hold: blanks, quotes, brackets, indices from 1, unused videos, odd names."""

import csv
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from stillmotion.data.class_lists import read_class_names
from videos import write_video

CODECS = {".webm": "libvpx-vp9", ".avi": "mpeg4"}


@cache
def _tiny_video(suffix):
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        codec = CODECS.get(suffix, "libx264")
        return write_video(path, num_frames=2, height=16, width=16, codec=codec).read_bytes()


def video(path):
    """Writes a real video of two frames, of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_tiny_video(path.suffix.lower()))
    return path


def frames(folder, *, count=3, name="{:05}.jpg"):
    """Writes a folder of numbered images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        Image.new("RGB", (8, 8), (number, number, number)).save(folder / name.format(number))
    return folder


def text(path, *lines):
    """Writes lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(path, *rows):
    """Writes comma-separated values, quoted where they must be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def kinetics(root, *, annotations="annotations"):
    """Four clips to train and one to validate, one clip a folder of its label, the others not."""
    lists = root / annotations
    head = ("label", "youtube_id", "time_start", "time_end", "split")
    table(
        lists / "train.csv",
        head,
        ("testifying", "---QUuC4vJs", 84, 94, "train"),
        ('"massaging person\'s head"', "b_c-d", "7.0", "17.0", "train"),
        ("zumba", "gone4567890", 0, 10, "train"),
        ("zumba", "zumba000001", 120, 130, "train"),
    )
    table(lists / "validate.csv", head, ("yoga", "yoga0000001", 3, 13, "validate"))
    table(lists / "test.csv", head[1:], ("test0000001", 3, 13, "test"))
    video(root / "train" / "testifying" / "---QUuC4vJs_000084_000094.mp4")
    video(root / "train" / "massaging person's head" / "b_c-d_000007_000017.mp4")
    video(root / "train" / "zumba000001_000120_000130.mp4")
    video(root / "val" / "yoga0000001_000003_000013.mkv")
    return root


def ssv2(root, *, short_names=False):
    """Two videos to train, one to validate and one to test."""
    prefix = "" if short_names else "something-something-v2-"
    lists = root / "labels"
    names = read_class_names("ssv2")
    contents = {
        "labels": {name: str(index) for index, name in reversed(list(enumerate(names)))},
        "train": [
            _ssv2_entry("78687", "Holding [something] next to [something]"),
            _ssv2_entry("42", "Stacking [number of] [something]"),
        ],
        "validation": [_ssv2_entry("7", "Pushing [something] from left to right")],
        "test": [{"id": "9"}],
    }
    lists.mkdir(parents=True)
    for name, content in contents.items():
        (lists / f"{prefix}{name}.json").write_text(json.dumps(content), encoding="utf-8")
    if short_names:
        text(lists / "test-answers.csv", "9;Unfolding something")
    for name in ("78687", "42", "9"):
        video(root / "20bn-something-something-v2" / f"{name}.webm")
    video(root / "20bn-something-something-v2" / "7.mp4")
    return root


def _ssv2_entry(name, template):
    return {"id": name, "label": "as said", "template": template, "placeholders": ["cup"]}


def twenty_bn(root, *, prefix, folder, classes, labels):
    """Two folders of frames to train and one to validate."""
    text(root / f"{prefix}-labels.csv", *read_class_names(classes))
    text(root / f"{prefix}-train.csv", f"100218;{labels[0]}", f"2;{labels[1]}")
    text(root / f"{prefix}-validation.csv", f"3;{labels[0]}")
    text(root / f"{prefix}-test.csv", "4")
    for name in ("100218", "2", "3", "4"):
        frames(root / folder / name)
    return root


def ssv1(root):
    """Something-Something V1."""
    return twenty_bn(
        root,
        prefix="something-something-v1",
        folder="20bn-something-something-v1",
        classes="ssv1",
        labels=("Holding something", "Putting something, something and something on the table"),
    )


def jester(root):
    """Jester."""
    return twenty_bn(
        root,
        prefix="jester-v1",
        folder="20bn-jester-v1",
        classes="jester",
        labels=("Swiping Left", "Doing other things"),
    )


SMARTHOME_FILES = (
    "Cook.Cleandishes_p02_r00_v02_c03",  # to test in cs, not a class of cross-view
    "Usetablet_p03_r00_v05_c01",
    "Usetelephone_p10_r01_v01_c02",
    "Walk_p25_r00_v02_c05",
    "Walk_p25_r00_v05_c04",
)


def smarthome(root):
    """Five videos whose names say all."""
    for name in SMARTHOME_FILES:
        video(root / "mp4" / f"{name}.mp4")
    return root


def ucf101(root):
    """Two videos to train and one to test in split 1; in split 2 it is the other way round."""
    lists = root / "ucfTrainTestlist"
    names = read_class_names("ucf101")
    text(lists / "classInd.txt", *[f"{n} {name}" for n, name in enumerate(names, start=1)])
    one = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"
    two = "HandstandPushups/v_HandStandPushups_g09_c02.avi"
    three = "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
    number = names.index("HandstandPushups") + 1
    text(lists / "trainlist01.txt", f"{one} 1", f"{two} {number}")
    text(lists / "testlist01.txt", three)
    text(lists / "trainlist02.txt", f"{three} 1")
    text(lists / "testlist02.txt", one, two)
    for name in (one, two, three):
        video(root / "UCF-101" / name)
    return root


def hmdb51(root):
    """A video to train, one to test and one of no use, of one class; the others have lists only."""
    lists = root / "testTrainMulti_7030_splits"
    clips = {
        "April_09_brush_hair_u_nm_np1_ba_goo_0.avi": 1,
        "#20_Rhythm_brush_hair_h_nm_np1_ri_goo_0.avi": 2,
        "atrium_brush_hair_u_nm_np1_fr_med_2.avi": 0,
    }
    for name in read_class_names("hmdb51"):
        lines = [f"{clip} {flag} " for clip, flag in clips.items()] if name == "brush_hair" else []
        for split in (1, 2, 3):
            text(lists / f"{name}_test_split{split}.txt", *lines)
    for clip in clips:
        video(root / "brush_hair" / clip)
    return root


def diving48(root):
    """Two dives to train and one to test."""
    words = [name.split("+") for name in read_class_names("diving48")]
    dives = {"train": [("8hHGrTXNQBM_00018", 26), ("a-b_00001", 0)], "test": [("c_00002", 47)]}
    root.mkdir(parents=True, exist_ok=True)
    (root / "Diving48_vocab.json").write_text(json.dumps(words))
    for split, entries in dives.items():
        told = [
            {"vid_name": name, "label": label, "start_frame": 0, "end_frame": 131}
            for name, label in entries
        ]
        (root / f"Diving48_V2_{split}.json").write_text(json.dumps(told))
        for name, _ in entries:
            video(root / "rgb" / f"{name}.mp4")
    return root


EPIC_COLUMNS = (
    "narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp",
    "stop_timestamp", "start_frame", "stop_frame", "narration", "verb", "verb_class", "noun",
    "noun_class", "all_nouns", "all_noun_classes",
)  # fmt: skip


def epic_row(segment, *, start="00:00:00.14", stop="00:00:03.37", verb=3, noun=3):
    """A segment as EPIC-KITCHENS lists it; `segment` is its narration's id, such as P01_01_0.

    By its frames it lasts from the 8th to the 20th.
    """
    person, number, _ = segment.split("_")
    return (
        segment, person, f"{person}_{number}", "00:00:01.089", start, stop, 8, 20, "open door",
        "open", verb, "door", noun, "['door', 'tap']", [3, 0],
    )  # fmt: skip


def epic100(root):
    """Four segments of one video to train, two of them at once and one past the video's end; one of
    frames to validate."""
    for part, size in (("verb", 97), ("noun", 300)):
        rows = [(index, f"{part}:{index}", "['a', 'b']", "all") for index in range(size)]
        table(root / f"EPIC_100_{part}_classes.csv", ("id", "key", "instances", "category"), *rows)
    table(
        root / "EPIC_100_train.csv",
        EPIC_COLUMNS,
        epic_row("P01_01_0"),
        epic_row("P01_01_1", start="00:01:02.50", stop="00:01:10.00", verb=96, noun=299),
        epic_row("P01_01_2", start="00:01:02.50", stop="00:01:10.00"),  # at the same time
        epic_row("P01_01_3", start="00:59:02.50", stop="01:00:00.00"),  # past the end
    )
    table(root / "EPIC_100_validation.csv", EPIC_COLUMNS, epic_row("P02_101_0", verb=0))
    path = root / "P01" / "videos" / "P01_01.MP4"
    path.parent.mkdir(parents=True)
    write_video(path, num_frames=2, height=16, width=16, pts=[0, 7000])  # 70 seconds
    frames(root / "P01" / "rgb_frames" / "P01_01", name="frame_{:010}.jpg")
    frames(root / "P02" / "rgb_frames" / "P02_101", name="frame_{:010}.jpg", count=20)
    return root


def mmaction_videos(root):
    """Lists of video files in two folders, with blanks in their paths."""
    text(root / "ours_train_list_videos.txt", "class a/clip 1.mp4 0", "class b/clip 2 1")
    text(root / "ours_val_list_videos.txt", "class b/clip 3.mp4 1")
    text(root / "label_map.txt", "jump", "wave", "bow")
    video(root / "videos_train" / "class a" / "clip 1.mp4")
    video(root / "videos_train" / "class b" / "clip 2.webm")
    video(root / "videos_val" / "class b" / "clip 3.mp4")
    return root


def mmaction_frames(root):
    """Lists of folders of frames, with blanks in their paths."""
    text(root / "ours_train_list_rawframes.txt", "class a/clip 1 3 0", "class b/clip 2 2 1")
    text(root / "ours_val_list_rawframes.txt", "class b/clip 3 3 1")
    frames(root / "rawframes_train" / "class a" / "clip 1", name="img_{:05}.jpg")
    frames(root / "rawframes_train" / "class b" / "clip 2", name="img_{:05}.jpg", count=2)
    frames(root / "rawframes_val" / "class b" / "clip 3", name="img_{:05}.jpg")
    return root


def slowfast(root):
    """Lists whose names end in .csv and whose columns are parted by blanks."""
    outside = video(root.parent / "elsewhere" / "far away.mp4")
    video(root / "videos" / "clip 1.mp4")
    video(root / "videos" / "clip 2.mp4")
    text(root / "train.csv", "videos/clip 1.mp4 0", f"{outside} 1")
    text(root / "val.csv", "videos/clip 2.mp4 1")
    return root


def videofolder(root):
    """Metadata of two kinds."""
    (root / "train").mkdir(parents=True)
    told = [{"file_name": "clip 1.mp4", "label": "jump"}, {"file_name": "a/2.mp4", "label": "bow"}]
    text(root / "train" / "metadata.jsonl", *map(json.dumps, told))
    table(root / "validation" / "metadata.csv", ("file_name", "label"), ("3.mp4", "jump, high"))
    video(root / "train" / "clip 1.mp4")
    video(root / "train" / "a" / "2.mp4")
    video(root / "validation" / "3.mp4")
    return root


TREES = {
    "kinetics400": kinetics,
    "kinetics700": kinetics,
    "ssv1": ssv1,
    "ssv2": ssv2,
    "smarthome": smarthome,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "diving48": diving48,
    "jester": jester,
    "epic100": epic100,
    "mmaction_videos": mmaction_videos,
    "mmaction_frames": mmaction_frames,
    "slowfast": slowfast,
    "videofolder": videofolder,
}
"""A tree for each data set; that of Kinetics-600 needs 600 classes, see test_sets.py."""
