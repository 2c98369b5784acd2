"""Init sources: nothing is silently left at random, nothing unsafe is opened."""

import pickle
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from modelsgenesis.errors import GenesisError, UsageError
from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.load import restorer, segmenter
from modelsgenesis.models.unet3d import UNet3D
from modelsgenesis.models.weights import initialise, named_tensors, provenance_of, read_weights, save_weights


def network(channels: int = 1, outputs: int = 1, width: int = 2) -> DenseNetwork:
    return DenseNetwork(UNet3D(channels, width), outputs)


def saved(folder: Path, source: torch.nn.Module) -> Path:
    path = folder / "weights.safetensors"
    save_weights(path, source, {"cube": [16, 16, 16]})
    return path


def test_weights_and_provenance_come_back(tmp_path: Path) -> None:
    source = network()
    tensors, provenance = read_weights(saved(tmp_path, source))
    assert provenance == {"cube": [16, 16, 16]}
    assert tensors.keys() == named_tensors(source).keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in named_tensors(source).items())


def test_encoder_decoder_takes_all_but_the_head(tmp_path: Path) -> None:
    source, target = network(), network(outputs=3)
    report = initialise(target, f"file:{saved(tmp_path, source)}")
    assert set(report.missing) == {"out_tr.final_conv.weight", "out_tr.final_conv.bias"}
    assert set(report.skipped.values()) == {"head of another task"}
    for name in report.loaded:
        assert torch.equal(named_tensors(target)[name], named_tensors(source)[name])


def test_encoder_alone_for_classification(tmp_path: Path) -> None:
    source, target = network(), ClassificationNetwork(UNet3D(1, 2), 2)
    report = initialise(target, f"file:{saved(tmp_path, source)}", scope="encoder")
    assert all(name.startswith("down_") for name in report.loaded)
    before = named_tensors(target)["up_tr64.up_conv.weight"]
    assert not torch.equal(before, named_tensors(source)["up_tr64.up_conv.weight"])
    assert len(report.loaded) + len(report.missing) == len(named_tensors(target))


def test_one_channel_weights_answer_alike_on_repeated_channels(tmp_path: Path) -> None:
    source, target = network(), network(channels=3)
    report = initialise(target, f"file:{saved(tmp_path, source)}")
    assert report.adapted == {"down_tr64.ops.0.conv1.weight": "1 input channels spread over 3"}
    x = torch.rand(2, 1, 16, 16, 16)
    ours = target.backbone.encode(x.expand(-1, 3, -1, -1, -1))[-1]
    torch.testing.assert_close(ours, source.backbone.encode(x)[-1], rtol=1e-3, atol=1e-4)


def test_published_layout_is_read(tmp_path: Path) -> None:
    source = network()
    state = {f"module.{name}": tensor for name, tensor in named_tensors(source).items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "Genesis.pt")
    report = initialise(network(), f"file:{tmp_path / 'Genesis.pt'}", head=True)
    assert len(report.loaded) == len(state)
    assert not report.missing


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GenesisError, match="no tensor fits.*width"):
        initialise(network(width=4), f"file:{saved(tmp_path, network(width=3))}")


