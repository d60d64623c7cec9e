"""Apache Kafka's jars, fetched once with Maven into a cache folder outside the repository.

No package index carries the broker for other tools than Maven, and Docker is not to be had everywhere; Java and
Maven with whatever mirror they are configured for are enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEFAULT_VERSION = os.environ.get("EXPRESS_KAFKA_VERSION", "4.4.0")
OLDEST_VERSION = "3.9.2"
"""The last of the 3.x: what is promised is tested with it, too."""
SCALA = "2.13"
LOG4J = "2.25.4"
INSTALL = "install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jre-headless maven)"

# The broker's own dependencies carry slf4j-api only; a release archive adds these.
LOGGING_4 = [("org.apache.logging.log4j", name, LOG4J) for name in ("log4j-core", "log4j-1.2-api", "log4j-slf4j-impl")]
LOGGING_3 = [("org.slf4j", "slf4j-reload4j", "1.7.36")]


class Missing(Exception):
    """What is needed to run a real Kafka is not installed; the message says what to do."""


def java() -> str:
    """The Java to run Kafka with, new enough; Missing if there is none."""
    home = os.environ.get("JAVA_HOME")
    candidate = shutil.which(str(Path(home) / "bin" / "java")) if home else None
    found = candidate or shutil.which("java")
    if found is None:
        raise Missing(f"no java: {INSTALL}")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise Missing(f"java is {version[1] if version else 'of unknown version'}: {INSTALL}")
    return found


def cache() -> Path:
    """Where jars are kept, one folder per version of Kafka."""
    return Path(os.environ.get("EXPRESS_KAFKA_CACHE") or Path.home() / ".cache" / "express-kafka")


def fetch(version: str = DEFAULT_VERSION) -> Path:
    """The folder with the jars of this version of Kafka, downloaded if need be; Missing if that can't be done."""
    java()
    libs = cache() / version / "libs"
    if libs.exists():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(f"no mvn: {INSTALL}")
    libs.parent.mkdir(parents=True, exist_ok=True)
    with _locked(libs.parent / "lock"), tempfile.TemporaryDirectory(dir=libs.parent) as scratch:
        if not libs.exists():
            _download(maven, version, Path(scratch))
            (Path(scratch) / "libs").rename(libs)
    return libs


def keep(folder: Path, kept: Path) -> None:
    """Copy a folder into the cache, whole or not at all; one that is there stays."""
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        copy = shutil.copytree(folder, Path(scratch) / "copy")
        with contextlib.suppress(OSError):  # somebody else was quicker
            copy.rename(kept)


def _download(maven: str, version: str, scratch: Path) -> None:
    """Let Maven copy the jars into `scratch`/libs."""
    (scratch / "pom.xml").write_text(_pom(version))
    command = [maven, "-q", "-B", "-f", "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    run = subprocess.run(
        [*command, "-DoutputDirectory=libs"], cwd=scratch, capture_output=True, text=True, check=False, timeout=900
    )
    if run.returncode != 0:
        lines = [line for line in run.stdout.splitlines() if "ERROR" in line]
        raise Missing(f"mvn could not fetch Kafka {version}: {lines[0] if lines else run.stderr[-200:]}")


def _pom(version: str) -> str:
    logging = LOGGING_3 if version.startswith("3.") else LOGGING_4
    needed = [("org.apache.kafka", f"kafka_{SCALA}", version), *logging]
    dependencies = "\n".join(
        f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>"
        for g, a, v in needed
    )
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>express.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
{dependencies}
</dependencies>
</project>
"""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file: two test runs at once download once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
