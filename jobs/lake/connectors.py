"""Connectors of Spark to object stores, and their options from the environment variables of each store's own tools.

Arrow reads the same variables, so that one set of variables serves the tables, the videos and the index
(docs/decisions/0017-object-stores.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobs.lake.jars import Package
from udfs.opening.roots import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Of the Hadoop in pyspark. Connectors of other versions fail with missing methods.
HADOOP_VERSION = "3.5.0"
_S3_PROVIDERS = (
    "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider",
    "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
)
"""Keys in the properties of Spark first, then the standard chain of AWS: environment, files, roles."""
_FILE_MANAGER = "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
_S3_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)


class Connector(NamedTuple):
    """A connector of Hadoop.

    Attributes:
        package: its library.
        schemes: of the URIs that it opens.
        variables: environment variables of the driver that the Python workers get, for Arrow.
        make_options: returns options of Hadoop from environment variables.
    """

    package: Package
    schemes: tuple[str, ...]
    variables: tuple[str, ...]
    make_options: Callable[[Mapping[str, str]], dict[str, str]]


def make_s3_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options of S3A.

    Source: the page "S3A: configuring AWS" of Hadoop 3.5.0, and "Service-specific endpoints" of the AWS SDKs. Stores
    other than AWS rarely have a host name for each bucket, so their buckets are in the path.
    """
    options = {
        "fs.s3a.aws.credentials.provider": ",".join(_S3_PROVIDERS),
        # A new file or folder is written without looking first whether there is another at its place or above it.
        # Delta and ndvr write to new names, and a commit holds a lock.
        "fs.s3a.performance.flags": "create,mkdir",
        # Delta renames the checksum of each version through this class. The default one makes 12 requests more.
        "spark.sql.streaming.checkpointFileManagerClass": _FILE_MANAGER,
    }
    if all(environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")):
        # As Spark does when its JVM starts; a notebook may set the variables later.
        options["fs.s3a.access.key"] = environ["AWS_ACCESS_KEY_ID"]
        options["fs.s3a.secret.key"] = environ["AWS_SECRET_ACCESS_KEY"]
        options["fs.s3a.session.token"] = environ.get("AWS_SESSION_TOKEN", "")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if region:
        options["fs.s3a.endpoint.region"] = region
    if endpoint:
        options["fs.s3a.endpoint"] = endpoint
        options["fs.s3a.path.style.access"] = str(".amazonaws.com" not in endpoint).lower()
    return options


def make_azure_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options of ABFS: a workload identity, a client secret or an account key, whichever is set.

    Source: the page "Azure Blob Filesystem" of Hadoop 3.5.0, section Authentication.
    """
    oauth = "org.apache.hadoop.fs.azurebfs.oauth2"
    tenant, client = environ.get("AZURE_TENANT_ID", ""), environ.get("AZURE_CLIENT_ID", "")
    if token_file := environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        return {
            "fs.azure.account.auth.type": "OAuth",
            "fs.azure.account.oauth.provider.type": f"{oauth}.WorkloadIdentityTokenProvider",
            "fs.azure.account.oauth2.msi.tenant": tenant,
            "fs.azure.account.oauth2.client.id": client,
            "fs.azure.account.oauth2.token.file": token_file,
        }
    if secret := environ.get("AZURE_CLIENT_SECRET"):
        return {
            "fs.azure.account.auth.type": "OAuth",
            "fs.azure.account.oauth.provider.type": f"{oauth}.ClientCredsTokenProvider",
            "fs.azure.account.oauth2.client.endpoint": f"https://login.microsoftonline.com/{tenant}/oauth2/token",
            "fs.azure.account.oauth2.client.id": client,
            "fs.azure.account.oauth2.client.secret": secret,
        }
    key = environ.get("AZURE_STORAGE_KEY")
    return {"fs.azure.account.auth.type": "SharedKey", "fs.azure.account.key": key} if key else {}


def make_google_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the options of the Google Cloud Storage connector: the credentials of `gcloud` and of service accounts."""
    del environ  # the connector reads GOOGLE_APPLICATION_CREDENTIALS itself
    return {"fs.gs.auth.type": "APPLICATION_DEFAULT"}


CONNECTORS = (
    Connector(
        Package(
            "the S3 connector",
            f"org.apache.hadoop:hadoop-aws:{HADOOP_VERSION}",
            (
                "software.amazon.awssdk:bundle:2.35.4",
                "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.3.1",
                "org.wildfly.openssl:wildfly-openssl:2.2.5.Final",
            ),
        ),
        ("s3a",),
        _S3_VARIABLES,
        make_s3_options,
    ),
    Connector(
        Package(
            "the Azure connector",
            f"org.apache.hadoop:hadoop-azure:{HADOOP_VERSION}",
            (
                "org.apache.httpcomponents:httpclient:4.5.13",
                "org.apache.httpcomponents:httpcore:4.4.13",
                "commons-logging:commons-logging:1.3.0",
                "commons-codec:commons-codec:1.15",
                "com.microsoft.azure:azure-storage:7.0.1",
                "com.microsoft.azure:azure-keyvault-core:1.0.0",
                "org.apache.hadoop.thirdparty:hadoop-shaded-guava:1.5.0",
                "org.wildfly.openssl:wildfly-openssl:2.2.5.Final",
                "org.hdrhistogram:HdrHistogram:2.1.12",
            ),
        ),
        ("abfs", "abfss"),
        (
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_STORAGE_KEY",
        ),
        make_azure_options,
    ),
    Connector(
        Package("the Google Cloud Storage connector", f"org.apache.hadoop:hadoop-gcp:{HADOOP_VERSION}"),
        ("gs",),
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        make_google_options,
    ),
)
"""Spark itself contains the connector of hdfs://."""


def choose_connectors(uris: Iterable[str]) -> list[Connector]:
    """Return the connectors that open these absolute paths and URIs."""
    schemes = {split.scheme for uri in uris if (split := split_uri(uri)) is not None}
    return [connector for connector in CONNECTORS if schemes & set(connector.schemes)]
