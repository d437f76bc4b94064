"""Which documents were written here, by this user: only those may name places outside their own folder.

A run remembers where its dataset lies, an exploration where its dataset goes. In a folder that somebody sent, such a
path is somebody else's choice. So a document that names one is signed with a key that never leaves the user's own state
folder, and a path is believed only under that signature; otherwise the user has to name it.
"""

import hashlib
import hmac
import json
import os
import secrets
import warnings
from contextlib import suppress
from pathlib import Path

from e2c_control.errors import InputWarning
from e2c_control.runs.typed_json import JSON

KEY_BYTES = 32


def sign(content: JSON) -> str | None:
    """Return a signature of JSON, or None where there is no place for a key."""
    try:
        key = _key_file()
        if not key.is_file():
            key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = key.with_name(f"{key.name}.{secrets.token_hex(8)}")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            with suppress(FileExistsError):  # of two first runs at once, one key holds
                os.link(fresh, key)
            fresh.unlink()
        return _signature(key.read_bytes(), content)
    except (OSError, RuntimeError):
        return None


def is_own(content: JSON, signature: object) -> bool:
    """Return whether `sign` of this user gave that signature of the JSON."""
    try:
        return isinstance(signature, str) and hmac.compare_digest(
            _signature(_key_file().read_bytes(), content).encode(), signature.encode()
        )
    except (OSError, RuntimeError):
        return False


def followed(place: str | None, signature: object, where: object) -> str | None:
    """Return a path that a saved object writes to, if this user's own `sign` stands under it; otherwise None.

    The object can be used all the same, so this warns rather than refuses.

    Args:
        place: the path.
        signature: that was saved with it, of the path alone.
        where: what it was read from, for the warning.
    """
    if place is None or is_own(place, signature):
        return place
    sentence = f"{where} was not saved here: what it would write to {place!r:.200} is not kept."
    warnings.warn(sentence, InputWarning, stacklevel=4)
    return None


def _key_file() -> Path:
    """Return the path of the key, in the state folder of the XDG base directory specification."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "e2c-control" / "key"


def _signature(key: bytes, content: JSON) -> str:
    text = json.dumps(content, sort_keys=True).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
