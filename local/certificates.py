"""A certificate authority for one cluster, and the certificates it gives out."""

from collections.abc import Sequence
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write(folder: Path, addresses: Sequence[str] = ()) -> None:
    """Writes ca.crt, server.crt/.key, admin.crt/.key and service-accounts.key, readable
    by their owner alone.

    `addresses`: of servers, beside loopback.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="kuberay local")
    authority.cert_pem.write_to_path(folder / "ca.crt")

    server = authority.issue_cert(
        "127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc", *addresses
    )
    # The API server takes a client's name and groups from the certificate's common name
    # and organization.
    admin = authority.issue_cert("admin", common_name="admin", organization_name="system:masters")
    for name, certificate in {"server": server, "admin": admin}.items():
        _private(folder / f"{name}.key", certificate.private_key_pem.bytes())
        (folder / f"{name}.crt").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))

    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    _private(folder / "service-accounts.key", encoded)


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
