"""The one file that users copy is what the modules make, and it is what every other test here runs."""

from collections.abc import Callable
from pathlib import Path
import runpy
import shutil
import subprocess

import pytest

from .interpreter import AGENT, PROGRAM, needs_micropython

FOLDER = AGENT.with_name("agent")
ASSEMBLE = AGENT.with_name("assemble.py")
assemble: Callable[[Path], str] = runpy.run_path(str(ASSEMBLE))["assemble"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the modules, to be changed."""
    return Path(shutil.copytree(FOLDER, tmp_path / "agent", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_file_is_exactly_what_the_modules_make() -> None:
    assert AGENT.read_text() == assemble(FOLDER), "run firmware/micropython/assemble.py"


def test_it_says_at_its_top_where_it_comes_from() -> None:
    first = AGENT.read_text().splitlines()[0]
    assert ASSEMBLE.name in first
    assert f"{FOLDER.name}/" in first


def test_every_line_of_the_modules_is_in_it() -> None:
    whole = AGENT.read_text().splitlines()
    for path in FOLDER.glob("*.py"):
        lines = [line for line in path.read_text().splitlines() if line.startswith((" ", "class ", "def ", "async "))]
        assert [line for line in lines if line not in whole] == []


def test_a_module_is_one_idea_of_less_than_300_lines() -> None:
    assert {path.name for path in FOLDER.glob("*.py") if len(path.read_text().splitlines()) >= 300} == set()


@needs_micropython
@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_each_module_names_all_that_it_needs(module: str) -> None:
    command = [PROGRAM, "-c", f"import agent.{module}" if module != "__init__" else "import agent"]
    done = subprocess.run(command, cwd=AGENT.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@needs_micropython
def test_it_is_micropython_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    shutil.copy(AGENT, tmp_path)
    command = [
        PROGRAM,
        "-c",
        "import mqtt_ota; mqtt_ota.Agent('relay-1', 'nowhere', folder='.').leave(); print('here')",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr


def test_a_module_that_nobody_lists_is_found_out(folder: Path) -> None:
    (folder / "more.py").write_text('"""More."""\n')
    with pytest.raises(ValueError, match="modules"):
        assemble(folder)


def test_a_name_that_two_modules_define_is_found_out(folder: Path) -> None:
    path = folder / "pull.py"
    path.write_text(path.read_text() + "\n\ndef size_of(path):\n    pass\n")
    with pytest.raises(ValueError, match="size_of"):
        assemble(folder)


def test_a_module_that_needs_a_later_one_is_found_out(folder: Path) -> None:
    path = folder / "texts.py"
    path.write_text(path.read_text().replace("import binascii", "import binascii\n\nfrom .agent import Agent"))
    with pytest.raises(ValueError, match="agent"):
        assemble(folder)
