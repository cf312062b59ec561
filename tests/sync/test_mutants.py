"""Each mutant of :mod:`mutants` still changes one place; what it is to show takes too long for every day."""

import pytest
from mutants import MUTANTS, ROOT, SYNC


@pytest.mark.parametrize("number", range(len(MUTANTS)))
def test_a_mutant_fits_one_place(number: int) -> None:
    module, before, after = MUTANTS[number]
    source = (ROOT / SYNC / f"{module}.py").read_text(encoding="utf-8")
    assert source.count(before) == 1
    compile(source.replace(before, after), module, "exec")
