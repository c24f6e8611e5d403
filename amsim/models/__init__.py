"""Known associative memories: constructors of networks, and methods of data analysis with them."""

from . import clustering
from .diffusion import DiffusionMemory, diffusion_memory
from .generalisation import circle_energy, circle_radius, classify_samples, transition
from .hierarchy import hierarchical_memory
from .image_tokens import embed, from_patches, patches
from .random_features import RandomFeatureMemory, random_feature_memory
from .recurrent import random_network, ring_attractor
from .sequences import kernel_memory, sequence_memory
from .transformer import (
    analog_transformer,
    attention,
    context_transformer,
    energy_transformer,
)
from .two_layer import dense_am, model_a, model_b, model_c, modern_hopfield

__all__ = [
    "DiffusionMemory",
    "RandomFeatureMemory",
    "analog_transformer",
    "attention",
    "circle_energy",
    "circle_radius",
    "classify_samples",
    "clustering",
    "context_transformer",
    "dense_am",
    "diffusion_memory",
    "embed",
    "energy_transformer",
    "from_patches",
    "hierarchical_memory",
    "kernel_memory",
    "model_a",
    "model_b",
    "model_c",
    "modern_hopfield",
    "patches",
    "random_feature_memory",
    "random_network",
    "ring_attractor",
    "sequence_memory",
    "transition",
]


def __dir__() -> list[str]:
    return __all__
