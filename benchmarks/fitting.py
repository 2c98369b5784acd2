"""Memory of a training step: `python -m benchmarks.fitting` prints a table of networks, cubes and batches.

Each figure is the peak of a process of its own that takes two steps with Adam, less what it held before the network was
built. Steps of one and of five items give what the network costs and what each item adds. On a CPU, whose kernels keep
other buffers than those of a GPU.
"""

import argparse
import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor

NETWORKS = (("unet3d_light", 8), ("unet3d_light", 16), ("unet3d", 16), ("unet3d", 32))
CUBES = ((32, 32, 32), (64, 64, 32), (64, 64, 64), (96, 96, 96))
PRECISIONS = ("bf16", "float32")
MEMORIES = (8, 16, 24)
"""GB of the machines that the table speaks of."""
MORE = 5
KEPT = 0.9
"""Share of the memory that training may take."""


def peak(name: str, width: int, cube: tuple[int, ...], batch: int, precision: str) -> float:
    """GB that two training steps take; run in a process of its own."""
    import torch

    from modelsgenesis.models import BackboneSettings, build_backbone
    from modelsgenesis.models.heads import DenseNetwork

    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = DenseNetwork(build_backbone(BackboneSettings(name, width)), 1).train()
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters())
    for _ in range(2):
        x = torch.rand(batch, 1, *cube).contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = (network(x).float().sigmoid() - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20


def _measured(*case: object) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        return alone.submit(peak, *case).result()  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    precision = parser.parse_args().precision
    columns = [f"batch in {memory} GB" for memory in MEMORIES]
    print(f"| network | cube | network, GB | an item, GB | {' | '.join(columns)} |")
    print("|---|---|---|---|" + "---|" * len(columns))
    for name, width in NETWORKS:
        for cube in CUBES:
            one, several = (_measured(name, width, cube, batch, precision) for batch in (1, MORE))
            item = max((several - one) / (MORE - 1), 1e-3)
            network = max(one - item, 0.0)
            most = [int((KEPT * memory - network) // item) for memory in MEMORIES]
            shown = "x".join(map(str, cube))
            cells = " | ".join(str(number) if number > 0 else "-" for number in most)
            print(f"| {name} of width {width} | {shown} | {network:.2f} | {item:.3f} | {cells} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
