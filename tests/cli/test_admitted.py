"""A replay has as many streams, slices and categories as a ledger would give places."""

from monitor.cli.admitted import LocalIds, LocalNames
from monitor.ledger.admission import CATEGORIES_PER_SIGNAL, SLICES_PER_FIELD, Admission
from monitor.records.names import UNKNOWN


def key(number: int) -> tuple[str, dict[str, str]]:
    return f"m{number}", {"model": f"m{number}"}


def test_streams_beyond_the_places_are_other_unless_a_rule_names_them() -> None:
    ids = LocalIds()
    admission = Admission(ids, maximum=2, always=lambda labels: labels["model"] == "m9")
    names = LocalNames(ids, admission.shelf)
    found = admission.streams([key(n) for n in (1, 2, 3, 9, 1)])
    assert [names.stream_key(i) for i in found] == ["m1", "m2", "(other)", "m9", "m1"]
    assert [names.labels(i) for i in found[1:3]] == [{"model": "m2"}, {}]
    assert admission.streams([key(3), key(2)]) == [found[2], found[1]]


def test_a_stream_that_a_rule_names_takes_a_place_from_those_that_come_after_it() -> None:
    ids = LocalIds()
    admission = Admission(ids, maximum=3, always=lambda labels: labels["model"] in ("m8", "m9"))
    names = LocalNames(ids, admission.shelf)
    found = [admission.streams([key(n) for n in batch]) for batch in ((8, 9), (1,), (2,), (3,))]
    assert [names.stream_key(i) for batch in found for i in batch] == ["m8", "m9", "m1", "(other)", "(other)"]


def test_slices_and_categories_of_each_stream_have_their_own_places() -> None:
    ids = LocalIds()
    admission = Admission(ids, maximum=9)
    names = LocalNames(ids, admission.shelf)
    slices = admission.slices([(s, "version", f"v{n}") for s in (1, 2) for n in range(SLICES_PER_FIELD + 1)])
    of_first, of_second = slices[: SLICES_PER_FIELD + 1], slices[SLICES_PER_FIELD + 1 :]
    assert [names.slice(i) for i in (of_first[-2], of_first[-1])] == [
        ("version", f"v{SLICES_PER_FIELD - 1}"),
        ("version", "(other)"),
    ]
    assert of_second[0] not in of_first
    wanted = [(1, 4, f"c{n}") for n in range(CATEGORIES_PER_SIGNAL + 1)]
    categories = admission.categories(wanted)
    assert names.category(1, 4, categories[0]) == "c0"
    assert names.category(1, 4, categories[-1]) == "(other)"
    assert names.category(1, 4, 0) == UNKNOWN
