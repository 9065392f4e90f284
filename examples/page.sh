#!/bin/sh
# Everything about a comparison as one page that opens without a network.
set -eu

prunesim compare blazeface-sparse --on scnn,dcnn,cambricon-x --json page.json
prunesim report page.json -o page.html
