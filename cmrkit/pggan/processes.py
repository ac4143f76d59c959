"""One process or several that train together: who am I, and averages over all of us."""

import os
from contextlib import contextmanager
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

    def agree(self, name, value, remedy):
        """Refuse to go on where the processes differ in what has to be the same.

        Raises:
            ValueError: naming a rank with another value than rank 0.
        """
        if self.world == 1:
            return
        found = [None] * self.world
        with self._together():
            dist.all_gather_object(found, value)
        for rank, theirs in enumerate(found):
            if theirs != found[0]:
                raise ValueError(
                    f"{name}: rank 0 has {found[0]}, rank {rank} has {theirs}; {remedy}"
                )

    def _sum(self, values):
        with self._together():
            dist.all_reduce(values)

    @contextmanager
    def _together(self):
        """What all processes have to do at the same time."""
        try:
            yield
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
    """Another process of the job stopped.

    Raised on gloo alone. On NCCL a sum is only queued on the GPU, so nothing is raised where it is
    asked for: torch.distributed.run sees the dead process and ends the others at once, and where a
    whole machine is lost, NCCL's watchdog ends them after `PATIENCE`.
    """


def join():
    """Join the processes that `torch.distributed.run` started, by NCCL on GPUs and gloo on CPUs.

    Under SLURM one task a machine starts the processes there:
    `srun --ntasks-per-node=1 python -m torch.distributed.run --nnodes=$SLURM_NNODES ...`.

    Raises:
        ValueError: more processes than GPUs on this machine, or several tasks of srun that nothing
            has joined, each of which would train the whole run.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1 and "WORLD_SIZE" not in os.environ:
        raise ValueError(
            f"srun: {tasks} tasks, and none knows of the others; "
            "use srun --ntasks-per-node=1 python -m torch.distributed.run --nproc-per-node=<GPUs>"
        )
    if torch.cuda.is_available():
        local, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if local >= gpus:
            raise ValueError(
                f"LOCAL_RANK: {local}, but GPUs here: {gpus}; start with --nproc-per-node={gpus}"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    if world > 1:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    return Processes(rank, world, device)
