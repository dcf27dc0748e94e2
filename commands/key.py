"""Makes a key for a caller of the scoring service, shows it once, and prints the line that lets it in. `make key`."""

from __future__ import annotations

import os
import re

from commands.settings import SettingError, read_number
from serving.protocols.key_file import SCOPES, line_of, make_key


def main() -> int:
    """Print a key and its line.

    Raises:
        SettingError: NAME, SCOPES or RATE is not what it must be.
    """
    name = os.environ.get("NAME", "")
    if not re.fullmatch(r"[\w.-]+", name):
        raise SettingError(f"NAME={name}: not a name of letters, digits, '.', '-' and '_'; write such as NAME=shop.")
    scopes = [one.strip() for one in os.environ.get("SCOPES", "").split(",") if one.strip()]
    if not scopes or set(scopes) - set(SCOPES):
        raise SettingError(
            f"SCOPES={','.join(scopes)}: not some of {', '.join(SCOPES)}; write such as SCOPES=score,read."
        )
    rate = read_number("RATE", 0) if os.environ.get("RATE") else None
    key = make_key()
    print(
        f"The key of {name}, shown only now:\n\n  {key}\n\nUnder 'keys:' in the file of keys that serving.yaml names:\n"
    )
    print(line_of(key, name, scopes, rate))
    return 0
