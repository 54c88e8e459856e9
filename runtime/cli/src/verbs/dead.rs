//! `dead`: the dead letters of the running node, or those that the last one left in its file.

mod letter;

use std::path::PathBuf;

use hyper::Method;
use owo_colors::Style;
use whirlwind::control::{About, AllDeliveredAgain, DeliveredAgain, Dropped};
use whirlwind::dead::{self, DeadLetter};

use crate::args::{Dead, Global, Letters};
use crate::client::{self, Client};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, Align, Cell, Table, printable};

/// How much of an error a line of the listing shows, in characters; `show` has all of it.
const ERROR: usize = 72;

pub(crate) async fn run(global: &Global, dead: Dead) -> Ended {
    match dead {
        Dead::List => list(global).await,
        Dead::Show { id } => show(global, id).await,
        Dead::Redeliver { letters } => redeliver(global, letters).await,
        Dead::Drop { letters } => forget(global, letters).await,
    }
}

/// Where the letters come from.
enum Source {
    Node(Client),
    File(Vec<DeadLetter>),
}

impl Source {
    async fn of(global: &Global) -> Result<Self, Failure> {
        match Client::connect(global).await {
            Ok(client) => Ok(Self::Node(client)),
            Err(failure) if failure.exit() == Exit::NoNode => match client::dead_letters(global) {
                Some(path) => read(path).map(Self::File),
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }
}

fn read(path: PathBuf) -> Result<Vec<DeadLetter>, Failure> {
    let contents = dead::read(&path).map_err(|error| {
        Failure::failed(format!("the dead letters cannot be read: {error}")).at_path(&path)
    })?;
    let shown = printable(&path.display().to_string());
    print::note(format_args!(
        "no node is running; these are the letters that the last one left in {shown}"
    ));
    for damage in &contents.damage {
        let error = printable(&damage.error);
        print::note(format_args!(
            "line {} of it is no dead letter: {error}",
            damage.line
        ));
    }
    Ok(contents.letters)
}

async fn list(global: &Global) -> Ended {
    let letters = match Source::of(global).await? {
        Source::Node(mut client) => {
            let about: About = client.get_json("/v1/node").await?;
            if about.dead_letters.pushed_out > 0 {
                print::note(format_args!(
                    "{} older letters were pushed out of the full box and are lost",
                    about.dead_letters.pushed_out
                ));
            }
            if global.json {
                return print::json_line(&client.get("/v1/dead").await?);
            }
            client.get_json("/v1/dead").await?
        }
        Source::File(letters) => letters,
    };
    if global.json {
        let unwritable =
            |error| Failure::failed(format!("the letters cannot be written as JSON: {error}"));
        return print::json_line(&serde_json::to_vec(&letters).map_err(unwritable)?);
    }
    if letters.is_empty() {
        print::say("there are no dead letters");
        return Ok(Exit::Done);
    }
    print::out(&table(&letters))
}

fn table(letters: &[DeadLetter]) -> String {
    let mut table = Table::new(&[
        ("ID", Align::Right),
        ("AT", Align::Left),
        ("ACTOR", Align::Left),
        ("TOPIC", Align::Left),
        ("REASON", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("ERROR", Align::Left),
    ]);
    for letter in letters {
        table.row(vec![
            Cell::new(letter.id.to_string()),
            Cell::new(printable(&letter.at)),
            Cell::new(printable(&letter.actor)),
            Cell::new(printable(&letter.topic)),
            Cell::styled(printable(&letter.reason), Style::new().red()),
            Cell::new(letter.attempts.to_string()),
            Cell::new(first_line(&letter.error)),
        ]);
    }
    table.render()
}

fn first_line(error: &str) -> String {
    let line = printable(error.lines().next().unwrap_or_default());
    match line.char_indices().nth(ERROR) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

async fn show(global: &Global, id: u64) -> Ended {
    let letter = match Source::of(global).await? {
        Source::Node(mut client) => client.get_json(&format!("/v1/dead/{id}")).await?,
        Source::File(letters) => {
            let ids: Vec<u64> = letters.iter().map(|letter| letter.id).collect();
            let found = letters.into_iter().find(|letter| letter.id == id);
            found.ok_or_else(|| Failure::failed(dead::unknown(id, &ids)))?
        }
    };
    match global.json {
        true => print::json_line(&letter.to_line()),
        false => print::out(&letter::whole(&letter)),
    }
}

/// Delivering and forgetting are for the running node: the file is what it reads at its start.
async fn connect(global: &Global) -> Result<Client, Failure> {
    Client::connect(global).await.map_err(|failure| {
        match failure.exit() == Exit::NoNode && client::dead_letters(global).is_some() {
            true => failure.help(
                "start it with `whirlwind up`: it takes the letters from its file, and does this then",
            ),
            false => failure,
        }
    })
}

async fn redeliver(global: &Global, letters: Letters) -> Ended {
    let mut client = connect(global).await?;
    if let Some(id) = letters.id {
        let path = format!("/v1/dead/{id}/redeliver");
        let done: DeliveredAgain = client.ask_json(Method::POST, &path).await?;
        if global.json {
            return json(&done);
        }
        say_delivered(&done);
        return Ok(Exit::Done);
    }
    let all: AllDeliveredAgain = client.ask_json(Method::POST, "/v1/dead/redeliver").await?;
    if global.json {
        json(&all)?;
    } else {
        all.redelivered.iter().for_each(say_delivered);
        for refused in &all.refused {
            let (id, error) = (refused.id, printable(&refused.error));
            print::note(format_args!("dead letter {id} was not delivered: {error}"));
        }
        if all.redelivered.is_empty() && all.refused.is_empty() {
            print::say("there are no dead letters");
        }
    }
    match all.refused.len() {
        0 => Ok(Exit::Done),
        refused => Err(Failure::failed(format!(
            "{refused} of {} dead letters were not delivered, and are kept",
            refused + all.redelivered.len()
        ))),
    }
}

fn say_delivered(done: &DeliveredAgain) {
    let id = done.id;
    match (&done.actor, &done.topic) {
        (Some(actor), _) => print::say(format_args!(
            "dead letter {id} is in the mailbox of `{}` again",
            printable(actor)
        )),
        (None, topic) => print::say(format_args!(
            "dead letter {id} is published on `{}` again, with no turns behind it, and delivered to {}",
            printable(topic.as_deref().unwrap_or_default()),
            done.delivered
        )),
    }
}

async fn forget(global: &Global, letters: Letters) -> Ended {
    let mut client = connect(global).await?;
    if let Some(id) = letters.id {
        client.delete(&format!("/v1/dead/{id}")).await?;
        print::say(format_args!("dead letter {id} is forgotten"));
        return Ok(Exit::Done);
    }
    let Dropped { dropped } = client.ask_json(Method::DELETE, "/v1/dead").await?;
    let letters = match dropped {
        0 => "there are no dead letters".to_owned(),
        1 => "1 dead letter is forgotten".to_owned(),
        count => format!("{count} dead letters are forgotten"),
    };
    print::say(letters);
    Ok(Exit::Done)
}

fn json(answer: &impl serde::Serialize) -> Ended {
    let unwritable =
        |error| Failure::failed(format!("the answer cannot be written as JSON: {error}"));
    print::json_line(&serde_json::to_vec(answer).map_err(unwritable)?)
}
