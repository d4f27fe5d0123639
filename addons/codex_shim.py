"""What `mitmdump -s` and `mitmweb -s` load. Classes live in the package: a script is no importable module."""

from addons.proxy.addon import CodexShim

addons = [CodexShim()]
