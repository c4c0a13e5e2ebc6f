"""Plug-ins at run time: what the compiled project names is imported when it is first needed, and nothing else is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retrigger.triggers.errors import RetriggerError

if TYPE_CHECKING:
    from retrigger.triggers.spec import PlugIn


def load(plugin: PlugIn) -> Any:
    """What the plug-in's path leads to. Raises RetriggerError `plugin_not_loaded` where that is nothing."""
    module, _, attribute = plugin.target.partition(":")
    try:
        found: Any = import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:  # a module may raise anything while it is imported
        message = (
            f"the plug-in {plugin.name} ({plugin.target}) cannot be loaded: {first_line(error)}; "
            f"install {plugin.package}, or compile and deploy again with what is there"
        )
        raise RetriggerError(message, code="plugin_not_loaded") from error
    return found


def first_line(error: BaseException) -> str:
    """An error in a line: its type, and the beginning of what it says. For logs and people, never for callers."""
    text = str(error).strip().partition("\n")[0]
    printable = "".join(char if char.isprintable() else "?" for char in text[:200])
    return f"{type(error).__name__}: {printable}" if printable else type(error).__name__
