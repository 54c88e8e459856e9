//! MQTT 3.1.1.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rumqttc::mqttbytes;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttState, Outgoing, Packet, PubRel, Publish,
    QoS, Request, StateError, SubscribeFilter, SubscribeReasonCode,
};

use super::v5::{CLOSED, NO_ANSWER, NO_BROKER};
use super::{End, Happened, malformed, reason, too_large, words};
use crate::limits::{Limits, MAX_IN_FLIGHT, UNTOLD};
use crate::outbox::Again;
use crate::{Config, ConfigError};
use crate::{Message, Properties, Qos};

pub(crate) struct Line {
    events: EventLoop,
    max_packet: usize,
    /// Whether the broker has taken the connection.
    answered: bool,
}

pub(super) fn open(
    config: &Config,
    requests: usize,
    every_release: bool,
) -> Result<(Line, AsyncClient), ConfigError> {
    let (client, mut events) = AsyncClient::new(config.options_v4()?, requests);
    events.network_options = config.network_options();
    if every_release {
        events.state = knowing_every_id();
    }
    let max_packet = usize::try_from(config.max_packet).unwrap_or(usize::MAX);
    let line = Line {
        events,
        max_packet,
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
            let mut publish = Publish::from_bytes("", QoS::ExactlyOnce, Bytes::new());
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
                self.answered |= matches!(event, Event::Incoming(Packet::ConnAck(_)));
                Ok(happened(event, self.max_packet))
            }
            Err(error) => Err(end(&error, self.max_packet, self.answered)),
        }
    }

    pub(super) fn rest(&mut self) -> Vec<Happened> {
        let events = self.events.state.events.drain(..);
        events
            .map(|event| happened(event, self.max_packet))
            .collect()
    }

    pub(super) fn again(&mut self, again: Again) {
        self.events.pending.push_back(match again {
            Again::Publish(id, message) => {
                let mut publish =
                    Publish::from_bytes(message.topic, message.qos.into(), message.payload);
                publish.retain = message.retain;
                publish.dup = message.dup;
                publish.pkid = id;
                Request::Publish(publish)
            }
            Again::Release(id) => Request::PubRel(PubRel::new(id)),
        });
    }
}

pub(super) fn subscribe(client: &AsyncClient, filters: Vec<(String, Qos)>) -> bool {
    let filters = filters.into_iter();
    let filters = filters.map(|(filter, qos)| SubscribeFilter::new(filter, qos.into()));
    client.try_subscribe_many(filters).is_ok()
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> bool {
    let Message {
        topic,
        payload,
        qos,
        retain,
        ..
    } = message;
    // The one that need not wait for room copies the payload.
    let left = pin!(client.publish_bytes(topic, qos.into(), retain, payload));
    let polled = left.poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(())))
}

pub(super) fn ack(client: &AsyncClient, id: u16, qos: Qos) -> bool {
    let mut publish = Publish::from_bytes("", qos.into(), Bytes::new());
    publish.pkid = id;
    client.try_ack(&publish).is_ok()
}

fn happened(event: Event, max_packet: usize) -> Happened {
    let packet = match event {
        Event::Incoming(packet) => packet,
        Event::Outgoing(Outgoing::Publish(id)) => return Happened::Written(id),
        Event::Outgoing(Outgoing::PubAck(_) | Outgoing::PubRec(_)) => return Happened::Acked,
        Event::Outgoing(Outgoing::Disconnect) => return Happened::Disconnected,
        Event::Outgoing(_) => return Happened::Alive,
    };
    match packet {
        Packet::ConnAck(connack) => Happened::Connected {
            session: connack.session_present,
            limits: Limits {
                window: Limits::window(UNTOLD),
                packet: max_packet,
                qos: Qos::ExactlyOnce,
                retain: true,
                keep_alive: None,
            },
        },
        Packet::Publish(publish) => Happened::Arrived(
            publish.pkid,
            Message {
                topic: publish.topic,
                payload: publish.payload,
                qos: publish.qos.into(),
                retain: publish.retain,
                dup: publish.dup,
                properties: Properties::default(),
            },
        ),
        Packet::SubAck(suback) => {
            let codes = suback.return_codes.into_iter();
            Happened::Subscribed(
                codes
                    .map(|code| match code {
                        SubscribeReasonCode::Success(qos) => Ok(qos.into()),
                        SubscribeReasonCode::Failure => Err("the broker gives no cause".to_owned()),
                    })
                    .collect(),
            )
        }
        Packet::PubAck(puback) => Happened::Confirmed(puback.pkid, Ok(())),
        Packet::PubRec(pubrec) => Happened::Recorded(pubrec.pkid, Ok(())),
        Packet::PubComp(pubcomp) => Happened::Completed(pubcomp.pkid, true),
        _ => Happened::Alive,
    }
}

fn end(error: &ConnectionError, max_packet: usize, answered: bool) -> End {
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
            mqttbytes::Error::PayloadSizeLimitExceeded(size),
        )) => too_large(*size, max_packet),
        ConnectionError::MqttState(StateError::AwaitPingResp) => NO_ANSWER.to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => CLOSED.to_owned(),
        ConnectionError::NotConnAck(_) => NO_BROKER.to_owned(),
        // An error of the connection itself has the same form.
        ConnectionError::MqttState(StateError::Deserialization(error))
            if !matches!(error, mqttbytes::Error::Io(_)) =>
        {
            malformed(error)
        }
        error => reason::of(error, answered),
    };
    End::new(reason)
}
