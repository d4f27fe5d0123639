"""The export of turns to an OpenTelemetry collector. Imported only when one is configured."""
