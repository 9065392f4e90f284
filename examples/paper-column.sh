#!/bin/sh
# Utilization over the sparsity of weights, mean and band of three seeds, as wide as a column of a paper.
set -eu

prunesim sweep alexnet --layers 'conv[345]' --on scnn,cambricon-x --seeds 3 --no-energy \
    --vary weight_density=0.1,0.3,0.5,0.7,0.9 --store utilization.sqlite
prunesim plot utilization.sqlite --kind utilization --column -o utilization.pdf
