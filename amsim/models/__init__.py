"""The field's associative memories: constructors of networks, and what surrounds them."""

from .diffusion import DiffusionMemory, diffusion_memory
from .generalisation import circle_energy, circle_radius, classify_samples, transition
from .transformer import analog_transformer, attention, energy_transformer
from .two_layer import dense_am, model_a, model_b, model_c, modern_hopfield

__all__ = [
    "DiffusionMemory",
    "analog_transformer",
    "attention",
    "circle_energy",
    "circle_radius",
    "classify_samples",
    "dense_am",
    "diffusion_memory",
    "energy_transformer",
    "model_a",
    "model_b",
    "model_c",
    "modern_hopfield",
    "transition",
]
