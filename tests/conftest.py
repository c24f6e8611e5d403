"""Settings for all tests, made before NumPy is imported."""

import os
import signal

# The arrays of tests are small: on a busy machine the threads of BLAS wait for each other, and a
# test takes ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# In the background of a script Ctrl-C is ignored, and so it would be in the programs tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
