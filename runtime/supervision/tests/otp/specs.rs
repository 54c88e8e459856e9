use std::time::Duration;

use rstest::rstest;
use whirlwind_supervision::{
    AutoShutdown, Backoff, ChildError, ChildSpec, Intensity, Restart, Shutdown, SpecError,
    StartError, Strategy, SupervisorSpec, Template,
};

use crate::stage::Stage;

fn worker(id: &str) -> ChildSpec {
    Stage::new().child(id)
}

fn plain() -> SupervisorSpec {
    SupervisorSpec::new("root", Strategy::OneForOne)
}

fn template() -> Template {
    Template::new(|slot| worker(&format!("s{slot}")))
}

#[test]
fn f1_the_defaults() {
    assert_eq!(Strategy::default(), Strategy::OneForOne);
    assert_eq!(Restart::default(), Restart::Permanent);
    assert_eq!(plain().auto_shutdown, AutoShutdown::Never);
    assert_eq!(
        plain().intensity,
        Intensity {
            max_restarts: 5,
            within: Duration::from_secs(10),
        }
    );
    assert_eq!(
        Intensity::OTP,
        Intensity {
            max_restarts: 1,
            within: Duration::from_secs(5),
        }
    );
    let worker = format!("{:?}", worker("a"));
    assert!(
        worker.contains("restart: Permanent, significant: false, shutdown: Timeout(5s)"),
        "{worker}"
    );
    let supervisor = format!("{:?}", ChildSpec::supervisor("b", plain()));
    assert!(supervisor.contains("shutdown: Infinity"), "{supervisor}");
}

#[rstest]
#[case::supervisor_id(
    SupervisorSpec::new("", Strategy::OneForOne),
    SpecError::EmptySupervisorId,
    "a supervisor has an empty id: give it a name"
)]
#[case::child_id(
    plain().child(worker("")),
    SpecError::EmptyChildId { supervisor: "root".into() },
    "supervisor `root` has a child with an empty id: give it a name"
)]
#[case::window(
    plain().intensity(3, Duration::ZERO),
    SpecError::ZeroWindow { supervisor: "root".into() },
    "supervisor `root` counts restarts within no time: set `within` above zero"
)]
#[case::backoff_order(
    plain().backoff(Backoff { min: Duration::from_secs(2), max: Duration::from_secs(1), jitter: 0.0 }),
    SpecError::BackoffOrder {
        supervisor: "root".into(), min: Duration::from_secs(2), max: Duration::from_secs(1),
    },
    "supervisor `root` has a backoff from 2s to 1s: `min` may not exceed `max`"
)]
#[case::jitter_above(
    plain().backoff(Backoff { jitter: 1.5, ..Backoff::default() }),
    SpecError::Jitter { supervisor: "root".into(), jitter: 1.5 },
    "supervisor `root` has a backoff jitter of 1.5: use a share from 0 to 1"
)]
#[case::jitter_below(
    plain().backoff(Backoff { jitter: -0.1, ..Backoff::default() }),
    SpecError::Jitter { supervisor: "root".into(), jitter: -0.1 },
    "supervisor `root` has a backoff jitter of -0.1: use a share from 0 to 1"
)]
#[case::shutdown(
    plain().child(worker("a").shutdown(Shutdown::Timeout(Duration::ZERO))),
    SpecError::ZeroShutdown { supervisor: "root".into(), child: "a".into() },
    "child `a` of supervisor `root` has a shutdown time of zero: use a brutal kill to leave it no time"
)]
#[case::no_template(
    SupervisorSpec::new("root", Strategy::SimpleOneForOne),
    SpecError::TemplateMissing { supervisor: "root".into() },
    "supervisor `root` is simple-one-for-one and has no template: give it one"
)]
#[case::template_and_children(
    SupervisorSpec::simple("root", template()).child(worker("a")),
    SpecError::TemplateAndChildren { supervisor: "root".into() },
    "supervisor `root` is simple-one-for-one and lists children: they can only come from its template"
)]
#[case::unused_template(
    SupervisorSpec { template: Some(template()), ..plain() },
    SpecError::UnusedTemplate { supervisor: "root".into(), strategy: Strategy::OneForOne },
    "supervisor `root` is one-for-one and has a template: only simple-one-for-one uses one"
)]
#[case::bad_template(
    SupervisorSpec::simple("root", Template::new(|_| worker(""))),
    SpecError::EmptyChildId { supervisor: "root".into() },
    "supervisor `root` has a child with an empty id: give it a name"
)]
#[tokio::test(start_paused = true)]
async fn f3_each_bad_field_has_its_own_error(
    #[case] spec: SupervisorSpec,
    #[case] error: SpecError,
    #[case] words: &str,
) {
    assert_eq!(spec.check(), Err(error.clone()));
    assert_eq!(error.to_string(), words);
    // The same below, and as a start of either: nothing starts.
    let stage = Stage::new();
    let above = plain()
        .child(stage.child("first"))
        .child(ChildSpec::supervisor("root", spec.clone()));
    if error != SpecError::EmptySupervisorId {
        assert_eq!(above.check(), Err(error.clone()));
        let refused = stage.try_start(above).await.unwrap_err();
        assert_eq!(refused, StartError::Spec(error.clone()));
    }
    let refused = stage.try_start(spec).await.unwrap_err();
    assert_eq!(refused, StartError::Spec(error));
    assert!(stage.trace().is_empty());
}

