"""Asks a model server on this machine for its models. Blocks: the shim does it in a thread.

Never does: load a model, follow a redirect, send a credential. Invariant: an answer that is no list raises an error of this
module, whose message holds nothing that the server sent.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import orjson

from addons.core.json_values import JsonObject, as_object
from addons.core.secrets import Origin
from addons.core.upstream.local.lists import (
    EVERYTHING,
    KINDS,
    Interest,
    ListRequest,
    LocalModel,
    RefusedError,
)

MAX_BYTES = 16 * 1024 * 1024
OK = 200


class NoListError(Exception):
    """The server answers, but not with a list: it is busy, wants a key, or is another program."""


class UnreachableError(NoListError):
    """The server cannot be reached."""

    def __init__(self, url: str, error: OSError) -> None:
        super().__init__(f"{url} cannot be reached")
        self.url = url
        self.error = error

    @property
    def is_down(self) -> bool:
        """Whether nothing listens there. A server that is slow to accept is busy."""
        return isinstance(self.error, ConnectionRefusedError)


def ask_models(
    kind: str, origin: Origin, seconds: float, interest: Interest = EVERYTHING
) -> list[LocalModel]:
    """Return the models of a server. Each of its requests has this time. Raises NoListError."""
    reader = KINDS[kind].read(interest)
    try:
        request = next(reader)
        while True:
            try:
                answer = _ask(origin, request, seconds)
            except RefusedError as refused:
                request = reader.throw(refused)
            else:
                request = reader.send(answer)
    except StopIteration as done:
        found: list[LocalModel] = done.value
        return found
    except RefusedError as refused:
        raise NoListError(str(refused)) from refused


def _ask(origin: Origin, request: ListRequest, seconds: float) -> JsonObject:
    """Return the JSON object of an answer. Raises NoListError or RefusedError."""
    url = f"{origin}{request.path}"
    connection = http.client.HTTPConnection(origin.host, origin.port, timeout=seconds)
    data = None if request.body is None else orjson.dumps(request.body)
    headers = {"accept": "application/json", "user-agent": "codex-shim"}
    if data:
        headers["content-type"] = "application/json"
    try:
        connection.connect()
        with _bounded(connection.sock, seconds):
            connection.request("POST" if data else "GET", request.path, data, headers)
            with connection.getresponse() as response:
                text = response.read(MAX_BYTES)
    except OSError as error:
        raise UnreachableError(url, error) from error
    except http.client.HTTPException as error:
        msg = f"{url} did not answer with HTTP"
        raise NoListError(msg) from error
    finally:
        connection.close()
    if response.status != OK:
        msg = f"{url} answered with status {response.status}"
        raise RefusedError(msg)
    try:
        return as_object(orjson.loads(text))
    except ValueError as error:
        msg = f"{url} did not answer with JSON"
        raise NoListError(msg) from error


@contextmanager
def _bounded(sock: socket.socket, seconds: float) -> Iterator[None]:
    """End all reads of a socket after this time. Its own timeout is one for each read, which may be of one byte."""

    def shut_down() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    bound = threading.Timer(seconds, shut_down)
    bound.daemon = True
    bound.start()
    try:
        yield
    finally:
        bound.cancel()
