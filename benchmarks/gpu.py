"""Where a training step on a GPU spends its time, in one command: `python -m benchmarks.gpu OUT [--minutes 6]`.

Measures the peak of bfloat16 matrix multiplication, the step of the full-width network in every memory format and
precision at several batch sizes, what the loader gives on this machine's cores, and real pre-training from end to end;
profiles the best step. Writes OUT/gpu.json and OUT/performance_gpu.md, which `python -m benchmarks --write` appends to
docs/performance.md once it lies beside it. Without a GPU it does the same on the CPU at toy size.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.material import store
from benchmarks.pretraining import rate
from benchmarks.rows import seconds, turns
from benchmarks.training_step import PLAIN, Variant, make_step, variants, warm
from modelsgenesis.files import write_json, write_text

GPU = torch.cuda.is_available()
WIDTH, CUBE = (32, (64, 64, 32)) if GPU else (4, (16, 16, 16))
BATCHES = (8, 16, 32, 64) if GPU else (2,)
MATRIX = 8192 if GPU else 256


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300 if GPU else 4, help="of pre-training from end to end")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    facts: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if GPU else "CPU, toy size",
        "torch": torch.__version__,
        "peak_tflops": matrix_peak() / 1e12,
        "gflop_a_cube": step_operations() / 1e9,
    }
    facts["steps"], best = steps(facts, not given.no_compile)
    write_json(given.out / "gpu.json", facts)
    facts["profile"] = profile(*best)
    facts["end_to_end"] = end_to_end(given.out, best, given.steps)
    facts["share_of_peak"] = facts["end_to_end"] * facts["gflop_a_cube"] / 1e3 / facts["peak_tflops"]
    write_json(given.out / "gpu.json", facts)
    write_text(given.out / "performance_gpu.md", page(facts))
    print(page(facts))


def matrix_peak() -> float:
    """Operations a second of a large bfloat16 matrix product, the best of several."""
    device = "cuda" if GPU else "cpu"
    a, b = (torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        for _ in range(10):
            torch.mm(a, b)
        _wait()

    product()
    return 10 * 2 * MATRIX**3 / min(seconds(product) for _ in range(5))


def step_operations() -> float:
    """Operations of a training step for one cube in the released way, counted by PyTorch; forward and backward."""
    step = make_step(PLAIN, WIDTH, CUBE, 1)
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def steps(facts: dict[str, Any], compiled: bool) -> tuple[list[dict[str, Any]], tuple[Variant, int]]:
    """Cubes a second and share of the peak of each variant and batch size; and the best."""
    rows, best = [], (0.0, Variant(channels_last=True, compile=False, bfloat16=True), BATCHES[0])
    for batch in BATCHES:
        for variant in variants(compiled):
            if GPU and not variant.bfloat16 and batch != BATCHES[0]:
                continue  # float32 is shown once
            try:
                step = warm(variant, WIDTH, CUBE, batch)
            except torch.cuda.OutOfMemoryError:
                step = None
            if step is None:
                continue
            taken = turns({"step": step}, 10)["step"]
            rate = batch / taken
            share = rate * facts["gflop_a_cube"] / 1e3 / facts["peak_tflops"]
            rows.append({"variant": str(variant), "batch": batch, "cubes_a_second": rate, "share_of_peak": share})
            print(rows[-1], flush=True)
            best = max(best, (rate, variant, batch), key=lambda one: one[0])
            del step
            if GPU:
                torch.cuda.empty_cache()
    return rows, best[1:]


def profile(variant: Variant, batch: int) -> list[dict[str, Any]]:
    """The kernels that take most of the time of the best step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    step: Callable[[], None] | None = warm(variant, WIDTH, CUBE, batch)
    if step is None:
        raise RuntimeError(f"{variant}, batch {batch}: ran before, does not run now")
    with profiled(activities=[ProfilerActivity.CUDA if GPU else ProfilerActivity.CPU]) as record:
        for _ in range(3):
            step()
    name = "self_device_time_total" if GPU else "self_cpu_time_total"
    events = sorted(record.key_averages(), key=lambda event: -float(getattr(event, name)))
    whole = sum(float(getattr(event, name)) for event in events)
    return [
        {"kernel": e.key[:90], "share": float(getattr(e, name)) / whole, "calls": e.count // 3} for e in events[:12]
    ]


def end_to_end(out: Path, best: tuple[Variant, int], count: int) -> float:
    """Cubes a second of `genesis pretrain` with the best variant, loader included."""
    variant, batch = best
    flags = {
        "cubes.shape": CUBE,
        "backbone.width": (WIDTH,),
        "loop.steps": (count,),
        "loop.validate-every": (count // 2,),
        "loop.batch-size": (batch,),
        f"loop.{'' if variant.compile else 'no-'}compile": (),
        f"loop.{'' if variant.channels_last else 'no-'}channels-last": (),
        "loop.workers": (max(1, len(os.sched_getaffinity(0)) - 2) if GPU else 0,),
    }
    return rate(store(out / "material").path, out / "run", flags)


def page(facts: dict[str, Any]) -> str:
    """The figures as a section of docs/performance.md."""
    best = max(facts["steps"], key=lambda row: row["cubes_a_second"])
    lines = [
        f"## On a GPU: {facts['device']}",
        "",
        f"torch {facts['torch']}; full-width network, cubes of {'x'.join(map(str, CUBE))}, {facts['gflop_a_cube']:.0f} "
        f"GFLOP a cube and step. Peak of bfloat16 matrix products as measured: {facts['peak_tflops']:.0f} TFLOP/s.",
        "",
        f"From end to end, loader included: **{facts['end_to_end']:.0f} cubes a second, {facts['share_of_peak']:.0%} "
        f"of the peak**; the step alone {best['cubes_a_second']:.0f} ({best['share_of_peak']:.0%}).",
        "",
        "| step | batch | cubes/s | of the peak |",
        "|---|---|---|---|",
        *(
            f"| {row['variant']} | {row['batch']} | {row['cubes_a_second']:.1f} | {row['share_of_peak']:.1%} |"
            for row in facts["steps"]
        ),
        "",
        "| kernel of the best step | share | calls |",
        "|---|---|---|",
        *(f"| `{row['kernel'].replace('|', '/')}` | {row['share']:.1%} | {row['calls']} |" for row in facts["profile"]),
    ]
    return "\n".join(lines) + "\n"


def _wait() -> None:
    if GPU:
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
