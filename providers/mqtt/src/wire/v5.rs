//! MQTT 5.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, Packet, PubAckReason, PubCompReason, PubRecReason, PubRel, Publish,
    PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{self, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttState, Request, StateError};
use whirlwind_event::Excerpt;

use super::{End, Happened, malformed, reason, too_large, words};
use crate::limits::{Limits, MAX_IN_FLIGHT};
use crate::outbox::Again;
use crate::{Config, ConfigError};
use crate::{Message, Properties, Qos};

pub(crate) struct Line {
    events: EventLoop,
    keep_alive: Duration,
    max_packet: u32,
    /// Whether the broker has taken the connection.
    answered: bool,
}

pub(super) fn open(
    config: &Config,
    requests: usize,
    every_release: bool,
) -> Result<(Line, AsyncClient), ConfigError> {
    let options = config.options_v5()?;
    let keep_alive = options.keep_alive();
    let (client, mut events) = AsyncClient::new(options, requests);
    if every_release {
        events.state = knowing_every_id();
    }
    let line = Line {
        events,
        keep_alive,
        max_packet: config.max_packet,
        answered: false,
    };
    Ok((line, client))
}

/// The library's state where every id is that of a message whose PUBREL is to come.
fn knowing_every_id() -> MqttState {
    // It takes 65,535 packets: too long for each connection.
    static STATE: OnceLock<MqttState> = OnceLock::new();
    let state = STATE.get_or_init(|| {
        let mut state = MqttState::new(MAX_IN_FLIGHT, true);
        for id in 1..=u16::MAX {
            let mut publish = Publish::new("", QoS::ExactlyOnce, Bytes::new(), None);
            publish.pkid = id;
            // It only remembers the id, and says so.
            let _ = state.handle_incoming_packet(Packet::Publish(publish));
            state.events.clear();
        }
        state
    });
    state.clone()
}

impl Line {
    pub(super) async fn poll(&mut self) -> Result<Happened, End> {
        match self.events.poll().await {
            Ok(event) => {
                if let Event::Incoming(Packet::ConnAck(connack)) = &event {
                    self.connected(connack)?;
                }
                happened(event, self.max_packet)
            }
            Err(error) => Err(end(&error, self.answered)),
        }
    }

    pub(super) fn rest(&mut self) -> Vec<Happened> {
        let events = self.events.state.events.drain(..);
        events
            .filter_map(|event| happened(event, self.max_packet).ok())
            .collect()
    }

    pub(super) fn again(&mut self, again: Again) {
        self.events.pending.push_back(match again {
            Again::Publish(id, message) => {
                let properties = properties_of(message.properties);
                let (topic, qos) = (message.topic, message.qos.into());
                let mut publish = Publish::new(topic, qos, message.payload, properties);
                publish.retain = message.retain;
                publish.dup = message.dup;
                publish.pkid = id;
                Request::Publish(publish)
            }
            Again::Release(id) => Request::PubRel(PubRel::new(id, None)),
        });
    }

    fn connected(&mut self, connack: &ConnAck) -> Result<(), End> {
        self.answered = true;
        let Some(properties) = &connack.properties else {
            return Ok(());
        };
        if properties.receive_max == Some(0) {
            return Err(End::new("the broker says that it takes 0 messages at once"));
        }
        // A broker that wants no pings says 0, which the library takes for a time and pings without pause.
        if properties.server_keep_alive == Some(0) {
            self.events.options.set_keep_alive(self.keep_alive);
        }
        Ok(())
    }
}

pub(super) fn subscribe(client: &AsyncClient, filters: Vec<(String, Qos)>) -> bool {
    let filters = filters.into_iter();
    let filters = filters.map(|(filter, qos)| Filter::new(filter, qos.into()));
    client.try_subscribe_many(filters).is_ok()
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> bool {
    let (topic, qos) = (message.topic, message.qos.into());
    let (retain, payload) = (message.retain, message.payload);
    let left = match properties_of(message.properties) {
        Some(properties) => {
            client.try_publish_with_properties(topic, qos, retain, payload, properties)
        }
        None => client.try_publish(topic, qos, retain, payload),
    };
    left.is_ok()
}

pub(super) fn ack(client: &AsyncClient, id: u16, qos: Qos) -> bool {
    let mut publish = Publish::new("", qos.into(), Bytes::new(), None);
    publish.pkid = id;
    client.try_ack(&publish).is_ok()
}

fn properties_of(properties: Properties) -> Option<PublishProperties> {
    let some = !properties.is_empty();
    let Properties { content_type, user } = properties;
    some.then(|| PublishProperties {
        content_type,
        user_properties: user,
        ..PublishProperties::default()
    })
}

fn happened(event: Event, max_packet: u32) -> Result<Happened, End> {
    let packet = match event {
        Event::Incoming(packet) => packet,
        Event::Outgoing(Outgoing::Publish(id)) => return Ok(Happened::Written(id)),
        Event::Outgoing(Outgoing::PubAck(_) | Outgoing::PubRec(_)) => return Ok(Happened::Acked),
        Event::Outgoing(Outgoing::Disconnect) => return Ok(Happened::Disconnected),
        Event::Outgoing(_) => return Ok(Happened::Alive),
    };
    Ok(match packet {
        Packet::ConnAck(connack) => Happened::Connected {
            session: connack.session_present,
            limits: limits(&connack, max_packet),
        },
        Packet::Publish(publish) => arrived(publish)?,
        Packet::SubAck(suback) => {
            let codes = suback.return_codes.into_iter();
            Happened::Subscribed(
                codes
                    .map(|code| match code {
                        SubscribeReasonCode::Success(qos) => Ok(qos.into()),
                        refused => Err(words(refused)),
                    })
                    .collect(),
            )
        }
        Packet::PubAck(puback) => {
            let how = match puback.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
                reason => Err(words(reason)),
            };
            Happened::Confirmed(puback.pkid, how)
        }
        Packet::PubRec(pubrec) => {
            let how = match pubrec.reason {
                PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Ok(()),
                reason => Err(words(reason)),
            };
            Happened::Recorded(pubrec.pkid, how)
        }
        Packet::PubComp(pubcomp) => {
            Happened::Completed(pubcomp.pkid, pubcomp.reason == PubCompReason::Success)
        }
        _ => Happened::Alive,
    })
}

