#!/bin/sh
# Adds the JARs of Delta to those of Spark: fetch_delta.sh io.delta:delta-spark_4.2_2.13:4.4.0
set -eu

package=$1
ivy=$(mktemp -d)
trap 'rm -rf "$ivy"' EXIT
: >"$ivy/nothing.py"
"$SPARK_HOME/bin/spark-submit" --packages "$package" --conf "spark.jars.ivy=$ivy" \
    --conf spark.jars.ivySettings=ivysettings.xml "$ivy/nothing.py"
for jar in "$ivy"/jars/*.jar; do
    # File names of Ivy start with the organisation: io.delta_delta-spark_...
    name=$(basename "$jar" | sed 's/^[^_]*_//')
    # Skip JARs that Spark contains, in the version that it was built with.
    artifact=$(printf '%s\n' "$name" | sed 's/-[0-9][0-9.]*[^/]*\.jar$//')
    if ! ls "$SPARK_HOME/jars" | grep -q "^$artifact-[0-9]"; then
        cp "$jar" "$SPARK_HOME/jars/$name"
    fi
done
