"""Replays pass through the engine: mitmproxy builds a plain HTTP layer for them, which would end in the sink."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.addons import clientplayback
from mitmproxy.options import Options

from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.seams import EngineOfReplays

_ReplayHandler = clientplayback.ReplayHandler


def install(engine: EngineOfReplays) -> None:
    """Put our handler where mitmproxy looks it up at each replay. A second engine takes the first one's place."""

    class ShimReplayHandler(_ReplayHandler):
        def __init__(self, flow: http.HTTPFlow, options: Options) -> None:
            super().__init__(flow, options)
            context = self.layer.context
            playback = self.layer.connections[context.client]
            context.layers.clear()
            self.layer = ShimHttpLayer(context, engine)
            self.layer.connections[context.client] = playback

        async def replay(self) -> None:
            engine.add_replay(self)
            try:
                await super().replay()
            finally:
                engine.remove_replay(self)

    clientplayback.ReplayHandler = ShimReplayHandler  # type: ignore[misc]
