"""What holding links saved."""

from __future__ import annotations

from vncproxy.console.savings import MAX_INSTANCES, Savings


def test_counts_outlive_a_console() -> None:
    """A later console of an instance goes on counting."""
    savings = Savings()
    savings.of("i-1").dials_avoided += 2
    savings.of("i-2").losses_survived += 1
    assert savings.of("i-1").dials_avoided == 2
    assert savings.of("i-1").losses_survived == 0
    assert savings.of("i-2").losses_survived == 1


def test_memory_is_bounded() -> None:
    """The instance not looked up for longest is forgotten."""
    savings = Savings()
    for number in range(MAX_INSTANCES):
        savings.of(f"i-{number}").dials_avoided = 1
    savings.of("i-0")
    savings.of("i-new")
    assert savings.of("i-0").dials_avoided == 1
    assert savings.of("i-1").dials_avoided == 0
