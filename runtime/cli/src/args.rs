//! The command line: verbs, flags, and the texts of `--help`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueHint};
use whirlwind_event::{Topic, TopicFilter};

pub(crate) use self::values::{Bucket, Publication, Rate, Scaling};
use self::values::{
    bucket, extension, open_topic, pair, payload, publication, rate, scaling, time,
};
use crate::exit::Failure;

mod values;

const AFTER: &str = "\
Exit status:
  0    done, or stopped cleanly
  1    something failed at run time
  2    the command line is wrong
  3    the manifest is wrong or missing
  4    a component is missing or does not fit
  5    the root supervisor gave up
  6    an expectation failed
  7    no node is running where it was looked for
  124  the time was over
  130  forced to end by a second signal";

/// Runs WebAssembly components as actors: supervised, fed by topics, stopped in good order.
#[derive(Debug, Parser)]
#[command(name = "whirlwind", version, after_help = AFTER, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that may stand anywhere on the line.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Flags of all commands")]
pub(crate) struct Global {
    /// The running node: its socket, its manifest, or the manifest's folder
    /// [default: WHIRLWIND_NODE, else the nearest .whirlwind/control.sock from here upward]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::AnyPath, verbatim_doc_comment)]
    pub(crate) node: Option<PathBuf>,
    /// The folder of all that a node writes, its socket included
    /// [default: .whirlwind beside the manifest]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, verbatim_doc_comment)]
    pub(crate) data_dir: Option<PathBuf>,
    /// JSON on standard output: a listing is one array, a stream one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Starts a node in the foreground
    Up(Up),
    /// Runs the build command of each actor
    Build(Build),
    /// Looks for what would fail at start, without starting
    Check(Check),
    /// Looks for what the machine and the manifest need, and says the remedy for each fault
    Doctor(Doctor),
    /// Publishes an event
    Pub(Publish),
    /// Prints the events of matching topics
    Sub(Subscribe),
    /// Measures how a running node takes events, and answers them
    Bench(Bench),
    /// Lists the actors, providers and doors
    Ps,
    /// Draws the supervision tree
    Tree,
    /// Shows, delivers again and forgets the events that could not be handled
    #[command(subcommand)]
    Dead(Dead),
    /// Looks into a bucket
    #[command(subcommand)]
    Kv(Kv),
    /// Looks into the store of a node that does not run
    #[command(subcommand)]
    Store(Store),
    /// Gives an actor more or fewer instances
    Scale {
        /// The actor, and how many instances it is to have
        #[arg(value_name = "ACTOR=N", value_parser = scaling)]
        scaling: Scaling,
    },
    /// Stops an actor in good order and starts it again
    Restart {
        /// The actor
        actor: String,
    },
    /// Ends an actor's instances in mid-call, to see it heal
    Kill {
        /// The actor
        actor: String,
    },
    /// Puts a new component behind an actor's mailbox
    Reload {
        /// The actor
        actor: String,
        /// The component's file [default: the manifest's, as it is now]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Stops the node once its mailboxes are empty
    Stop,
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) app: AppAt,
    /// Runs the build command of each actor first
    #[arg(long)]
    pub(crate) build: bool,
    /// Starts an MQTT broker for development beside the app, on loopback, unless MQTT_URL names another; MQTT_URL is its address then
    #[arg(long)]
    pub(crate) broker: bool,
    /// Publishes this once all is up; may be given several times
    #[arg(long = "pub", value_name = "TOPIC=DATA", value_parser = publication)]
    pub(crate) publish: Vec<Publication>,
    /// Prints the events of matching topics on standard output; may be given several times
    #[arg(long = "sub", value_name = "FILTER")]
    pub(crate) subscribe: Vec<TopicFilter>,
    /// Stops cleanly after this many events were printed
    #[arg(long, value_name = "N", requires = "subscribe", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Stops after this time; status 124 if --count was not reached
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasts: Option<Duration>,
    /// Prints only the data of events, each ended by a newline
    #[arg(long, requires = "subscribe")]
    pub(crate) raw: bool,
}

