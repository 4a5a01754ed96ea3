"""A kubeconfig as the clouds write it: it names the API server by a host name, and
a program that gives the credentials.
"""

import json
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


def write_cloud_kubeconfig(kubeconfig: Path, folder: Path) -> Path:
    """Writes one that leads to the same cluster into the folder."""
    content: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    for entry in content["clusters"]:
        address = urlsplit(entry["cluster"]["server"])
        entry["cluster"]["server"] = f"https://localhost:{address.port}"
    for entry in content["users"]:
        pair = {
            "clientCertificateData": b64decode(entry["user"]["client-certificate-data"]).decode(),
            "clientKeyData": b64decode(entry["user"]["client-key-data"]).decode(),
        }
        answer = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": pair,
        }
        credential = folder / f"{entry['name']}.json"
        credential.write_text(json.dumps(answer))
        print_it = "import sys; print(open(sys.argv[1]).read())"
        entry["user"] = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "interactiveMode": "Never",
                "command": sys.executable,
                "args": ["-c", print_it, str(credential)],
            }
        }
    written = folder / "kubeconfig-of-a-cloud"
    written.write_text(yaml.safe_dump(content))
    return written
