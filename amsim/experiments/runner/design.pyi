from experiments.runner.design import *