#[test]
fn f3_a_jitter_that_is_no_number_is_refused() {
    let spec = plain().backoff(Backoff {
        jitter: f64::NAN,
        ..Backoff::default()
    });
    assert!(matches!(spec.check(), Err(SpecError::Jitter { .. })));
}

#[test]
fn f4_duplicate_ids_are_refused() {
    let spec = plain()
        .child(worker("a"))
        .child(worker("b"))
        .child(worker("a"));
    let error = spec.check().unwrap_err();
    assert_eq!(
        error,
        SpecError::DuplicateChild {
            supervisor: "root".into(),
            child: "a".into(),
        }
    );
    assert_eq!(
        error.to_string(),
        "supervisor `root` has two children called `a`: rename one of them"
    );
}

#[test]
fn f4_the_same_id_under_two_supervisors_is_fine() {
    let inner = plain().child(worker("a"));
    let spec = plain()
        .child(worker("a"))
        .child(ChildSpec::supervisor("inner", inner));
    assert_eq!(spec.check(), Ok(()));
}

/// Every combination, as a child, as a template and as a dynamic child.
#[rstest]
#[tokio::test(start_paused = true)]
async fn f6_significant_is_refused_with_permanent_and_under_never(
    #[values(Restart::Permanent, Restart::Transient, Restart::Temporary)] restart: Restart,
    #[values(
        AutoShutdown::Never,
        AutoShutdown::AnySignificant,
        AutoShutdown::AllSignificant
    )]
    auto_shutdown: AutoShutdown,
    #[values(false, true)] significant: bool,
) {
    let supervisor = || "root".into();
    let child = || "s0".into();
    // OTP looks at the supervisor first, too.
    let expected = match (significant, auto_shutdown, restart) {
        (true, AutoShutdown::Never, _) => Err(SpecError::SignificantUnderNever {
            supervisor: supervisor(),
            child: child(),
        }),
        (true, _, Restart::Permanent) => Err(SpecError::SignificantPermanent {
            supervisor: supervisor(),
            child: child(),
        }),
        _ => Ok(()),
    };
    let stage = Stage::new();
    let make = {
        let stage = stage.clone();
        move |id: &str| stage.child(id).restart(restart).significant(significant)
    };
    let plain = plain().auto_shutdown(auto_shutdown);
    assert_eq!(plain.clone().child(make("s0")).check(), expected);
    let below = ChildSpec::supervisor("root", plain.clone().child(make("s0")));
    let above = SupervisorSpec::new("above", Strategy::OneForOne).child(below);
    assert_eq!(above.check(), expected);

    let tree = stage.start(plain).await;
    let started = tree.start_child(make("s0")).await;
    assert_eq!(started, expected.clone().map_err(ChildError::Spec));

    // The first slot is checked with the spec, each other one when it is taken.
    let all = make.clone();
    let template = Template::new(move |slot| all(&format!("s{slot}")));
    let spec = SupervisorSpec::simple("root", template).auto_shutdown(auto_shutdown);
    assert_eq!(spec.check(), expected);
    let later = {
        let (plain, stage) = (make, stage.clone());
        Template::new(move |slot| match slot {
            0 => stage.child("first").restart(restart),
            _ => plain("s0"),
        })
    };
    let spec = SupervisorSpec::simple("root", later).auto_shutdown(auto_shutdown);
    let tree = stage.start(spec).await;
    assert_eq!(tree.start_slot().await, Ok(0));
    let second = tree.start_slot().await;
    assert_eq!(second, expected.map(|()| 1).map_err(ChildError::Spec));
}

#[test]
fn f6_says_what_to_do_about_it() {
    let child = || worker("a").significant(true);
    let never = plain().child(child().restart(Restart::Transient));
    assert_eq!(
        never.check().unwrap_err().to_string(),
        "child `a` of supervisor `root` is significant, and the supervisor has no auto-shutdown: \
         set one, or make the child not significant"
    );
    let permanent = plain()
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(child());
    assert_eq!(
        permanent.check().unwrap_err().to_string(),
        "child `a` of supervisor `root` is significant and permanent, so its end would never \
         count: make it transient or temporary"
    );
}

#[test]
fn f7_an_intensity_of_zero_restarts_is_allowed() {
    assert_eq!(plain().intensity(0, Duration::from_secs(1)).check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn f3_a_dynamic_child_is_checked_as_well() {
    let stage = Stage::new();
    let tree = stage.start(plain()).await;
    let bad = stage.child("a").shutdown(Shutdown::Timeout(Duration::ZERO));
    let error = tree.start_child(bad).await.unwrap_err();
    assert!(
        matches!(error, ChildError::Spec(SpecError::ZeroShutdown { .. })),
        "{error}"
    );
}
