"""Recognises faults of a machine or of its set-up in the output of Java and in error messages."""

from __future__ import annotations

import re
from typing import NamedTuple

from jobs.errors import first_line

_JAVA_VERSIONS = "Java 17 or 21"
_FIRST_CLASS_VERSION = 44  # class files of Java N have the version 44 + N (JVM specification, section 4.1)


class _Known(NamedTuple):
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


class MachineFault(NamedTuple):
    """The cause of an error, and what to do.

    Attributes:
        cause: in words, with the values that the output has.
        remedy: what to do.
        is_setup: whether it lasts until a person changes the set-up.
    """

    cause: str
    remedy: str
    is_setup: bool


_KNOWN = (
    _Known("JAVA_HOME is not set", "there is no `java` on the PATH", f"install {_JAVA_VERSIONS}, or set JAVA_HOME"),
    _Known(
        r"(\S+/bin/java): "
        r"((?:cannot execute[^\n]*: )?(?:No such file|Permission|Not a dir|Is a dir|Exec format)[^\n]*)",
        "cannot run {0} ({1})",
        f"set JAVA_HOME to the folder of {_JAVA_VERSIONS}, or unset it",
    ),
    _Known(
        r"UnsupportedClassVersionError[^\n]*class file version (?P<needed>\d+)[^\n]*up to (?P<java>\d+)",
        "Java {java} is too old; Spark needs Java {needed}",
        f"install {_JAVA_VERSIONS}, or set JAVA_HOME to it",
    ),
    _Known(
        r"getSubject is (?:not supported|supported only if a security manager)|Security Manager is not supported",
        "this Java is too new for Spark",
        f"set JAVA_HOME to {_JAVA_VERSIONS}",
    ),
    _Known(
        r"invalid null input: name|basedir must be absolute: \?",
        "the id of this user has no name, and Hadoop needs one",
        "add the id to /etc/passwd (`useradd --uid`), or run as another user",
    ),
    _Known(
        r"UnknownHostException: (\S+): \1: ",
        "the host name {0} of this machine has no address",
        "add it to /etc/hosts, or set SPARK_LOCAL_IP=127.0.0.1",
    ),
    _Known(
        r"(/\S+): failed to map segment from shared object",
        "the folder of temporary files does not allow programs (noexec): {0}",
        "set JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=FOLDER with a folder that does",
    ),
    _Known(
        r"Failed to create any local dir|Failed to create a temp directory \(under ([^)]*)\)",
        "Spark cannot write to its folder of temporary files {0}",
        "set SPARK_LOCAL_DIRS to a folder that this user can write to, on a disk with space",
    ),
    _Known(
        r"No space left on device|Disk quota exceeded|ENOSPC",
        "a disk is full",
        "free space; TMPDIR and SPARK_LOCAL_DIRS move temporary files to another disk",
        is_setup=False,
    ),
    _Known(
        r"Read-only file system",
        "a folder is on a read-only file system",
        "mount it writable, or choose another folder; TMPDIR and SPARK_LOCAL_DIRS move temporary files",
    ),
    _Known(
        r"Too many open files|Error loading java.security file",
        "too few file handles are allowed",
        "raise the limit: ulimit -n 65536",
    ),
    _Known(
        r"System memory \d+ must be at least (\d+)",
        "the memory of Java is too small; Spark needs at least {0} bytes",
        "raise spark.driver.memory in spark-defaults.conf",
    ),
    _Known(
        r"unable to create (?:new )?native thread|[Cc]annot create (?:GC|worker|VM) thread|pthread_create failed",
        "Java cannot start a thread",
        "raise the limit of processes (ulimit -u, or pids of the container) or of memory (ulimit -v)",
    ),
    _Known(
        r"Could not reserve enough space|insufficient memory for the Java Runtime|Unable to allocate|"
        r"Cannot allocate memory|Failed to reserve memory|Could not allocate",
        "Java does not get the memory that it asks for",
        "free memory, raise ulimit -v, or lower spark.driver.memory in spark-defaults.conf (4g by default)",
    ),
    _Known(
        r"OutOfMemoryError",
        "Java ran out of memory",
        "raise spark.driver.memory in spark-defaults.conf (4g by default)",
        is_setup=False,
    ),
    _Known(
        r"BindException: [^\n]*Cannot assign requested address",
        "the address of Spark's driver is not one of this machine",
        "correct SPARK_LOCAL_IP, spark.driver.bindAddress or the host name in /etc/hosts; SPARK_LOCAL_IP=127.0.0.1 is "
        "for runs on one machine",
    ),
    _Known(
        r"BindException: [^\n]*in use",
        "Spark finds no free port",
        "free ports, widen net.ipv4.ip_local_port_range, or change spark.driver.port and spark.port.maxRetries",
        is_setup=False,
    ),
    _Known(
        r"No network interfaces configured|Network is unreachable",
        "the network of this machine is down, even for the machine itself",
        "set the loopback interface up: ip link set lo up",
    ),
    _Known(
        r"unresolved dependenc|UNRESOLVED DEPENDENCIES|Server access error",
        "Spark cannot download JARs from Maven Central",
        "connect this machine to repo1.maven.org once, or copy the JARs to $SPARK_HOME/jars",
    ),
    _Known(
        r"(?:Class(?:NotFound|DefNotFound)\w*|CLASS_NOT_FOUND|Cannot find catalog plugin class)[^\n]*"
        r"(?:io\.delta|org\.apache\.spark\.sql\.delta)|'JavaPackage' object is not callable|data source: delta",
        "Spark has no JARs of Delta",
        "pass --packages to spark-submit as in docs/deployment.md",
    ),
    _Known(
        r"Failed to find Spark jars directory[^\n]*",
        "SPARK_HOME has no JARs of Spark",
        "unset SPARK_HOME, or set it to a complete Spark",
    ),
    _Known(
        r"Missing application resource",
        "PYSPARK_SUBMIT_ARGS is invalid",
        "end it with pyspark-shell, or unset it",
    ),
    _Known(
        r"(Unrecognized (?:VM )?option:? [^\n]*|Invalid maximum heap size[^\n]*|"
        r"Could not create the Java Virtual Machine)",
        "Java or Spark rejects an option: {0}",
        "check JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS, SPARK_SUBMIT_OPTS, PYSPARK_SUBMIT_ARGS and spark-defaults.conf",
    ),
    _Known(
        r"No module named '((?:udfs|models|jobs)[\w.]*)'",
        "the Python workers have no module {0}, or import another project's package with this name",
        "pass the zip of ndvr with --py-files, install ndvr on every node, or remove the other project from PYTHONPATH",
    ),
    _Known(
        r"Cannot run program \"([^\"]*)\"",
        "cannot run {0}",
        "set PYSPARK_PYTHON to a Python with the dependencies of ndvr, on every node",
    ),
    _Known(
        r"PYTHON_VERSION_MISMATCH",
        "workers and driver run different versions of Python",
        "set PYSPARK_PYTHON to the Python of the driver",
    ),
)
# These lines precede the reason, or are no reason.
_NOISE = re.compile(
    r"Picked up |WARNING: |Using Spark's default log4j|Setting default log level|To adjust logging level|"
    r":: |\s|[\w.-]+#[\w.-]+ added as a dependency|Ivy Default Cache|The jars for the packages|"
    r"\S+ \S+ (?:WARN|INFO|DEBUG) |#\s*$|# A fatal error|OpenJDK .* warning|Java HotSpot.* warning"
)
# Lines that announce an error, which the next line states.
_ANNOUNCEMENT = re.compile(
    r"\S+ \S+ ERROR SparkContext: Error initializing|Error: A JNI error|Error occurred during init|Error: LinkageError|"
    r".*ExceptionInInitializerError$"
)
_REASON = re.compile(r"Exception|[Ee]rror|ERROR|FATAL|No such file|not found|[Cc](?:an|ould )not|denied|Unrecognized")


def find_machine_fault(text: str) -> MachineFault | None:
    """Return the fault that the output of Java or a message describes; None if it is no known fault."""
    found = [
        (text.count("\n", 0, match.start()), index, match)
        for index, known in enumerate(_KNOWN)
        if (match := re.search(known.pattern, text))
    ]
    if not found:
        return None
    _, index, match = min(found, key=lambda item: item[:2])  # later lines are often consequences of the first
    known = _KNOWN[index]
    groups = ["" if group is None else group for group in match.groups()]
    versions = {name: int(value) - _FIRST_CLASS_VERSION for name, value in match.groupdict().items()}
    return MachineFault(known.cause.format(*groups, **versions).strip(), known.remedy, known.is_setup)


def find_reason(output: str) -> str:
    """Return the first line of the output of Java that states an error; else the first line that is no routine message.

    Empty if there is none.
    """
    lines = [line for line in output.splitlines() if line.strip() and not _NOISE.match(line)]
    stated = [line for line in lines if _REASON.search(line) and not _ANNOUNCEMENT.match(line)]
    return first_line("\n".join(stated or lines))
