#!/bin/sh
# Prints the GPUs of this machine for spark.executor.resource.gpu.discoveryScript (Spark documentation, "Custom Resource
# Scheduling"): {"name": "gpu", "addresses": ["0", "1"]}. nvidia-smi numbers GPUs in the order of the PCI bus. CUDA does
# the same with CUDA_DEVICE_ORDER=PCI_BUS_ID, which spark-defaults-gpu.conf sets.
set -eu

found=$(nvidia-smi --query-gpu=index --format=csv,noheader)
addresses=$(printf '%s\n' "$found" | sed -n 's/^ *\([0-9][0-9]*\) *$/"\1"/p' | paste -s -d , -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
