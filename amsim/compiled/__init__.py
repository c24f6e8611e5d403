"""Compilation with numba (`jit`), and the compiled arithmetic that several engines share.

Everything here needs numba, which takes longer to import than the rest of amsim together: import it
in the functions that call compiled code.
"""
