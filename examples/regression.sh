#!/bin/sh
# A check for CI: ends with 1 when anything became worse than the reference by more than 1 %.
# The first run keeps what it found as the reference, which belongs into the repository.
set -eu
reference=${1:-reference.json}

prunesim run blazeface-sparse --on scnn --no-energy --json now.json
[ -e "$reference" ] || cp now.json "$reference"
prunesim diff "$reference" now.json --tolerance 1% --worse-only
