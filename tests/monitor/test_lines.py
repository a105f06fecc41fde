"""Samples told again are not written in full again."""

from monitor.lines import Family, Lines


class Writer:
    """A format of its own, and the places that it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, families):
        self.asked += [place for family in families for place, _ in family.samples]
        return "".join(map(self._family, families)) + "the end\n"

    def _family(self, family):
        lines = (f"{name}{dict(labels)} = {value}\n" for (name, _, labels), value in family.samples)
        return f"about {family.name}\n{family.help}\n" + "".join(lines)


def family(*values, name="waiting", first=0):
    samples = [((name, None, (("number", str(number)),)), value) for number, value in enumerate(values, first)]
    return Family(name, "How many wait.", "gauge", samples)


def test_the_text_is_what_the_writer_writes():
    """Whatever was told before: the same values, others, more, fewer, none."""
    writer = Writer()
    lines = Lines(writer, str)
    for families in (
        [family(1.5, 2.0), family(3.0, name="served")],
        [family(1.5, 2.0), family(3.0, name="served")],
        [family(4.0, 2.0, 0.0)],
        [family(name="served"), family(7.0, first=2), family(8.0, name="lost")],
        [],
    ):
        assert lines.text(families) == Writer()(families)


def test_only_what_is_new_is_asked_for():
    """A sample that was told before costs no more than its number."""
    writer = Writer()
    lines = Lines(writer, str)
    lines.text([family(1.0, 2.0)])
    writer.asked.clear()
    lines.text([family(3.0, 4.0, 5.0)])
    assert [dict(labels) for _, _, labels in writer.asked] == [{"number": "2"}]


def test_what_is_not_told_any_more_is_forgotten():
    """Names come and go for months: no more is held than twice what is told."""
    lines = Lines(Writer(), str)
    for number in range(1000):
        lines.text([family(1.0, 2.0, first=number)])
        assert len(lines._begun) <= 4


def test_a_line_end_in_the_middle_of_a_label_is_none():
    """Only the format's own line ends count, not all that Unicode takes for one."""
    odd = Family("waiting", "How many wait.", "gauge", [(("waiting", None, (("page", "a\u2028b\x0bc\x85"),)), 1.0)])
    lines = Lines(Writer(), str)
    assert lines.text([odd]) == lines.text([odd]) == Writer()([odd])
