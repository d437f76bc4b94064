"""The registry: names, names of the user's own, objects, and names that stand in a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2c_control.errors import InputError
from e2c_control.registry import Registry, names_from, trusting


class Shape:
    """What is registered."""


class Square(Shape):
    """Of the user."""


@pytest.fixture
def shapes() -> Registry[type[Shape]]:
    return Registry("shape", {"plain": Shape, "late": "no_such_module:Shape", "square": f"{__name__}:Square"}, Shape)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder that says that it is imported by a file, of a shape of its own."""
    (tmp_path / "my_shapes.py").write_text(
        f"from {__name__} import Shape\nopen('imported', 'w').close()\nclass Star(Shape): pass\nnumber = 3\n"
    )
    (tmp_path / "broken_shapes.py").write_text("raise RuntimeError('out of paper')\n")
    (tmp_path / "leaving_shapes.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "stopping_shapes.py").write_text("class Stop(BaseException): pass\nraise Stop\n")
    (tmp_path / "silent_shapes.py").write_text(
        "class Silent(Exception):\n    def __str__(self): raise ValueError\nraise Silent('x')\n"
    )
    (tmp_path / "asking_shapes.py").write_text("raise EOFError('no one\\n is here.')\n")
    (tmp_path / "lazy_shapes.py").write_text("def __getattr__(name): raise SystemExit('not today')\n")
    (tmp_path / "pressed_shapes.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for path in tmp_path.glob("*_shapes.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return "my_shapes:Star"


def test_names_are_listed_without_imports_and_loaded_when_used(shapes: Registry[type[Shape]]) -> None:
    assert list(shapes) == ["plain", "late", "square"]
    assert len(shapes) == 3
    assert "late" in shapes
    assert shapes.find("square") is shapes["square"] is Square


def test_an_object_is_taken_as_it_is(shapes: Registry[type[Shape]]) -> None:
    assert shapes.find(Square) is Square
    with pytest.raises(InputError, match="3 is no shape: choose one of plain, late, square, or give a class derived"):
        shapes.find(3)  # pyright: ignore[reportArgumentType]


def test_an_unknown_name_is_told_with_what_is_like_it(shapes: Registry[type[Shape]]) -> None:
    with pytest.raises(InputError, match=r"no shape 'squire' \(did you mean 'square'\?\): choose one of plain, late"):
        shapes.find("squire")


def test_a_name_of_the_users_own_is_found_in_the_current_folder(shapes: Registry[type[Shape]], mine: str) -> None:
    star = shapes.find(mine)
    assert star.__name__ == "Star"
    assert shapes.name_of(star) == mine
    assert Path("imported").exists()
    assert mine not in shapes


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my_shapes:Moon", "has no attribute 'Moon'"),
        ("no_shapes:Star", "No module named 'no_shapes'"),
        ("broken_shapes:Star", "cannot be imported: RuntimeError: out of paper: install its package, or correct the"),
        ("leaving_shapes:Star", "cannot be imported: SystemExit: 3: install its package"),
        ("stopping_shapes:Star", "cannot be imported: Stop: install its package"),
        ("silent_shapes:Star", "cannot be imported: Silent: install its package"),
        ("asking_shapes:Star", "cannot be imported: EOFError: no one is here: install its package"),
        ("lazy_shapes:Star", "cannot be imported: SystemExit: not today: install its package"),
        ("my_shapes:number", "is no shape"),
        (":Star", "cannot be imported"),
        ("my_shapes:", "cannot be imported"),
    ],
)
def test_why_a_name_is_not_found_is_said(shapes: Registry[type[Shape]], mine: str, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        shapes.find(name)


def test_a_user_who_interrupts_an_import_interrupts_it(shapes: Registry[type[Shape]], mine: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        shapes.find("pressed_shapes:Star")


@pytest.mark.parametrize("module", ["leaving_shapes", "stopping_shapes"])
def test_a_trusted_module_that_leaves_is_refused_in_a_sentence(
    shapes: Registry[type[Shape]], mine: str, module: str
) -> None:
    with pytest.raises(InputError, match=f"{module}:Star' cannot be imported"), trusting(module), names_from("a file"):
        shapes.find(f"{module}:Star")


def test_names_for_files(shapes: Registry[type[Shape]]) -> None:
    assert shapes.name_of(Shape) == "plain"
    assert shapes.name_of(Square) == "square"
    assert shapes.name_of("square") == "square"

    class Local(Shape):
        pass

    with pytest.raises(InputError, match=r"cannot be found again by a name.*at the top of a module"):
        shapes.name_of(Local)
    anything: Registry[object] = Registry("thing", {})
    with pytest.raises(InputError, match="at the top of a module"):
        anything.name_of(lambda: None)


def test_no_name_is_given_twice(shapes: Registry[type[Shape]]) -> None:
    shapes.add("round", Square)
    assert shapes["round"] is Square
    with pytest.raises(InputError, match="There is a shape 'round' already"):
        shapes.add("round", Shape)


def test_a_file_imports_what_is_trusted_alone(shapes: Registry[type[Shape]], mine: str) -> None:
    for trusted in ((), ("my_shape",), ("other",)):
        with (
            pytest.raises(InputError, match=r"config.json names 'my_shapes:Star'.* add --trust my_shapes"),
            trusting(trusted),
            names_from("config.json"),
        ):
            shapes.find(mine)
        assert not Path("imported").exists()
    with trusting("my_shapes"), names_from("config.json"):
        assert shapes.find(mine).__name__ == "Star"
        assert shapes.find("plain") is Shape


def test_the_refusal_outlives_what_is_made_of_it(shapes: Registry[type[Shape]], mine: str) -> None:
    def damaged() -> None:
        with names_from("config.json"):
            try:
                shapes.find(mine)
            except InputError as error:
                raise ValueError("the file is damaged") from error

    with pytest.raises(InputError, match="add --trust my_shapes"):
        damaged()


def test_what_the_user_named_before_a_file_may_name_too(shapes: Registry[type[Shape]], mine: str) -> None:
    star = shapes.find(mine)
    with names_from("config.json"):
        assert shapes.find(mine) is star
        with pytest.raises(InputError, match="--trust broken_shapes"):
            shapes.find("broken_shapes:Star")
    with names_from("config.json"), names_from(None):
        assert shapes.find(mine) is star


def test_registries_list_without_torch() -> None:
    code = (
        "import sys; from e2c_control.cli import COMMANDS; from e2c_control.planners.registry import PLANNERS\n"
        "print(*COMMANDS, *PLANNERS, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split()[-1] == "False"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("REINFORCE", "score-function"),
        ("reinforce", "score-function"),
        ("score function", "score-function"),
        ("Score_Function", "score-function"),
        ("likelihood-ratio", "score-function"),
        ("Gumbel-Softmax", "concrete"),
        ("straight through", "straight-through"),
        ("pathwise", "reparameterisation"),
        ("reparameterization", "reparameterisation"),
        ("RLOO", "rloo"),
    ],
)
def test_the_names_of_the_field_are_found(said: str, meant: str) -> None:
    from e2c_control.gradients.registry import ESTIMATORS

    assert ESTIMATORS.find(said) is ESTIMATORS[meant]
    assert ESTIMATORS.name_of(said) == meant, "what is saved"
    assert said in ESTIMATORS or said not in list(ESTIMATORS), "lists have each entry once"


@pytest.mark.parametrize(
    ("said", "hint"),
    [("reinforc", "score-function"), ("gumbel softmx", "concrete"), ("path-wise", "reparameterisation")],
)
def test_a_near_miss_of_a_name_of_the_field(said: str, hint: str) -> None:
    from e2c_control.gradients.registry import ESTIMATORS

    with pytest.raises(InputError, match=rf"There is no estimator '{said}' \(did you mean '{hint}'\?\)"):
        ESTIMATORS.find(said)
