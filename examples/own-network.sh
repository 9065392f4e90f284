#!/bin/sh
# An own pruned network on four machines: where do its cycles go?
set -eu
here=$(dirname "$0")

python "$here/prune_own.py" own
prunesim compare own --on scnn,dcnn,cambricon-x,dadiannao --json own.json
prunesim plot own.json --kind causes -o own.svg
