"""Runs the program's tests with pytest, or else with unittest, and writes one line of JSON per thing that happened.

Each line is flushed at once, so that a run that dies still tells how far it came. The last line says how it ended;
a run without it is not whole.
"""

import json
import os
import sys

OUT = open(sys.argv[1], "a", encoding="utf-8")
TASK = json.load(open(sys.argv[2], encoding="utf-8"))
OWNER = os.getpid()


def tell(**what):
    # A process that a test forked must not write into its parent's report.
    if os.getpid() == OWNER:
        OUT.write(json.dumps(what) + "\n")
        OUT.flush()


class Recorder:
    """A pytest plugin: it only listens."""

    def __init__(self):
        self.told = {}

    def pytest_collection_finish(self, session):
        for item in session.items:
            tell(kind="collected", test=item.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            tell(kind="broken", test=report.nodeid, text=str(report.longrepr)[-2000:])

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            outcome = report.outcome
            if report.when != "call" and outcome == "failed":
                outcome = "error"
            text = str(report.longrepr)[-1500:] if outcome in ("failed", "error") else ""
            tell(kind="outcome", test=report.nodeid, outcome=outcome, text=text)

    def pytest_xdist_node_collection_finished(self, node, ids):
        for test in ids:
            tell(kind="collected", test=test)


def run_pytest(pytest):
    arguments = ["-p", "no:cacheprovider", "-q"] + TASK["arguments"] + TASK["only"]
    # The hook of another plugin is unknown where that plugin is missing.
    plugin = Recorder()
    try:
        import xdist  # noqa: F401
    except ImportError:
        del Recorder.pytest_xdist_node_collection_finished
    return int(pytest.main(arguments, plugins=[plugin]))


def plain_folders():
    """Discovery only enters packages, and many projects keep their tests in plain folders."""
    folders = [name for name in ("tests", "test") if os.path.isdir(name)]
    return [name for name in folders if not os.path.exists(os.path.join(name, "__init__.py"))]


def run_unittest():
    import unittest

    class Result(unittest.TextTestResult):
        def _say(self, test, outcome, text=""):
            tell(kind="outcome", test=test.id(), outcome=outcome, text=text[-1500:])

        def addSuccess(self, test):
            super().addSuccess(test)
            self._say(test, "passed")

        def addFailure(self, test, err):
            super().addFailure(test, err)
            self._say(test, "failed", self._exc_info_to_string(err, test))

        def addError(self, test, err):
            super().addError(test, err)
            self._say(test, "error", self._exc_info_to_string(err, test))

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            self._say(test, "skipped")

        def addExpectedFailure(self, test, err):
            super().addExpectedFailure(test, err)
            self._say(test, "skipped")

        def addUnexpectedSuccess(self, test):
            super().addUnexpectedSuccess(test)
            self._say(test, "failed", "it was expected to fail")

        def addSubTest(self, test, subtest, err):
            super().addSubTest(test, subtest, err)
            if err is not None:
                self._say(test, "failed", self._exc_info_to_string(err, test))

    def each(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                yield from each(test)
            else:
                yield test

    errors = []
    if TASK["only"]:
        for folder in plain_folders():
            sys.path.insert(1, folder)
        loader = unittest.TestLoader()
        suite = loader.loadTestsFromNames(TASK["only"])
        errors += loader.errors
    else:
        suite = unittest.TestSuite()
        seen = set()
        for folder in ["."] + plain_folders():
            # A loader remembers the folder it began with, and takes others for parts of it.
            loader = unittest.TestLoader()
            for test in each(loader.discover(folder, top_level_dir=folder)):
                if test.id() not in seen:
                    seen.add(test.id())
                    suite.addTest(test)
            errors += loader.errors
    for test in each(suite):
        tell(kind="collected", test=test.id())
    for error in errors:
        tell(kind="broken", test="", text=error[-2000:])
    result = unittest.TextTestRunner(resultclass=Result, stream=sys.stderr).run(suite)
    return 0 if result.wasSuccessful() else 1


# As `python -m pytest` does: the folder of the run comes first, and this file's own folder not at all.
sys.path[0] = os.getcwd()
sys.argv = ["pytest"]
try:
    import pytest
except ImportError:
    pytest = None
tell(kind="runner", name="pytest" if pytest else "unittest")
status = run_pytest(pytest) if pytest else run_unittest()
tell(kind="end", status=status)
