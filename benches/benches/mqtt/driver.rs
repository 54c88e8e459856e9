//! Clients beside the node: the one that sends and waits, and the loop that is the floor.

use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use whirlwind_tests::Mosquitto;

use crate::program::Program;

/// 100 bytes, as the events of the other measures.
const DATA: [u8; 100] = [b'x'; 100];

/// Sends on one topic, and takes what comes on another.
pub struct Driver {
    program: Program,
    hands: Option<Hands>,
}

/// What the driver has in hand while it does something.
struct Hands {
    client: AsyncClient,
    input: &'static str,
    output: mpsc::Receiver<()>,
    polling: JoinHandle<()>,
}

impl Driver {
    /// Connected and subscribed.
    pub async fn connect(broker: &Mosquitto, input: &'static str, output: &'static str) -> Self {
        let program = Program::single();
        let hands = Some(
            program
                .run(Hands::connect(options(broker, input), input, output))
                .await,
        );
        Self { program, hands }
    }

    /// Sends one, waits for what comes of it, and so on. Answers how long each took.
    pub async fn one_in_flight(&mut self, messages: usize) -> Vec<Duration> {
        let mut hands = self.hands.take().expect("it has them");
        let done = self
            .program
            .run(async move { (hands.one_in_flight(messages).await, hands) });
        let (times, hands) = done.await;
        self.hands = Some(hands);
        times
    }

    /// Keeps `window` in flight until so many have come through. Answers how long they all took.
    pub async fn saturated(&mut self, window: usize, messages: usize) -> Duration {
        let mut hands = self.hands.take().expect("it has them");
        let done = self
            .program
            .run(async move { (hands.saturated(window, messages).await, hands) });
        let (time, hands) = done.await;
        self.hands = Some(hands);
        time
    }
}

impl Hands {
    async fn connect(options: MqttOptions, input: &'static str, output: &'static str) -> Self {
        let (client, mut events) = AsyncClient::new(options, 1024);
        client.subscribe(output, QoS::AtLeastOnce).await.unwrap();
        subscribed(&mut events).await;
        let (came, output) = mpsc::channel(1024);
        let polling = tokio::spawn(async move {
            loop {
                if let Event::Incoming(Packet::Publish(_)) = events.poll().await.unwrap()
                    && came.send(()).await.is_err()
                {
                    return;
                }
            }
        });
        Self {
            client,
            input,
            output,
            polling,
        }
    }

    async fn one_in_flight(&mut self, messages: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(messages);
        for _ in 0..messages {
            let start = Instant::now();
            self.send().await;
            self.output.recv().await.unwrap();
            times.push(start.elapsed());
        }
        times
    }

    async fn saturated(&mut self, window: usize, messages: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..window.min(messages) {
            self.send().await;
        }
        for seen in 0..messages {
            self.output.recv().await.unwrap();
            if seen + window < messages {
                self.send().await;
            }
        }
        start.elapsed()
    }

    async fn send(&self) {
        let (client, data) = (&self.client, DATA.to_vec());
        let sent = client.publish(self.input, QoS::AtLeastOnce, false, data);
        sent.await.unwrap();
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

/// The floor: each message that comes on one topic is sent on another, in the loop that polls.
pub struct Echo(#[expect(dead_code, reason = "it runs until it is dropped")] Program);

/// When an echo acknowledges what came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Acknowledges {
    /// As it comes, which is what the library does by itself: what it makes of it may still be lost.
    AtOnce,
    /// When what it makes of it is acknowledged, as a node does.
    Afterwards,
}

/// Answers once it is subscribed.
pub async fn echo(
    broker: &Mosquitto,
    [input, output]: [&'static str; 2],
    acknowledges: Acknowledges,
) -> Echo {
    let mut options = options(broker, output);
    options.set_manual_acks(acknowledges == Acknowledges::Afterwards);
    let program = Program::single();
    let subscribing = program.run(async move {
        let (client, mut events) = AsyncClient::new(options, 1024);
        client.subscribe(input, QoS::AtLeastOnce).await.unwrap();
        subscribed(&mut events).await;
        (client, events)
    });
    let (client, mut events) = subscribing.await;
    program.start(async move {
        let mut owed = VecDeque::new();
        loop {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::Publish(publish)) => {
                    let data = publish.payload.clone();
                    let sent = client.try_publish(output, QoS::AtLeastOnce, false, data);
                    sent.expect("room in its channel");
                    owed.push_back(publish);
                }
                // They come in order.
                Event::Incoming(Packet::PubAck(_)) => {
                    let publish = owed.pop_front().unwrap();
                    if acknowledges == Acknowledges::Afterwards {
                        client.try_ack(&publish).expect("room in its channel");
                    }
                }
                _ => {}
            }
        }
    });
    Echo(program)
}

fn options(broker: &Mosquitto, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(format!("bench-{id}"), "127.0.0.1", broker.port());
    options.set_keep_alive(Duration::from_secs(60));
    options.set_receive_maximum(Some(1000));
    options.set_outgoing_inflight_upper_limit(1000);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
}

async fn subscribed(events: &mut EventLoop) {
    while !matches!(
        events.poll().await.unwrap(),
        Event::Incoming(Packet::SubAck(_))
    ) {}
}
