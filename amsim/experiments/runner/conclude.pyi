from experiments.runner.conclude import *
