//! A program with a node inside: an app made in code, two pings, and the pongs.
//!
//! Build the component first, then run it from the root of the repository:
//!
//! ```sh
//! cargo run --release -- build actors/pingpong
//! cargo run --release -p whirlwind --example embed
//! ```

use std::path::Path;

use whirlwind::event::{EventBuilder, Topic, TopicFilter};
use whirlwind::manifest::{
    ActorSection, KeyValueLinks, LinksSection, ProviderKind, ProviderSection,
};
use whirlwind::{App, Manifest, Node, Seen, Variables};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut manifest = Manifest::default();
    manifest.app.name = Some("embedded".to_owned());
    manifest.actor.insert(
        "pingpong".to_owned(),
        ActorSection {
            component: "target/wasm32-wasip2/release/pingpong.wasm".to_owned(),
            subscribe: vec!["ping".to_owned()],
            publish: vec!["pong".to_owned()],
            links: LinksSection {
                keyvalue: Some(KeyValueLinks::Default("counters".to_owned())),
            },
            ..ActorSection::default()
        },
    );
    manifest.provider.insert(
        "counters".to_owned(),
        ProviderSection {
            kind: ProviderKind::Memory,
            ..ProviderSection::default()
        },
    );
    // Paths in the manifest are meant from this folder.
    let app = App::from_manifest(&manifest, Path::new("actors"), &Variables::none())?;
    let data = std::env::temp_dir().join("whirlwind-embed");
    let node = Node::builder(app).data_dir(data).start().await?;

    let mut pongs = node.subscribe(&TopicFilter::parse("pong")?);
    for n in 1..=2 {
        let ping = EventBuilder::new()
            .id(n.to_string())
            .source("/embed")
            .ty("embed.ping");
        node.publish(&Topic::parse("ping")?, ping.data("ping").build()?)
            .await?;
        if let Some(Seen::Event { topic, event }) = pongs.next().await {
            println!(
                "{topic}  {}",
                String::from_utf8_lossy(event.data().unwrap_or_default())
            );
        }
    }
    for part in node.parts().await {
        println!(
            "{} {}: {}",
            part.kind.as_str(),
            part.name,
            part.state.as_str()
        );
    }
    node.stop().await;
    Ok(())
}
