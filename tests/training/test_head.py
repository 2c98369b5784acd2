"""A new head is what linear discriminant analysis makes of the features below it."""

from typing import Any

import numpy as np
import pytest
import torch

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork
from modelsgenesis.targets.base import IGNORED
from modelsgenesis.training import head as heads
from modelsgenesis.training.head import fit_head

BATCH = 2
CPU = torch.device("cpu")


class Spheres:
    """Items whose classes lie at intensities of their own; numbers beyond ITEMS are not asked for."""

    def __init__(self, classes: int = 3, ignoring: bool = False, axes: int = 3) -> None:
        self.classes, self.ignoring, self.axes = classes, ignoring, axes

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        assert number < heads.ITEMS
        rng = np.random.default_rng(number)
        shape = (16,) * 3 if self.axes == 3 else (32, 32)
        away = np.indices(shape) - rng.uniform(4, 12, self.axes).reshape(-1, *(1,) * self.axes)
        structures = np.zeros((1, *shape), np.uint8)
        for value in range(1, self.classes):
            structures[0][np.linalg.norm(away, axis=0) < 8 - 2 * value] = value
        image = 0.3 * structures + rng.normal(0, 0.05, structures.shape)
        if self.ignoring:
            structures[:, :, :3] = IGNORED
        return image.astype(np.float32), structures


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "ITEMS", 8)
    monkeypatch.setattr(heads, "VOXELS", 10**6)  # all of them: then the reference needs no draw


def dense(outputs: int = 3, name: str = "unet3d_light", width: int = 2) -> Any:
    torch.manual_seed(0)
    return DenseNetwork(build_backbone(BackboneSettings(name, width=width)), outputs)


def features_and_truth(network: Any, items: Spheres) -> tuple[Any, Any]:
    """Decoded features and classes of all voxels, item by item of batches of BATCH, in training mode."""
    network.train()
    features, truths = [], []
    for first in range(0, 8, BATCH):
        drawn = [items[first + i] for i in range(BATCH)]
        with torch.no_grad():
            maps = network.backbone.decode(network.backbone.encode(torch.tensor(np.stack([a for a, _ in drawn]))))
        features += [m.flatten(1).T.double().numpy() for m in maps]
        truths += [truth.ravel() for _, truth in drawn]
    return np.concatenate(features), np.concatenate(truths)


@pytest.mark.parametrize(("name", "classes"), [("unet3d_light", 3), ("unet3d", 4), ("unet2d", 3)])
@pytest.mark.parametrize("ignoring", [False, True])
def test_equals_discriminant_analysis_of_scikit_learn(name: str, classes: int, ignoring: bool) -> None:
    from sklearn.covariance import LedoitWolf
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    network = dense(classes, name)
    torch.nn.init.zeros_(network.out_tr.final_conv.weight)
    items = Spheres(classes, ignoring, network.backbone.axes)
    fit_head(network, items, BATCH, CPU, 0)  # type: ignore[arg-type]
    x, truth = features_and_truth(network, items)
    x, truth = x[truth != IGNORED], truth[truth != IGNORED]
    shares = np.maximum(np.bincount(truth, minlength=classes) / len(truth), heads.LEAST_SHARE)
    means = np.stack([x[truth == value].mean(0) for value in range(classes)])
    covariance = LedoitWolf(assume_centered=True).fit(x - means[truth]).covariance_

    class Known:  # the estimator of scikit-learn would shrink each class by itself
        def fit(self, *_: Any) -> "Known":
            self.covariance_ = covariance
            return self

    analysis = LinearDiscriminantAnalysis(solver="lsqr", priors=shares / shares.sum(), covariance_estimator=Known())
    theirs = analysis.fit(x, truth).predict_proba(x[:500])
    final = network.out_tr.final_conv
    ours = (torch.from_numpy(x[:500]).float() @ final.weight.detach().flatten(1).T + final.bias.detach()).softmax(1)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_every_structure_is_told_from_the_rest_before_the_first_step() -> None:
    network = dense(width=8)
    fit_head(network, Spheres(), BATCH, CPU, 0)  # type: ignore[arg-type]
    image, truth = Spheres()[3]
    with torch.no_grad():
        likely = network.train()(torch.tensor(image)[None]).softmax(1)[0].numpy()
    for value in (1, 2):
        inside = truth[0] == value
        assert likely[value][inside].mean() > 2 * likely[value][~inside].mean()


def test_random_weights_stay_and_say_nothing_of_the_mean_voxel() -> None:
    random, zero = dense(), dense()
    torch.nn.init.zeros_(zero.out_tr.final_conv.weight)
    drawn = random.out_tr.final_conv.weight.detach().clone()
    for network in (random, zero):
        fit_head(network, Spheres(), BATCH, CPU, 0)  # type: ignore[arg-type]
    ours, fitted = random.out_tr.final_conv, zero.out_tr.final_conv
    torch.testing.assert_close(ours.weight - fitted.weight, drawn)
    x, truth = features_and_truth(dense(), Spheres())
    shares = np.bincount(truth, minlength=3) / len(truth)
    mean = torch.from_numpy(sum(shares[value] * x[truth == value].mean(0) for value in range(3))).float()
    said = drawn.flatten(1) @ mean + ours.bias - fitted.bias
    torch.testing.assert_close(said, torch.zeros(3), atol=1e-4, rtol=0)


def test_the_backbone_stays_as_it_is() -> None:
    network = dense()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    mode = network.training
    fit_head(network, Spheres(), BATCH, CPU, 0)  # type: ignore[arg-type]
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"out_tr.final_conv.weight", "out_tr.final_conv.bias"}
    assert network.training == mode
    assert network.out_tr.final_conv.weight.requires_grad


def test_the_voxels_drawn_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "VOXELS", 5)
    weights = []
    for seed in (0, 0, 1):
        network = dense()
        fit_head(network, Spheres(), BATCH, CPU, seed)  # type: ignore[arg-type]
        weights.append(network.out_tr.final_conv.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_of_a_structure_never_seen_the_head_knows_how_rare_it_is() -> None:
    network = dense(4)
    torch.nn.init.zeros_(network.out_tr.final_conv.weight)
    fit_head(network, Spheres(3), BATCH, CPU, 0)  # type: ignore[arg-type]
    final = network.out_tr.final_conv
    assert not final.weight[3].any()
    assert final.bias[3].item() == pytest.approx(np.log(heads.LEAST_SHARE))


def test_a_batch_larger_than_all_items_and_one_that_does_not_divide_them_are_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heads, "ITEMS", 6)
    asked: list[int] = []

    class Counted(Spheres):
        def __getitem__(self, number: int) -> tuple[Any, Any]:
            asked.append(number)
            return super().__getitem__(number % 6)

    for batch, drawn in ((4, 8), (7, 7)):
        asked.clear()
        fit_head(dense(), Counted(), batch, CPU, 0)  # type: ignore[arg-type]
        assert asked == list(range(drawn))


def test_where_every_voxel_is_ignored_the_head_stays_as_it_was() -> None:
    class Unknown(Spheres):
        def __getitem__(self, number: int) -> tuple[Any, Any]:
            image, truth = super().__getitem__(number)
            return image, np.full_like(truth, IGNORED)

    network = dense()
    before = network.out_tr.final_conv.weight.detach().clone()
    fit_head(network, Unknown(), BATCH, CPU, 0)  # type: ignore[arg-type]
    assert torch.equal(network.out_tr.final_conv.weight, before)
