"""What the system counts of a process that is measured (Linux): its CPU time and its peak memory."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local.services import Service


@dataclass(frozen=True, slots=True)
class RunningTask:
    """One process with all its threads, and none of its children."""

    pid: int

    @classmethod
    def of(cls, service: Service) -> "RunningTask":
        """The service itself, not the leash that holds it."""
        leash = service.process.pid
        return cls(int(Path(f"/proc/{leash}/task/{leash}/children").read_text(encoding="ascii").split()[0]))

    def cpu_seconds(self) -> float:
        """User and system time of all its threads since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))

    def peak_rss_mb(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def machine() -> dict[str, Any]:
    """Where figures were taken, and how busy it was just before."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "load_average_at_start": [round(each, 2) for each in os.getloadavg()],
    }


def versions(*packages: str) -> dict[str, str]:
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
