"""Add up what a run of scripts/test came to: pytest's reports and the checks beside them.

`tally.py FOLDER` reads `*.xml` (JUnit) and `checks` (lines of "passed NAME" or "failed NAME"), and ends with 1 if
anything failed or nothing ran.
"""

from pathlib import Path
import sys
from xml.etree import ElementTree as ET


def main(folder: Path) -> int:
    """Print the sum and return the exit code."""
    passed = failed = skipped = 0
    for report in sorted(folder.glob("*.xml")):
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            left_out = int(suite.get("skipped", 0))
            passed += int(suite.get("tests", 0)) - bad - left_out
            failed += bad
            skipped += left_out
    checks = folder / "checks"
    for line in checks.read_text().splitlines() if checks.exists() else []:
        verdict, _, name = line.partition(" ")
        passed += verdict == "passed"
        if verdict == "failed":
            failed += 1
            print(f"FAILED {name}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