/// An app by its manifest.
#[derive(Debug, clap::Args)]
pub(crate) struct AppAt {
    /// A manifest, or a folder with a whirlwind.toml
    #[arg(default_value = ".", hide_default_value = true, value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// Sets a variable that the manifest names as ${KEY}, before the environment; may be given several times
    #[arg(long = "var", value_name = "KEY=VALUE")]
    variables: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) app: AppAt,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) app: AppAt,
    /// Tries the brokers that the manifest names as well, without publishing anything
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) app: AppAt,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The topic
    #[arg(value_parser = open_topic)]
    pub(crate) topic: Topic,
    /// The event's data, as text; `-` reads lines from standard input, an event each. Without it the event has no data
    #[arg(allow_negative_numbers = true, conflicts_with = "file")]
    pub(crate) data: Option<String>,
    /// Takes the data from a file, its bytes as they are; `-` is standard input, whole
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// The event's `type` [default: dev.whirlwind.message]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: Option<String>,
    /// The event's `subject`
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// The event's `id`, for a single event [default: a UUID v7]
    #[arg(long, conflicts_with = "count")]
    pub(crate) id: Option<String>,
    /// The event's `source` [default: /whirlwind/pub]
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// The event's `datacontenttype`, such as application/json
    #[arg(long, value_name = "MEDIA-TYPE")]
    pub(crate) content_type: Option<String>,
    /// An extension attribute; may be given several times
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = extension)]
    pub(crate) extensions: Vec<(String, String)>,
    /// Publishes this many events, each with an id of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// At most this many a second, such as 100/s; an event that is late is made up for
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Subscribe {
    /// A topic, or a filter with the wildcards of MQTT: `+` for one level, `#` for all that follow
    pub(crate) filter: TopicFilter,
    /// Ends after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Ends after this time, with status 124
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// Prints only the data, each ended by a newline
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// The topic
    #[arg(value_parser = open_topic)]
    pub(crate) topic: Topic,
    /// The data of every event, as text [default: a number that is each event's own, filled up to --payload]
    #[arg(allow_negative_numbers = true, conflicts_with = "payload")]
    pub(crate) data: Option<String>,
    /// Sends at this rate, such as 1000/s, whatever the node does: latency counts from when an event was due
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// At most this many events in flight. Without --rate the next one goes out when one is done
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) window: u16,
    /// The size of an event's data
    #[arg(long, value_name = "SIZE", default_value = "100B", value_parser = payload)]
    pub(crate) payload: usize,
    /// Publishes in turn on this many topics: TOPIC/0, TOPIC/1 and so on
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) topics: u32,
    /// Sends for this time [default: 10s, unless there is a --count]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasts: Option<Duration>,
    /// Sends this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Waits for the answers too, on these topics: measures them, and counts what is lost
    #[arg(long, value_name = "FILTER")]
    pub(crate) reply: Option<TopicFilter>,
    /// Once all is sent, goes on while answers come, and until none has come for this time
    #[arg(long, value_name = "TIME", default_value = "5s", requires = "reply", value_parser = time)]
    pub(crate) grace: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Lists the dead letters, the oldest first; without a running node those in its file
    List,
    /// Prints one: the event, its data, and the error with the backtrace of a trap
    Show {
        /// The letter's id
        id: u64,
    },
    /// Delivers one again to the actor that could not handle it, or all
    Redeliver {
        #[command(flatten)]
        letters: Letters,
    },
    /// Forgets one, or all
    Drop {
        #[command(flatten)]
        letters: Letters,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Letters {
    /// The letter's id
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<u64>,
    /// All there are
    #[arg(long)]
    all: bool,
}

/// A store by its folder.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreAt {
    /// The store's folder, also one that was set aside [default: `store` in the data directory, here]
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Reads all of it and says what is damaged, without changing anything
    Check(StoreAt),
    /// Prints all that can be read of it, one JSON object a line
    Export(StoreAt),
    /// Gives back the space that it does not use
    Compact(StoreAt),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kv {
    /// Prints the value of a key
    Get {
        #[command(flatten)]
        bucket: BucketAt,
        /// The key
        key: String,
    },
    /// Sets the value of a key
    Set {
        #[command(flatten)]
        bucket: BucketAt,
        /// The key
        key: String,
        /// The value, as text
        #[arg(
            allow_negative_numbers = true,
            required_unless_present = "file",
            conflicts_with = "file"
        )]
        value: Option<String>,
        /// Takes the value from a file, its bytes as they are; `-` is standard input
        #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Lists the keys
    List {
        #[command(flatten)]
        bucket: BucketAt,
    },
    /// Deletes a key; it need not be there
    Delete {
        #[command(flatten)]
        bucket: BucketAt,
        /// The key
        key: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct BucketAt {
    /// A provider of the manifest, with a bucket unless it is `default`
    #[arg(value_name = "PROVIDER[/BUCKET]", value_parser = bucket)]
    pub(crate) bucket: Bucket,
}

impl Verb {
    /// Whether the verb looks for a running node.
    fn asks_a_node(&self) -> bool {
        match self {
            Self::Pub(_) | Self::Sub(_) | Self::Ps | Self::Tree | Self::Kv(_) | Self::Stop => true,
            Self::Scale { .. } | Self::Restart { .. } | Self::Kill { .. } | Self::Reload { .. } => {
                true
            }
            Self::Dead(_) | Self::Bench(_) => true,
            Self::Up(_) | Self::Build(_) | Self::Check(_) | Self::Doctor(_) => false,
            Self::Store(_) | Self::Completions { .. } => false,
        }
    }

    /// Whether there is something to print as JSON.
    fn prints_json(&self) -> bool {
        match self {
            Self::Up(up) => !up.subscribe.is_empty(),
            Self::Check(_)
            | Self::Doctor(_)
            | Self::Pub(_)
            | Self::Sub(_)
            | Self::Bench(_)
            | Self::Ps
            | Self::Tree
            | Self::Dead(Dead::List | Dead::Show { .. } | Dead::Redeliver { .. })
            | Self::Store(_)
            | Self::Kv(Kv::List { .. }) => true,
            Self::Dead(Dead::Drop { .. }) => false,
            Self::Build(_) | Self::Kv(_) | Self::Stop | Self::Completions { .. } => false,
            Self::Scale { .. } | Self::Restart { .. } | Self::Kill { .. } | Self::Reload { .. } => {
                false
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::Build(_) => "build",
            Self::Check(_) => "check",
            Self::Doctor(_) => "doctor",
            Self::Pub(_) => "pub",
            Self::Sub(_) => "sub",
            Self::Bench(_) => "bench",
            Self::Ps => "ps",
            Self::Tree => "tree",
            Self::Dead(Dead::List) => "dead list",
            Self::Dead(Dead::Show { .. }) => "dead show",
            Self::Dead(Dead::Redeliver { .. }) => "dead redeliver",
            Self::Dead(Dead::Drop { .. }) => "dead drop",
            Self::Kv(Kv::Get { .. }) => "kv get",
            Self::Kv(Kv::Set { .. }) => "kv set",
            Self::Kv(Kv::List { .. }) => "kv list",
            Self::Kv(Kv::Delete { .. }) => "kv delete",
            Self::Store(Store::Check(_)) => "store check",
            Self::Store(Store::Export(_)) => "store export",
            Self::Store(Store::Compact(_)) => "store compact",
            Self::Scale { .. } => "scale",
            Self::Restart { .. } => "restart",
            Self::Kill { .. } => "kill",
            Self::Reload { .. } => "reload",
            Self::Stop => "stop",
            Self::Completions { .. } => "completions",
        }
    }
}

impl AppAt {
    /// The variables of `--var`; of two with one name the later counts.
    ///
    /// Not a clap parser: clap repeats what it refuses, and this may be a secret that lacks its name.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, Failure> {
        let refused = || Failure::usage("a --var has no name").help("write --var KEY=VALUE");
        self.variables
            .iter()
            .map(|text| pair(text, "KEY=VALUE").map_err(|_| refused()))
            .collect()
    }
}

impl Args {
    /// What clap cannot see: global flags that mean nothing to this verb, and those that contradict its own. A flag that
    /// would be ignored is an error, because whoever wrote it expects something of it.
    pub(crate) fn validate(&self) -> Result<(), Failure> {
        let Self { global, verb } = self;
        let name = verb.name();
        if global.json && !verb.prints_json() {
            let what = match verb {
                Verb::Up(_) => {
                    "`up` prints events only with --sub, so --json has nothing to do".to_owned()
                }
                Verb::Kv(Kv::Get { .. }) => {
                    "`kv get` prints the value's bytes as they are, not JSON".to_owned()
                }
                _ => format!("`{name}` has nothing to print as JSON"),
            };
            return Err(Failure::usage(what).help("leave out --json"));
        }
        if global.json
            && matches!(
                verb,
                Verb::Up(Up { raw: true, .. }) | Verb::Sub(Subscribe { raw: true, .. })
            )
        {
            return Err(
                Failure::usage("--json and --raw are two ways to print the same events")
                    .help("choose one of them"),
            );
        }
        if global.node.is_some() && !verb.asks_a_node() {
            let help = match (verb, &global.node) {
                (Verb::Completions { .. }, _) | (_, None) => "leave out --node".to_owned(),
                (_, Some(path)) => format!(
                    "name the manifest or its folder instead: whirlwind {name} {}",
                    path.display()
                ),
            };
            return Err(Failure::usage(format!(
                "`{name}` asks no running node, so --node has nothing to do"
            ))
            .help(help));
        }
        if global.data_dir.is_some() {
            if matches!(verb, Verb::Build(_) | Verb::Completions { .. }) {
                let what = format!("`{name}` touches no data, so --data-dir has nothing to do");
                return Err(Failure::usage(what).help("leave out --data-dir"));
            }
            if global.node.is_some() {
                return Err(Failure::usage("--node and --data-dir both name a node")
                    .help("choose one of them"));
            }
        }
        if let Verb::Pub(publish) = verb {
            let lines = publish.data.as_deref() == Some("-");
            if lines && publish.count.is_some() {
                return Err(Failure::usage(
                    "`-` publishes an event for each line, so --count has nothing to do",
                )
                .help("leave out --count; `--file -` takes standard input as one event"));
            }
            if lines && publish.id.is_some() {
                return Err(Failure::usage(
                    "`-` publishes an event for each line, and they cannot share an --id",
                )
                .help("leave out --id; `--file -` takes standard input as one event"));
            }
            if publish.rate.is_some() && !lines && publish.count.is_none() {
                return Err(
                    Failure::usage("--rate paces many events, and there is only one").help(
                        "add --count N, or give `-` as data to read lines from standard input",
                    ),
                );
            }
        }
        Ok(())
    }
}
