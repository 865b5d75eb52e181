#!/bin/sh
# Packs the Python environment for executors that have none of ndvr's dependencies:
#   sh deploy/pack_environment.sh dist/env.tar.gz [REQUIREMENTS]     # by default all of deploy/requirements.lock: 7 GB
#   .venv/bin/spark-submit --archives dist/env.tar.gz#env --conf spark.pyspark.python=./env/bin/python \
#       --conf spark.pyspark.driver.python=$PWD/.venv/bin/python --py-files dist/ndvr-0.1.0.zip ... jobs/nightly.py ...
# Spark unpacks the archive once for each executor (give nodes the disk for it), in its working folder, as `env`.
#
# What it cannot do: the environment's Python is a link to the one it was made with (uv and venv copy none), so nodes need
# the same Python at the same path, on the same architecture with a C library at least as new. Where they have not, take
# the image of deploy/docker. uv's relocatable environments have no absolute paths in their scripts, which is all that
# venv-pack (last released in 2019) would do besides.
set -eu

archive=$1
requirements=${2:-deploy/requirements.lock}
uv=${UV:-.venv/bin/uv}
python=${PYTHON:-python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$uv" venv --quiet --relocatable --python "$("$python" -c 'import sys; print(sys._base_executable)')" "$work/env"
"$uv" pip sync --quiet --python "$work/env/bin/python" --link-mode copy --require-hashes \
    --build-constraint "$requirements" "$requirements"
tar -C "$work/env" -czf "$archive" .
echo "$archive: $(du -h "$archive" | cut -f 1)"
