//! MQTT packets on the wire, as far as a ledger and a plain publisher need them. Written from the specifications, of neither side's
//! library.

/// A packet that passed.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// Of this protocol level: 4 is 3.1.1, 5 is 5.
    Connect(u8),
    ConnAck {
        taken: bool,
        session: bool,
    },
    /// With the number that is its payload; QoS 0 and other payloads are [`Other`](Self::Other).
    Publish(u16, u32),
    PubAck(u16),
    SubAck,
    Other,
}

/// A stream of bytes cut into packets.
#[derive(Debug, Default)]
pub struct Packets {
    bytes: Vec<u8>,
}

impl Packets {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether all that was fed was whole packets.
    pub fn is_between(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next whole packet, read as one of this protocol level.
    pub fn next(&mut self, level: u8) -> Option<Packet> {
        let (length, head) = variable(self.bytes.get(1..)?)?;
        let whole = 1 + head + length;
        if self.bytes.len() < whole {
            return None;
        }
        let packet = read(self.bytes[0], &self.bytes[1 + head..whole], level);
        self.bytes.drain(..whole);
        Some(packet.unwrap_or(Packet::Other))
    }
}

fn read(first: u8, body: &[u8], level: u8) -> Option<Packet> {
    let packet = match first >> 4 {
        1 => Packet::Connect(*body.get(6)?),
        2 => Packet::ConnAck {
            taken: *body.get(1)? == 0,
            session: body.first()? & 1 == 1,
        },
        3 if first & 6 != 0 => {
            let id = 2 + usize::from(short(body)?);
            let properties = body.get(id + 2..)?;
            let skipped = match level {
                5 => variable(properties).map(|(length, head)| length + head)?,
                _ => 0,
            };
            let number = std::str::from_utf8(properties.get(skipped..)?).ok()?;
            Packet::Publish(short(body.get(id..)?)?, number.parse().ok()?)
        }
        // A reason from 0x80 on is a refusal.
        4 if body.get(2).is_none_or(|reason| *reason < 0x80) => Packet::PubAck(short(body)?),
        9 => Packet::SubAck,
        _ => Packet::Other,
    };
    Some(packet)
}

fn short(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
}

/// A variable byte integer, and how many bytes it took.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// CONNECT of 3.1.1, without a session.
pub fn connect(client: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\x02\0\x3C".to_vec();
    text(&mut body, client);
    packet(0x10, &body)
}

/// PUBLISH of 3.1.1, with QoS 1.
pub fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(payload.len() + topic.len() + 4);
    text(&mut body, topic);
    body.extend_from_slice(&id.to_be_bytes());
    body.extend_from_slice(payload);
    packet(0x32, &body)
}

/// The same of MQTT 5.
pub fn publish_five(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut with_properties = vec![0];
    with_properties.extend_from_slice(payload);
    publish(topic, id, &with_properties)
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7F).unwrap();
        length >>= 7;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

#[test]
fn packets_are_read_as_they_are_written_however_they_come() {
    let mut stream = connect("me");
    stream.extend(publish("dev/a", 7, b"4711"));
    stream.extend(publish("dev/a", 8, &[b'x'; 300]));
    stream.extend([
        0x40, 2, 0, 7, 0x40, 3, 0, 8, 0x87, 0x20, 2, 1, 0, 0x90, 3, 0, 1, 1,
    ]);
    for piece in [1, 2, 7, stream.len()] {
        let (mut packets, mut read) = (Packets::default(), Vec::new());
        for bytes in stream.chunks(piece) {
            packets.feed(bytes);
            read.extend(std::iter::from_fn(|| packets.next(4)));
        }
        let session = Packet::ConnAck {
            taken: true,
            session: true,
        };
        let expected = [
            Packet::Connect(4),
            Packet::Publish(7, 4711),
            Packet::Other,
            Packet::PubAck(7),
            Packet::Other,
            session,
            Packet::SubAck,
        ];
        assert_eq!(read, expected);
        assert!(packets.is_between());
    }
    let mut packets = Packets::default();
    packets.feed(&publish_five("dev/a", 7, b"4711"));
    assert_eq!(packets.next(5), Some(Packet::Publish(7, 4711)));
}
