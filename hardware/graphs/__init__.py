"""Any network of layers on a chip: its plan, the proof that it fits, and what runs it."""
