"""A private authority and certificates that it signs, by the openssl program."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: Path
    key: Path


def an_authority(folder: Path, name: str) -> Certificate:
    made = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem")
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", str(made.key), "-out", str(made.certificate),
    )  # fmt: skip
    return made


def signed_by(authority: Certificate, folder: Path, name: str, *, alternatives: str) -> Certificate:
    """``alternatives`` as OpenSSL writes them: ``IP:127.0.0.1,DNS:db.example``."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={alternatives}\n", encoding="utf-8")
    _openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(request)
    )
    _openssl(
        "x509", "-req", "-days", "2", "-in", str(request), "-CA", str(authority.certificate),
        "-CAkey", str(authority.key), "-CAcreateserial", "-extfile", str(extensions), "-out", str(made.certificate),
    )  # fmt: skip
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
