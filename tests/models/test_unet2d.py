"""The 2D U-Net: its encoder is ResNet-18, by name and by number."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from modelsgenesis.models.heads import ClassificationNetwork, DenseNetwork
from modelsgenesis.models.unet2d import UNet2D
from modelsgenesis.models.weights import initialise, named_tensors


def resnet18_names() -> dict[str, tuple[int, ...]]:
    """Tensors of torchvision's resnet18 without its last layer and batch counters, from its description."""
    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(prefix: str, channels: int) -> None:
        names.update({f"{prefix}.{n}": (channels,) for n in ("weight", "bias", "running_mean", "running_var")})

    norm("bn1", 64)
    channels = 64
    for layer, outputs in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            prefix, inputs = f"layer{layer}.{block}", channels if block == 0 else outputs
            names[f"{prefix}.conv1.weight"] = (outputs, inputs, 3, 3)
            names[f"{prefix}.conv2.weight"] = (outputs, outputs, 3, 3)
            norm(f"{prefix}.bn1", outputs)
            norm(f"{prefix}.bn2", outputs)
            if block == 0 and layer > 1:
                names[f"{prefix}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                norm(f"{prefix}.downsample.1", outputs)
        channels = outputs
    return names


def test_the_encoder_is_resnet18() -> None:
    network = UNet2D(3, 64, "running")
    encoder = {n: tuple(t.shape) for n, t in named_tensors(network).items() if n.startswith(network.encoder_prefixes)}
    assert encoder == resnet18_names()
    learnt = sum(p.numel() for n, p in network.named_parameters() if n.startswith(network.encoder_prefixes))
    assert learnt == 11_689_512 - 513_000  # the published number without the last layer


def test_imagenet_weights_load_into_one_channel(tmp_path: object) -> None:
    """A file as torchvision has it: three channels, a last layer `fc`, batch counters."""
    stored = {name: torch.rand(shape) for name, shape in resnet18_names().items()}
    stored |= {"fc.weight": torch.rand(1000, 512), "fc.bias": torch.rand(1000)}
    stored["bn1.num_batches_tracked"] = torch.tensor(7)
    path = f"{tmp_path}/resnet18.pth"
    torch.save(stored, path)
    network = ClassificationNetwork(UNet2D(1, 64, "running"), 14)
    report = initialise(network, f"file:{path}", scope="encoder")
    assert set(report.skipped) == {"fc.weight", "fc.bias"}
    assert list(report.adapted) == ["conv1.weight"]
    torch.testing.assert_close(network.backbone.conv1.weight, stored["conv1.weight"].sum(1, keepdim=True))


@pytest.mark.parametrize("shape", [(64, 64), (33, 70), (224, 224)])
def test_any_size_gives_an_answer_a_pixel(shape: tuple[int, int]) -> None:
    network = DenseNetwork(UNet2D(1, 4, "running"), 3).eval()
    assert network(torch.rand(1, 1, *shape)).shape == (1, 3, *shape)


def test_batch_mode_uses_the_batch_at_inference() -> None:
    torch.manual_seed(0)
    network = UNet2D(1, 4, "batch").eval()
    one, other = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64)
    alone = network(one)[-1]
    together = network(torch.cat([one, other]))[-1][:1]
    assert not torch.allclose(alone, together)


def test_a_stage_is_two_residual_blocks_with_a_strided_shortcut() -> None:
    torch.manual_seed(0)
    network = UNet2D(1, 8, "running").eval()
    stage, x = network.layer2, torch.randn(2, 8, 12, 10)
    for name, tensor in network.named_buffers():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    state = {name.removeprefix("layer2."): tensor for name, tensor in network.state_dict().items()}

    def norm(y: torch.Tensor, prefix: str) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{prefix}.{name}"].view(1, -1, 1, 1) for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (y - mean) / (var + 1e-5).sqrt() * weight + bias

    y = x
    for block, stride in (("0", 2), ("1", 1)):
        first = norm(functional.conv2d(y, state[f"{block}.conv1.weight"], stride=stride, padding=1), f"{block}.bn1")
        second = norm(functional.conv2d(first.clamp_min(0), state[f"{block}.conv2.weight"], padding=1), f"{block}.bn2")
        if block == "0":
            y = norm(functional.conv2d(y, state["0.downsample.0.weight"], stride=2), "0.downsample.1")
        y = (second + y).clamp_min(0)
    torch.testing.assert_close(stage(x), y, rtol=1e-4, atol=1e-5)


def test_narrow_networks_train_in_channels_last() -> None:
    network: Any = ClassificationNetwork(UNet2D(1, 4, "running"), 2)
    network = network.to(memory_format=torch.channels_last)
    x = torch.rand(2, 1, 64, 64).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        network(x).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
