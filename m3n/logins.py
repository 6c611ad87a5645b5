"""Logins within addresses and settings, which are used but never printed, logged or stored.

All text that a command writes goes through here: messages, figures, manifests and records for MLflow.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
# scheme://user:password@host: up to the last @ of the word, because passwords hold any character; a port is none
_PASSWORD = re.compile(r"(\b[a-zA-Z][\w+.-]*://)[^\s/@:'\"?]*:(?!\d+(?:[/?\s'\"]|$))[^\s'\"]*@")
_USER = re.compile(r"(\b[a-zA-Z][\w+.-]*://)(?!\*{3}@)[^\s/@'\"?]+@")  # a token in the place of a user
_SETTING = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:passw(?:or)?d|secret|token|access_?key|api_?key|signature|credential)[\w.-]*|sig|pwd)=)[^\s&'\"]*"
)


def without_logins(text: str) -> str:
    """The text with the logins of all addresses in it, and the secrets among their settings, hidden."""
    if "://" not in text:
        return text
    return _SETTING.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1{HIDDEN}@", _PASSWORD.sub(rf"\1{HIDDEN}@", text)))


def hidden(value: Any) -> Any:
    """A nested value, as JSON or a config holds it, with the logins hidden in every text and key."""
    if isinstance(value, str):
        return without_logins(value)
    if isinstance(value, dict):
        return {hidden(key): hidden(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(item) for item in value]
    return value
