from experiments.runner.plan import *
