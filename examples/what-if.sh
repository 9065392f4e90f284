#!/bin/sh
# What if SCNN had other queues and another memory? Cycles over the queues, and the least bandwidth for each time.
set -eu

prunesim sweep alexnet@scnn --layers 'conv[345]*' --on scnn --vary queue_depth=0,2,8 \
    --vary dram.bandwidth_gbs=3.2,6.4,12.8,25.6 --no-energy --store what-if.sqlite
prunesim plot what-if.sqlite --kind sweep --x queue_depth --y cycles -o queues.svg
prunesim plot what-if.sqlite --kind pareto --x time_us --y dram.bandwidth_gbs -o front.svg
