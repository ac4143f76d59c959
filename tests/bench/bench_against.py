"""Time another PG-GAN implementation on the same work as this one, side by side in one run.

`python tests/bench/bench_against.py pytorch_GAN_zoo=<checkout> pro_gan_pytorch=<checkout>`; where
the package is installed, `pro_gan_pytorch` alone will do. Same widths, resolution, batch and loss
(WGAN-GP with drift), one discriminator and one generator step, average updated; theirs run as they
come, in float32.

Of 2026, on torch 2.13, both need a word changed before they start at all, none of which costs time:
pytorch_GAN_zoo `betas=[0.0, 0.99]` for Adam and `getOriginalAvgG()` for `avgG.module` in
`progressive_gan.py`, pro_gan_pytorch 3.4 a last argument `2` (dimensions) of `_output_padding` in
`custom_layers.py`.
"""

import argparse
import contextlib
import io
import sys
import types

import torch
from bench_pggan import machine
from timing import images_per_second, stationary_recipe, training_rate


def gan_zoo(made, device):
    """One step of facebookresearch/pytorch_GAN_zoo: `ProgressiveGAN.optimizeParameters`."""
    from models.progressive_gan import ProgressiveGAN

    model = ProgressiveGAN(
        dimLatentVector=made.latent,
        depthScale0=made.widths[0],
        initBiasToZero=True,
        leakyness=0.2,
        perChannelNormalization=True,
        miniBatchStdDev=True,
        equalizedlR=True,
        dimOutput=made.channels,
        useGPU=device.type == "cuda",
        lambdaGP=made.penalty_weight,
        epsilonD=1e-3,
        baseLearningRate=made.learning_rate,
        lossMode="WGANGP",
    )
    for width in made.widths[1:]:
        model.addScale(width)
    model.updateAlpha(0)  # theirs counts the other way: 0 is the newest level alone
    real = _noise(made, device)
    return lambda: model.optimizeParameters(real)


def pro_gan(made, device):
    """One training step of akanimax/pro_gan_pytorch: both `optimize_...` of its `ProGAN`."""
    _stand_in("torchvision.utils", save_image=None)
    transforms = ("Compose", "RandomHorizontalFlip", "Resize", "ToTensor")  # called on import
    _stand_in("torchvision.transforms", **dict.fromkeys(transforms, lambda *_: None))
    _stand_in("torch.utils.tensorboard", SummaryWriter=None)
    from pro_gan_pytorch import networks
    from pro_gan_pytorch.gan import ProGAN
    from pro_gan_pytorch.losses import WganGP

    networks.nf = lambda stage, **_: made.widths[stage - 1]  # the same widths as ours
    depth = made.resolution.bit_length() - 1
    nets = [
        networks.Generator(depth, made.channels, made.latent),
        networks.Discriminator(depth, made.channels, made.widths[0]),  # last layer as wide as ours
    ]
    model = ProGAN(*nets, device=device)
    from pro_gan_pytorch.custom_layers import update_average

    settings = {"lr": made.learning_rate, "betas": (0.0, 0.99), "eps": 1e-8}
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), **settings) for net in nets)
    loss, real = WganGP(), _noise(made, device)

    def step():
        noise = torch.randn(len(real), made.latent, device=device)
        model.optimize_discriminator(loss, adam_d, noise, real, depth, 1.0)
        model.optimize_generator(loss, adam_g, noise, real, depth, 1.0)
        update_average(model.gen_shadow, model.gen, model.ema_beta)

    return step


THEIRS = {"pytorch_GAN_zoo": gan_zoo, "pro_gan_pytorch": pro_gan}


def _noise(made, device):
    shape = (made.batch[0], made.channels, made.resolution, made.resolution)
    return torch.rand(shape, device=device) * 2 - 1


def _stand_in(name, **contents):
    """Let a package that theirs imports, but does not use in a step, be missing."""
    try:
        __import__(name)
    except ImportError:
        parts = name.split(".")
        for k in range(1, len(parts) + 1):
            part = ".".join(parts[:k])
            sys.modules.setdefault(part, types.ModuleType(part))
        sys.modules[name].__dict__.update(contents)


def their_rate(name, made, seconds):
    """Images a second of another implementation; what it prints is swallowed."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with contextlib.redirect_stdout(io.StringIO()):
        step = THEIRS[name](made, device)

        def whole():
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()

        return images_per_second(whole, made.batch[0], seconds)


def main():
    """Read the options, time theirs and ours, print a Markdown table with ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("theirs", nargs="*", help=f"of {', '.join(THEIRS)}, with =<path>")
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--widths", type=int, default=64, help="feature maps; 0: as in the paper")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="auto", help="of ours")
    parser.add_argument("--seconds", type=float, default=10, help="timed for each number")
    given = parser.parse_args()
    if not given.theirs:
        print(f"no other implementation named; give one of {', '.join(THEIRS)}, with =<path>")
        return
    names = []
    for entry in given.theirs:
        name, _, path = entry.partition("=")
        if name not in THEIRS:
            parser.error(f"{name!r} is unknown; known: {', '.join(THEIRS)}")
        names.append(name)
        sys.path[:0] = [path] if path else []
    print(f"{machine()}; WGAN-GP, batch {given.batch}, widths {given.widths or 'paper'}\n")
    print("| resolution | implementation | images/s | ours / theirs |\n|---|---|---|---|")
    for resolution in given.resolutions:
        made = stationary_recipe(resolution, given.widths, given.batch, "wgan-gp", given.precision)
        ours = training_rate(made, given.seconds)
        print(f"| {resolution} | cmrkit | {ours:.1f} | 1 |", flush=True)
        for name in names:
            rate = their_rate(name, made, given.seconds)
            print(f"| {resolution} | {name} | {rate:.1f} | {ours / rate:.2f} |", flush=True)


if __name__ == "__main__":
    main()
