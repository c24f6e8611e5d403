"""Lava processes of networks of any layers and their models, and nothing else.

Lava's compiler executes every file of this folder, several times, to find models: they have no
side effects, and import with absolute names.
"""
