"""How a Redis is reached, and as whom, where Feast's connection string has no word for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a connection by TLS.

    Attributes:
        ca: Who signed the server's certificate, PEM; None for those whom the machine trusts.
        certificate: The client's own, PEM, where the server asks for one.
        key: The key of that, PEM.
        check_hostname: Whether the server's certificate must name the host that is connected to.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    check_hostname: bool = True

    def parameters(self) -> dict[str, Any]:
        """Return what redis-py is told.

        Raises:
            ValueError: A file is not there.
        """
        for name in ("ca", "certificate", "key"):
            file = getattr(self, name)
            if file is not None and not Path(file).is_file():
                raise ValueError(f"online_store.tls.{name}: there is no file {file}; name a PEM file that can be read.")
        files = {"ssl_ca_certs": self.ca, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": self.check_hostname,
            **{name: file for name, file in files.items() if file is not None},
        }


@dataclass(frozen=True, slots=True)
class Access:
    """How a Redis is reached, and as whom; plain data, whose text shows no password.

    Attributes:
        unix_socket: The path of the server's socket, in place of host and port.
        user: The ACL user; None for Redis's default one.
        password: Its password.
        sentinel_user: The user towards the Sentinels, where they ask for one.
        sentinel_password: Its password.
        tls: The files, where connections are encrypted; those to the Sentinels are then as well.
    """

    unix_socket: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def parameters(self) -> dict[str, Any]:
        """Return what redis-py is told of a data node.

        Raises:
            ValueError: A file of `tls` is not there.
        """
        return self._of(self.user, self.password)

    def sentinel_parameters(self) -> dict[str, Any]:
        """Return what redis-py is told of a Sentinel.

        Raises:
            ValueError: A file of `tls` is not there.
        """
        return self._of(self.sentinel_user, self.sentinel_password)

    def _of(self, user: str | None, password: str | None) -> dict[str, Any]:
        named = {name: value for name, value in (("username", user), ("password", password)) if value is not None}
        return {**named, **(self.tls.parameters() if self.tls else {})}
