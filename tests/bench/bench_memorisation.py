"""Print the minutes and the memory of a memorisation audit of 100,000 frames against 15,000.

Run alone on the machine: `python tests/bench/bench_memorisation.py`. Frames are random, as the work
does not depend on what they show. Each step is timed on a share of the queries against all
references, with all frames in memory; all pairs are compared, so the time grows with the queries.

Measured with `--share 0.05` on one core with AVX-512, the other one busy, torch 2.13: 3.5 minutes
for the nearest patients on pixels, 3.4 for the distance at the best shift, 0.8 for the embedding,
0.5 for membership; together 8.2 minutes and 1.1 GB.
"""

import argparse
import time

import numpy as np
import torch
from bench_pggan import machine

from cmrkit.audit.embedding import Embedding, _networks
from cmrkit.audit.memorisation import CANDIDATES
from cmrkit.audit.search import FINE_SIDE, aligned_distance, nearest_codes, nearest_in_groups
from cmrkit.pggan.memory import peak_memory

PATIENT_FRAMES = 25


def main():
    """Read the options, time each step, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synthetic", type=int, default=100_000)
    parser.add_argument("--patients", type=int, default=15_000, help="frames")
    parser.add_argument("--share", type=float, default=0.01, help="of the queries that are timed")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    synthetic, patients = (
        rng.integers(256, size=(n, FINE_SIDE, FINE_SIDE), dtype=np.uint8)
        for n in (given.synthetic, given.patients)
    )
    owner = np.arange(given.patients) // PATIENT_FRAMES
    network = Embedding(*(part.eval() for part in _networks()), {})
    known = network.codes(patients)
    keep, few = CANDIDATES + 1, synthetic[: round(given.share * given.synthetic)]
    queries = given.synthetic + given.patients  # each patient is compared with the others too
    held_out = patients[: given.patients // 7]  # 42 patients beside 303, as published
    steps = {
        "nearest patients, pixels": (
            lambda: nearest_in_groups(few, patients, owner, keep), queries / len(few)
        ),
        "distance at the best shift": (
            lambda: [aligned_distance(few, patients[: len(few)]) for _ in range(keep)],
            queries / len(few),
        ),
        "nearest patients, embedding": (
            lambda: nearest_codes(network.codes(few), known, owner, keep), queries / len(few)
        ),
        "membership, held-out patients": (
            lambda: nearest_in_groups(few, held_out, owner[: len(held_out)], 1),
            given.synthetic / len(few),
        ),
    }  # fmt: skip
    print(f"{machine()}; {given.synthetic} synthetic, {given.patients} patient frames\n")
    print("| step | minutes |\n|---|---|")
    total = 0
    for name, (step, times) in steps.items():
        start = time.perf_counter()
        step()
        minutes = (time.perf_counter() - start) * times / 60
        total += minutes
        print(f"| {name} | {minutes:.1f} |", flush=True)
    print(f"| together | {total:.1f} |\n\nlargest memory {peak_memory():.1f} GB")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
