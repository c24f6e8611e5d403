"""Mapping networks to neuromorphic chips: planned; today this package holds only its name."""
