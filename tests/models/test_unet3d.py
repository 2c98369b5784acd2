"""The 3D U-Net against the published one, as PAPER 1.3 describes it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.unet3d import LightUNet3D, UNet3D
from modelsgenesis.models.weights import named_tensors


def published_names() -> set[str]:
    """State-dict names of the published file, written out from the description."""
    blocks = [f"down_tr{n}" for n in (64, 128, 256, 512)] + [f"up_tr{n}" for n in (256, 128, 64)]
    layers = [
        f"{block}.ops.{i}.{layer}"
        for block in blocks
        for i in (0, 1)
        for layer in ("conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var")
    ]
    ups = [f"up_tr{n}.up_conv.{kind}" for n in (256, 128, 64) for kind in ("weight", "bias")]
    return {*layers, *ups, "out_tr.final_conv.weight", "out_tr.final_conv.bias"}


def test_published_network_has_the_published_parameters_and_names() -> None:
    network = DenseNetwork(UNet3D(1, 32), 1)
    assert sum(p.numel() for p in network.parameters()) == 19_073_665
    assert set(named_tensors(network)) == published_names()


def reference(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network written out from the description, batch statistics and all."""

    def block(name: str, x: torch.Tensor) -> torch.Tensor:
        for i in (0, 1):
            key = f"{name}.ops.{i}"
            x = functional.conv3d(x, state[f"{key}.conv1.weight"], state[f"{key}.conv1.bias"], padding=1)
            mean = x.mean((0, 2, 3, 4), keepdim=True)
            var = x.var((0, 2, 3, 4), keepdim=True, correction=0)
            x = (x - mean) / (var + 1e-5).sqrt()
            x = x * state[f"{key}.bn1.weight"].view(1, -1, 1, 1, 1) + state[f"{key}.bn1.bias"].view(1, -1, 1, 1, 1)
            x = x.clamp_min(0)
        return x

    def up(name: str, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = functional.conv_transpose3d(x, state[f"{name}.up_conv.weight"], state[f"{name}.up_conv.bias"], stride=2)
        return block(name, torch.cat([x, skip], 1))

    skips = []
    for name in ("down_tr64", "down_tr128", "down_tr256"):
        x = block(name, x)
        skips.append(x)
        x = functional.max_pool3d(x, 2)
    x = block("down_tr512", x)
    for name, skip in zip(("up_tr256", "up_tr128", "up_tr64"), reversed(skips), strict=True):
        x = up(name, x, skip)
    return functional.conv3d(x, state["out_tr.final_conv.weight"], state["out_tr.final_conv.bias"])


@pytest.mark.parametrize("training", [True, False])
def test_forward_equals_the_description_with_batch_statistics_always(training: bool) -> None:
    torch.manual_seed(0)
    network = DenseNetwork(UNet3D(1, 4, "batch"), 1).train(training)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    x = torch.rand(2, 1, 16, 24, 16)
    torch.testing.assert_close(network(x), reference(named_tensors(network), x), rtol=1e-3, atol=1e-4)


def test_inference_leaves_running_statistics_alone() -> None:
    network = DenseNetwork(UNet3D(1, 2), 1).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.rand(1, 1, 16, 16, 16))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("norm", ["batch", "running", "group", "instance"])
@pytest.mark.parametrize("width", [2, 6])
def test_norm_modes_and_widths_train(norm: str, width: int) -> None:
    network = DenseNetwork(UNet3D(2, width, norm), 3)  # type: ignore[arg-type]
    network(torch.rand(2, 2, 16, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("shape", [(17, 16, 23), (16, 30, 9), (24, 24, 24)])
def test_any_size_is_padded_and_cropped(shape: tuple[int, ...]) -> None:
    network = DenseNetwork(UNet3D(1, 2, "running"), 2).eval()
    x = torch.rand(1, 1, *shape)
    logits = network(x)
    assert logits.shape == (1, 2, *shape)
    missing = [-side % 8 for side in shape]
    padded = functional.pad(x, [0, missing[2], 0, missing[1], 0, missing[0]], mode="replicate")
    torch.testing.assert_close(logits, network(padded)[..., : shape[0], : shape[1], : shape[2]])


@pytest.mark.parametrize("network", [UNet3D, LightUNet3D])
def test_pyramid_is_what_the_contract_says(network: type[UNet3D]) -> None:
    backbone = network(1, 4)
    pyramid = backbone(torch.rand(1, 1, 32, 16, 16))
    assert [p.shape[1] for p in pyramid] == list(backbone.channels)
    assert [32 // p.shape[2] for p in pyramid] == list(backbone.strides)
    assert backbone.decode(pyramid).shape == (1, backbone.decoder_channels, 32, 16, 16)


def test_light_decoder_equals_its_description_and_costs_half() -> None:
    torch.manual_seed(0)
    light = LightUNet3D(1, 4)
    x, found = torch.rand(2, 1, 16, 16, 16), {}
    for network in (UNet3D(1, 4), light):
        with FlopCounterMode(display=False) as counter:
            network.decode(network.encode(x))
        found[type(network)] = counter.get_total_flops()
    assert 0.4 < found[LightUNet3D] / found[UNet3D] < 0.55
    own, published = (dict(network.named_parameters()) for network in (light, UNet3D(1, 4)))
    encoder = [name for name in published if name.startswith(UNet3D.encoder_prefixes)]
    assert len(encoder) == 32
    assert all(own[name].shape == published[name].shape for name in encoder)
    *skips, features = pyramid = light.encode(x)
    for up, skip in zip((light.up_tr256, light.up_tr128, light.up_tr64), reversed(skips), strict=True):
        summed = functional.conv_transpose3d(features, up.up_conv.weight, up.up_conv.bias, stride=2) + skip
        convolved = functional.conv3d(summed, up.ops.conv1.weight, up.ops.conv1.bias, padding=1)
        mean, variance = convolved.mean((0, 2, 3, 4)), convolved.var((0, 2, 3, 4), correction=0)
        shape = (1, -1, 1, 1, 1)
        features = ((convolved - mean.view(shape)) / (variance.view(shape) + 1e-5).sqrt()).clamp_min(0)
    torch.testing.assert_close(light.decode(pyramid), features, rtol=1e-3, atol=1e-4)


def test_classification_pools_the_deepest_features() -> None:
    torch.manual_seed(0)
    network = ClassificationNetwork(UNet3D(1, 2, "group"), 3).eval()
    x = torch.rand(2, 1, 16, 16, 16)
    pooled = network.backbone.encode(x)[-1].detach().numpy().mean((2, 3, 4))
    hidden = np.maximum(pooled @ network.dense_1.weight.detach().numpy().T + network.dense_1.bias.detach().numpy(), 0)
    expected = hidden @ network.dense_2.weight.detach().numpy().T + network.dense_2.bias.detach().numpy()
    np.testing.assert_allclose(network(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
