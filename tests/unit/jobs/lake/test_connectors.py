"""Each store has a connector, whose options come from the environment variables of the store's own tools."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest

from jobs.lake.connectors import (
    CONNECTORS,
    HADOOP_VERSION,
    choose_connectors,
    make_azure_options,
    make_google_options,
    make_s3_options,
)


@pytest.mark.parametrize(
    ("uris", "packages"),
    [
        (["/data/lake", "file:///data/manifest.csv"], []),
        (["s3a://lakehouse/ndvr", "s3a://media/manifest.csv"], ["org.apache.hadoop:hadoop-aws:3.5.0"]),
        (["/data/lake", "s3a://media/manifest.csv"], ["org.apache.hadoop:hadoop-aws:3.5.0"]),
        (["abfss://c@a.dfs.core.windows.net/lake"], ["org.apache.hadoop:hadoop-azure:3.5.0"]),
        (["gs://lakehouse/ndvr"], ["org.apache.hadoop:hadoop-gcp:3.5.0"]),
        (["hdfs://name:8020/lake"], []),
    ],
)
def test_the_connector_is_chosen_by_the_scheme(uris: list[str], packages: list[str]) -> None:
    assert [connector.package.coordinate for connector in choose_connectors(uris)] == packages


def test_connectors_have_the_version_of_the_hadoop_in_pyspark() -> None:
    jars = Path(str(distribution("pyspark").locate_file("pyspark/jars")))
    assert [jar.name for jar in jars.glob("hadoop-client-api-*.jar")] == [f"hadoop-client-api-{HADOOP_VERSION}.jar"]
    assert {connector.package.coordinate.rpartition(":")[2] for connector in CONNECTORS} == {HADOOP_VERSION}


def test_s3_needs_no_variable_where_a_role_or_a_file_has_the_credentials() -> None:
    options = make_s3_options({})
    assert list(options) == [
        "fs.s3a.aws.credentials.provider",
        "fs.s3a.performance.flags",
        "spark.sql.streaming.checkpointFileManagerClass",
    ]
    assert options["fs.s3a.aws.credentials.provider"].endswith(
        ",software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
    )


def test_the_region_and_the_endpoint_of_s3_come_from_the_environment() -> None:
    options = make_s3_options({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    assert options["fs.s3a.endpoint.region"] == "eu-west-1"
    assert options["fs.s3a.endpoint"] == "http://127.0.0.1:9000"
    assert options["fs.s3a.path.style.access"] == "true"
    both = make_s3_options(
        {
            "AWS_REGION": "eu-west-2",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
            "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-2.amazonaws.com",
        }
    )
    assert both["fs.s3a.endpoint.region"] == "eu-west-2"
    assert both["fs.s3a.endpoint"] == "https://s3.eu-west-2.amazonaws.com"
    assert both["fs.s3a.path.style.access"] == "false"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"AZURE_STORAGE_KEY": "k"}, "SharedKey"),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"}, "OAuth"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"}, "OAuth"),
    ],
)
def test_azure_takes_an_identity_a_secret_or_a_key(variables: dict[str, str], expected: str | None) -> None:
    assert make_azure_options(variables).get("fs.azure.account.auth.type") == expected


def test_google_takes_the_default_credentials_of_the_application() -> None:
    assert make_google_options({}) == {"fs.gs.auth.type": "APPLICATION_DEFAULT"}
