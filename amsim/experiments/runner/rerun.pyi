from experiments.runner.rerun import *
