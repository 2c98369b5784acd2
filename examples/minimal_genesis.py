"""Models Genesis on a page: distort cubes of unlabelled scans, learn to restore them. Needs numpy and torch only.

    python examples/minimal_genesis.py

The scans are procedural chests; put your own in the place of `scan`. What the package adds: the exact distortions
(docs/method.md), scans of any format, a network of full size, and fine-tuning.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import max_pool3d, mse_loss

from modelsgenesis.phantoms.chest import chest

SIDE, WIDTH, STEPS, BATCH = 16, 8, 200, 4


def scan(patient):
    """An unlabelled scan (X, Y, Z); the CT window -1000 to 1000 HU becomes [0, 1]."""
    hounsfield = chest(np.random.default_rng(patient), shape=(40, 40, 32), spacing=(8.0, 8.0, 8.0)).array
    return np.clip((hounsfield + 1000) / 2000, 0, 1).astype(np.float32)


def box(shape, shortest, longest, rng):
    """A random place in an array of `shape`."""
    sides = rng.integers(shortest, longest + 1, 3)
    return tuple(slice(c, c + n) for c, n in zip(rng.integers(0, np.array(shape) - sides + 1), sides, strict=True))


def nonlinear(x, rng):
    """Another appearance: intensities through a random Bezier curve; half of the curves swap dark and bright."""
    t = np.linspace(0, 1, 1000)
    xs, ys = rng.random((2, 2)) @ [3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t)] + t**3
    return np.interp(x, xs, ys if rng.random() < 0.5 else ys[::-1])


def shuffle(x, rng):
    """Destroyed texture: the voxels of many small windows change places."""
    out = x.copy()
    for _ in range(200):
        window = box(x.shape, 1, 3, rng)
        out[window] = rng.permutation(x[window].ravel()).reshape(x[window].shape)
    return out


def inpaint(x, rng):
    """Holes: some boxes become noise."""
    out = x.copy()
    for _ in range(rng.integers(1, 6)):
        hole = box(x.shape, SIDE // 6, SIDE // 3, rng)
        out[hole] = rng.random(x[hole].shape)
    return out


def outpaint(x, rng):
    """Windows: noise everywhere but in some boxes."""
    out = rng.random(x.shape)
    for _ in range(rng.integers(1, 6)):
        window = box(x.shape, 3 * SIDE // 7, 4 * SIDE // 7, rng)
        out[window] = x[window]
    return out


def batch(scans, size, rng):
    """`size` random cubes, distorted and as they were, both (size, 1, X, Y, Z)."""
    pairs = np.empty((2, size, 1, SIDE, SIDE, SIDE), np.float32)
    for item in range(size):
        volume = scans[rng.integers(len(scans))]
        x = pairs[1, item, 0] = volume[box(volume.shape, SIDE, SIDE, rng)]
        painting = inpaint if rng.random() < 0.2 else outpaint
        for distort, rate in ((shuffle, 0.5), (nonlinear, 0.9), (painting, 0.9)):
            x = distort(x, rng) if rng.random() < rate else x
        pairs[0, item, 0] = x
    return torch.from_numpy(pairs)


def block(inputs, outputs):
    layers = [[nn.Conv3d(n, outputs, 3, padding=1), nn.BatchNorm3d(outputs), nn.ReLU()] for n in (inputs, outputs)]
    return nn.Sequential(*layers[0], *layers[1])


class UNet(nn.Module):
    """Two poolings. Both halves serve a segmentation afterwards, the encoder alone a classification."""

    def __init__(self, w):
        super().__init__()
        self.down1, self.down2, self.down3 = block(1, w), block(w, 2 * w), block(2 * w, 4 * w)
        self.up2, self.up1 = nn.ConvTranspose3d(4 * w, 2 * w, 2, 2), nn.ConvTranspose3d(2 * w, w, 2, 2)
        self.join2, self.join1, self.head = block(4 * w, 2 * w), block(2 * w, w), nn.Conv3d(w, 1, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(max_pool3d(first, 2))
        deepest = self.down3(max_pool3d(second, 2))
        joined = self.join2(torch.cat([self.up2(deepest), second], 1))
        return self.head(self.join1(torch.cat([self.up1(joined), first], 1))).sigmoid()


def main():
    """Train, and return the errors on unseen patients: of the restoration, and of the best constant answer."""
    torch.manual_seed(0)
    rng, network = np.random.default_rng(0), UNet(WIDTH)
    training, unseen = [scan(n) for n in range(8)], [scan(n) for n in range(8, 12)]
    optimiser = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.01, total_steps=STEPS)
    for step in range(1, STEPS + 1):
        distorted, target = batch(training, BATCH, rng)
        loss = mse_loss(network(distorted), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: training loss {loss.item():.4f}", flush=True)
    distorted, target = batch(unseen, 64, rng)
    with torch.no_grad():
        error = mse_loss(network.eval()(distorted), target).item()
    constant = target.var().item()
    print(f"unseen patients: restoration error {error:.4f}, best constant {constant:.4f}, ratio {error / constant:.2f}")
    return error, constant


if __name__ == "__main__":
    main()