fn arrived(publish: Publish) -> Result<Happened, End> {
    let properties = publish.properties.unwrap_or_default();
    // The library keeps all the aliases a broker makes up, without a bound.
    if properties.topic_alias.is_some() {
        return Err(End::new(
            "the broker used a topic alias, and was told that none are taken",
        ));
    }
    let qos = Qos::from(publish.qos);
    let Ok(topic) = String::from_utf8(publish.topic.into()) else {
        return Ok(Happened::ArrivedMalformed(publish.pkid, qos));
    };
    let message = Message {
        topic,
        payload: publish.payload,
        qos,
        retain: publish.retain,
        dup: publish.dup,
        properties: Properties {
            content_type: properties.content_type,
            user: properties.user_properties,
        },
    };
    Ok(Happened::Arrived(publish.pkid, message))
}

fn limits(connack: &ConnAck, max_packet: u32) -> Limits {
    let said = connack.properties.as_ref();
    let receive_maximum = said.and_then(|said| said.receive_max).unwrap_or(u16::MAX);
    let packet = said.and_then(|said| said.max_packet_size);
    let packet = packet.map_or(max_packet, |theirs| theirs.min(max_packet));
    Limits {
        window: Limits::window(receive_maximum),
        packet: usize::try_from(packet).unwrap_or(usize::MAX),
        qos: match said.and_then(|said| said.max_qos) {
            Some(0) => Qos::AtMostOnce,
            Some(1) => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        },
        retain: said.and_then(|said| said.retain_available) != Some(0),
        keep_alive: said
            .and_then(|said| said.server_keep_alive)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
    }
}

fn end(error: &ConnectionError, answered: bool) -> End {
    let reason = match error {
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refused the connection: {}", words(code))
        }
        ConnectionError::MqttState(StateError::Unsolicited(id)) => {
            return End {
                reason: format!("the broker used the packet id {id} for nothing that is known"),
                unknown_id: true,
            };
        }
        ConnectionError::MqttState(StateError::Deserialization(
            mqttbytes::Error::PayloadSizeLimitExceeded { pkt_size, max },
        )) => too_large(*pkt_size, usize::try_from(*max).unwrap_or(usize::MAX)),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let code = words(reason_code);
            match reason_string {
                Some(text) => {
                    let text = Excerpt::of(text);
                    format!("the broker ended the connection: {code}: {text}")
                }
                None => format!("the broker ended the connection: {code}"),
            }
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => NO_ANSWER.to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => CLOSED.to_owned(),
        ConnectionError::NotConnAck(_) => NO_BROKER.to_owned(),
        // DISCONNECT may be as short as that, which the library does not know.
        ConnectionError::MqttState(StateError::Deserialization(
            mqttbytes::Error::PayloadRequired,
        )) => ENDED.to_owned(),
        // An error of the connection itself has the same form.
        ConnectionError::MqttState(StateError::Deserialization(error))
            if !matches!(error, mqttbytes::Error::Io(_)) =>
        {
            malformed(error)
        }
        // This one does not say that it has a cause.
        ConnectionError::MqttState(StateError::Deserialization(cause)) => {
            reason::of_cause(error, cause, answered)
        }
        error => reason::of(error, answered),
    };
    End::new(reason)
}

pub(super) const NO_ANSWER: &str = "the broker does not answer pings";
pub(super) const CLOSED: &str = "the broker closed the connection without a word";
const ENDED: &str = "the broker ended the connection without a reason";
pub(super) const NO_BROKER: &str = "what answers there is no MQTT broker of this version";
