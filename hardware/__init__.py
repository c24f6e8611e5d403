"""Networks as integers: planned for a chip, proven to fit, run bit by bit.

>>> import amsim as am
>>> import hardware as hw
"""
