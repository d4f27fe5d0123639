"""The canonical vocabulary: conversations, tools and stream events that every protocol translates to and from."""

__all__ = ["conversation", "custom_tool_input", "events", "tools", "turns"]
