"""Pictures of the systems, one function a figure."""
