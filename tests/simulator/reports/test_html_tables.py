"""Tables of the report page, tag by tag."""

from simulator.reports.html_tables import table


def test_the_total_stands_out_and_texts_are_escaped():
    assert table(["a & b", "n"], [("<x>", "1"), ("total", "2")]).splitlines() == [
        "<table><thead><tr>",
        "<th>a &amp; b</th>",
        "<th>n</th>",
        "</tr></thead><tbody>",
        "<tr><th>&lt;x&gt;</th><td>1</td></tr>",
        '<tr class="total"><th>total</th><td>2</td></tr>',
        "</tbody></table>",
    ]
