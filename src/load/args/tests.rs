//! The command line of the load tester: what makes a plan, and what is refused.

use clap::Parser;

use super::*;
use crate::load::plan::LegNumber;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    load: LoadArgs,
}

fn parse(line: &str) -> Result<LoadArgs, clap::Error> {
    Cli::try_parse_from(line.split_ascii_whitespace()).map(|cli| cli.load)
}

#[test]
fn defaults_make_a_plan() {
    let args = parse("load --spawn").unwrap();
    let plan = args.plan().unwrap();
    assert_eq!((plan.legs(), plan.conferences(), plan.talkers_each()), (10, 1, 3));
    assert_eq!((plan.ramp(), plan.codecs()), (50, &[Codec::Pcmu][..]));
    assert!(plan.suites().is_empty());
}

#[test]
fn either_a_target_or_a_spawned_node() {
    assert!(parse("load").is_err());
    assert!(parse("load --spawn --target 127.0.0.1:5060").is_err());
    assert!(parse("load --target 127.0.0.1:5060 --codec pcma").is_ok());
    assert!(parse("load --spawn --codec speex").is_err());
    assert!(parse("load --target 127.0.0.1:5060 --api 127.0.0.1:8080").is_err());
    let asked = parse("load --target 127.0.0.1:5060 --api 127.0.0.1:8080 --auth AC1:2").unwrap().node_api();
    assert!(asked.is_some_and(|api| !format!("{api:?}").contains("AC1")));
}

#[test]
fn legs_of_a_conference_alternate_among_the_codecs() {
    let plan = parse("load --spawn --legs 6 --conferences 2 --codec opus,pcmu,g722").unwrap().plan().unwrap();
    let codecs: Vec<_> = (0..6).map(|leg| plan.codec_of(LegNumber(leg)).name()).collect();
    assert_eq!(codecs, ["opus", "PCMU", "PCMU", "G722", "G722", "opus"]);
}

#[test]
fn browsers_are_some_of_the_legs_and_are_not_in_what_has_none() {
    let plan = parse("load --spawn --legs 6 --browser 3 --codec pcmu,g722 --srtp").unwrap().plan().unwrap();
    let codecs: Vec<_> = (0..6).map(|leg| plan.codec_of(LegNumber(leg)).name()).collect();
    assert_eq!(codecs, ["opus", "PCMU", "opus", "G722", "opus", "PCMU"]);
    for line in [
        "load --spawn --browser 2 --reflect-baseline",
        "load --spawn --browser 2 --scenario floor",
        "load --spawn --browser 2 --streams 8",
    ] {
        let refusal = parse(line).unwrap_err().to_string();
        assert!(refusal.contains("--browser"), "{refusal}");
    }
}

#[test]
fn a_suite_alone_asks_for_srtp() {
    let suites = |line| parse(line).unwrap().plan().unwrap().suites().to_vec();
    assert_eq!(suites("load --spawn --srtp").len(), 2);
    assert_eq!(suites("load --spawn --srtp-suite AEAD_AES_128_GCM"), [Suite::AeadAes128Gcm]);
}

#[tokio::test]
async fn a_target_that_is_no_address_is_refused_by_name() {
    let problem = resolve("127.0.0.1").await.unwrap_err();
    assert!(problem.contains("--target") && problem.contains("127.0.0.1"), "{problem}");
    assert_eq!(resolve("127.0.0.1:5060").await, Ok("127.0.0.1:5060".parse().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_done_exits_with_2() {
    let codes = |line: &str| run(parse(line).unwrap());
    let usage = format!("{:?}", ExitCode::from(EXIT_USAGE));
    for line in [
        "load --spawn --legs 0",
        "load --spawn --legs 4 --talkers 5",
        "load --target nowhere --legs 1 --talkers 1",
        "load --spawn --json /nowhere/at/all.json",
        "load --target 127.0.0.1:9 --api 127.0.0.1:8080 --auth token",
        "load --target 127.0.0.1:9 --legs 4 --browser 2",
        "load --spawn --legs 4 --browser 5",
        "load --spawn --legs 4 --browser 2 --network mobile",
    ] {
        assert_eq!(format!("{:?}", codes(line).await.unwrap()), usage, "{line}");
    }
}

#[test]
fn a_scenario_is_planned_and_has_no_options_that_it_does_not_heed() {
    let plan = |line| parse(line).unwrap().scenario_plan();
    assert!(plan("load --spawn").is_none());
    assert!(plan("load --spawn --scenario floor --legs 8 --seed 7").unwrap().is_ok());
    assert!(plan("load --spawn --scenario churn --churn 20 --conferences 8").unwrap().is_ok());
    assert!(plan("load --spawn --scenario churn").unwrap().is_ok());
    assert!(plan("load --spawn --scenario record --legs 250 --seconds 60").unwrap().is_ok());
    assert!(plan("load --spawn --scenario churn --churn 200 --conferences 2").unwrap().is_err());
    assert!(plan("load --spawn --scenario floor --legs 3").unwrap().is_err());
    assert!(parse("load --spawn --scenario floor --loss 5%").is_err());
    assert!(parse("load --spawn --scenario leak --talkers 3").is_err());
    assert!(parse("load --spawn --churn 80").is_err());
}

#[test]
fn streams_are_a_scenario_with_options_of_their_own() {
    let plan = |line| parse(line).unwrap().scenario_plan().unwrap();
    assert!(plan("load --spawn --streams 500 --seconds 60 --seed 3").is_ok());
    assert!(plan("load --spawn --streams 8 --streams-talking 2 --streams-misbehaving 12").is_ok());
    assert!(plan("load --spawn --streams 8 --streams-talking 3").unwrap_err().contains("--streams-talking"));
    assert!(plan("load --spawn --streams 8 --codec opus").unwrap_err().contains("--codec"));
    assert!(plan("load --spawn --streams 0").unwrap_err().contains("--streams"));
    for line in [
        "load --spawn --streams-talking 3",
        "load --spawn --streams 8 --legs 8",
        "load --spawn --streams 8 --scenario floor",
        "load --spawn --streams 8 --loss 5%",
        "load --spawn --scenario streams",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
