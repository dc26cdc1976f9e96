"""Tables of the report: what a number is, an amount or a name."""

from monitor.postmortem.markup import table, written
from monitor.postmortem.queries import Answer


def test_an_amount_has_its_thousands_and_a_number_that_names_something_is_as_sql_has_it() -> None:
    answer = Answer(("n", "kafka_offset", "sequence"), [(1_234_567, 1_234_567, 1_795_978_487_255)])  # type: ignore[list-item]
    html = written(table(answer, "x"))
    assert '<td class="number">1,234,567</td><td class="number">1234567</td>' in html
    assert '<td class="number">1795978487255</td>' in html
