"""A doubling and the 3x3x3 convolution after it as one convolution of the smaller grid: the same function, less work.

Nothing but a concatenation lies between the transposed convolution of a decoder level and the first convolution. So
the part of the latter that sees the doubled features is a convolution of the features before they were doubled: each
output voxel sees 2x2x2 of them instead of 27 doubled ones, through the products of both weights. The eight output
voxels around a corner of the small grid see the same 2x2x2, so all eight are channels of one 2x2x2 convolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelsgenesis.models.convolution import convolved


def doubled(x: Tensor, up: nn.ConvTranspose3d) -> Tensor:
    """What `up`, of kernel and stride 2, makes of `x` (N, C, X, Y, Z): (N, M, 2X, 2Y, 2Z), channels-last.

    Each voxel becomes eight, so it is one product of matrices, whose gradient takes less time on a CPU than that of
    PyTorch's transposed convolution.
    """
    n, channels, *sides = x.shape
    voxels = x.permute(0, 2, 3, 4, 1).reshape(-1, channels)
    kernel = up.weight.permute(2, 3, 4, 1, 0).reshape(-1, channels)
    bias = None if up.bias is None else up.bias.repeat(8)
    eight = functional.linear(voxels, kernel, bias).view(n, *sides, 2, 2, 2, -1)
    return eight.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, *(2 * side for side in sides), -1).permute(0, 4, 1, 2, 3)


def doubled_and_convolved(x: Tensor, skip: Tensor, up: nn.ConvTranspose3d, convolution: nn.Conv3d) -> Tensor:
    """What `convolution(torch.cat((doubled(x, up), skip), 1))` is, whichever way takes fewer operations.

    Args:
        x: (N, C, X, Y, Z).
        skip: (N, S, 2X, 2Y, 2Z).
        up: kernel and stride 2.
        convolution: kernel 3, padding 1, of the doubled channels and then those of `skip`.
    """
    if torch.compiler.is_exporting() or not _pays(x, up, convolution):  # an exported graph serves every size
        return convolved(torch.cat((doubled(x, up), skip), 1), convolution.weight, convolution.bias)
    middle = up.out_channels
    with torch.autocast(x.device.type, enabled=False):  # products of weights, before they are rounded
        kernel, offset = _merged(_precise(convolution.weight[:, :middle]), _precise(up.weight), up.bias)
    ones = functional.pad(x.new_ones((1, 1, *x.shape[2:])), (1,) * 6)
    corners = functional.conv3d(functional.pad(x, (1,) * 6), kernel.to(x.dtype))
    corners = corners + functional.conv3d(ones, offset.to(x.dtype))
    seen = convolved(skip, convolution.weight[:, middle:], convolution.bias)
    return seen.add_(_spread(corners, convolution.out_channels))


def _precise(weight: Tensor) -> Tensor:
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def _pays(x: Tensor, up: nn.ConvTranspose3d, convolution: nn.Conv3d) -> bool:
    """Whether multiplying the weights costs less than it saves."""
    inputs, middle, outputs = up.in_channels, up.out_channels, convolution.out_channels
    n, _, sx, sy, sz = x.shape
    apart = n * sx * sy * sz * (8 * inputs * middle + 8 * 27 * middle * outputs)
    merged = n * (sx + 1) * (sy + 1) * (sz + 1) * 8 * inputs * 8 * outputs + 27 * 8 * inputs * middle * outputs
    return merged < apart


def _merged(convolution: Tensor, up: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Kernel (8 O, C, 2, 2, 2) of the small grid from kernels (O, M, 3, 3, 3) and (C, M, 2, 2, 2).

    Also, (8 O, 1, 2, 2, 2): what the bias (M,) of the doubling adds, for a grid of ones; beyond the border, nothing.
    """
    outputs, inputs = len(convolution), len(up)
    constant = up.new_zeros(up.shape[1]) if bias is None else bias.to(up.dtype)
    # The bias is one more input, alike at all eight places.
    up = torch.cat((up, constant.view(1, -1, 1, 1, 1).expand(1, -1, 2, 2, 2)))
    products = convolution.permute(0, 2, 3, 4, 1).flatten(0, 3) @ up.transpose(0, 1).flatten(1)
    products = products.view(outputs, 3, 3, 3, inputs + 1, 2, 2, 2)
    for axis in range(3):  # taps are behind the outputs, halves behind the inputs; those that are done stand at the end
        products = _along_axis(products.movedim((1, 5 - axis), (-2, -1)))
    kernel = products.permute(2, 4, 6, 0, 1, 3, 5, 7).flatten(0, 3)
    return kernel[:, :inputs].contiguous(), kernel[:, inputs:].contiguous()


def _along_axis(products: Tensor) -> Tensor:
    """(..., tap of three, half of a doubled voxel) to (..., output of the two around a corner, voxel of the two there).

    Output q sees, by tap t, the half (q + t) % 2 of the voxel (q + t) // 2.
    """
    (a, b), (c, d), (e, f) = (half.unbind(-1) for half in products.unbind(-2))
    seen = torch.stack((a + d, e, b, c + f), -1)
    return seen.view(*seen.shape[:-1], 2, 2)


def _spread(corners: Tensor, channels: int) -> Tensor:
    """(N, 8 O, X + 1, ...), the voxels around each corner, to (N, O, 2 X, ...) without those beyond the border."""
    n, _, *sides = corners.shape
    x, y, z = sides
    apart = corners.permute(0, 2, 3, 4, 1).reshape(n, x, y, z, 2, 2, 2, channels)
    whole = apart.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, 2 * x, 2 * y, 2 * z, channels)
    return whole[:, 1:-1, 1:-1, 1:-1].permute(0, 4, 1, 2, 3)
