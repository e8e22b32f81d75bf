"""`deskhand demo` end to end, as a process of its own: what it says, what it leaves, and what it does not leave."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from local.demo.sample import THEME_CATEGORY, read_cases, read_items, read_rows, read_theme
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 400.0


def start_demo(out: Path) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "demo", "--out", str(out)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def running_with(text: str) -> list[str]:
    """Command lines of living processes that name ``text`` or work below it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line or text in os.readlink(folder / "cwd"):
                found.append(line)
        except (OSError, ValueError):
            continue  # It ended while we looked.
    return found


def test_the_demo_succeeds_and_says_why(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    demo = start_demo(out)
    said, _ = demo.communicate(timeout=LIMIT_SECONDS)
    assert demo.returncode == 0, said

    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    feedback = summary["feedback"]
    assert [ticket["case"] for ticket in summary["tickets"]] == [1, 2, 3, 4, 5, 6]
    assert [ticket["outcome"] for ticket in summary["tickets"]] == [case.expected for case in read_cases()]
    assert feedback["rows"] == len(read_rows()) + len(read_theme()) + len(read_items())
    assert feedback["rows"] == feedback["stored"] + feedback["rejected"] + feedback["duplicates"]
    assert sum(feedback["by_label"].values()) == feedback["stored"]
    tasks = {task["task"]: task for task in summary["tasks"]}
    assert {task: (each["rows"], each["status"]) for task, each in tasks.items()} == {
        "sentiment": (14, "complete"),
        "email_routing": (8, "complete"),
        "product_facts": (6, "complete"),
    }
    assert tasks["product_facts"]["known"] > 0, "pages whose marks say enough are not asked about"
    category = summary["new_category"]
    assert category["accepted"] == THEME_CATEGORY
    assert category["after"][THEME_CATEGORY] == category["changed"] >= 0.8 * category["planted"] > 0
    assert category["before"].get(THEME_CATEGORY, 0) == 0
    assert category["before"]["unknown"] - category["after"]["unknown"] == category["changed"]
    assert said.startswith("deskhand demo: loading\n")
    assert "stand-ins" in said
    assert str(out / "report.html") in said
    assert "vegaEmbed" in (out / "report.html").read_text(encoding="utf-8")
    stamps = [float(stamp) for stamp in re.findall(r"^ *(\d+\.\d) s  ", said, flags=re.MULTILINE)]
    assert stamps == sorted(stamps)
    assert running_with(str(tmp_path)) == []


def test_a_demo_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path) -> None:
    """SIGTERM while the services work: the demo unwinds, and its servers and services are gone with it."""
    out = tmp_path / "demo"
    demo = start_demo(out)
    wait_until((out / "logs" / "feedback_tagger.log").exists, within=LIMIT_SECONDS, what="the services")
    demo.send_signal(signal.SIGTERM)
    said, _ = demo.communicate(timeout=LIMIT_SECONDS)

    assert demo.returncode == 143, said
    assert "Traceback" not in said
    assert running_with(str(tmp_path)) == []
    assert not (out / "summary.json").exists()
