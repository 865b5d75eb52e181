"""The output of Java is mapped to a cause and a remedy. The texts are what Java and Spark 4.2 write."""

# ruff: noqa: E501 - output of Java is quoted as it is

from __future__ import annotations

import pytest

from jobs.machine_faults import find_machine_fault, find_reason

STARTED = """WARNING: Using incubator modules: jdk.incubator.vector
Using Spark's default log4j profile: org/apache/spark/log4j2-defaults.properties
26/11/29 20:33:48 WARN Utils: Set SPARK_LOCAL_IP if you need to bind to another address
"""
OUTPUTS = {
    "no credentials": (
        "java.nio.file.AccessDeniedException: s3a://b/x: org.apache.hadoop.fs.s3a.auth.NoAuthWithAWSException: No AWS Credentials provided by TemporaryAWSCredentialsProvider\n",
        "there are no credentials for S3",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    "wrong key": (
        "java.nio.file.AccessDeniedException: s3a://b/x: getFileStatus on s3a://b/x: software.amazon.awssdk.services.s3.model.S3Exception: (Service: S3, Status Code: 403):InvalidAccessKeyId\n",
        "the store refuses the credentials (InvalidAccessKeyId)",
        "correct or renew AWS_ACCESS_KEY_ID",
    ),
    "denied": (
        "java.nio.file.AccessDeniedException: s3a://b/x: getFileStatus on s3a://b/x: software.amazon.awssdk.services.s3.model.S3Exception: Forbidden (Service: S3, Status Code: 403, Request ID: q)\n",
        "the store denies access",
        "let the credentials list the bucket",
    ),
    "no bucket": (
        "org.apache.hadoop.fs.s3a.UnknownStoreException: `s3a://nope/x': getFileStatus on s3a://nope/x: software.amazon.awssdk.services.s3.model.NoSuchBucketException: The specified bucket does not exist (Service: S3, Status Code: 404)\n",
        "the store has no such bucket",
        "create the bucket",
    ),
    "other region": (
        "org.apache.hadoop.fs.s3a.AWSRedirectException: Received permanent redirect response to region eu-west-1: PermanentRedirect: (Service: S3, Status Code: 301)\n",
        "the bucket is in another region",
        "set AWS_REGION",
    ),
    "no name of a bucket": (
        "bucket is null/empty",
        "the bucket in the URI has no valid name",
        "use 3 to 63 lower-case letters",
    ),
    "no connector": (
        "java.lang.RuntimeException: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found\n",
        "Spark has no connector for this store (s3a)",
        "pass --packages to spark-submit",
    ),
    "unknown scheme": (
        'org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "oss"\n',
        "Spark has no connector for oss://",
        "name its package in spark.packages",
    ),
    "unknown endpoint": (
        "java.net.UnknownHostException: getFileStatus on s3a://b/x: software.amazon.awssdk.core.exception.SdkClientException: Received an UnknownHostException when attempting to interact with a service.\n",
        "the host of the store has no address",
        "correct AWS_ENDPOINT_URL",
    ),
    "closed endpoint": (
        "java.net.ConnectException: getFileStatus on s3a://b/x: software.amazon.awssdk.core.exception.SdkClientException: Unable to execute HTTP request: Connect to 127.0.0.1:9 [/127.0.0.1] failed: Connection refused (SDK Attempt Count: 6)\n",
        "the store at 127.0.0.1:9 cannot be reached (Connection refused)",
        "check that the store runs",
    ),
    "no Java": ("JAVA_HOME is not set\n", "there is no `java` on the PATH", "install Java 17 or 21"),
    "wrong JAVA_HOME": (
        "/opt/spark/bin/spark-class: line 71: /opt/nojava/bin/java: No such file or directory\n",
        "cannot run /opt/nojava/bin/java (No such file or directory)",
        "set JAVA_HOME",
    ),
    "Java of another processor": (
        "/opt/spark/bin/spark-class: line 71: /opt/jdk/bin/java: cannot execute binary file: Exec format error\n",
        "cannot run /opt/jdk/bin/java (cannot execute binary file: Exec format error)",
        "set JAVA_HOME",
    ),
    "Java 11": (
        (
            "Error: LinkageError occurred while loading main class org.apache.spark.launcher.Main\n"
            "\tjava.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been compiled by a more recent "
            "version of the Java Runtime (class file version 61.0), this version of the Java Runtime only recognizes class "
            "file versions up to 55.0\n"
        ),
        "Java 11 is too old; Spark needs Java 17",
        "install Java 17 or 21",
    ),
    "Java 8": (
        (
            "Error: A JNI error has occurred, please check your installation and try again\n"
            'Exception in thread "main" java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been '
            "compiled by a more recent version of the Java Runtime (class file version 61.0), this version of the Java "
            "Runtime only recognizes class file versions up to 52.0\n"
        ),
        "Java 8 is too old; Spark needs Java 17",
        "install Java 17 or 21",
    ),
    "user without a name": (
        (
            f'{STARTED}Exception in thread "main" org.apache.hadoop.security.KerberosAuthException: failure to login: '
            "javax.security.auth.login.LoginException: java.lang.NullPointerException: invalid null input: name\n"
            "\tat com.sun.security.auth.UnixPrincipal.<init>(UnixPrincipal.java:71)\n"
        ),
        "the id of this user has no name, and Hadoop needs one",
        "add the id to /etc/passwd",
    ),
    "user without a home": (
        (
            f'{STARTED}Exception in thread "main" java.lang.IllegalArgumentException: basedir must be absolute: '
            "?/.ivy2.5.2/local\n\tat org.apache.ivy.util.Checks.checkAbsolute(Checks.java:48)\n"
        ),
        "the id of this user has no name, and Hadoop needs one",
        "add the id to /etc/passwd",
    ),
    "host without an address": (
        (
            'Exception in thread "main" java.lang.ExceptionInInitializerError\n'
            "Caused by: java.net.UnknownHostException: nowhere: nowhere: Name or service not known\n"
        ),
        "the host name nowhere of this machine has no address",
        "add it to /etc/hosts",
    ),
    "noexec": (
        (
            "java.lang.UnsatisfiedLinkError: /tmp/snappy-1.1.10-2a-libsnappyjava.so: "
            "/tmp/snappy-1.1.10-2a-libsnappyjava.so: failed to map segment from shared object\n"
        ),
        "the folder of temporary files does not allow programs (noexec): /tmp/snappy-1.1.10-2a-libsnappyjava.so",
        "set JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=FOLDER",
    ),
    "local folders": (
        f"{STARTED}26/11/29 21:00:00 ERROR DiskBlockManager: Failed to create any local dir.\n",
        "Spark cannot write to its folder of temporary files",
        "set SPARK_LOCAL_DIRS",
    ),
    "full disk": ("java.io.IOException: No space left on device\n", "a disk is full", "free space"),
    "read-only": (
        "java.io.IOException: mkdir of file:/lake/_delta_log failed: Read-only file system\n",
        "a folder is on a read-only file system",
        "mount it writable",
    ),
    "file handles": (
        "java.net.SocketException: Too many open files\n",
        "too few file handles are allowed",
        "ulimit -n 65536",
    ),
    "so few file handles that Java cannot read its own files": (
        'Exception in thread "main" java.lang.InternalError: Error loading java.security file\n',
        "too few file handles are allowed",
        "ulimit -n 65536",
    ),
    "too large a heap": (
        "Error occurred during initialization of VM\nCould not reserve enough space for 4194304KB object heap\n",
        "Java does not get the memory that it asks for",
        "lower spark.driver.memory",
    ),
    "no memory": (
        (
            "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x00000000, 1, 0) failed; error='Not enough space'\n"
            "#\n# There is insufficient memory for the Java Runtime Environment to continue.\n"
        ),
        "Java does not get the memory that it asks for",
        "lower spark.driver.memory",
    ),
    "too small a heap": (
        (
            "java.lang.IllegalArgumentException: System memory 259522560 must be at least 471859200. Please increase heap "
            "size using the --driver-memory option or spark.driver.memory in Spark configuration.\n"
        ),
        "the memory of Java is too small; Spark needs at least 471859200 bytes",
        "raise spark.driver.memory",
    ),
    "threads": (
        (
            "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits "
            "reached\n"
        ),
        "Java cannot start a thread",
        "raise the limit of processes",
    ),
    "wrong address": (
        (
            "java.net.BindException: bind(..) failed with error(-99): Cannot assign requested address: Service 'sparkDriver' failed after 16 retries (on a "
            "random free port)!\n"
        ),
        "the address of Spark's driver is not one of this machine",
        "correct SPARK_LOCAL_IP",
    ),
    "no network at all": (
        (
            'Exception in thread "main" java.lang.ExceptionInInitializerError\n'
            "Caused by: java.net.SocketException: No network interfaces configured\n"
        ),
        "the network of this machine is down, even for the machine itself",
        "ip link set lo up",
    ),
    "no port": (
        "java.net.BindException: Address already in use: Service 'sparkDriver' failed after 16 retries!\n",
        "Spark finds no free port",
        "change spark.driver.port",
    ),
    "unknown option": (
        (
            "Picked up JAVA_TOOL_OPTIONS: -XX:+Nope\nUnrecognized VM option 'Nope'\n"
            "Error: Could not create the Java Virtual Machine.\n"
        ),
        "Java or Spark rejects an option: Unrecognized VM option 'Nope'",
        "check JAVA_TOOL_OPTIONS",
    ),
    "submit arguments": (
        "Error: Missing application resource.\n\nUsage: spark-submit [options] <app jar>\n",
        "PYSPARK_SUBMIT_ARGS is invalid",
        "end it with pyspark-shell",
    ),
    "no network": (
        (
            f"{STARTED}:: problems summary ::\n:::: WARNINGS\n\t\tmodule not found: org.postgresql#postgresql;42.7.4\n"
            'Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: '
            "org.postgresql#postgresql;42.7.4: not found]\n"
        ),
        "Spark cannot download JARs from Maven Central",
        "connect this machine",
    ),
    "spark-submit without Delta": (
        "TypeError: 'JavaPackage' object is not callable",
        "Spark has no JARs of Delta",
        "--packages",
    ),
    "catalog without Delta": (
        "Cannot find catalog plugin class for catalog 'spark_catalog': org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "Spark has no JARs of Delta",
        "--packages",
    ),
    "workers": (
        "ModuleNotFoundError: No module named 'udfs.opening'; 'udfs' is not a package\n",
        "the Python workers have no module udfs.opening, or import another project's package with this name",
        "--py-files",
    ),
    "worker Python": (
        'java.io.IOException: Cannot run program "/opt/nopython": error=2, No such file or directory\n',
        "cannot run /opt/nopython",
        "set PYSPARK_PYTHON",
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_known_fault_has_its_cause_and_remedy(name: str) -> None:
    output, cause, remedy = OUTPUTS[name]
    fault = find_machine_fault(output)
    assert fault is not None
    assert fault.cause == cause
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    "output", ["", STARTED, 'Exception in thread "main" java.lang.IllegalStateException: never seen before\n']
)
def test_an_unknown_output_is_no_known_fault(output: str) -> None:
    assert find_machine_fault(output) is None


def test_the_first_fault_of_an_output_is_the_cause_of_the_others() -> None:
    fault = find_machine_fault("java.io.IOException: No space left on device\njava.net.BindException: already in use\n")
    assert fault is not None
    assert fault.cause == "a disk is full"


@pytest.mark.parametrize(("name", "is_setup"), [("full disk", False), ("noexec", True), ("no port", False)])
def test_only_a_set_up_fault_lasts(name: str, is_setup: bool) -> None:
    fault = find_machine_fault(OUTPUTS[name][0])
    assert fault is not None
    assert fault.is_setup is is_setup


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            f'{STARTED}Exception in thread "main" java.lang.IllegalStateException: new\n\tat org.apache.spark.Main\n',
            'Exception in thread "main" java.lang.IllegalStateException: new',
        ),
        ("Picked up JAVA_TOOL_OPTIONS: -Xerror\nsomething odd\nFatal error\n", "Fatal error"),
        ("something odd\n", "something odd"),
        (
            f"{STARTED}26/11/29 21:07:11 ERROR SparkContext: Error initializing SparkContext.\njava.lang.Odd: Exception\n",
            "java.lang.Odd: Exception",
        ),
        ("Error occurred during initialization of VM\nCould not do it\n", "Could not do it"),
        ("Error occurred during initialization of VM\n", "Error occurred during initialization of VM"),
        (
            'Exception in thread "main" java.lang.ExceptionInInitializerError\n\tat a.B\nCaused by: java.net.Odd: Exception\n',
            "Caused by: java.net.Odd: Exception",
        ),
        (STARTED, ""),
        ("", ""),
    ],
)
def test_the_reason_is_the_first_line_that_states_an_error(output: str, reason: str) -> None:
    assert find_reason(output) == reason
