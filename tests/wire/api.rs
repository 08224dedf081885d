//! Asks a node's API, over a connection for each question.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peer::within;
use crate::running::Running;

impl Running {
    /// What is at a path below the account's.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (_, body) = self.http("GET", &format!("{}/{path}", self.account()), "").await;
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    /// How a call sounds, and the answer's status.
    pub(crate) async fn quality(&self, call: &str) -> (u16, Value) {
        let (status, body) = self.http("GET", &format!("/v1/calls/{call}/quality"), "").await;
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    /// Changes what is at a path below the account's.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Value {
        let (status, body) = self.http("POST", &format!("{}/{path}", self.account()), form).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }

    /// Asks for something to be made below the account's path; the status and what it says.
    pub(crate) async fn create(&self, path: &str, form: &str) -> (u16, Value) {
        let (status, body) = self.http("POST", &format!("{}/{path}", self.account()), form).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    /// Deletes what is at a path below the account's; the answer's status.
    pub(crate) async fn delete(&self, path: &str) -> u16 {
        self.http("DELETE", &format!("{}/{path}", self.account()), "").await.0
    }

    /// Asks for a whole path, with the main account's credentials; the status and what it says.
    pub(crate) async fn ask(&self, method: &str, path: &str, form: &str) -> (u16, Value) {
        let (status, body) = self.http(method, path, form).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    /// Waits until what is at a path has a value.
    pub(crate) async fn wait_for(&self, path: &str, field: &str, value: &str) -> Value {
        within(&format!("{field} {value} at {path}"), async {
            loop {
                let found = self.get(path).await;
                if found[field] == value {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }

    fn account(&self) -> String {
        format!("/2010-04-01/Accounts/{}", self.account_sid)
    }

    /// Calls that are on.
    pub(crate) async fn calls_in_progress(&self) -> usize {
        self.get("Calls.json?Status=in-progress").await["calls"].as_array().unwrap().len()
    }

    /// Waits until so many calls have a status.
    pub(crate) async fn wait_for_calls(&self, status: &str, count: usize) {
        within(&format!("{count} calls that are {status}"), async {
            let path = format!("Calls.json?Status={status}");
            while self.get(&path).await["calls"].as_array().unwrap().len() != count {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Ends all calls.
    pub(crate) async fn end_all_calls(&self) {
        for call in self.get("Calls.json?Status=in-progress").await["calls"].as_array().unwrap() {
            let sid = call["sid"].as_str().unwrap();
            let (status, answer) = self.create(&format!("Calls/{sid}.json"), "Status=completed").await;
            // One that has ended since it was listed is as it should be.
            assert!(status == 200 || answer["code"] == 21_220, "{status} {answer}");
        }
    }

    /// A figure of all media threads together: all lines that begin and end so.
    pub(crate) async fn figure(&self, name: &str, label: &str) -> f64 {
        let (_, figures) = self.http("GET", "/metrics", "").await;
        let lines = figures.lines().filter(|line| line.starts_with(name) && line.contains(label));
        let values: Vec<f64> = lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no {name} with {label} in:\n{figures}");
        values.iter().sum()
    }

    /// The credentials, as a header has them.
    pub(crate) fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.account_sid, self.auth_token)))
    }

    async fn http(&self, method: &str, path: &str, form: &str) -> (u16, String) {
        http(self.node.http, &self.authorization(), method, path, form).await
    }
}

/// Asks a node in words; its status, and its answer.
pub(crate) async fn http(
    node: SocketAddr,
    authorization: &str,
    method: &str,
    path: &str,
    form: &str,
) -> (u16, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut stream = TcpStream::connect(node).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer of the API", stream.read_to_string(&mut answer)).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, body.to_owned())
}
