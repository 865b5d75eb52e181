#!/bin/sh
# Packs the Python environment, for executors without the dependencies of ndvr:
#   sh deploy/pack_environment.sh dist/env.tar.gz [REQUIREMENTS]     # default: deploy/requirements.lock, 7 GB
#   .venv/bin/spark-submit --archives dist/env.tar.gz#env --conf spark.pyspark.python=./env/bin/python \
#       --conf spark.pyspark.driver.python=$PWD/.venv/bin/python --py-files dist/ndvr-0.1.0.zip ... jobs/nightly.py ...
# Spark unpacks the archive once per executor as `env` in its working folder; nodes need enough disk for it.
#
# Limits: the Python in the environment is a link to the one it was made with (uv and venv do not copy it). Nodes need the
# same Python at the same path, the same architecture, and a C library that is not older. Otherwise use the image of
# deploy/docker. Scripts in relocatable environments of uv have no absolute paths, so venv-pack (last released in 2019)
# is not needed.
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
