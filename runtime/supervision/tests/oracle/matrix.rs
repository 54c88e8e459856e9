//! The spec matrix: every combination of what a supervisor and a child can be, valid or not, given to
//! OTP's check and to ours, and to a start of each.

use std::{future::pending, time::Duration};

use whirlwind_supervision::{
    AutoShutdown, ChildSpec, ExitReason, Reporter, Restart, Strategy, Supervisor, SupervisorSpec,
    Template,
};

use crate::{
    oracle, say,
    script::{Auto, Shutdown, atom},
};

/// What the matrix is over. Two children of one id, or none, are there as well.
struct Case {
    strategy: Strategy,
    auto: Auto,
    restart: Restart,
    shutdown: Shutdown,
    supervisor: bool,
    significant: bool,
    children: Children,
    /// In seconds.
    period: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Children {
    None,
    One,
    Two,
    TwoOfOneId,
}

/// A difference that is meant: a shutdown time of zero is a brutal kill that says otherwise, so ours
/// is refused with that advice.
const ZERO: Shutdown = Shutdown::Timeout(0);

#[test]
fn a_spec_is_refused_where_otp_refuses_it() {
    let Some(mut erlang) = oracle() else {
        return;
    };
    let (mut same, mut refused, mut zero) = (0, 0, 0);
    for case in cases() {
        let otp = erlang.ask(case.term());
        let ours = case.ours();
        if case.shutdown == ZERO && case.children != Children::None && otp != ours {
            let differs = |(otp, ours): &(&String, &String)| otp != ours;
            let (otp, ours): (Vec<&String>, Vec<&String>) =
                otp.iter().zip(&ours).filter(differs).unzip();
            assert!(
                otp.iter().all(|verdict| verdict.ends_with("accepted")),
                "{case}"
            );
            assert!(
                ours.iter().all(|verdict| verdict.ends_with("refused")),
                "{case}"
            );
            zero += 1;
            continue;
        }
        assert_eq!(otp, ours, "OTP is left, ours is right: {case}");
        same += 1;
        refused += usize::from(otp.iter().any(|verdict| verdict.ends_with("refused")));
    }
    say(format_args!(
        "spec matrix: OTP {}, {} specs, {same} with the same verdicts ({refused} of them refused)\n  \
         intended, F3: a shutdown time of zero is refused, in OTP it is taken: {zero} specs",
        erlang.version,
        same + zero,
    ));
}

fn cases() -> impl Iterator<Item = Case> {
    let strategies = [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
        Strategy::SimpleOneForOne,
    ];
    let autos = [Auto::Never, Auto::Any, Auto::All];
    let restarts = [Restart::Permanent, Restart::Transient, Restart::Temporary];
    let shutdowns = [
        Shutdown::Brutal,
        ZERO,
        Shutdown::Timeout(5000),
        Shutdown::Infinity,
    ];
    let children = [
        Children::None,
        Children::One,
        Children::Two,
        Children::TwoOfOneId,
    ];
    let sizes = [4, 3, 3, 4, 2, 2, 4, 2];
    (0..sizes.iter().product()).map(move |number: usize| {
        // Its digits, each to the base of its place.
        let mut rest = number;
        let digits = sizes.map(|size| {
            let digit = rest % size;
            rest /= size;
            digit
        });
        Case {
            strategy: strategies[digits[0]],
            auto: autos[digits[1]],
            restart: restarts[digits[2]],
            shutdown: shutdowns[digits[3]],
            supervisor: digits[4] == 1,
            significant: digits[5] == 1,
            children: children[digits[6]],
            period: digits[7] as u64,
        }
    })
}

impl Case {
    fn ids(&self) -> &'static [&'static str] {
        match self.children {
            Children::None => &[],
            Children::One => &["a"],
            Children::Two => &["a", "b"],
            Children::TwoOfOneId => &["a", "a"],
        }
    }

    fn term(&self) -> String {
        let Self {
            auto,
            restart,
            shutdown,
            significant,
            period,
            ..
        } = self;
        let kind = if self.supervisor {
            "supervisor"
        } else {
            "worker"
        };
        let child = |id: &&str| {
            format!(
                "#{{id=>{id},restart=>{restart},shutdown=>{shutdown},type=>{kind},significant=>{significant}}}"
            )
        };
        let children: Vec<String> = self.ids().iter().map(child).collect();
        format!(
            "{{check,#{{strategy=>{},intensity=>1,period=>{period},auto_shutdown=>{}}},[{}]}}",
            atom(self.strategy),
            auto.as_str(),
            children.join(",")
        )
    }

    fn child(&self, id: &str) -> ChildSpec {
        let child = if self.supervisor {
            ChildSpec::supervisor(id, SupervisorSpec::new(id, Strategy::OneForOne))
        } else {
            ChildSpec::worker(id, |_| async { Ok(pending::<ExitReason>()) })
        };
        let child = child.restart(self.restart).shutdown(self.shutdown.into());
        child.significant(self.significant)
    }

    fn supervisor(&self) -> SupervisorSpec {
        let mut spec = SupervisorSpec::new("root", self.strategy)
            .auto_shutdown(AutoShutdown::from(self.auto))
            .intensity(1, Duration::from_secs(self.period));
        match (self.strategy, self.children) {
            (Strategy::SimpleOneForOne, Children::One) => {
                let child = self.child("a");
                spec.template = Some(Template::new(move |_| child.clone()));
            }
            _ => {
                for id in self.ids() {
                    spec = spec.child(self.child(id));
                }
            }
        }
        spec
    }

    /// The verdicts as the Erlang side gives them.
    fn ours(&self) -> Vec<String> {
        let verdict = |refused: bool| if refused { "refused" } else { "accepted" };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let started = Supervisor::start(self.supervisor(), Reporter::log()).await;
            let start = verdict(started.is_err());
            assert_eq!(
                self.supervisor().check().is_err(),
                started.is_err(),
                "refused when it is checked, not later: {self}"
            );
            // The children by themselves, without regard to what their supervisor is.
            let mut children = SupervisorSpec::new("root", Strategy::OneForOne)
                .auto_shutdown(AutoShutdown::from(self.auto));
            for id in self.ids() {
                children = children.child(self.child(id));
            }
            let checked = verdict(children.check().is_err());
            let mut said = vec![
                format!("check_childspecs {checked}"),
                format!("start {start}"),
            ];
            if self.strategy != Strategy::SimpleOneForOne {
                let empty = SupervisorSpec {
                    children: Vec::new(),
                    ..self.supervisor()
                };
                let mut refused = true;
                if let Ok(root) = Supervisor::start(empty, Reporter::log()).await {
                    refused = false;
                    for id in self.ids() {
                        refused |= root.start_child(self.child(id)).await.is_err();
                    }
                }
                said.push(format!("start_child {}", verdict(refused)));
            }
            said
        })
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.term())
    }
}
