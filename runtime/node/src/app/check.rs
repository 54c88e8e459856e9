//! From a manifest as written to an app as meant. Every check runs, whatever the others found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::{
    ActorSection, At, ByteSize, DefaultsSection, KeyValueLinks, LimitsSection, MailboxSection,
    Manifest, ManifestError, Problems, RetrySection, Source, SupervisorSection, TimeSpan, quoted,
};

use super::names::{NAME_HELP, name_fault, name_from};
use super::variables::{Substitution, Variables};
use super::{
    Actor, App, Backend, Backoff, Intensity, KeyValueLink, Limits, Mailbox, Retry, Secret,
    Supervisor, defaults, paths, timers, tree,
};

/// The longest name of a bucket, in bytes: what every key-value provider takes.
const LONGEST_BUCKET: usize = 256;

/// Where a manifest comes from.
pub(super) struct Origin {
    pub(super) manifest: Option<PathBuf>,
    pub(super) folder: PathBuf,
}

pub(super) fn app(
    source: &Source<'_>,
    origin: Origin,
    variables: &Variables,
) -> Result<App, ManifestError> {
    let manifest = source.manifest()?;
    let mut check = Check {
        manifest: &manifest,
        source,
        folder: &origin.folder,
        problems: source.problems(),
        substitution: Substitution::new(variables),
    };
    let name = check.app_name();
    let defaults = At::top("defaults");
    check.settings(
        &manifest.defaults.mailbox,
        &manifest.defaults.limits,
        &defaults,
    );
    check.retry(
        &manifest.defaults.retry,
        &RetrySection::default(),
        &defaults.key("retry"),
    );
    check.supervisors();
    let root = tree::build(&manifest, source, &mut check.problems);
    let providers = check.providers(&name);
    let actors = check.actors();
    let topics = check.topics();
    let timers = check.timers();
    let mut problems = check.problems;
    let app = App {
        name,
        manifest: origin.manifest,
        folder: origin.folder,
        root: root.unwrap_or_else(Supervisor::empty),
        actors,
        providers,
        topics,
        drain: manifest
            .defaults
            .drain
            .map_or(defaults::DRAIN, |span| span.0),
        timers,
    };
    for (inner, outer) in paths::shared_folders(&app) {
        let at = At::top("provider");
        let both =
            [inner, outer].map(|name| app.providers.get(name).map(|provider| &provider.kind));
        let help = match both {
            [Some(Backend::Store), Some(Backend::Store)] => {
                "the node has one store: link both names to one provider, with a bucket each"
            }
            _ => "give each its own `path`",
        };
        problems.push(
            source.value(&at.key(inner).key("path")),
            format!(
                "the folder of {} is or lies in that of {}",
                quoted(inner),
                quoted(outer)
            ),
            help,
        );
    }
    timers::sizes(&app, source, &mut problems);
    if problems.is_empty() {
        Ok(app)
    } else {
        Err(problems.into_error())
    }
}

/// What is checked, and what was found.
pub(super) struct Check<'c, 't> {
    pub(super) manifest: &'c Manifest,
    source: &'c Source<'t>,
    pub(super) folder: &'c Path,
    problems: Problems,
    pub(super) substitution: Substitution<'c>,
}

