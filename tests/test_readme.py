"""What the documents tell people to type works, and their links lead somewhere."""

import re
import shlex
import shutil
import textwrap
from pathlib import Path

import pytest
import torch

from models import randomise
from runs import TINY, stillmotion
from stillmotion import AMFlow, Predictor, adapt, load
from stillmotion.backbones.demo import DEMO_BACKBONE
from stillmotion.cli import COMMANDS
from stillmotion.data.crops import view_crops
from stillmotion.data.video import open_video
from stillmotion.methods import METHODS
from stillmotion.rejection import KEY, Rejection
from test_web_server import serving
from videos import write_video

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("src/stillmotion/**/*.md")]


def blocks(language, text=README):
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text=README):
    """Every line of the shell blocks, split into words; comments are left out."""
    lines = [line for block in blocks("bash", text) for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_every_command_is_a_way_to_install_or_one_of_ours():
    """So that none escapes the tests below."""
    assert len(commands()) >= 6
    for words in commands():
        assert words[0] == "stillmotion" or words[:3] == ["python3", "-m", "venv"], words


def test_ci_runs_the_lines_that_install():
    """It takes them from the README; the demonstration it runs at its full size."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    install = [line for block in blocks("bash") for line in block.splitlines() if "venv" in line]
    demo, test = install
    assert re.fullmatch(r".*&& pip install \. && stillmotion demo", demo)
    assert 'pip install -e ".[dev]" && python -m pytest' in test
    assert "grep -m1 'pip install -e' README.md" in script
    assert 'eval "$test_line"' in script
    assert "stillmotion demo --out" in (ROOT / "scripts/demo").read_text(encoding="utf-8")
    assert "scripts/demo" in script


OWN = ["check", "train", "evaluate", "predict", "show", "timeline", "watch", "serve", "export"]
OWN += ["push", "recipes", "train", "merge"]


def run_from(readme):
    """Run a command of the README. One that serves goes on until it is stopped."""
    _, command, *arguments = readme
    if command == "serve":
        with serving(*arguments) as (_, client, _):
            assert client.get("/").is_success
            assert [model["id"] for model in client.get("/api/models").json()] == ["first"]
    else:
        assert stillmotion(command, *arguments, *(TINY if command == "train" else ())) == 0


def test_the_commands_for_ones_own_videos_run(few_videos, tmp_path, monkeypatch, capsys, unchecked):
    """Unchecked, as what is exported is traced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shutil.copytree(few_videos, "videos")
    shutil.copy(few_videos / "jump/0.mp4", "new.mp4")
    own = [words for words in commands() if words[0] == "stillmotion"]
    assert [words[1] for words in own] == OWN
    for words in own:
        run_from(words)
    left = ("split.csv", "scores.json", "why.html", "new.srt", "shipped/run.py", "hub/README.md")
    assert [name for name in left if not Path(name).is_file()] == []
    assert "new.mp4: " in capsys.readouterr().out


def test_the_python_block_runs(few_videos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(few_videos / "jump/0.mp4", "door.mp4")
    (code,) = blocks("python")
    swaps = {"vit_small_patch14_dinov2.lvd142m": DEMO_BACKBONE, "224": "64"}
    for old, new in swaps.items():
        assert old in code
        code = code.replace(old, new)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["logits"].shape == (1, 2)
    assert {"open", "close"} <= set(re.findall(r"\w+", capsys.readouterr().out))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_streaming_page_says_what_predict_says(threshold, tmp_path, monkeypatch, capsys):
    """Of the same frames, to the pixel; the threshold of "none of these" counts."""
    monkeypatch.chdir(tmp_path)
    write_video(Path("door.mp4"), height=110, width=170)
    method = AMFlow.small(streaming=True)
    fresh = adapt(DEMO_BACKBONE, method, class_names=["open", "close"], num_frames=4)
    fresh.info[KEY] = Rejection(threshold=threshold).to_dict()
    randomise(fresh).save_pretrained("runs/doors")
    first, _ = blocks("python", (ROOT / "docs/streaming.md").read_text(encoding="utf-8"))
    names: dict = {}
    exec(compile(first, "streaming.md", "exec"), names)
    predict = Predictor(load("runs/doors"), device="cpu")
    (clip,) = predict.read(Path("door.mp4"))
    with open_video("door.mp4") as video:
        as_stored = video.frames_at(names["indices"]).data
    assert torch.equal(view_crops(64)(names["frames"])[0], clip)
    assert not torch.equal(view_crops(64)(as_stored)[0], clip)  # it matters how they are scaled
    with torch.inference_mode():
        (want,) = predict.model(clip[None])
    torch.testing.assert_close(names["logits"], want, rtol=0, atol=1e-4)
    *_, last = capsys.readouterr().out.splitlines()
    answer = predict("door.mp4")
    assert last == f"{answer.answer} {answer.probabilities[0]:.1%}"
    assert answer.is_none == (threshold == 1.0)


def test_the_packages_own_example_is_the_readmes():
    """The docstring of the package shows the same calls."""
    import stillmotion as package

    for call in ("stillmotion.adapt(", "AMFlow.small()", "save_pretrained(", "Predictor("):
        assert call in textwrap.dedent(package.__doc__)
        assert call in blocks("python")[0]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_resolve(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            place, _, heading = target.partition("#")
            found = path.parent / place if place else path
            assert found.exists(), f"{path.name} links to {target}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}
                assert heading in anchors, f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_figure_is_left_to_be_filled_in(path):
    assert not re.search(r"@[A-Z]+@", path.read_text(encoding="utf-8"))


def test_options_that_documents_name_exist(capsys):
    known = set()
    of_methods = (["train", "--method", name, "--help"] for name in METHODS)
    for arguments in (["--help"], *([command, "--help"] for command in COMMANDS), *of_methods):
        with pytest.raises(SystemExit):
            stillmotion(*arguments)
        known |= set(re.findall(r"--[a-z][\w.]*", capsys.readouterr().out))
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        text = path.read_text(encoding="utf-8")
        told = set(re.findall(r"`[^`\n]*`|^ *stillmotion .*$", text, re.MULTILINE))
        ours = [line for line in told if "stillmotion" in line or line.startswith("`--")]
        options = {o.rstrip(".") for line in ours for o in re.findall(r"--[a-z][\w.]*", line)}
        assert options <= known, path.name
