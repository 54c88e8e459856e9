//! Packets of a broker, whole and damaged, by chance of a seed.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use whirlwind_provider_mqtt::Version;

/// Numbers by chance: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A seed of this run, or the one in `WHIRLWIND_SEED`.
    pub fn seed() -> u64 {
        match std::env::var("WHIRLWIND_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => RandomState::new().build_hasher().finish(),
        }
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn byte(&mut self) -> u8 {
        // Half of them from the edges of something.
        match self.below(8) {
            0 => 0,
            1 => 0xFF,
            2 => [0x7F, 0x80, 0x01, 0x02][self.below(4)],
            3 => [3, 8, 9, 11, 31, 33, 34, 35, 36, 38, 39][self.below(11)],
            _ => self.next() as u8,
        }
    }

    /// Whether one of so many cases is this one.
    pub fn one_in(&mut self, cases: usize) -> bool {
        self.below(cases) == 0
    }
}

/// Packets in a row as a client may read them.
#[derive(Debug)]
pub struct Stream {
    pub bytes: Vec<u8>,
    /// How many of them it reads, up to the first with which it ends the connection.
    pub packets: usize,
}

/// A row of packets, of which the last one read is the first that a client cannot go on after, or whatever comes last.
pub fn stream(version: Version, random: &mut Random) -> Stream {
    let mut all = Stream {
        bytes: Vec::new(),
        packets: 0,
    };
    let mut released = HashSet::new();
    let mut goes_on = true;
    while goes_on && all.packets < 64 {
        let packet = packet(version, random);
        all.packets += 1;
        all.bytes.extend(&packet);
        goes_on = goes_on_after(version, &packet, &mut released);
    }
    all
}

/// Whether the client reads on, as far as one packet can tell. A panic of the library is an end too.
fn goes_on_after(version: Version, packet: &[u8], released: &mut HashSet<u16>) -> bool {
    let mut bytes = BytesMut::from(packet);
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match version {
        Version::V5 => match v5::Packet::read(&mut bytes, Some(MAX_PACKET)) {
            Ok(v5::Packet::Publish(publish)) => publish
                .properties
                .is_none_or(|properties| properties.topic_alias.is_none()),
            Ok(v5::Packet::PubRel(pubrel)) => released.insert(pubrel.pkid),
            Ok(packet) => matches!(packet, v5::Packet::PingResp(_) | v5::Packet::UnsubAck(_)),
            Err(_) => false,
        },
        Version::V4 => match v4::Packet::read(&mut bytes, MAX_PACKET as usize) {
            Ok(v4::Packet::PubRel(pubrel)) => released.insert(pubrel.pkid),
            Ok(packet) => matches!(
                packet,
                v4::Packet::Publish(_) | v4::Packet::PingResp | v4::Packet::UnsubAck(_)
            ),
            Err(_) => false,
        },
    }));
    // Bytes too many are the next packet.
    read.unwrap_or(false) && bytes.is_empty()
}

/// What the provider takes.
pub const MAX_PACKET: u32 = 4096;

/// A packet in which something may be wrong.
pub fn packet(version: Version, random: &mut Random) -> Vec<u8> {
    let (first, body) = whole(version, random);
    damaged(first, body, random)
}

/// CONNACK in which something may be wrong.
pub fn connack(version: Version, random: &mut Random) -> Vec<u8> {
    let body = connack_body(version, random);
    damaged(0x20, body, random)
}

/// A packet of this first byte and this body, with damage or without.
pub fn damaged(mut first: u8, mut body: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if random.one_in(3) {
        return framed(first, body.len(), &body);
    }
    for _ in 0..=random.below(2) {
        let at = random.below(body.len() + 1);
        match random.below(9) {
            0..=2 if at < body.len() => body[at] ^= 1 << random.below(8),
            3 if at < body.len() => body[at] = random.byte(),
            4 => body.truncate(at),
            5 => {
                let count = 1 + random.below(5);
                let bytes: Vec<_> = (0..count).map(|_| random.byte()).collect();
                body.splice(at..at, bytes);
            }
            6 if at < body.len() => {
                let end = at + 1 + random.below(body.len() - at);
                let again = body[at..end].to_vec();
                body.splice(at..at, again);
            }
            7 if at < body.len() => {
                body.remove(at);
            }
            8 if random.one_in(4) => first ^= 1 << random.below(8),
            _ => {}
        }
    }
    let mut length = body.len();
    if random.one_in(10) {
        length = match random.below(4) {
            0 => length + 1 + random.below(3),
            1 => length.saturating_sub(1 + random.below(3)),
            2 => random.below(300),
            _ => random.below(300_000_000),
        };
    }
    let mut packet = framed(first, length, &body);
    if random.one_in(40) {
        // A length that never ends.
        packet.splice(1..1, [0x80 | random.byte(), 0xFF, 0xFF]);
    }
    packet
}

