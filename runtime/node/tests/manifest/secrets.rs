//! What a variable holds is never shown.

use whirlwind::app::{Secret, Variables};

use super::load_with;

const CANARY: &str = "canary-4f1c";

fn variables() -> Variables {
    Variables::none()
        .with("SECRET", CANARY)
        .with("NUL", format!("{CANARY}\0"))
        .with("LONG", CANARY.repeat(200_000))
}

#[test]
fn a_secret_prints_as_stars() {
    assert_eq!(format!("{:?}", Secret::from(CANARY)), "***");
    assert_eq!(Secret::from(CANARY).expose(), CANARY);
    assert!(!format!("{:?} {:#?}", variables(), variables()).contains(CANARY));
}

#[test]
fn an_app_prints_without_its_secrets() {
    let text = "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\n\
        config = { one = \"${SECRET}\", two = \"x${SECRET}y\" }\nenv = { THREE = \"${SECRET}\" }\n";
    let app = load_with(text, &variables()).unwrap();
    assert_eq!(
        app.actors["a"].config["two"].expose(),
        format!("x{CANARY}y")
    );
    assert!(!format!("{app:?} {app:#?} {:?}", app.missing_components()).contains(CANARY));
}

/// Every place a string can stand in, each with a variable in it: all but two are refused, and none is quoted.
#[test]
fn no_error_shows_what_a_variable_holds() {
    let places = [
        "[app]\nname = \"V\"",
        "[defaults]\nrestart = \"V\"",
        "[defaults]\ndrain = \"V\"",
        "[defaults]\nmax_hops = \"V\"",
        "[defaults]\nmailbox = { bytes = \"V\" }",
        "[defaults]\nmailbox = { overflow = \"V\" }",
        "[defaults]\nmailbox = \"V\"",
        "[defaults]\nlimits = { memory = \"V\" }",
        "[defaults]\nlimits = { deadline = \"V\" }",
        "[defaults]\nretry = { backoff = { min = \"V\" } }",
        "[supervisor.root]\nstrategy = \"V\"",
        "[supervisor.root]\nwithin = \"V\"",
        "[supervisor.root]\nchildren = [\"V\"]",
        "[supervisor.\"V\"]\nchildren = [\"a\"]",
        "[actor.\"V\"]\ncomponent = \"x\"",
        "[actor.b]\ncomponent = \"V\"",
        "[actor.b]\ncomponent = \"x\"\nisolation = \"V\"",
        "[actor.b]\ncomponent = \"x\"\ninstances = \"V\"",
        "[actor.b]\ncomponent = \"x\"\nsubscribe = [\"V\"]",
        "[actor.b]\ncomponent = \"x\"\nsubscribe = [\"V/+x\"]",
        "[actor.b]\ncomponent = \"x\"\npublish = [\"V\", \"V\"]",
        "[actor.b]\ncomponent = \"x\"\nlinks = { keyvalue = \"V\" }",
        "[actor.b]\ncomponent = \"x\"\nlinks = { keyvalue = { \"V\" = \"p\" } }",
        "[actor.b]\ncomponent = \"x\"\nlinks = { keyvalue = { default = \"p/V\" } }",
        "[actor.b]\ncomponent = \"x\"\nconfig = \"V\"",
        "[actor.b]\ncomponent = \"x\"\nconfig = { k = [\"V\"] }",
        "[actor.b]\ncomponent = \"x\"\nconfig = { k = \"V${NOT_SET}\" }",
        "[actor.b]\ncomponent = \"x\"\nconfig = { k = \"V${\" }",
        "[actor.b]\ncomponent = \"x\"\nconfig = { k = \"V${}\" }",
        "[actor.b]\ncomponent = \"x\"\nconfig = { \"\" = \"V\" }",
        "[actor.b]\ncomponent = \"x\"\nenv = { \"a=b\" = \"V\" }",
        "[topic.\"V\"]\nmax_event = \"V\"",
        "[topic.\"a\"]\ndead_letter = \"V\"",
        "[provider.\"V\"]\ntype = \"memory\"",
        "[provider.q]\ntype = \"V\"",
        "[provider.q]\ntype = \"sled\"\npath = \"V\"",
        "\"V\" = 1",
        "x = \"V",
    ];
    let values = [
        "${SECRET}",
        "${SECRET}${SECRET}",
        "a/${SECRET}",
        "${NUL}",
        "${LONG}",
    ];
    let mut seen = 0;
    for place in places {
        for value in values {
            let text = format!(
                "manifest = 1\n[provider.p]\ntype = \"memory\"\n[actor.a]\ncomponent = \"a\"\n\
                 env = {{ A = \"${{SECRET}}\", B = \"${{NUL}}\" }}\n{}\n",
                place.replace('V', value)
            );
            let error = load_with(text, &variables()).expect_err(place);
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains(CANARY), "{place} with {value}: {shown}");
            seen += 1;
        }
    }
    assert!(seen >= 100, "{seen}");
}
