"""What a capsule says of dependencies is text from outside: it names no code to run, and what is not known is left unanswered."""

import pytest
from homeostasis_agent.dependencies import errors, replaying


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "builtins.exec", "os"])
def test_only_exceptions_are_made_from_recorded_errors(name, tmp_path):
    touched = tmp_path / "touched"
    told = {"class": name, "arguments": [{"t": "str", "v": "touch %s" % touched, "len": 9}]}
    with pytest.raises(TypeError, match="no exception"):
        errors.made(told)
    assert not touched.exists()


def test_an_exception_is_made_with_its_arguments():
    again = errors.made({"class": "builtins.KeyError", "arguments": [{"t": "str", "v": "a", "len": 1}]})
    assert type(again) is KeyError and again.args == ("a",)


@pytest.mark.parametrize("kind", ["clock", "recording", "newer", "os", "..replay"])
def test_questions_of_a_kind_that_is_not_known_are_left_out(kind):
    assert replaying.Book([{"kind": kind, "answer": {}}]).headings == {}
