"""Rows a second into PostgreSQL and into MariaDB or MySQL: the same file, the same task, one after the other."""

from typing import Any

from bench.tagger.mariadb import mysql_scalar
from bench.tagger.stage import Stage
from bench.tagger.whole_run import measure_rows
from tests.support.mariadb import running_mariadb, server_program


async def measure_engines(stage: Stage, *, rows: int) -> dict[str, Any]:
    """``mysql`` is None where no server is on this machine."""
    postgres = await measure_rows(stage, "postgres", rows=rows)
    if server_program() is None:
        print("  left out: neither mariadbd nor mysqld is on this machine", flush=True)
        return {"engines": {"postgres": postgres["rows_per_second"], "mysql": None}}
    with running_mariadb(stage.folder) as server:
        await mysql_scalar(server.dsn(), "create database bench character set utf8mb4")
        mysql = await measure_rows(stage, "mysql", rows=rows, database_url=server.dsn("bench"))
    return {
        "engines": {"postgres": postgres["rows_per_second"], "mysql": mysql["rows_per_second"]},
        "engines_measured": {"postgres": postgres, "mysql": mysql},
    }
