"""Reproducible studies built on amsim: planned; today this package holds only its name."""
