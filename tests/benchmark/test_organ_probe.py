"""The probe of organs tells features that know the organ of a voxel from features that do not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import organ_probe
from benchmarks.organ_probe import CLASSES, Cubes, cubes_of, features, main, probed, random_network
from modelsgenesis import zoo
from modelsgenesis.data.intensity import ct_window
from modelsgenesis.errors import UsageError
from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.weights import save_weights
from modelsgenesis.phantoms.chest import LABELS, chest

ROOT = Path(__file__).parents[2]


class Level(nn.Module):
    """A backbone of one level."""

    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encode = lambda x: (features(x),)


def labelled(seed: int) -> Cubes:
    """Cubes whose intensity says the class of each voxel."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, len(CLASSES), (12, 4 * 4 * 4))
    images = torch.from_numpy(classes.reshape(12, 1, 4, 4, 4).astype(np.float32))
    return Cubes(images, [np.arange(64)] * 12, list(classes))


def one_hot(x: Tensor) -> Tensor:
    return functional.one_hot(x[:, 0].long(), len(CLASSES)).movedim(-1, 1).float()


def test_features_that_know_the_organ_and_features_that_do_not() -> None:
    torch.manual_seed(0)
    training, test = labelled(0), labelled(1)
    knowing = probed(Level(one_hot), training, test)
    assert knowing.accuracy == 1
    assert knowing.recall == (1, 1, 1, 1)
    assert 0.15 < probed(Level(torch.rand_like), training, test).accuracy < 0.35
    heart = probed(Level(lambda x: (x == CLASSES.index("heart")).float()), training, test)
    assert heart.recall[CLASSES.index("heart")] == 1
    assert heart.accuracy < 0.6


def test_features_are_those_of_every_level_at_the_voxel() -> None:
    torch.manual_seed(0)
    images, chosen = torch.rand(3, 1, 8, 12, 16), np.random.default_rng(0).integers(0, 8 * 12 * 16, (3, 50))

    class Pyramid(nn.Module):
        def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
            pooled = functional.avg_pool3d(x, 4)
            return torch.cat([x, x**2], 1), torch.cat([pooled, -pooled], 1)

    found = features(Pyramid(), Cubes(images, list(chosen), []))
    whole = [functional.interpolate(level, (8, 12, 16), mode="trilinear") for level in Pyramid().encode(images)]
    expected = [torch.cat([level[n].flatten(1)[:, chosen[n]] for level in whole]).T for n in range(3)]
    np.testing.assert_allclose(found, torch.cat(expected), atol=1e-6)


def test_cubes_are_of_the_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organ_probe, "FIELD", (48, 48, 40))
    first, again, other = (cubes_of(range(n, n + 2), 3, 6.0, ct_window()) for n in (0, 0, 2))
    assert first.images.shape == (16, 1, 32, 32, 32)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert set(np.unique(np.concatenate(first.classes))) == {0, 1, 2, 3}
    whole = chest(np.random.default_rng([3, 1, 0]), (48, 48, 40), (6.0, 6.0, 6.0))
    hounsfield = first.images.numpy() * 2000 - 1000
    lung = [hounsfield[n, 0].ravel()[first.voxels[n][first.classes[n] == 1]] for n in range(8)]
    expected = np.median(whole.array[whole.labels == LABELS["lung"]])
    assert np.median(np.concatenate(lung)) == pytest.approx(expected, abs=60)


@pytest.mark.parametrize("norm", ["batch", "running", "group"])
def test_a_random_network_answers_for_each_cube_alone(norm: str) -> None:
    cubes = Cubes(torch.rand(5, 1, 16, 16, 16), [np.arange(0, 4096, 99)] * 5, [])
    network = random_network(BackboneSettings("unet3d_light", 2, norm), 0, cubes)
    together = features(network, cubes)
    alone = [features(network, Cubes(cubes.images[n : n + 1], cubes.voxels[:1], [])) for n in range(5)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    assert together.std(0).min() > 0


def test_the_command_prints_a_line_a_file_and_one_of_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(organ_probe, "FIELD", (48, 48, 40))
    about = {"name": "unet3d_light", "width": 2, "norm": "group", "input_channels": 1}
    paths = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for path in paths:
        save_weights(path, build_backbone(BackboneSettings(**about)), {"backbone": about})  # type: ignore[arg-type]
    main([*map(str, paths), "--patients", "4", "--spacing", "6"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split() == ["weights", "balanced", *CLASSES]
    assert [line.split()[0] for line in lines] == ["one", "two", "random"]
    for line in lines:
        balanced, *shares = map(float, line.split()[-5:])
        assert balanced == pytest.approx(np.mean(shares), abs=2e-3)


def test_networks_of_images_are_refused() -> None:
    with pytest.raises(UsageError, match="unet2d is for images"):
        main([str(zoo.file_of("genesis-chest-xray"))])
