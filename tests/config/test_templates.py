"""`{label}` in names and addresses."""

from monitor.config.templates import fields, filled, filled_address, receivers

LABELS = {"team": "ads", "model": "a/b c"}


def test_fields_are_filled_and_unknown_ones_become_nothing() -> None:
    assert fields("{team}-{model}-{team}") == ("team", "model")
    assert filled("{team}: {model}{other}", LABELS) == "ads: a/b c"


def test_a_label_cannot_leave_its_place_in_an_address() -> None:
    filled_in = filled_address("https://wiki.example/{model}?t={team}", {**LABELS, "team": "x&admin=1"})
    assert filled_in == "https://wiki.example/a%2Fb%20c?t=x%26admin%3D1"


def test_a_name_that_stands_for_no_receiver_falls_back() -> None:
    known = {"ads-slack", "default"}
    assert receivers(["{team}-slack", "default"], LABELS, known, ("default",)) == ("ads-slack", "default")
    assert receivers(["{team}-slack"], {"team": "new"}, known, ("default",)) == ("default",)
