//! A broker that does what it is told, packet by packet.

use std::future::Future;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use whirlwind_provider_mqtt::Version;

use crate::packet::{self, Packet, Sent};

/// More than any of this takes; a test that waits so long fails.
pub const BOUND: Duration = Duration::from_secs(60);

/// Waits, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(BOUND, future).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

/// Where clients connect.
#[derive(Debug)]
pub struct Broker {
    listener: TcpListener,
    version: Version,
}

/// One client, connected.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    read: BytesMut,
    version: Version,
    /// Whether it was told to begin a new session.
    pub clean: bool,
    /// Whether it has left a will.
    pub will: bool,
    /// Whether its pings are answered, and not shown.
    pub answers_pings: bool,
}

impl Broker {
    pub async fn start(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, version }
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.listener.local_addr().unwrap())
    }

    /// The next client and its CONNECT, not answered yet.
    pub async fn accept(&self) -> Peer {
        soon("a connection", async {
            let (stream, _) = self.listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut peer = Peer {
                stream,
                read: BytesMut::new(),
                version: self.version,
                clean: false,
                will: false,
                answers_pings: true,
            };
            match peer.packet().await {
                Packet::Connect { clean, will } => (peer.clean, peer.will) = (clean, will),
                packet => panic!("not a CONNECT: {packet:?}"),
            }
            peer
        })
        .await
    }
}

impl Peer {
    /// The next packet; `None` where the client has ended the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        soon("a packet", self.whenever()).await
    }

    /// The next packet, however long it takes.
    pub async fn whenever(&mut self) -> Option<Packet> {
        loop {
            while let Some(packet) = packet::read(self.version, &mut self.read) {
                if packet == Packet::Ping && self.answers_pings {
                    self.send(&[0xD0, 0]).await;
                } else {
                    return Some(packet);
                }
            }
            let read = self.stream.read_buf(&mut self.read);
            if matches!(read.await, Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    /// The next packet of a client that has not ended the connection.
    pub async fn packet(&mut self) -> Packet {
        let packet = self.next().await;
        packet.expect("the client is there")
    }

    /// The next packet, which is a PUBLISH.
    pub async fn published(&mut self) -> Sent {
        match self.packet().await {
            Packet::Publish(sent) => sent,
            packet => panic!("not a PUBLISH: {packet:?}"),
        }
    }

    /// So many PUBLISHes in a row, and nothing between them.
    pub async fn all_published(&mut self, count: usize) -> Vec<Sent> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.published().await);
        }
        all
    }

    /// All that the client sends until it ends the connection.
    pub async fn rest(&mut self) -> Vec<Packet> {
        let mut rest = Vec::new();
        while let Some(packet) = self.next().await {
            rest.push(packet);
        }
        rest
    }

    /// Says nothing more, and waits until the client has nothing to say either.
    pub async fn end(mut self) {
        let _ = self.stream.shutdown().await;
        soon("the end", async {
            let mut rest = [0; 1024];
            while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
        })
        .await;
    }

    /// These bytes. That nobody reads them any more is the client's affair.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Takes the connection.
    pub async fn connack(&mut self, session: bool) {
        let session = u8::from(session);
        match self.version {
            Version::V5 => self.send(&[0x20, 3, session, 0, 0]).await,
            Version::V4 => self.send(&[0x20, 2, session, 0]).await,
        }
    }

    /// Takes the connection, and says what the broker can.
    pub async fn connack_with(
        &mut self,
        session: bool,
        set: impl FnOnce(&mut v5::ConnAckProperties),
    ) {
        let mut properties = v5::ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        set(&mut properties);
        let connack = v5::ConnAck {
            session_present: session,
            code: v5::ConnectReturnCode::Success,
            properties: Some(properties),
        };
        let mut bytes = BytesMut::new();
        connack.write(&mut bytes).unwrap();
        self.send(&bytes).await;
    }

    /// The next packet, which is a SUBSCRIBE: its id and its filters.
    pub async fn subscribed(&mut self) -> (u16, Vec<(String, u8)>) {
        match self.packet().await {
            Packet::Subscribe(id, filters) => (id, filters),
            packet => panic!("not a SUBSCRIBE: {packet:?}"),
        }
    }

    /// Answers a SUBSCRIBE.
    pub async fn suback(&mut self, id: u16, codes: &[u8]) {
        let [high, low] = id.to_be_bytes();
        let mut body = vec![high, low];
        if self.version == Version::V5 {
            body.push(0);
        }
        body.extend(codes);
        self.sized(0x90, &body).await;
    }

    /// A message to the client.
    pub async fn publish(&mut self, id: u16, qos: u8, payload: &str) {
        self.publish_with(qos << 1, id, "in/x", payload).await;
    }

    /// The same again, and said to be so.
    pub async fn publish_again(&mut self, id: u16, qos: u8, payload: &str) {
        self.publish_with(0x08 | qos << 1, id, "in/x", payload)
            .await;
    }

    async fn publish_with(&mut self, flags: u8, id: u16, topic: &str, payload: &str) {
        let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        if flags & 0x06 != 0 {
            body.extend(id.to_be_bytes());
        }
        if self.version == Version::V5 {
            body.push(0);
        }
        body.extend(payload.as_bytes());
        self.sized(0x30 | flags, &body).await;
    }

    pub async fn puback(&mut self, id: u16) {
        self.sized(0x40, &id.to_be_bytes()).await;
    }

    pub async fn pubrec(&mut self, id: u16) {
        self.sized(0x50, &id.to_be_bytes()).await;
    }

    pub async fn pubrel(&mut self, id: u16) {
        self.sized(0x62, &id.to_be_bytes()).await;
    }

    pub async fn pubcomp(&mut self, id: u16) {
        self.sized(0x70, &id.to_be_bytes()).await;
    }

    /// PUBACK, PUBREC or PUBCOMP of MQTT 5, by its first byte, with a reason.
    pub async fn answer(&mut self, kind: u8, id: u16, reason: u8) {
        let [high, low] = id.to_be_bytes();
        self.sized(kind, &[high, low, reason]).await;
    }

    /// A packet of this first byte and this body.
    pub async fn sized(&mut self, first: u8, body: &[u8]) {
        let mut bytes = vec![first];
        let mut length = body.len();
        loop {
            let low = u8::try_from(length % 128).unwrap();
            length /= 128;
            bytes.push(low | if length > 0 { 0x80 } else { 0 });
            if length == 0 {
                break;
            }
        }
        bytes.extend(body);
        self.send(&bytes).await;
    }
}
