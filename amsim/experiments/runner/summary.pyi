from experiments.runner.summary import *
