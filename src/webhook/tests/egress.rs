//! The guard from outside: URLs as somebody might send them who wants to look into the node's own network. What is
//! asserted of each is which addresses were connected to.

use super::world::{ACCOUNT, World, script};
use crate::webhook::{Client, Cookies, FailureKind, Request};

const PUBLIC: &str = "93.184.215.14";

/// A world in which everything answers, so that only the guard stands between.
fn world() -> World {
    let world = World::default();
    world.name("localhost", &[&["127.0.0.1", "::1"]]);
    world.name("inside.example", &[&["10.1.2.3"]]);
    world.name("metadata.google.internal", &[&["169.254.169.254"]]);
    world.name("mixed.example", &[&[PUBLIC, "192.168.1.1"]]);
    world.name("six.example", &[&["fd00::1"]]);
    world.name("mapped.example", &[&["::ffff:127.0.0.1"]]);
    world.name("nobody.example", &[&[]]);
    world.name("127.0.0.1.nip.example", &[&["127.0.0.1"]]);
    world.name("xn--lcalhost-v3a", &[&["127.0.0.1"]]);
    world.name("xn--bcher-kva.example", &[&["10.0.0.9"]]);
    for inside in ["127.0.0.1:80", "10.1.2.3:80", "169.254.169.254:80", "[::1]:80", "0.0.0.0:80"] {
        world.http(inside, |_| async { script("<Inside/>") });
    }
    world
}

const REFUSED: [&str; 60] = [
    // plainly
    "http://127.0.0.1/",
    "http://127.0.0.1:8080/",
    "http://127.1.2.3/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.5.4/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "https://127.0.0.1/",
    // spelt in other ways
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.01/",
    "http://0x7f.1/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://3232235777/",
    // version 6
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2001::7f00:1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    // by name
    "http://localhost/",
    "http://LOCALHOST./",
    "http://inside.example/",
    "http://metadata.google.internal/",
    "http://mixed.example/",
    "http://six.example/",
    "http://mapped.example/",
    "http://127.0.0.1.nip.example/",
    // with something in front
    "http://93.184.215.14@127.0.0.1/",
    "http://93.184.215.14:80@localhost/#@93.184.215.14",
];

const BAD: [&str; 24] = [
    "http://93.184.215.14\\@127.0.0.1/",
    "http://93.184.215.14\\.localhost/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1",
    "http://127.0.0.1:0/",
    "http://93.184.215.14:0/",
    "http://93.184.215.14:99999/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://93.184.215.14\r\nHost: localhost/",
    "http://93.184.215.14/\u{0}",
    "http://127.0.\t0.1/",
    "http://local host/",
    "http://256.256.256.256/",
    "http://1.2.3.4.5/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "ftp://127.0.0.1/",
    "unix:/run/x.sock",
];

async fn outcome(client: &Client, url: &str) -> FailureKind {
    let request = Request::post(url, ACCOUNT, Vec::new());
    match client.fetch_script(&request, &mut Cookies::default()).await {
        Ok(_) => panic!("{url} was fetched"),
        Err(failure) => failure.kind,
    }
}

#[tokio::test(start_paused = true)]
async fn what_leads_inside_is_refused_before_anything_is_connected_to() {
    let world = world();
    let client = world.client();
    for url in REFUSED {
        assert_eq!(outcome(&client, url).await, FailureKind::Refused, "{url}");
        assert_eq!(world.connected(), [""; 0], "{url}");
    }
    assert_eq!(world.kinds(), vec![FailureKind::Refused; REFUSED.len()]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_plain_url_is_11100_before_anything_is_looked_up() {
    let world = world();
    let client = world.client();
    for url in BAD {
        let kind = outcome(&client, url).await;
        assert!(
            kind.code() == 11100 && world.lookups().is_empty() && world.connected().is_empty(),
            "{url}: {kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn names_in_other_alphabets_are_judged_by_their_address() {
    let world = world();
    let client = world.client();
    assert_eq!(outcome(&client, "http://bücher.example/").await, FailureKind::Refused);
    assert_eq!(outcome(&client, "http://lócalhost/").await, FailureKind::Refused);
    assert_eq!(world.connected(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_is_11210() {
    let client = world().client();
    for url in ["http://nobody.example/", "http://unheard.example/"] {
        let kind = outcome(&client, url).await;
        assert_eq!((kind.code(), kind), (11210, FailureKind::UnknownHost), "{url}");
    }
}

/// The name server says something public when it is asked first, and something private from then on.
#[tokio::test(start_paused = true)]
async fn a_name_that_changes_its_address_is_asked_once_and_connected_to_where_it_was_judged() {
    let world = world();
    world.name("rebound.example", &[&[PUBLIC], &["127.0.0.1"]]);
    world.http("93.184.215.14:80", |_| async { script("<Outside/>") });
    let client = world.client();
    let request = Request::post("http://rebound.example/", ACCOUNT, Vec::new());
    client.fetch_script(&request, &mut Cookies::default()).await.unwrap();
    assert_eq!((world.lookups().len(), world.connected()), (1, vec!["93.184.215.14:80".to_owned()]));
    assert_eq!(world.seen()[0].url, "http://rebound.example/");

    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let failure = client.fetch_script(&request, &mut Cookies::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!((world.lookups().len(), world.connected().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_the_same_name_is_judged_again() {
    let world = world();
    world.name("rebound.example", &[&[PUBLIC], &["127.0.0.1"]]);
    world.http("93.184.215.14:80", |_| async {
        let headers = [("location", "http://rebound.example/again"), ("connection", "close")];
        super::world::reply(302, &headers, "")
    });
    assert_eq!(outcome(&world.client(), "http://rebound.example/").await, FailureKind::Refused);
    assert_eq!(world.connected(), ["93.184.215.14:80"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_allows_is_reached() {
    let world = world();
    let client = world.client_allowed("127.0.0.0/8,10.0.0.0/8", None);
    for (url, is_reached) in [
        ("http://127.0.0.1/", true),
        ("http://inside.example/", true),
        ("http://localhost/", false),
        ("http://169.254.169.254/", false),
    ] {
        let request = Request::post(url, ACCOUNT, Vec::new());
        let fetched = client.fetch_script(&request, &mut Cookies::default()).await;
        assert_eq!(fetched.is_ok(), is_reached, "{url}");
    }
}
