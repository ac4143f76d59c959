"""One process or several that train together: who am I, and averages over all of us."""

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

PATIENCE = timedelta(minutes=10)  # longer than rank 0 needs to write a checkpoint


@dataclass(frozen=True)
class Processes:
    """The processes of a training job; alone unless `torch.distributed.run` started several.

    Gradients are averaged by hand. Choice: DistributedDataParallel counts each weight's gradient
    once a backward pass and over all weights, which fits neither the gradient penalty (a backward
    pass within a backward pass) nor layers that sleep until their level begins.

    Attributes:
        rank: number of this process; rank 0 alone writes.
        world: number of processes.
        device: where this process trains.
    """

    rank: int
    world: int
    device: torch.device

    def share(self, batch, group):
        """This process's part of a global minibatch, a slice.

        Raises:
            ValueError: the batch does not split into whole groups a process.
        """
        if self.world == 1:
            return slice(None)
        size = batch // self.world
        if batch % self.world or size % group:
            unit = self.world * group
            raise ValueError(
                f"batch: {batch} does not split into groups of {group} for {self.world} processes; "
                f"use a multiple of {unit}"
            )
        return slice(self.rank * size, (self.rank + 1) * size)

    def average_gradients(self, network):
        """Replace the gradients of a network by their mean over all processes."""
        if self.world == 1:
            return
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self._sum(flat)
        parts = flat.div_(self.world).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, values):
        """Mean of a tensor over all processes."""
        if self.world > 1:
            self._sum(values)
            values /= self.world
        return values

    def _sum(self, values):
        try:
            dist.all_reduce(values)
        except RuntimeError as error:
            raise ProcessLost(
                f"rank {self.rank} of {self.world}: another process stopped ({error}); "
                "start the same command again, it goes on from the last checkpoint"
            ) from error

    def leave(self):
        """Wait for the others and part."""
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


class ProcessLost(RuntimeError):
    """Another process of the job stopped."""


def join():
    """Join the processes that `torch.distributed.run` started, by NCCL on GPUs and gloo on CPUs.

    Under SLURM: `srun python -m torch.distributed.run --nnodes=... --rdzv-endpoint=...`.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    if world > 1:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    return Processes(rank, world, device)
