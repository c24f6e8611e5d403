from experiments.runner.provenance import *
