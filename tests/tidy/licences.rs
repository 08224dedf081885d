//! What we depend on has a licence from the list in `deny.toml`. cargo-deny checks the same and more, but takes
//! long to build; this needs cargo alone, so it always runs.

use std::process::Command;

use super::source::root;

#[test]
fn dependencies_have_a_licence_from_the_list() {
    let allowed = allowed();
    let packages = packages();
    assert!(packages.len() > 10, "cargo named {} packages", packages.len());
    let refused: Vec<_> = packages.iter().filter(|(_, licence)| !is_allowed(licence, &allowed)).collect();
    assert!(refused.is_empty(), "not on the list of deny.toml: {refused:#?}");
}

#[test]
fn a_licence_is_allowed_if_one_choice_of_each_part_is() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    for licence in ["MIT", "GPL-3.0 OR MIT", "Apache-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(licence, &allowed), "{licence}");
    }
    for licence in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND (Y OR Z)", "MIT WITH X"] {
        assert!(!is_allowed(licence, &allowed), "{licence}");
    }
}

/// Whether a licence expression (SPDX, or the older one with slashes) can be met with these. Knows choices
/// within parts, not parts within choices: what it does not know, it refuses.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let choices = expression.replace('/', " OR ");
    let is_allowed = |choice: &str| {
        let choice = choice.trim_matches(|c: char| c == '(' || c == ')' || c.is_whitespace());
        allowed.iter().any(|licence| licence == choice)
    };
    choices.split(" AND ").all(|part| part.split(" OR ").any(is_allowed))
}

fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let list = deny["licenses"]["allow"].as_array().unwrap();
    list.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
}

/// Name and licence of every package in the lock file that this machine would build.
fn packages() -> Vec<(String, String)> {
    let here = run(Command::new("rustc").arg("-vV"));
    let host = here.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = run(Command::new(env!("CARGO")).current_dir(root()).args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]));
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |package: &serde_json::Value, key| package[key].as_str().unwrap_or_default().to_owned();
    packages.iter().map(|package| (text(package, "name"), text(package, "license"))).collect()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
