"""Writes python-*.json with the CloudEvents SDK, into the current directory."""

from cloudevents.conversion import to_json
from cloudevents.http import CloudEvent

BASE = {
    "id": "A234-1234-1234",
    "source": "/mycontext/4",
    "type": "com.example.someevent",
    "time": "2018-04-05T17:31:00Z",
}


def write(kind, attributes, data):
    with open(f"python-{kind}.json", "wb") as file:
        file.write(to_json(CloudEvent({**BASE, **attributes}, data)))


write(
    "json",
    {
        "subject": "123",
        "datacontenttype": "application/json",
        "comexampleextension1": "value",
        "answer": 42,
        "dry": True,
    },
    {"celsius": 21.5, "name": "Küche"},
)
write("text", {"datacontenttype": "text/plain"}, 'grüße "zwei" Lampen\n')
write("bytes", {"datacontenttype": "application/octet-stream"}, b"\x00\xff\x10")
write("none", {}, None)
