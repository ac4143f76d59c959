"""Networks and optimisers as named tensors, and back."""

import torch

KIND = "cmrkit pggan 1"  # sort of file that checkpoints and generators are


def network_state(network, prefix):
    """Weights of a network under `prefix`."""
    return {f"{prefix}.{name}": value for name, value in network.state_dict().items()}


def load_network(network, tensors, prefix):
    """Fill a network with the weights under `prefix`."""
    start = f"{prefix}."
    weights = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    network.load_state_dict(weights)


def adam_state(optimiser, network, prefix):
    """Adam's moments under `prefix`, by weight name."""
    return {
        f"{prefix}.{name}.{key}": value
        for name, weight in network.named_parameters()
        for key, value in optimiser.state.get(weight, {}).items()
    }


def load_adam(optimiser, network, tensors, prefix):
    """Fill an optimiser with the moments under `prefix`; a weight without any starts afresh."""
    for name, weight in network.named_parameters():
        start = f"{prefix}.{name}."
        state = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        if state:
            optimiser.state[weight] = {
                key: value if value.ndim == 0 else torch.empty_like(weight).copy_(value)
                for key, value in state.items()
            }
