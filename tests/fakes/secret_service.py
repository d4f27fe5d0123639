"""A fake of the Secret Service, in which Codex and the library `keyring` keep entries on Linux, on a bus of its own.

It has one collection that is never locked. Never does: use the bus of the developer, write a secret to disk. Invariant:
an entry is found by all of its attributes that a client names, and by no other.

Source: the calls of Codex 0.171 (rust-keyring 3.6.3) and of keyring 25.7; freedesktop.org, Secret Service API 0.2.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from jeepney import HeaderFields, Message, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection

ROOT = "/org/freedesktop/secrets"
COLLECTION = f"{ROOT}/collection/login"
ITEM = "org.freedesktop.Secret.Item"
GROUP = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3"
    "CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5"
    "AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
"""The prime of RFC 2409, second Oakley group."""
BLOCK = 16
Reply = tuple[str, tuple[Any, ...]]
"""A D-Bus signature and its values."""


def dbus_daemon() -> str | None:
    """Return the path of the program that runs a bus, if it is installed."""
    return shutil.which("dbus-daemon")


@dataclass(slots=True)
class Entry:
    """One secret with the names under which it is found."""

    attributes: dict[str, str]
    label: str
    secret: bytes


@dataclass(slots=True)
class _Session:
    """The encryption between one client and the service."""

    key: bytes

    def encrypt(self, plain: bytes) -> tuple[bytes, bytes]:
        """Return the initialization vector and the encrypted bytes."""
        vector, padding = os.urandom(BLOCK), BLOCK - len(plain) % BLOCK
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(vector)).encryptor()
        return vector, encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()

    def decrypt(self, vector: bytes, data: bytes) -> bytes:
        """Return the plain bytes."""
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(vector)).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        return padded[: -padded[-1]]


@dataclass
class SecretService:
    """The service and its bus, for use as a context manager. `folder` holds the socket."""

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    """Object path → entry."""

    @property
    def address(self) -> str:
        """The value of DBUS_SESSION_BUS_ADDRESS."""
        return f"unix:path={self.folder / 'bus'}"

    def __enter__(self) -> Self:
        self._sessions: dict[str, _Session] = {}
        command = [str(dbus_daemon()), "--session", "--nofork", "--nopidfile", "--print-address"]
        self._bus = subprocess.Popen(
            [*command, f"--address={self.address}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._bus.stdout
        # the address is printed when the socket listens
        assert self._bus.stdout.readline()
        self._connection: DBusConnection = open_dbus_connection(self.address)
        self._connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.secrets"))
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bus.terminate()
        self._bus.wait(10)
        self._thread.join(10)
        self._connection.close()
        if self._bus.stdout:
            self._bus.stdout.close()

    def _serve(self) -> None:
        while True:
            try:
                call = self._connection.receive()
            except (OSError, EOFError):
                return
            if call.header.message_type is MessageType.method_call:
                self._connection.send(self._answer(call))

    def _answer(self, call: Message) -> Message:
        fields = call.header.fields
        handler = _HANDLERS.get(fields[HeaderFields.member])
        if handler is None:
            return new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")
        signature, body = handler(self, fields[HeaderFields.path], *call.body)
        return new_method_return(call, signature, body)

    def open_session(self, _path: str, _algorithm: str, theirs: tuple[str, bytes]) -> Reply:
        """Agree on a key with a client (Diffie-Hellman and HKDF)."""
        private = secrets.randbits(1000)
        shared = pow(int.from_bytes(theirs[1]), private, GROUP).to_bytes(128)
        extracted = hmac.new(bytes(32), shared, hashlib.sha256).digest()
        key = hmac.new(extracted, b"\x01", hashlib.sha256).digest()[:BLOCK]
        path = f"{ROOT}/session/s{len(self._sessions)}"
        self._sessions[path] = _Session(key)
        return "vo", (("ay", pow(2, private, GROUP).to_bytes(128)), path)

    def search(self, path: str, wanted: dict[str, str]) -> Reply:
        """Return the entries with these attributes."""
        found = [
            name
            for name, entry in self.entries.items()
            if wanted.items() <= entry.attributes.items()
        ]
        return ("aoao", (found, [])) if path == ROOT else ("ao", (found,))

    def create(
        self, _path: str, given: dict[str, tuple[str, Any]], secret: tuple[Any, ...], _replace: bool
    ) -> Reply:
        """Keep an entry."""
        session, vector, data, _ = secret
        plain = self._sessions[session].decrypt(vector, data)
        name = f"{COLLECTION}/i{len(self.entries)}"
        attributes = dict(given[f"{ITEM}.Attributes"][1])
        self.entries[name] = Entry(attributes, given[f"{ITEM}.Label"][1], plain)
        return "oo", (name, "/")

    def secret_of(self, path: str, session: str) -> Reply:
        """Return the secret of an entry."""
        sealed = self._sessions[session].encrypt(self.entries[path].secret)
        return "(oayays)", ((session, *sealed, "text/plain"),)

    def unlock(self, _path: str, objects: list[str]) -> Reply:
        """Say that all are unlocked."""
        return "aoo", (objects, "/")

    def default(self, _path: str, _name: str) -> Reply:
        """Return the one collection."""
        return "o", (COLLECTION,)

    def get(self, path: str, _interface: str, name: str) -> Reply:
        """Return a property: `Locked` or `Label`."""
        label = self.entries[path].label if path in self.entries else "Login"
        return "v", (("b", False) if name == "Locked" else ("s", label),)


_HANDLERS: dict[str, Callable[..., Reply]] = {
    "OpenSession": SecretService.open_session,
    "SearchItems": SecretService.search,
    "CreateItem": SecretService.create,
    "GetSecret": SecretService.secret_of,
    "Unlock": SecretService.unlock,
    "ReadAlias": SecretService.default,
    "Get": SecretService.get,
}
