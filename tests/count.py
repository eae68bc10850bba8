#!/usr/bin/env python3
"""Print "N passed, N failed, N skipped" of a JUnit file that ctest wrote.

Exit status 1 when a test failed or none passed, also when the file is missing:
a run that tested nothing is not green.
"""
import sys
import xml.etree.ElementTree as xml


def main():
    passed = failed = skipped = 0
    try:
        cases = list(xml.parse(sys.argv[1]).getroot().iter("testcase"))
    except (OSError, xml.ParseError) as error:
        print("count.py: %s" % error, file=sys.stderr)
        cases = []
    for case in cases:
        mark = case.find("skipped")
        why = mark.get("message", "") if mark is not None else ""
        if case.get("status") == "run":
            passed += 1
        elif case.get("status") == "fail" or "Unable to find" in why or "Missing" in why:
            failed += 1
        else:
            skipped += 1
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed or not passed else 0


sys.exit(main())
