"""Public data for `make quality`: what it is labelled with exists, and what cannot be had is said."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from bench.quality import packages
from bench.quality.packages import Package, member, opened
from bench.quality.sets import DATA_SETS, DEPARTMENT_OF, JUNK
from bench.tagger.dataset import NoData
from services.feedback_tagger.tasks import TASKS
from services.feedback_tagger.tasks.email_routing import DEPARTMENTS


def an_archive(folder: Path, name: str = "thing-1.0.0.tgz") -> Path:
    (folder / "a.json").write_text("{}", encoding="utf-8")
    with tarfile.open(folder / name, "w:gz") as archive:
        archive.add(folder / "a.json", "package/a.json")
    return folder / name


def test_every_set_names_a_task_that_exists_and_no_name_comes_twice() -> None:
    assert {data.task for data in DATA_SETS} <= {task.name for task in TASKS.all}
    assert len({data.name for data in DATA_SETS}) == len(DATA_SETS)


def test_departments_of_the_chat_are_departments_of_the_task() -> None:
    names = {department.name for department in DEPARTMENTS}

    assert {*DEPARTMENT_OF.values(), JUNK} == names


def test_a_file_of_a_known_archive_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    digest = hashlib.sha256(an_archive(tmp_path).read_bytes()).hexdigest()

    with opened(Package("thing", "1.0.0", digest)) as archive:
        assert member(archive, "package/a.json") == b"{}"


def test_another_archive_under_the_name_is_refused_and_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    file = an_archive(tmp_path)

    with pytest.raises(NoData, match="is not the archive"), opened(Package("thing", "1.0.0", "0" * 64)):
        pass
    assert not file.exists()


def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoData, match="npm is not on this machine"), opened(Package("thing", "1.0.0", "0" * 64)):
        pass
