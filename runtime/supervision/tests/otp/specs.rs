use std::time::Duration;

use rstest::rstest;
use whirlwind_supervision::{
    Backoff, ChildError, ChildSpec, Intensity, Restart, Shutdown, SpecError, StartError, Strategy,
    SupervisorSpec, Template,
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
        worker.contains("restart: Permanent, shutdown: Timeout(5s)"),
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
