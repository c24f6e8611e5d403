from hardware.kernels import *
