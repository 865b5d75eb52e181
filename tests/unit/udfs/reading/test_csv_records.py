"""Each record of a CSV file is read as RFC 4180 says, or is a fault that names its line."""

from __future__ import annotations

import pytest

from udfs.reading.csv_records import MAX_VALUE_CHARACTERS, CsvRecord, read_csv_records


def read(content: str | bytes) -> list[CsvRecord]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_csv_records(raw.split(b"\n")))


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ("a,b\n1,2\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("a,b\r\n1,2\r\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("a,b\r1,2\r3,4", [(1, ["a", "b"]), (2, ["1", "2"]), (3, ["3", "4"])]),
        ('\ufeff"a",b\n1,2', [(1, ["a", "b"]), (2, ["1", "2"])]),
        ('a,b\n1,"x\r\ny"\n2,"x\ry"\n', [(1, ["a", "b"]), (2, ["1", "x\r\ny"]), (4, ["2", "x\ry"])]),
        ('a,b\n1,"say ""hi"", ok"\n', [(1, ["a", "b"]), (2, ["1", 'say "hi", ok'])]),
        ('a,b\n1,12" disk\n', [(1, ["a", "b"]), (2, ["1", '12" disk'])]),
        ('a,b\n1,"C:\\"\n', [(1, ["a", "b"]), (2, ["1", "C:\\"])]),
        ("a,b\n\n \t\n1,\n", [(1, ["a", "b"]), (4, ["1", ""])]),
        ("a,b\n1,line\u2028and\x85and\x1cand\x0b\n", [(1, ["a", "b"]), (2, ["1", "line\u2028and\x85and\x1cand\x0b"])]),
        ("a,b", [(1, ["a", "b"])]),
        ("", []),
    ],
)
def test_records_are_read_as_they_were_written(content: str, records: list[tuple[int, list[str]]]) -> None:
    assert read(content) == [CsvRecord(line, cells) for line, cells in records]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ('a,b\n1,2\n3,"open\n5,6\n', 3, "no quote closes it before the end of the file: '3,\"open'"),
        ('a,b\n3,"open\n5,"6"\n', 2, "text follows a closing quote in line 3; is an earlier quote not closed?"),
        ('a,b\n1,"a \\"word\\" b"\n', 2, 'A quote inside a quoted value is written as "": '),
        ('a,b\n1,"x" \n', 2, "text follows a closing quote in line 2"),
        ("a,b\n1\n", 2, "1 values, but the header has 2: '1'"),
        ("a,b\n1,2,3\n", 2, "3 values, but the header has 2: '1,2,3'"),
        (b"a,b\n1,caf\xe9\n", 2, "the byte 0xe9 is not UTF-8; save the file as UTF-8 text: '1,caf"),
        (b"a,b\n1,x\0y\n", 2, "a NUL byte; save the file as UTF-8 text (is it UTF-16?): "),
        ("a,b\n1,2\n".encode("utf-16"), 1, "a NUL byte"),
        (f'a,b\n1,"{"x" * (MAX_VALUE_CHARACTERS + 1)}"\n', 2, "a value has more than 16777216 characters; is a quote"),
    ],
)
def test_a_record_that_cannot_be_read_is_a_fault_with_its_line(content: str | bytes, line: int, message: str) -> None:
    found = next(record for record in read(content) if record.fault)
    assert (found.line, found.cells) == (line, [])
    assert message in (found.fault or "")
    assert len(found.fault or "") < 400


def test_records_after_one_with_a_fault_are_read_unless_a_quote_is_open() -> None:
    assert [record.line for record in read(b"a,b\n1\n2,2\n\xff,3\n4,4\n")] == [1, 2, 3, 4, 5]
    assert [record.line for record in read('a,b\n1,1\n"x"y,2\n3,3\n')] == [1, 2, 3]


def test_a_long_value_below_the_limit_is_read() -> None:
    assert len(read(f'a,b\n1,"{"x" * 5_000_000}"\n')[1].cells[1]) == 5_000_000
