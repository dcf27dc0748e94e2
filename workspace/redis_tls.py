"""Makes certificates for a private Redis, and puts TLS in front of a server that was built without it, as a proxy does."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workspace.ports import free_port
from workspace.redis_server import HOST, RedisServer, start_redis
from workspace.redis_topologies import speaks_tls


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM, good for a day.

    Attributes:
        ca: Who signed the others.
        certificate: One for 127.0.0.1 and localhost, for servers and clients.
        key: Its key.
    """

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, name: str = "millrace") -> Certificates:
    """Make an authority, and a certificate that it signs."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]

    def sign(subject: Any, key: Any, *extensions: tuple[Any, bool]) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    folder.mkdir(parents=True, exist_ok=True)
    files = Certificates(*(folder / f"{name}-{part}.pem" for part in ("ca", "certificate", "key")))
    files.ca.write_bytes(sign(issuer, authority, (x509.BasicConstraints(True, None), True)))
    files.certificate.write_bytes(sign(subject, own, (x509.SubjectAlternativeName(hosts), False)))
    files.key.touch(0o600)
    files.key.write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@dataclass(slots=True)
class TlsRedis:
    """A Redis that is reached by TLS, from clients whose certificate it knows.

    Attributes:
        port: Where TLS is spoken.
        server: The server, which also answers in the clear on a port of its own.
        options: The server's own for TLS; none where a proxy before it speaks TLS.
    """

    port: int
    server: RedisServer
    options: tuple[str, ...]


@contextmanager
def start_tls_redis(
    files: Certificates, directory: Path | None = None, options: tuple[str, ...] = ()
) -> Iterator[TlsRedis]:
    """Start a Redis that asks clients for a certificate that the same authority signed; `start_redis` says the rest."""
    port = free_port(HOST)
    if speaks_tls():
        own: tuple[str, ...] = (
            "--tls-port",
            str(port),
            "--tls-ca-cert-file",
            str(files.ca),
            "--tls-auth-clients",
            "yes",
        )
        own += ("--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key))
        with start_redis(directory=directory, options=(*options, *own)) as server:
            yield TlsRedis(port, server, own)
        return
    with start_redis(directory=directory, options=options) as server, _Proxy(port, server.port, files):
        yield TlsRedis(port, server, ())


class _Proxy:
    """Takes TLS from clients, and passes what they say to a port of this machine in the clear."""

    def __init__(self, port: int, target: int, files: Certificates) -> None:
        self._target = (HOST, target)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(files.ca)
        self._context.load_cert_chain(files.certificate, files.key)
        self._listener = socket.create_server((HOST, port))
        self._open: list[socket.socket] = []

    def __enter__(self) -> _Proxy:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        self._open.append(plain)
        with contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            client = self._context.wrap_socket(plain, server_side=True)
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
            self._pass(client, server)
        with contextlib.suppress(OSError):
            plain.close()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
