"""Where reports of drift lie, a file a day: validation writes them, serving shows the newest as metrics.

```text
<data>/reports/drift/<service>/<YYYY-MM-DD>.json      and .html beside it, for people
```
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def drift_folder(data: Path, service: str) -> Path:
    """Return the folder of a service's reports."""
    return data / "reports" / "drift" / service


def newest_report(data: Path, service: str) -> dict[str, Any] | None:
    """Return the report of the newest day; None where there is none."""
    found = sorted(drift_folder(data, service).glob("????-??-??.json"))
    return json.loads(found[-1].read_text()) if found else None