/// With a length in front, right or wrong.
pub fn framed(first: u8, mut length: usize, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        packet.push(low | if length > 0 { 0x80 } else { 0 });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// A packet in which nothing is wrong, but that it may be out of place.
fn whole(version: Version, random: &mut Random) -> (u8, Vec<u8>) {
    let v5 = version == Version::V5;
    match random.below(40) {
        0..=25 => publish(v5, random),
        26..=28 => (0x62, acknowledgement(v5, random)),
        29..=31 => (0xD0, Vec::new()),
        32 | 33 => (0x40, acknowledgement(v5, random)),
        34 => (0x50, acknowledgement(v5, random)),
        35 => (0x70, acknowledgement(v5, random)),
        36 => (0x90, suback(v5, random.below(4) as u16, random)),
        37 => (0xB0, suback(v5, random.below(4) as u16, random)),
        38 if v5 => {
            let mut body = vec![[0, 0x81, 0x8B, 0x8E, 0x98][random.below(5)]];
            properties(&mut body, &[31, 38, 28, 17], random);
            (0xE0, body)
        }
        38 => (0xE0, Vec::new()),
        _ => (0x20, connack_body(version, random)),
    }
}

fn publish(v5: bool, random: &mut Random) -> (u8, Vec<u8>) {
    let qos = random.below(3) as u8;
    let mut body = Vec::new();
    text(
        &mut body,
        ["in/a", "in/b", "in/ö", "out/a", ""][random.below(5)],
    );
    if qos > 0 {
        body.extend([random.below(2) as u8, random.byte()]);
    }
    if v5 {
        properties(&mut body, &[1, 2, 3, 8, 9, 11, 38], random);
    }
    let payload = random.below(40);
    body.extend((0..payload).map(|_| random.byte()));
    let flags = qos << 1 | random.below(2) as u8 | (random.below(2) as u8) << 3;
    (0x30 | flags, body)
}

fn acknowledgement(v5: bool, random: &mut Random) -> Vec<u8> {
    let mut body = vec![0, 1 + random.below(20) as u8];
    if v5 && random.one_in(2) {
        body.push([0, 0, 0x10, 0x80, 0x87, 0x91, 0x92, 0x97][random.below(8)]);
        if random.one_in(2) {
            properties(&mut body, &[31, 38], random);
        }
    }
    body
}

/// The body of SUBACK.
pub fn suback(v5: bool, id: u16, random: &mut Random) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if v5 {
        properties(&mut body, &[31, 38], random);
    }
    body.push([0, 1, 2, 0x80][random.below(4)]);
    body
}

fn connack_body(version: Version, random: &mut Random) -> Vec<u8> {
    let mut body = vec![random.below(2) as u8];
    match version {
        Version::V4 => body.push(random.below(6) as u8),
        Version::V5 => {
            body.push([0, 0, 0, 0x80, 0x86, 0x9F][random.below(6)]);
            let known = [
                17, 33, 36, 37, 39, 18, 34, 31, 38, 40, 41, 42, 19, 26, 28, 21, 22,
            ];
            properties(&mut body, &known, random);
        }
    }
    body
}

/// Some of these properties of MQTT 5, and their length.
fn properties(body: &mut Vec<u8>, known: &[u8], random: &mut Random) {
    let mut all = Vec::new();
    while random.one_in(2) {
        let name = known[random.below(known.len())];
        all.push(name);
        match name {
            1 | 36 | 37 | 40 | 41 | 42 => all.push(random.byte()),
            19 | 33 | 34 | 35 => all.extend([random.byte(), random.byte()]),
            2 | 17 | 39 => all.extend([0; 4].map(|_| random.byte())),
            11 => all.push(1 + random.below(127) as u8),
            38 => {
                text(&mut all, "name");
                text(&mut all, "a value");
            }
            _ => text(&mut all, ["", "text/plain", "ö"][random.below(3)]),
        }
    }
    // No longer than 127 but by great chance.
    body.push(all.len().min(127) as u8);
    body.extend(all);
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend((text.len() as u16).to_be_bytes());
    body.extend(text.as_bytes());
}
