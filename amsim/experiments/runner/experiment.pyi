from experiments.runner.experiment import *
