from experiments.runner.record import *
