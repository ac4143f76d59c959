"""Print images a second of PG-GAN training and sampling, for each resolution and precision.

Run alone on the machine: `python tests/bench/bench_pggan.py`. On a GPU `--widths 0 --resolutions
256` is the paper's size.
"""

import argparse

import torch
from timing import sampling_rates, stationary_recipe, training_rate


def main():
    """Read the options, time, print a Markdown table with the ratio of bf16 to fp32."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--widths", type=int, default=64, help="feature maps; 0: as in the paper")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--loss", choices=["wgan-gp", "ns-r1"], default="wgan-gp")
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--seconds", type=float, default=5, help="timed for each number")
    given = parser.parse_args()
    print(f"{machine()}; {given.loss}, batch {given.batch}, widths {given.widths or 'paper'}\n")
    print("| resolution | precision | train | s / 1000 images | forward | sample | train ratio |")
    print("|---|---|---|---|---|---|---|")
    for resolution in given.resolutions:
        slowest = None
        for precision in reversed(given.precisions):  # fp32 first, so that bf16 has its ratio
            made = stationary_recipe(resolution, given.widths, given.batch, given.loss, precision)
            train = training_rate(made, given.seconds)
            forward, whole = sampling_rates(made, given.seconds)
            slowest = slowest or train
            print(
                f"| {resolution} | {precision} | {train:.1f} | {1000 / train:.2f} | {forward:.0f} "
                f"| {whole:.0f} ({whole / forward:.2f}) | {train / slowest:.2f} |",
                flush=True,
            )


def machine():
    """What the numbers were measured on."""
    if torch.cuda.is_available():
        tf32 = "on" if torch.backends.cudnn.allow_tf32 else "off"
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}, TF32 {tf32} in fp32"
    capable = "with" if torch.cpu._is_avx512_bf16_supported() else "without"
    return (
        f"{torch.get_num_threads()} CPU threads {capable} bf16 instructions, "
        f"torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
