// Shows ours-* to the CloudEvents SDK, and says what it makes of each.
const assert = require("assert");
const fs = require("fs");
const path = require("path");
const { MQTT } = require("cloudevents");

const base = {
  specversion: "1.0",
  id: "A234-1234-1234",
  source: "/mycontext/4",
  type: "com.example.someevent",
  time: "2018-04-05T17:31:00Z",
};
const json = { celsius: 21.5, name: "Küche" };
const word = { subject: "123", datacontenttype: "application/json", comexampleextension1: "value" };
// What user properties carry are strings.
const kinds = {
  json: [
    { ...word, answer: 42, dry: true },
    { ...word, answer: "42", dry: "true" },
  ],
  text: [{ datacontenttype: "text/plain" }],
  bytes: [{ datacontenttype: "application/octet-stream" }],
  none: [{}],
};

function check(kind, form, event, attributes) {
  const { data, data_base64, time, ...more } = event.toJSON();
  const found = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
  const expected = { ...base, ...attributes };
  delete expected.time;
  assert.deepStrictEqual(found, expected, `${kind} ${form}`);
  assert.strictEqual(new Date(time).getTime(), new Date(base.time).getTime());
  if (kind === "json") {
    assert.deepStrictEqual(typeof data === "string" ? JSON.parse(data) : data, json);
  } else if (kind === "text") {
    assert.strictEqual(data, 'grüße "zwei" Lampen\n');
  } else if (kind === "bytes") {
    assert.strictEqual(data_base64 ?? Buffer.from(data).toString("base64"), "AP8Q");
  } else {
    assert.ok(!data && !data_base64, JSON.stringify(data));
  }
  console.log(`${kind} ${form}: as described`);
}

const file = (name) => fs.readFileSync(path.join(__dirname, name), "utf8");
for (const [kind, [typed, written]] of Object.entries(kinds)) {
  const document = {
    PUBLISH: { "Content Type": "application/cloudevents+json" },
    headers: {},
    body: file(`ours-${kind}.json`),
  };
  check(kind, "document", MQTT.toEvent(document), typed);

  const note = JSON.parse(file(`ours-${kind}.packet.txt`));
  const payload = kind === "bytes" ? Uint8Array.from(Buffer.from(note.payload, "base64")) : note.payload;
  const packet = {
    PUBLISH: note.PUBLISH,
    headers: note.user,
    body: kind === "none" ? undefined : payload,
  };
  // The SDK looks for the content type among the user properties alone, and the binding puts it
  // into the packet's Content Type (3.1.1).
  const { datacontenttype, ...attributes } = written ?? typed;
  check(kind, "packet", MQTT.toEvent(packet), attributes);
}
