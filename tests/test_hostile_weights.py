"""Files of tensors by others: nothing in them runs, and none takes more memory than its bytes."""

import io
import os
import pickle
import tarfile
import zipfile

import pytest
import torch

from runs import files_below, stillmotion
from stillmotion.backbones import load_backbone
from stillmotion.errors import StillmotionError, WeightsError
from stillmotion.official.contents import read_contents
from stillmotion.peft_files import from_peft

NAME = "vit_stillmotion_demo"


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def zipped(content, path):
    torch.save(content, path)


def legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def bare(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


def tar(content, path):
    """The oldest form of torch.save."""
    with tarfile.open(path, "w") as file:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(content if name == "pickle" else 0)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))


def through_weights(path, out):
    load_backbone(NAME, weights=path)


def through_official(path, out):
    read_contents(path)


def through_import(path, out):
    assert stillmotion("import", path, "--method=aim", "--num_frames=2", "--out", out) == 2
    raise WeightsError("as the command line said")


ROADS = pytest.mark.parametrize("road", [through_weights, through_official, through_import])


@ROADS
@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "safetensors"])
@pytest.mark.parametrize("write", [zipped, legacy, bare, tar])
def test_a_pickle_that_would_run_code_runs_none(write, ending, road, tmp_path, capsys):
    path, mark = tmp_path / f"evil.{ending}", tmp_path / "was here"
    write({"state_dict": {"a": torch.zeros(1), "b": Intruder(mark)}}, path)
    with pytest.raises(StillmotionError):
        road(path, tmp_path / "out")
    assert len(capsys.readouterr().err.splitlines()) == (road is through_import)
    assert not mark.exists()
    assert files_below(tmp_path) == {path.name}


def test_the_intruder_is_real(tmp_path):
    pickle.loads(pickle.dumps(Intruder(tmp_path / "was here")))
    assert (tmp_path / "was here").exists()


@ROADS
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**6, 10**6),
        torch.empty(10**6, 10**6, device="meta"),
        torch.eye(3).to_sparse(),
    ],
    ids=["expanded", "meta", "sparse"],
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_a_tensor_that_the_file_does_not_hold_is_refused(tensor, road, tmp_path):
    torch.save({"conv1.weight": tensor}, tmp_path / "small.pth")
    assert (tmp_path / "small.pth").stat().st_size < 5000
    with pytest.raises(WeightsError):
        road(tmp_path / "small.pth", tmp_path / "out")


@ROADS
def test_a_packed_file_is_refused(road, tmp_path):
    torch.save({"a": torch.zeros(10**5)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    with pytest.raises(WeightsError):
        road(tmp_path / "packed.pth", tmp_path / "out")


@ROADS
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_pipe_is_not_waited_for(ending, road, tmp_path):
    os.mkfifo(tmp_path / f"pipe.{ending}")
    with pytest.raises(WeightsError):
        road(tmp_path / f"pipe.{ending}", tmp_path / "out")


@pytest.mark.parametrize("pipe", ["adapter_config.json", "adapter_model.safetensors"])
def test_pipes_in_a_folder_of_peft_are_not_waited_for(pipe, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / pipe).unlink(missing_ok=True)
    os.mkfifo(tmp_path / pipe)
    with pytest.raises(StillmotionError, match="a pipe or a device"):
        from_peft(tmp_path, NAME, num_frames=2)
