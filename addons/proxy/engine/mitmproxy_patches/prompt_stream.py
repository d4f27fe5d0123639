"""A stream that goes on at once when the reply to its command is known: no addon waits, a connection is idle.

mitmproxy pauses a stream at each blocking command, queues the events that follow, and resumes it by an event of its own.

Never does: decide what is known; its layer does. Invariant: events reach the stream in the order in which they came.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Paused
from mitmproxy.proxy.layers.http import HttpStream

Reply = tuple[Any]
"""The one reply to a command, which may be None."""


class RepliesAtOnce(Protocol):
    """The layer of a stream."""

    def reply_at_once(self, command: commands.Command) -> Reply | None:
        """Return the reply to a blocking command if it is known now."""


class PromptStream(HttpStream):
    """mitmproxy's stream, with a pause only at commands that take time."""

    _layer: RepliesAtOnce

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event, or queue it while the stream is paused. The reply that is waited for ends the pause."""
        paused = self._paused
        if paused is None:
            return self._run(self._handle_event(event))
        if isinstance(event, events.CommandCompleted) and event.command is paused.command:
            self._paused = None
            return self._resume(paused.generator, event.reply)
        self._paused_event_queue.append(event)
        return cast("CommandGenerator[None]", iter(()))

    def _run(
        self, generator: CommandGenerator[None], reply: object = None
    ) -> CommandGenerator[None]:
        try:
            while True:
                command = generator.send(reply)
                reply = None
                if command.blocking is not True:
                    yield command
                elif found := self._layer.reply_at_once(command):
                    (reply,) = found
                else:
                    command.blocking = self
                    self._paused = Paused(command, generator)
                    yield command
                    return
        except StopIteration:
            return

    def _resume(self, generator: CommandGenerator[None], reply: object) -> CommandGenerator[None]:
        yield from self._run(generator, reply)
        while not self._paused and self._paused_event_queue:
            yield from self._run(self._handle_event(self._paused_event_queue.popleft()))
