"""Small files of kinds that other sniffers are known to get wrong, each with its truth.

The kinds come from reports against csv.Sniffer, CleverCSV and DuckDB; the contents are our own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """text: the file. header: its names, None without any. count: of rows; first, last: of them."""

    name: str
    text: str
    delimiter: str | None
    header: list[str] | None
    count: int
    first: list[str]
    last: list[str] | None = None
    quote: str | None = None
    escape: str | None = None


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


_CLOCK = [
    f"bytearray(b'fake data'),{h:02}:{m:02}:06,20{h:02}-0{m % 9 + 1}-01T{h:02}:28:21"
    for h, m in ((20, 53), (19, 33), (10, 43), (10, 36), (3, 33), (14, 49))
]

CASES = [
    Case(
        "times-among-commas",
        _lines(*_CLOCK),
        ",",
        None,
        6,
        ["bytearray(b'fake data')", "20:53:06", "2020-09-01T20:28:21"],
    ),
    Case(
        "lists-in-cells",
        _lines(
            "id;has;info;a;b;cost;group;sub;merge",
            "1;False;False;;;62.25;['345'];['10'];UNKNOWN",
            "2;False;True;;;54.00;['235'];['256'];UNKNOWN",
            "3;True;True;;;237.00;['567'];['ALL'];X",
            "4;False;False;;;46.50;['112', '112'];['765', '766'];UNKNOWN",
        ),
        ";",
        ["id", "has", "info", "a", "b", "cost", "group", "sub", "merge"],
        4,
        ["1", "False", "False", "", "", "62.25", "['345']", "['10']", "UNKNOWN"],
    ),
    Case(
        "points-in-quotes",
        _lines("Country;Location;Count;Date", 'China;"35.86166;104.19397";97100,7;04/07/20'),
        ";",
        ["Country", "Location", "Count", "Date"],
        1,
        ["China", "35.86166;104.19397", "97100,7", "04/07/20"],
        quote='"',
    ),
    Case(
        "space-before-quote",
        _lines("column1,column2", '0, "a, b"', '1, "c, d"'),
        ",",
        ["column1", "column2"],
        2,
        ["0", "a, b"],
        ["1", "c, d"],
        quote='"',
    ),
    Case(
        "category-stamps",
        _lines(
            "category_id|name|last_update",
            *(
                f"{at}|{name}|2006-02-15 04:46:27"
                for at, name in enumerate(
                    ["Action", "Animation", "Children", "Classics", "Comedy"], 1
                )
            ),
        ),
        "|",
        ["category_id", "name", "last_update"],
        5,
        ["1", "Action", "2006-02-15 04:46:27"],
    ),
    Case(
        "paths-and-ids",
        _lines(
            "sample,is_nc,fastq_1,fastq_2",
            "5B7822-M1-U055G,False,data/5B7822-M1-U055G_S12_R1_001.fastq.gz,",
            "5B7822-M1-U042G,False,data/5B7822-M1-U042G_S3_R1_001.fastq.gz,",
            "5M26799-M1-U043G,False,data/5M26799-M1-U043G_S4_R1_001.fastq.gz,",
        ),
        ",",
        ["sample", "is_nc", "fastq_1", "fastq_2"],
        3,
        ["5B7822-M1-U055G", "False", "data/5B7822-M1-U055G_S12_R1_001.fastq.gz", ""],
    ),
    Case(
        "title-line-and-decimals",
        _lines(
            "Extraction of 2025-01-06",
            "plant;owner;fuel;price;km",
            "1001;Rossi, Bianchi & C.;diesel;1,789;12,5",
            "1002;Neri | Co;petrol;1,899;3,1",
            "1003;Verdi;diesel;1,755;0,9",
            '1004;Bar "da Ugo";diesel;1,754;7,0',
        ),
        ";",
        ["plant", "owner", "fuel", "price", "km"],
        4,
        ["1001", "Rossi, Bianchi & C.", "diesel", "1,789", "12,5"],
        ["1004", 'Bar "da Ugo"', "diesel", "1,754", "7,0"],
    ),
    Case(
        "markdown-in-cells",
        _lines("name,notes", 'a,"* one\n* two\n* three"', 'b,"* x\n* y"', 'c,"text, with *stars*"'),
        ",",
        ["name", "notes"],
        3,
        ["a", "* one\n* two\n* three"],
        quote='"',
    ),
    Case(
        "bars-all-quoted",
        _lines(
            '"Company"|"Road"|"Size"',
            '"Private Company"|"Point Rd"|"12"',
            '"Other Firm Ltd"|"High Street 3"|"7"',
        ),
        "|",
        ["Company", "Road", "Size"],
        2,
        ["Private Company", "Point Rd", "12"],
        quote='"',
    ),
    Case(
        "tabs-with-text",
        _lines(
            "order\titem name\tship city\tprice",
            "1\tA long item name, blue\tNew York City\t12.50",
            "2\tAnother thing here\tLos Angeles\t8.00",
            "3\tOne more\tSan Jose\t7.10",
        ),
        "\t",
        ["order", "item name", "ship city", "price"],
        3,
        ["1", "A long item name, blue", "New York City", "12.50"],
    ),
    Case(
        "json-column",
        _lines(
            "id,payload,ok", '1,"{""a"": 1, ""b"": [1,2]}",true', '2,"{""a"": 2, ""b"": []}",false'
        ),
        ",",
        ["id", "payload", "ok"],
        2,
        ["1", '{"a": 1, "b": [1,2]}', "true"],
        quote='"',
    ),
    Case(
        "json-unquoted",
        _lines("id\tpayload\tok", '1\t{"a": 1, "b": [1,2]}\ttrue', '2\t{"a": 2, "b": []}\tfalse'),
        "\t",
        ["id", "payload", "ok"],
        2,
        ["1", '{"a": 1, "b": [1,2]}', "true"],
    ),
    Case(
        "dates-in-one-column",
        _lines("when", "2020-01-01", "2020-01-02", "2020-01-03"),
        None,
        ["when"],
        3,
        ["2020-01-01"],
    ),
    Case("numbers-no-header", _lines("1,2,3", "4,5,6", "7,8,9"), ",", None, 3, ["1", "2", "3"]),
    Case(
        "decimal-pairs",
        _lines("x;y", "1,5;2,25", "3,5;4,75", "0,1;0,2"),
        ";",
        ["x", "y"],
        3,
        ["1,5", "2,25"],
    ),
    Case(
        "two-decimals-only", _lines("v;w", "1,5;1.234,56"), ";", ["v", "w"], 1, ["1,5", "1.234,56"]
    ),
    Case(
        "apostrophes-are-text",
        _lines("name,age", "'tis,1", "O'Brien,2", "D'Arcy,3"),
        ",",
        ["name", "age"],
        3,
        ["'tis", "1"],
    ),
    Case(
        "feet-and-inches",
        _lines("name,height,weight", "ann,5'6\",60", "bob,5'11\",80", "cyd,6'0\",90"),
        ",",
        ["name", "height", "weight"],
        3,
        ["ann", "5'6\"", "60"],
    ),
    Case(
        "bad-inches-quoted",
        _lines("height,weight", '"5\'11"",80', '"5\'4""",60', "tall,70", "small,50"),
        ",",
        ["height", "weight"],
        4,
        ["5'11\"", "80"],
        quote='"',
    ),
    Case(
        "passwd",
        _lines(
            "root:x:0:0:root:/root:/bin/bash",
            "daemon:x:1:1:daemon:/usr/sbin:/bin/sh",
            "bin:x:2:2:bin:/bin:/bin/sh",
        ),
        ":",
        None,
        3,
        ["root", "x", "0", "0", "root", "/root", "/bin/bash"],
    ),
    Case(
        "space-numbers",
        _lines("0.1 0.2 0.3", "1.5 2.5 3.5", "7.1 8.2 9.3"),
        " ",
        None,
        3,
        ["0.1", "0.2", "0.3"],
    ),
    Case(
        "aligned-numbers",
        _lines("  0.1   12.2  100.3", " 11.5    2.5    3.5", "  7.1    8.2   99.3"),
        " ",
        None,
        3,
        ["0.1", "12.2", "100.3"],
    ),
    Case(
        "hash-header",
        _lines(
            "#chrom\tstart\tend\tname", "chr1\t100\t200\ta", "chr1\t300\t400\tb", "chr2\t50\t90\tc"
        ),
        "\t",
        ["#chrom", "start", "end", "name"],
        3,
        ["chr1", "100", "200", "a"],
    ),
    Case(
        "comments-then-data",
        _lines(
            "# tool: x, version: 2",
            "# date: 2020-01-01",
            "gene,count,p",
            "A1,10,0.05",
            "B2,20,0.01",
        ),
        ",",
        ["gene", "count", "p"],
        2,
        ["A1", "10", "0.05"],
    ),
    Case(
        "vcf-like",
        _lines(
            "##fileformat=VCFv4.2",
            "##source=me",
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL",
            "1\t100\trs1\tA\tG\t50",
            "1\t200\trs2\tC\tT\t60",
        ),
        "\t",
        ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL"],
        2,
        ["1", "100", "rs1", "A", "G", "50"],
    ),
    Case(
        "rownames",
        _lines(
            '"mpg","cyl","disp"',
            '"Mazda RX4",21,6,160',
            '"Datsun 710",22.8,4,108',
            '"Valiant",18.1,6,225',
        ),
        ",",
        ["", "mpg", "cyl", "disp"],
        3,
        ["Mazda RX4", "21", "6", "160"],
        quote='"',
    ),
    Case(
        "single-quoted",
        _lines("'id','name','note'", "'1','Ann','likes, commas'", "'2','Bob','ok'"),
        ",",
        ["id", "name", "note"],
        2,
        ["1", "Ann", "likes, commas"],
        quote="'",
    ),
    Case(
        "arff-like",
        _lines(
            "5.1,3.5,1.4,0.2,Iris-setosa",
            "4.9,3.0,1.4,0.2,Iris-setosa",
            "7.0,3.2,4.7,1.4,Iris-versicolor",
        ),
        ",",
        None,
        3,
        ["5.1", "3.5", "1.4", "0.2", "Iris-setosa"],
    ),
    Case(
        "urls",
        _lines(
            "http://a.example/x?y=1&z=2,200",
            "http://b.example/q?a=3&b=4,404",
            "http://c.example/,500",
        ),
        ",",
        None,
        3,
        ["http://a.example/x?y=1&z=2", "200"],
    ),
    Case(
        "sentences",
        _lines(
            "text,label",
            '"It was good, really good.",1',
            '"Bad; very bad.",0',
            "So so,1",
            '"He said ""no"", twice",0',
        ),
        ",",
        ["text", "label"],
        4,
        ["It was good, really good.", "1"],
        ['He said "no", twice', "0"],
        quote='"',
    ),
    Case(
        "escaped",
        _lines("id,text", '1,"a \\"quoted\\" word, here"', '2,"plain"', '3,"x \\"y\\""'),
        ",",
        ["id", "text"],
        3,
        ["1", 'a "quoted" word, here'],
        quote='"',
        escape="\\",
    ),
    Case(
        "windows-paths",
        _lines("name,path", 'a,"C:\\data\\new"', 'b,"D:\\temp, old\\x"'),
        ",",
        ["name", "path"],
        2,
        ["a", "C:\\data\\new"],
        quote='"',
    ),
    Case(
        "year-columns",
        _lines("country,2019,2020,2021", "Norway,1.5,2.5,3.5", "Sweden,4,5,6"),
        ",",
        ["country", "2019", "2020", "2021"],
        2,
        ["Norway", "1.5", "2.5", "3.5"],
    ),
    Case(
        "wide-text-header",
        _lines(
            "Name of the school,Town,Pupils in 2020", "St. Mary,Leeds,120", "High School,York,450"
        ),
        ",",
        ["Name of the school", "Town", "Pupils in 2020"],
        2,
        ["St. Mary", "Leeds", "120"],
    ),
    Case(
        "all-text",
        _lines("City,Country", "Oslo,Norway", "Rome,Italy", "Lyon,France"),
        ",",
        ["City", "Country"],
        3,
        ["Oslo", "Norway"],
    ),
    Case(
        "thousands",
        _lines("item;amount", 'a;"1,234,567"', 'b;"2,345"', 'c;"9,999,999"'),
        ";",
        ["item", "amount"],
        3,
        ["a", "1,234,567"],
        quote='"',
    ),
    Case("only-header", "id,name,value\n", ",", ["id", "name", "value"], 0, []),
    Case("only-one-line-of-data", "1,ann,3.5\n", ",", None, 1, ["1", "ann", "3.5"]),
    Case(
        "group-header",
        _lines(",Blood,,Urine,", "id,Na,K,Na,K", "1,140,4.1,80,30", "2,138,3.9,75,28"),
        ",",
        ["id", "Blood Na", "Blood K", "Urine Na", "Urine K"],
        2,
        ["1", "140", "4.1", "80", "30"],
    ),
    Case(
        "trailing-delimiters",
        _lines("a;b;c;", "1;x;2;", "3;y;4;"),
        ";",
        ["a", "b", "c", ""],
        2,
        ["1", "x", "2", ""],
    ),
    Case(
        "mostly-empty",
        _lines("a,b,c,d", ",,,1", "2,,,", ",3,,", ",,4,"),
        ",",
        ["a", "b", "c", "d"],
        4,
        ["", "", "", "1"],
    ),
    Case(
        "quoted-newline-first",
        _lines('"Name\nof person",Age', "Ann,30", "Bob,40"),
        ",",
        ["Name\nof person", "Age"],
        2,
        ["Ann", "30"],
        quote='"',
    ),
    Case(
        "sql-table",
        _lines(" id | name  | qty", "----+-------+-----", "  1 | ann   |   3", "  2 | bob   |  44"),
        "|",
        ["id", "name", "qty"],
        2,
        ["1", "ann", "3"],
    ),
    Case(
        "ip-log",
        _lines(
            *(
                f'10.0.0.{at} - - [10/Oct/2020:13:55:3{at}] "GET /a{at} HTTP/1.0" 200 23{at}'
                for at in range(5)
            )
        ),
        " ",
        None,
        5,
        ["10.0.0.0", "-", "-", "[10/Oct/2020:13:55:30]", "GET /a0 HTTP/1.0", "200", "230"],
        quote='"',
    ),
    Case(
        "codes",
        _lines(
            "E11.9,Type 2 diabetes", "I10,Essential hypertension", 'J45.9,"Asthma, unspecified"'
        ),
        ",",
        None,
        3,
        ["E11.9", "Type 2 diabetes"],
        quote='"',
    ),
    Case(
        "decimal-comma-tab",
        _lines("Probe\tWert", "A\t1,5", "B\t2,75", "C\t0,3"),
        "\t",
        ["Probe", "Wert"],
        3,
        ["A", "1,5"],
    ),
]
