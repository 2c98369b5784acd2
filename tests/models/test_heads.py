"""Heads: what a new one predicts before it has learnt anything."""

import pytest
import torch

from modelsgenesis.models import BackboneSettings, build_backbone
from modelsgenesis.models.heads import DenseNetwork


@pytest.mark.parametrize("name", ["unet3d", "unet3d_light", "unet2d"])
def test_features_of_zero_predict_the_shares_expected(name: str) -> None:
    network = DenseNetwork(build_backbone(BackboneSettings(name, width=2)), 3)
    shares = torch.tensor([0.9, 0.07, 0.03])
    network.expect(shares)
    nothing = torch.zeros(1, network.backbone.decoder_channels, *(4,) * network.backbone.axes)
    predicted = network.out_tr(nothing).softmax(1).flatten(2)[0].T
    torch.testing.assert_close(predicted, shares.expand(predicted.shape))
    assert network.out_tr.final_conv.bias.requires_grad
