"""Print frames a second of a synthetic cohort: the network alone, and to finished files, in turn.

Run alone on the machine: `python tests/bench/bench_release.py`. Weights are random: they cost the
same time as trained ones. Two generators, one whose widths fall towards the finest level as the
paper's do, and one as wide throughout.
"""

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
from bench_pggan import machine
from timing import network_alone

from cmrkit.pggan import recipe, tensor_file
from cmrkit.pggan.memory import keep_freed_memory
from cmrkit.pggan.networks import Generator
from cmrkit.pggan.sampling import load_generator
from cmrkit.pggan.weights import KIND, network_state
from cmrkit.provenance import commit
from cmrkit.release.synthesis import BLOCK_FRAMES, Plan, write_synthetic_cohort

VIEWS, LABELS = ("4ch", "sax"), (1, 2, 3, 4, 5)


def write_generator(path, resolution, widths, precision):
    """A generator of random weights for both views and all labels, as after training."""
    made = recipe.paper(VIEWS, LABELS, resolution, precision=precision, widths=widths)
    network = Generator(made, torch.Generator().manual_seed(0))
    facts = {"recipe": made.to_dict(), "resolution": resolution, "alpha": 1.0,
             "allowed": [[True] * len(LABELS)] * len(VIEWS)}  # fmt: skip
    path.parent.mkdir(parents=True)
    tensor_file.write(path, KIND, network_state(network, "ema"), facts)


def rates(widths, given):
    """Frames a second of the network alone and to finished files, the fastest round of each."""
    forward, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gan" / "generator.safetensors"
        write_generator(path, given.resolution, widths, given.precision)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        generator = load_generator(path, device)
        network_alone(generator, 64)
        for seed in range(given.rounds):
            began = time.perf_counter()
            network_alone(generator, given.frames)
            forward.append(given.frames / (time.perf_counter() - began))
            plan = Plan(
                generator=tensor_file.digest(path), seed=seed, truncation=1.0,
                frames={view: given.frames // 2 for view in VIEWS},
                labels={view: list(LABELS) for view in VIEWS}, spacing_mm=1.0,
                resolution=given.resolution, block=BLOCK_FRAMES, sources="",
            )  # fmt: skip
            began = time.perf_counter()
            write_synthetic_cohort(plan, folder)
            whole.append(given.frames / (time.perf_counter() - began))
    return max(forward), max(whole)


def main():
    """Read the options, time, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of each kind counts")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--width", type=int, default=64, help="feature maps; 0: as in the paper")
    parser.add_argument("--precision", default="bf16")
    given = parser.parse_args()
    keep_freed_memory()
    print(f"{date.today()}, commit {commit()}; {machine()}; {given.precision}\n")
    print("| resolution | widths | frames | network alone | to files | ratio | 100,000 frames |")
    print("|---|---|---|---|---|---|---|")
    plain = recipe.paper(VIEWS, LABELS, given.resolution).widths
    widest = given.width or plain[0]
    shapes = [tuple(widest * width // plain[0] for width in plain)]
    if given.width:
        shapes.append((widest,) * len(plain))
    for widths in shapes:
        forward, whole = rates(widths, given)
        print(f"| {given.resolution} | {widths[0]} to {widths[-1]} | {given.frames} "
              f"| {forward:.0f} | {whole:.0f} | {whole / forward:.2f} "
              f"| {1e5 / whole / 60:.1f} min |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