def test_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(GenesisError, match="cannot be opened safely"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04cut"])
def test_what_is_no_pytorch_file_is_named_in_one_line_without_bad_advice(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.pt").write_bytes(content)
    with pytest.raises(GenesisError, match="odd.pt: cannot be opened safely") as raised:
        read_weights(tmp_path / "odd.pt")
    assert "\n" not in str(raised.value)
    assert "weights_only" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [[1, 2], torch.zeros(3), {}, {"state_dict": None}, {1: torch.zeros(2)}, {"model": {"a.weight": torch.zeros(2)}}],
)
def test_a_file_without_a_state_dict_is_named(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(GenesisError, match=r"odd.pt: holds no tensors by name.*; save a state dict"):
        read_weights(tmp_path / "odd.pt")


@pytest.mark.parametrize("provenance", ["{not json", "[1]"])
def test_a_damaged_provenance_is_named(provenance: str, tmp_path: Path) -> None:
    state = network().state_dict()
    torch.save({"state_dict": state, "provenance": provenance}, tmp_path / "odd.pt")
    save_file(state, tmp_path / "odd.safetensors", {"provenance": provenance})
    for name in ("odd.pt", "odd.safetensors"):
        with pytest.raises(GenesisError, match=f"{name}: its provenance is damaged"):
            read_weights(tmp_path / name)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_the_state_dict_of_a_network_is_a_source(prefix: str, suffix: str, tmp_path: Path) -> None:
    source, path = network(), tmp_path / f"state.{suffix}"
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    (torch.save if suffix == "pt" else save_file)(state, path)
    target = network()
    report = initialise(target, f"file:{path}", head=True)
    assert not report.missing
    assert not report.skipped
    for name, tensor in named_tensors(target).items():
        torch.testing.assert_close(tensor, named_tensors(source)[name], rtol=0, atol=0)


def test_a_backbone_alone_is_told_what_to_become() -> None:
    with pytest.raises(UsageError, match=r"UNet3D: has no backbone; give DenseNetwork\(backbone, classes\)"):
        initialise(UNet3D(1, 2), "scratch")


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}garbage"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(GenesisError, match="damaged.safetensors"):
        read_weights(path)


@pytest.mark.parametrize("uri", ["scratched", "scratch:hee", "hub"])
def test_unknown_sources_are_wrong_use(uri: str) -> None:
    with pytest.raises(UsageError, match="valid"):
        initialise(network(), uri)


def test_absent_files_and_runs_are_named(tmp_path: Path) -> None:
    for uri in (f"file:{tmp_path}/none.pt", f"run:{tmp_path}"):
        with pytest.raises(GenesisError, match=str(tmp_path)):
            initialise(network(), uri)


@pytest.mark.parametrize(("uri", "spread"), [("scratch:he", 2 / 54), ("scratch:xavier", 2 / (54 + 108))])
def test_random_starts_have_the_stated_variance(uri: str, spread: float) -> None:
    torch.manual_seed(0)
    target = DenseNetwork(UNet3D(1, 32), 1)
    initialise(target, uri)
    weight = named_tensors(target)["down_tr64.ops.1.conv1.weight"]  # 32 to 64 channels, 27 voxels
    scale = 32 / 2  # the fans above are for 2 to 4 channels
    assert weight.var().item() == pytest.approx(spread / scale, rel=0.1)


def test_a_path_says_itself_what_it_is(tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", network(), {"modality": "ct"})
    for uri in (str(tmp_path), f"{tmp_path}/weights.safetensors"):
        assert provenance_of(uri) == {"modality": "ct"}
        report = initialise(network(), uri)
        assert report.taken
        assert report.source == uri


def test_sources_that_hold_no_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(UsageError, match=r"is a file; did you mean file:"):
        provenance_of(f"run:{tmp_path}/weights.pt")
    with pytest.raises(GenesisError, match=r"is a folder, no file of weights; of a run, write run:PATH"):
        provenance_of(f"file:{tmp_path}")
    with pytest.raises(GenesisError, match=r"run:/nosuch: no such folder"):
        provenance_of("run:/nosuch")
    with pytest.raises(UsageError, match=r"unknown init source 'genesis-chest-cd', .*did you mean 'genesis-chest-ct'"):
        provenance_of("genesis-chest-cd")
    with pytest.raises(UsageError, match=r"zoo:nothing: no such weights; .*there: genesis-brain-mr"):
        provenance_of("zoo:nothing")


@pytest.mark.parametrize("wrong", ["hf:", "hf:alone", "hf:owner/", "hf:a b/c"])
def test_what_is_no_repository_is_wrong_use(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"hf:OWNER/REPO|no name of a repository"):
        provenance_of(wrong)


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GenesisError, match=r"hf:owner/repo: the hub cannot be reached, and the cache does not have it"):
        provenance_of("hf:owner/repo")


def test_the_published_network_is_recognised_by_its_tensors(tmp_path: Path) -> None:
    """Keys as published: `state_dict`, and `module.` before each name (PAPER 1.3)."""
    torch.manual_seed(3)
    published = DenseNetwork(UNet3D(1, 4, "batch"), 1)
    content = {f"module.{name}": tensor for name, tensor in named_tensors(published).items()}
    torch.save({"state_dict": content, "epoch": 1}, tmp_path / "Genesis_Chest_CT.pt")
    uri = str(tmp_path / "Genesis_Chest_CT.pt")
    about = provenance_of(uri)
    assert about["backbone"] == {"name": "unet3d", "width": 4, "norm": "batch", "input_channels": 1}
    assert about["intensity"]["low"], about["intensity"]["high"] == (-1000.0, 1000.0)
    x = torch.rand(1, 1, 16, 16, 16)
    torch.testing.assert_close(restorer(uri, norm="batch")(x), published.eval()(x))
    light = {name: tensor for name, tensor in content.items() if "up_tr256.ops.1" not in name}  # another decoder
    torch.save(light, tmp_path / "light.pt")
    with pytest.raises(UsageError, match="which network"):
        segmenter(str(tmp_path / "light.pt"), 2)


def test_weights_of_which_half_do_not_fit_are_a_warning(tmp_path: Path) -> None:
    whole = named_tensors(DenseNetwork(UNet3D(1, 2), 1))
    names = [name for name in whole if not name.startswith("out_tr.")]
    half = len(names) // 2
    for fitting, warnings in ((len(names), 0), (len(names) - 1, 0), (half, 2 if half < len(names) / 2 else 1), (3, 2)):
        given = {name: whole[name] if n < fitting else torch.zeros(7) for n, name in enumerate(names)}
        torch.save(given, tmp_path / "weights.pt")
        report = initialise(DenseNetwork(UNet3D(1, 2), 1), f"file:{tmp_path}/weights.pt")
        assert len(report.warnings) == warnings
        if warnings:
            beginning = (
                f"{len(names) - fitting} of {len(names)} tensors do not fit the network, such as {names[fitting]}"
            )
            assert beginning in report.warnings[0]
    torch.save({name: whole[name] for name in names[:3]}, tmp_path / "weights.pt")
    (warning,) = initialise(DenseNetwork(UNet3D(1, 2), 1), f"file:{tmp_path}/weights.pt").warnings
    assert "and only 3 did: most of it starts at random" in warning


def test_an_encoder_without_the_rest_is_no_warning(tmp_path: Path) -> None:
    encoder = {name: tensor for name, tensor in named_tensors(network()).items() if name.startswith("down_tr")}
    torch.save(encoder, tmp_path / "weights.pt")
    assert initialise(network(), f"file:{tmp_path}/weights.pt", "encoder").warnings == []


@pytest.mark.usefixtures("no_room")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        GenesisError, match=r"weights\.safetensors: could not be written \(File too large\); free space"
    ):
        saved(tmp_path, network())
    assert list(tmp_path.iterdir()) == []
