"""Shows ours-*.json to the CloudEvents SDK, and says what it makes of each."""

from pathlib import Path

from cloudevents.conversion import from_json
from cloudevents.http import CloudEvent

HERE = Path(__file__).parent
DATA = {
    "json": {"celsius": 21.5, "name": "Küche"},
    "text": 'grüße "zwei" Lampen\n',
    "bytes": b"\x00\xff\x10",
    "none": None,
}
MORE = {
    "json": {
        "subject": "123",
        "datacontenttype": "application/json",
        "comexampleextension1": "value",
        "answer": 42,
        "dry": True,
    },
    "text": {"datacontenttype": "text/plain"},
    "bytes": {"datacontenttype": "application/octet-stream"},
    "none": {},
}
for kind, data in DATA.items():
    event = from_json(CloudEvent, (HERE / f"ours-{kind}.json").read_bytes())
    expected = {
        "specversion": "1.0",
        "id": "A234-1234-1234",
        "source": "/mycontext/4",
        "type": "com.example.someevent",
        "time": "2018-04-05T17:31:00Z",
        **MORE[kind],
    }
    found = dict(event.get_attributes())
    assert found == expected, (kind, found)
    assert event.get_data() == data, (kind, event.get_data())
    print(kind, "document: as described")
