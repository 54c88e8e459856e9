// Writes javascript-* with the CloudEvents SDK, into the current directory.
const { CloudEvent, MQTT } = require("cloudevents");
const fs = require("fs");

const base = {
  id: "A234-1234-1234",
  source: "/mycontext/4",
  type: "com.example.someevent",
  time: "2018-04-05T17:31:00Z",
};

function write(kind, attributes) {
  const event = new CloudEvent({ ...base, ...attributes });
  const structured = MQTT.structured(event);
  const binary = MQTT.binary(event);
  const { body, payload } = { body: structured.body, payload: binary.payload };
  fs.writeFileSync(
    `javascript-${kind}.json`,
    typeof body === "string" ? body : JSON.stringify(body),
  );
  const note = {
    structured: { PUBLISH: structured.PUBLISH, user: structured["User Properties"] },
    binary: {
      PUBLISH: binary.PUBLISH,
      user: binary["User Properties"],
      payload:
        payload instanceof Uint8Array ? Buffer.from(payload).toString("base64") : payload,
    },
  };
  fs.writeFileSync(`javascript-${kind}.packets.txt`, JSON.stringify(note, null, 1));
}

write("json", {
  subject: "123",
  datacontenttype: "application/json",
  comexampleextension1: "value",
  answer: 42,
  dry: true,
  data: { celsius: 21.5, name: "Küche" },
});
write("text", { datacontenttype: "text/plain", data: 'grüße "zwei" Lampen\n' });
write("bytes", {
  datacontenttype: "application/octet-stream",
  data: new Uint8Array([0, 255, 16]),
});
write("none", {});
