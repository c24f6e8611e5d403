from experiments.runner.pools import *
