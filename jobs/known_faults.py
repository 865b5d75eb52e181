"""Known faults of a machine, of its set-up and of object stores, each with its cause and remedy for messages."""

from __future__ import annotations

from typing import NamedTuple

_JAVA_VERSIONS = "Java 17 or 21"


class KnownFault(NamedTuple):
    """A fault that this module recognises.

    Attributes:
        pattern: found in the text of the fault.
        cause: template of the groups of the pattern.
        remedy: what to do.
        is_setup: False if it may also be temporary. A set-up fault needs a person.
    """

    pattern: str
    cause: str
    remedy: str
    is_setup: bool = True


MACHINE_FAULTS = (
    KnownFault("JAVA_HOME is not set", "there is no `java` on the PATH", f"install {_JAVA_VERSIONS}, or set JAVA_HOME"),
    KnownFault(
        r"(\S+/bin/java): "
        r"((?:cannot execute[^\n]*: )?(?:No such file|Permission|Not a dir|Is a dir|Exec format)[^\n]*)",
        "cannot run {0} ({1})",
        f"set JAVA_HOME to the folder of {_JAVA_VERSIONS}, or unset it",
    ),
    KnownFault(
        r"UnsupportedClassVersionError[^\n]*class file version (?P<needed>\d+)[^\n]*up to (?P<java>\d+)",
        "Java {java} is too old; Spark needs Java {needed}",
        f"install {_JAVA_VERSIONS}, or set JAVA_HOME to it",
    ),
    KnownFault(
        r"getSubject is (?:not supported|supported only if a security manager)|Security Manager is not supported",
        "this Java is too new for Spark",
        f"set JAVA_HOME to {_JAVA_VERSIONS}",
    ),
    KnownFault(
        r"invalid null input: name|basedir must be absolute: \?",
        "the id of this user has no name, and Hadoop needs one",
        "add the id to /etc/passwd (`useradd --uid`), or run as another user",
    ),
    KnownFault(
        r"UnknownHostException: (\S+): \1: ",
        "the host name {0} of this machine has no address",
        "add it to /etc/hosts, or set SPARK_LOCAL_IP=127.0.0.1",
    ),
    KnownFault(
        r"(/\S+): failed to map segment from shared object",
        "the folder of temporary files does not allow programs (noexec): {0}",
        "set JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=FOLDER with a folder that does",
    ),
    KnownFault(
        r"Failed to create any local dir|Failed to create a temp directory \(under ([^)]*)\)",
        "Spark cannot write to its folder of temporary files {0}",
        "set SPARK_LOCAL_DIRS to a folder that this user can write to, on a disk with space",
    ),
    KnownFault(
        r"No space left on device|Disk quota exceeded|ENOSPC",
        "a disk is full",
        "free space; TMPDIR and SPARK_LOCAL_DIRS move temporary files to another disk",
        is_setup=False,
    ),
    KnownFault(
        r"Read-only file system",
        "a folder is on a read-only file system",
        "mount it writable, or choose another folder; TMPDIR and SPARK_LOCAL_DIRS move temporary files",
    ),
    KnownFault(
        r"Too many open files|Error loading java.security file",
        "too few file handles are allowed",
        "raise the limit: ulimit -n 65536",
    ),
    KnownFault(
        r"System memory \d+ must be at least (\d+)",
        "the memory of Java is too small; Spark needs at least {0} bytes",
        "raise spark.driver.memory in spark-defaults.conf",
    ),
    KnownFault(
        r"unable to create (?:new )?native thread|[Cc]annot create (?:GC|worker|VM) thread|pthread_create failed",
        "Java cannot start a thread",
        "raise the limit of processes (ulimit -u, or pids of the container) or of memory (ulimit -v)",
    ),
    KnownFault(
        r"Could not reserve enough space|insufficient memory for the Java Runtime|Unable to allocate|"
        r"Cannot allocate memory|Failed to reserve memory|Could not allocate",
        "Java does not get the memory that it asks for",
        "free memory, raise ulimit -v, or lower spark.driver.memory in spark-defaults.conf (4g by default)",
    ),
    KnownFault(
        r"OutOfMemoryError",
        "Java ran out of memory",
        "raise spark.driver.memory in spark-defaults.conf (4g by default)",
        is_setup=False,
    ),
    KnownFault(
        r"BindException: [^\n]*Cannot assign requested address",
        "the address of Spark's driver is not one of this machine",
        "correct SPARK_LOCAL_IP, spark.driver.bindAddress or the host name in /etc/hosts; SPARK_LOCAL_IP=127.0.0.1 is "
        "for runs on one machine",
    ),
    KnownFault(
        r"BindException: [^\n]*in use",
        "Spark finds no free port",
        "free ports, widen net.ipv4.ip_local_port_range, or change spark.driver.port and spark.port.maxRetries",
        is_setup=False,
    ),
    KnownFault(
        r"No network interfaces configured|Network is unreachable",
        "the network of this machine is down, even for the machine itself",
        "set the loopback interface up: ip link set lo up",
    ),
    KnownFault(
        r"unresolved dependenc|UNRESOLVED DEPENDENCIES|Server access error",
        "Spark cannot download JARs from Maven Central",
        "connect this machine to repo1.maven.org once, or copy the JARs to $SPARK_HOME/jars",
    ),
    KnownFault(
        r"(?:Class(?:NotFound|DefNotFound)\w*|CLASS_NOT_FOUND|Cannot find catalog plugin class)[^\n]*"
        r"(?:io\.delta|org\.apache\.spark\.sql\.delta)|'JavaPackage' object is not callable|data source: delta",
        "Spark has no JARs of Delta",
        "pass --packages to spark-submit as in docs/deployment.md",
    ),
    KnownFault(
        r"Failed to find Spark jars directory[^\n]*",
        "SPARK_HOME has no JARs of Spark",
        "unset SPARK_HOME, or set it to a complete Spark",
    ),
    KnownFault(
        r"Missing application resource",
        "PYSPARK_SUBMIT_ARGS is invalid",
        "end it with pyspark-shell, or unset it",
    ),
    KnownFault(
        r"(Unrecognized (?:VM )?option:? [^\n]*|Invalid maximum heap size[^\n]*|"
        r"Could not create the Java Virtual Machine)",
        "Java or Spark rejects an option: {0}",
        "check JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS, SPARK_SUBMIT_OPTS, PYSPARK_SUBMIT_ARGS and spark-defaults.conf",
    ),
    KnownFault(
        r"No module named '((?:udfs|models|jobs)[\w.]*)'",
        "the Python workers have no module {0}, or import another project's package with this name",
        "pass the zip of ndvr with --py-files, install ndvr on every node, or remove the other project from PYTHONPATH",
    ),
    KnownFault(
        r"Cannot run program \"([^\"]*)\"",
        "cannot run {0}",
        "set PYSPARK_PYTHON to a Python with the dependencies of ndvr, on every node",
    ),
    KnownFault(
        r"PYTHON_VERSION_MISMATCH",
        "workers and driver run different versions of Python",
        "set PYSPARK_PYTHON to the Python of the driver",
    ),
)
"""Faults of a machine, or of its set-up."""
_CHECK_ENDPOINT = "correct AWS_ENDPOINT_URL or the URI, and check that the store runs"
STORE_FAULTS = (
    KnownFault(
        r"NoAuthWithAWSException|NoAwsCredentials|Unable to load credentials from any",
        "there are no credentials for S3",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of the standard chain of AWS",
    ),
    KnownFault(
        r"(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired)",
        "the store refuses the credentials ({0})",
        "correct or renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    ),
    KnownFault(
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint",
        "the bucket is in another region",
        "set AWS_REGION to the region of the bucket",
    ),
    KnownFault(
        r"NoSuchBucket|UnknownStoreException",
        "the store has no such bucket",
        "create the bucket, or correct the URI; AWS_ENDPOINT_URL names a store other than AWS",
    ),
    KnownFault(
        r"bucket is null/empty",
        "the bucket in the URI has no valid name",
        "use 3 to 63 lower-case letters, digits, dots and hyphens",
    ),
    KnownFault(
        r"AccessDenied|Forbidden \(Service: S3|Status Code: 403",
        "the store denies access",
        "let the credentials list the bucket, and read, write and delete its objects",
    ),
    KnownFault(
        r"Class org\.apache\.hadoop\.fs\.(s3a|gs|azurebfs)\.\w+ not found",
        "Spark has no connector for this store ({0})",
        "pass --packages to spark-submit as in docs/stores.md",
    ),
    KnownFault(
        r"No FileSystem for scheme \"([\w.+-]+)\"",
        "Spark has no connector for {0}://",
        "name its package in spark.packages",
    ),
    KnownFault(
        r"UnknownHostException when attempting to interact with a service",
        "the host of the store has no address",
        _CHECK_ENDPOINT,
    ),
    KnownFault(
        r"Connect to (\S+) (?:\[[^\]]*\] )?failed: (Connection refused|connect timed out|No route to host)",
        "the store at {0} cannot be reached ({1})",
        _CHECK_ENDPOINT,
    ),
)
"""Faults of an object store, or of its settings."""
