"""Settings for all tests, made before NumPy is imported."""

import os

# The arrays of tests are small: on a busy machine the threads of BLAS wait for each other, and a
# test takes ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
