"""Makes replays use the HTTP layer of the engine. mitmproxy builds a plain one for them, which would end in the sink.

Never does: change the flow that is replayed. Invariant: `began` and `ended` are called once for each replay.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http
from mitmproxy.addons import clientplayback
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

MakeLayer = Callable[[Context], HttpLayer]
OnReplay = Callable[[ConnectionHandler], None]

_ReplayHandler = clientplayback.ReplayHandler


def install(make_layer: MakeLayer, began: OnReplay, ended: OnReplay) -> None:
    """Replace the handler that mitmproxy looks up at each replay. A second call replaces the first."""

    class ShimReplayHandler(_ReplayHandler):
        def __init__(self, flow: http.HTTPFlow, options: Options) -> None:
            super().__init__(flow, options)
            context = self.layer.context
            playback = self.layer.connections[context.client]
            context.layers.clear()
            self.layer = make_layer(context)
            self.layer.connections[context.client] = playback

        async def replay(self) -> None:
            began(self)
            try:
                await super().replay()
            finally:
                ended(self)

    clientplayback.ReplayHandler = ShimReplayHandler  # type: ignore[misc]