impl<'c> Check<'c, '_> {
    /// The fault of a value.
    pub(super) fn value(
        &mut self,
        at: &At<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(self.source.value(at), message, help);
    }

    /// How many problems there are so far.
    pub(super) fn found(&self) -> usize {
        self.problems.len()
    }

    /// The fault of a key, or of a table by its header.
    pub(super) fn key(&mut self, at: &At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(self.source.key(at), message, help);
    }

    fn app_name(&mut self) -> String {
        let Some(name) = &self.manifest.app.name else {
            let folder = self.folder.file_name().unwrap_or_default();
            return name_from(&folder.to_string_lossy());
        };
        if let Some(fault) = name_fault(name) {
            let app = At::top("app");
            self.value(&app.key("name"), fault, NAME_HELP);
        }
        name.clone()
    }

    pub(super) fn name(&mut self, name: &str, at: &At<'_>) {
        if let Some(fault) = name_fault(name) {
            self.key(at, fault, NAME_HELP);
        }
    }

    /// What `[defaults]` and every actor have in common.
    fn settings(&mut self, mailbox: &MailboxSection, limits: &LimitsSection, at: &At<'_>) {
        self.not_empty(mailbox.bytes, &at.key("mailbox").key("bytes"));
        let at = at.key("limits");
        self.not_zero(limits.deadline, &at.key("deadline"));
        if let Some(memory) = limits.memory {
            let (least, most) = (
                ByteSize(defaults::LEAST_MEMORY),
                ByteSize(defaults::MOST_MEMORY),
            );
            if memory < least || memory > most {
                let message = format!("`memory` must lie between {least} and {most}");
                let help = format!("the default is \"{}\"", ByteSize(defaults::MEMORY));
                self.value(&at.key("memory"), message, help);
            }
        }
    }

    pub(super) fn not_empty(&mut self, size: Option<ByteSize>, at: &At<'_>) {
        if size == Some(ByteSize(0)) {
            let message = format!("`{}` must not be zero", at.describe());
            self.value(
                at,
                message,
                "nothing would fit; leave it out for the default",
            );
        }
    }

    pub(super) fn not_zero(&mut self, span: Option<TimeSpan>, at: &At<'_>) {
        if span.is_some_and(|span| span.0.is_zero()) {
            let message = format!("`{}` must not be zero", at.describe());
            self.value(at, message, "name a time, or leave it out for the default");
        }
    }

    /// `min` must not be longer than `max`; the fault stands where one of them is written.
    pub(super) fn in_order(
        &mut self,
        min: (Option<TimeSpan>, TimeSpan),
        max: (Option<TimeSpan>, TimeSpan),
        at: &At<'_>,
    ) {
        let shortest = min.0.unwrap_or(min.1);
        let longest = max.0.unwrap_or(max.1);
        if shortest <= longest || (min.0.is_none() && max.0.is_none()) {
            return;
        }
        let message = format!("`min` ({shortest}) is longer than `max` ({longest})");
        let help = match (min.0, max.0) {
            (Some(_), None) => {
                format!("`max` is {longest} where it is not given: lower `min` or give `max`")
            }
            (None, _) => {
                format!("`min` is {shortest} where it is not given: raise `max` or give `min`")
            }
            (Some(_), Some(_)) => "lower `min` or raise `max`".to_owned(),
        };
        let written = if min.0.is_some() { "min" } else { "max" };
        self.value(&at.key(written), message, help);
    }

    fn supervisors(&mut self) {
        let table = At::top("supervisor");
        for (name, section) in &self.manifest.supervisor {
            let at = table.key(name);
            self.name(name, &at);
            self.supervisor(name, section, &at);
        }
    }

    fn supervisor(&mut self, name: &str, section: &SupervisorSection, at: &At<'_>) {
        self.not_zero(section.within, &at.key("within"));
        self.in_order(
            (section.backoff.min, TimeSpan(defaults::RESTART_MIN)),
            (section.backoff.max, TimeSpan(defaults::RESTART_MAX)),
            &at.key("backoff"),
        );
        if name == "root" && section.restart.is_some() {
            let help = "take it out: when the root gives up, the node ends with status 5";
            self.key(
                &at.key("restart"),
                "nothing stands above the root that could restart it",
                help,
            );
        }
    }

    fn actors(&mut self) -> BTreeMap<String, Actor> {
        let table = At::top("actor");
        let sections = self.manifest.actor.iter();
        sections
            .map(|(name, section)| {
                let at = table.key(name);
                self.name(name, &at);
                (name.clone(), self.actor(name, section, &at))
            })
            .collect()
    }

    fn actor(&mut self, name: &str, section: &ActorSection, at: &At<'_>) -> Actor {
        let given: &DefaultsSection = &self.manifest.defaults;
        self.settings(&section.mailbox, &section.limits, at);
        self.not_zero(section.within, &at.key("within"));
        if section.within.is_some() && section.max_restarts.is_none() {
            let help = "give `max_restarts` as well, or take it out";
            self.key(
                &at.key("within"),
                "`within` has no meaning without `max_restarts`",
                help,
            );
        }
        if section
            .build
            .as_deref()
            .is_some_and(|build| build.trim().is_empty())
        {
            self.value(
                &at.key("build"),
                "`build` is empty",
                "name a command, or take it out",
            );
        }
        Actor {
            name: name.to_owned(),
            component: self.component(&section.component, &at.key("component")),
            build: section.build.clone(),
            instances: section.instances.unwrap_or(defaults::INSTANCES),
            isolation: section.isolation.unwrap_or_default(),
            turn: section.turn.unwrap_or_default(),
            partition: self.partition(section.partition.as_deref(), &at.key("partition")),
            subscribe: self.filters(&section.subscribe, &at.key("subscribe")),
            publish: self.filters(&section.publish, &at.key("publish")),
            keyvalue: self.links(section.links.keyvalue.as_ref(), &at.key("links")),
            config: self.pairs(&section.config, &at.key("config"), false),
            env: self.pairs(&section.env, &at.key("env"), true),
            restart: section.restart.or(given.restart).unwrap_or_default(),
            mailbox: mailbox(&section.mailbox, &given.mailbox),
            limits: limits(&section.limits, &given.limits),
            retry: self.retry(&section.retry, &given.retry, &at.key("retry")),
            max_hops: Some(
                section
                    .max_hops
                    .or(given.max_hops)
                    .unwrap_or(defaults::MAX_HOPS),
            )
            .filter(|hops| *hops > 0),
            drain: section
                .drain
                .or(given.drain)
                .map_or(defaults::DRAIN, |span| span.0),
            intensity: section.max_restarts.map(|max_restarts| Intensity {
                max_restarts,
                within: section.within.map_or(defaults::WITHIN, |span| span.0),
            }),
        }
    }

    fn component(&mut self, text: &str, at: &At<'_>) -> PathBuf {
        const HELP: &str = "name its file: component = \"path/to/component.wasm\"";
        if text.is_empty() {
            self.value(at, "`component` is empty", HELP);
        } else if text.contains("://") {
            self.value(at, "`component` is an address: only files are read", HELP);
        } else if text.contains(char::is_control) {
            self.value(at, "`component` has a control character", HELP);
        }
        self.folder.join(text)
    }

    fn links(
        &mut self,
        links: Option<&KeyValueLinks>,
        at: &At<'_>,
    ) -> BTreeMap<String, KeyValueLink> {
        let at = at.key("keyvalue");
        match links {
            None => BTreeMap::new(),
            Some(KeyValueLinks::Default(target)) => {
                let link = self.link(target, &at);
                BTreeMap::from([(defaults::DEFAULT.to_owned(), link)])
            }
            Some(KeyValueLinks::Named(targets)) => {
                let mut links = BTreeMap::new();
                for (identifier, target) in targets {
                    let at = at.key(identifier);
                    if identifier.is_empty() {
                        let help = "call it `default`: that is what open(\"\") opens as well";
                        self.key(&at, "a link has an empty identifier", help);
                    } else if identifier.contains(char::is_control) {
                        let help = "use the name that the component opens";
                        self.key(
                            &at,
                            "the identifier of a link has a control character",
                            help,
                        );
                    }
                    links.insert(identifier.clone(), self.link(target, &at));
                }
                links
            }
        }
    }

    /// `provider` or `provider/bucket`; what follows the first `/` is the bucket, whatever it is.
    fn link(&mut self, target: &str, at: &At<'_>) -> KeyValueLink {
        let (provider, bucket) = target
            .split_once('/')
            .unwrap_or((target, defaults::DEFAULT));
        let manifest = self.manifest;
        if provider.is_empty() {
            self.value(
                at,
                "a link leads nowhere",
                "name a provider, or \"provider/bucket\"",
            );
        } else if !manifest.provider.contains_key(provider) {
            let message = format!("there is no provider {}", quoted(provider));
            let help = if manifest.provider.is_empty() {
                format!(
                    "add one: [provider.{}] with type = \"memory\"",
                    name_from(provider)
                )
            } else {
                let names = manifest.provider.keys().map(String::as_str);
                self.problems.hint(provider, names, "providers")
            };
            self.value(at, message, help);
        } else if let Some(section) = manifest.provider.get(provider)
            && !section.kind.has_buckets()
        {
            let message = format!("the provider {} has no buckets", quoted(provider));
            let help = "name one of type `memory`, `sled` or `store`; messages need no link, what goes in and out stands with the provider";
            self.value(at, message, help);
        } else if bucket.is_empty() {
            self.value(
                at,
                "a link has an empty bucket",
                "leave the `/` out for the bucket `default`",
            );
        } else if bucket.len() > LONGEST_BUCKET || bucket.contains(char::is_control) {
            let message = format!(
                "the bucket of a link is longer than {LONGEST_BUCKET} bytes or has a control character"
            );
            self.value(at, message, "give it a shorter, plain name");
        }
        KeyValueLink {
            provider: provider.to_owned(),
            bucket: bucket.to_owned(),
        }
    }

    /// `config` and `env`: text by name, with variables put in.
    fn pairs(
        &mut self,
        pairs: &BTreeMap<String, String>,
        at: &At<'_>,
        env: bool,
    ) -> BTreeMap<String, Secret> {
        let mut values = BTreeMap::new();
        for (name, text) in pairs {
            let at = at.key(name);
            if name.is_empty() {
                self.key(&at, "a name is empty", "give it a name");
            } else if env && (name.contains('=') || name.contains(char::is_control)) {
                let help = "use letters, digits and `_`";
                self.key(
                    &at,
                    format!("{} is no name of an environment variable", quoted(name)),
                    help,
                );
            }
            match self.substitution.apply(text) {
                Ok(value) if env && value.expose().contains('\0') => {
                    self.value(
                        &at,
                        "the value has a NUL character",
                        "an environment cannot hold one",
                    );
                }
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(fault) => {
                    let (message, help) = fault.words();
                    self.value(&at, message, help);
                }
            }
        }
        values
    }

    fn retry(&mut self, own: &RetrySection, given: &RetrySection, at: &At<'_>) -> Retry {
        let min = given.backoff.min.unwrap_or(TimeSpan(defaults::RETRY_MIN));
        let max = given.backoff.max.unwrap_or(TimeSpan(defaults::RETRY_MAX));
        self.in_order(
            (own.backoff.min, min),
            (own.backoff.max, max),
            &at.key("backoff"),
        );
        Retry {
            max_deliver: own
                .max_deliver
                .or(given.max_deliver)
                .unwrap_or(defaults::MAX_DELIVER),
            backoff: Backoff {
                min: own.backoff.min.unwrap_or(min).0,
                max: own.backoff.max.unwrap_or(max).0,
                jitter: 0.0,
            },
        }
    }
}

pub(super) fn mailbox(own: &MailboxSection, given: &MailboxSection) -> Mailbox {
    let capacity = own
        .capacity
        .or(given.capacity)
        .unwrap_or(defaults::MAILBOX_CAPACITY);
    let bytes = own
        .bytes
        .or(given.bytes)
        .map_or(defaults::MAILBOX_BYTES, |size| size.0);
    Mailbox {
        capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
        bytes,
        overflow: own.overflow.or(given.overflow).unwrap_or_default(),
    }
}

fn limits(own: &LimitsSection, given: &LimitsSection) -> Limits {
    Limits {
        memory: own
            .memory
            .or(given.memory)
            .map_or(defaults::MEMORY, |size| size.0),
        deadline: own
            .deadline
            .or(given.deadline)
            .map_or(defaults::DEADLINE, |span| span.0),
    }
}
